//! `/metrics`, read as a scraper does.

/// One scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Vec<(String, f64)>);

impl Metrics {
    /// Reads the text format.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Self(
            lines
                .map(|line| {
                    let (series, value) = line.rsplit_once(' ').unwrap();
                    (series.to_owned(), value.parse().unwrap())
                })
                .collect(),
        )
    }

    /// The sum over all series of that name that carry all of these labels, as in `reason="too_large"`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let fits = |series: &str| {
            let rest = series.strip_prefix(name)?;
            let labelled = rest.is_empty() || rest.starts_with('{');
            (labelled && labels.iter().all(|label| rest.contains(label))).then_some(())
        };
        self.0.iter().filter(|(series, _)| fits(series).is_some()).map(|(_, value)| value).sum()
    }

    /// Refusals for that reason.
    pub fn refusals(&self, reason: &str) -> f64 {
        self.sum("corepost_refusals_total", &[&format!("reason=\"{reason}\"")])
    }

    /// Drops for that reason.
    pub fn drops(&self, reason: &str) -> f64 {
        self.sum("corepost_drops_total", &[&format!("reason=\"{reason}\"")])
    }

    /// Turns over 50 ms that were so by what they did.
    pub fn late(&self) -> f64 {
        self.sum("corepost_core_late_turns_total", &["cause=\"own\""])
    }

    /// Turns over 250 ms, for whatever reason.
    pub fn turns_over_quarter_second(&self) -> f64 {
        let within = self.sum("corepost_core_turn_seconds_bucket", &["le=\"0.25\""]);
        self.sum("corepost_core_turn_seconds_count", &[]) - within
    }

    /// What there is of that name, for a message.
    pub fn show(&self, name: &str) -> String {
        let fits = self.0.iter().filter(|(series, value)| series.starts_with(name) && *value != 0.0);
        fits.map(|(series, value)| format!("{series} {value}\n")).collect()
    }
}
