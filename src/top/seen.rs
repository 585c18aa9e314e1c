//! What is known of one node: its newest answer, and the one before it.

use super::Scrape;

/// An answer, and when it came.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Monotonic milliseconds.
    pub at_ms: u64,
    /// What it says.
    pub scrape: Scrape,
}

/// A node, as it is seen from outside.
#[derive(Clone, Debug)]
pub struct Seen {
    /// How it is called: where it was asked.
    pub name: String,
    before: Option<Reading>,
    now: Option<Reading>,
    trouble: Option<String>,
}

impl Seen {
    /// Nothing was heard of it yet.
    pub fn new(name: String) -> Self {
        Self { name, before: None, now: None, trouble: None }
    }

    /// It has answered, or not, and why.
    pub fn hear(&mut self, answer: Result<Reading, String>) {
        match answer {
            Ok(reading) => {
                self.before = self.now.replace(reading);
                self.trouble = None;
            }
            Err(why) => {
                // Whoever answers again begins anew: what lies between two answers far apart is no present.
                (self.before, self.now) = (None, None);
                self.trouble = Some(why);
            }
        }
    }

    /// Its newest answer.
    pub fn newest(&self) -> Option<&Scrape> {
        Some(&self.now.as_ref()?.scrape)
    }

    /// Why there is none, when it was asked.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// How much a counter grows in a second. `None`: it is not told, or it was told once only, or began anew.
    pub fn rate(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let (before, now) = (self.before.as_ref()?, self.now.as_ref()?);
        let grown = now.scrape.sum(name, labels)? - before.scrape.sum(name, labels)?;
        let ms = now.at_ms.saturating_sub(before.at_ms);
        (grown >= 0.0 && ms > 0).then(|| grown * 1_000.0 / ms as f64)
    }

    /// The bound that `share` of the observations between both answers were not above. `None`: there were none.
    pub fn quantile(&self, name: &str, labels: &[(&str, &str)], share: f64) -> Option<f64> {
        let (before, now) = (self.before.as_ref()?, self.now.as_ref()?);
        let old = before.scrape.histogram(name, labels);
        let grown: Vec<(f64, f64)> = now
            .scrape
            .histogram(name, labels)
            .into_iter()
            .map(|(bound, count)| {
                let known = old.iter().find(|(old, _)| *old == bound);
                (bound, count - known.map_or(0.0, |(_, count)| *count))
            })
            .collect();
        let all = grown.last()?.1;
        if all <= 0.0 {
            return None;
        }
        grown.into_iter().find(|(_, count)| *count >= all * share).map(|(bound, _)| bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at_ms: u64, text: &str) -> Result<Reading, String> {
        Ok(Reading { at_ms, scrape: Scrape::parse(text).unwrap() })
    }

    #[test]
    fn a_rate_needs_two_answers_of_one_process() {
        let mut seen = Seen::new("a".into());
        let mut rate = |answer| {
            seen.hear(answer);
            seen.rate("n", &[])
        };
        assert_eq!(rate(reading(0, "n 10")), None);
        assert_eq!(rate(reading(500, "n 20")), Some(20.0));
        assert_eq!(rate(reading(1_500, "n 3")), None, "it began anew");
        assert_eq!(rate(Err("away".into())), None);
        assert_eq!(rate(reading(2_500, "n 9")), None, "the first since it was away");
        assert_eq!(rate(reading(2_500, "n 10")), None, "two answers at once");
    }

    #[test]
    fn a_quantile_is_of_what_came_between_two_answers() {
        let text = |counts: [u32; 3]| {
            let [a, b, c] = counts;
            format!("h_bucket{{le=\"0.1\"}} {a}\nh_bucket{{le=\"0.5\"}} {b}\nh_bucket{{le=\"+Inf\"}} {c}")
        };
        let mut seen = Seen::new("a".into());
        seen.hear(reading(0, &text([100, 100, 100])));
        seen.hear(reading(1_000, &text([150, 199, 200])));
        let quantile = |share| seen.quantile("h", &[], share);
        assert_eq!([0.5, 0.99, 1.0].map(quantile), [Some(0.1), Some(0.5), Some(f64::INFINITY)]);
        seen.hear(reading(2_000, &text([150, 199, 200])));
        assert_eq!(seen.quantile("h", &[], 0.5), None, "nothing came");
    }
}
