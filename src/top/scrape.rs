//! One answer of `/metrics`, to be asked by name and label.
//!
//! Source: Prometheus' text exposition format 0.0.4, as far as a node writes it: no timestamps, no exemplars.

use std::collections::BTreeMap;
use std::fmt;

/// The series of one answer. As large as the answer, which whoever fetches it bounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scrape {
    series: BTreeMap<String, Vec<Series>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Series {
    labels: Vec<(String, String)>,
    value: f64,
}

/// The answer is something else than metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotMetrics {
    /// The first line that is none, from 1.
    pub line: usize,
}

impl fmt::Display for NotMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the answer is no metric; is this a node's --admin address?", self.line)
    }
}

impl Scrape {
    /// Reads an answer.
    pub fn parse(text: &str) -> Result<Self, NotMetrics> {
        let mut scrape = Self::default();
        for (at, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, series) = parse_series(line).ok_or(NotMetrics { line: at + 1 })?;
            scrape.series.entry(name.to_owned()).or_default().push(series);
        }
        Ok(scrape)
    }

    /// All series of this name that have these labels, together. `None`: there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.of(name, labels).map(|series| series.value).reduce(|a, b| a + b)
    }

    /// The values of a label in the series of this name, in their order as text.
    pub fn label_values(&self, name: &str, label: &str) -> Vec<&str> {
        let mut values: Vec<&str> = self.of(name, &[]).filter_map(|series| series.label(label)).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    /// A histogram: how many observations were at most so much, by rising bounds. Of all its series that have these labels.
    pub fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Vec<(f64, f64)> {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        let name = format!("{name}_bucket");
        let rows = self
            .of(&name, labels)
            .filter_map(|series| Some((series.label("le")?.parse::<f64>().ok()?, series.value)));
        for (bound, count) in rows {
            match buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, sum)) => *sum += count,
                None => buckets.push((bound, count)),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets
    }

    fn of<'a>(&'a self, name: &str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Series> {
        let all = self.series.get(name).map_or(&[][..], Vec::as_slice);
        all.iter().filter(|series| labels.iter().all(|(name, value)| series.label(name) == Some(value)))
    }
}

impl Series {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// `name{label="value",…} 1.5`
fn parse_series(line: &str) -> Option<(&str, Series)> {
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = parse_label(rest)?;
            labels.push(label);
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ')?.parse().ok()?;
    (!name.is_empty()).then_some((name, Series { labels, value }))
}

/// `name="value"`, and what follows it.
fn parse_label(text: &str) -> Option<((String, String), &str)> {
    let (name, quoted) = text.split_once("=\"")?;
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    loop {
        match chars.next()? {
            (at, '"') => return Some(((name.to_owned(), value), &quoted[at + 1..])),
            (_, '\\') => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            (_, other) => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_writes_is_read() {
        for golden in
            [include_str!("../admin/metrics_golden.txt"), include_str!("../admin/metrics_golden_cluster.txt")]
        {
            let scrape = Scrape::parse(golden).unwrap();
            let lines = golden.lines().filter(|line| !line.starts_with('#')).count();
            assert_eq!(scrape.series.values().map(Vec::len).sum::<usize>(), lines);
        }
        let scrape = Scrape::parse(include_str!("../admin/metrics_golden.txt")).unwrap();
        assert_eq!(scrape.sum("corepost_messages_received_total", &[]), Some(30.0));
        assert_eq!(scrape.sum("corepost_messages_received_total", &[("class", "durable")]), Some(10.0));
        assert_eq!(scrape.sum("corepost_nothing", &[]), None);
        assert_eq!(scrape.label_values("corepost_build_info", "driver"), ["say \"epoll\"\\\n"]);
        let buckets = scrape.histogram("corepost_end_to_end_seconds", &[("stage", "ack")]);
        assert_eq!((buckets.first().unwrap().1, buckets.last().unwrap()), (0.0, &(f64::INFINITY, 1.0)));
    }

    #[test]
    fn what_is_no_metric_is_told_by_its_line() {
        for text in ["<html>", "a 1\nb{c=\"d\" 1", "a", "a{b=\"c\"}1", "{} 1", "a{b=\"c\\", "a one"] {
            let line = text.lines().count();
            assert_eq!(Scrape::parse(text), Err(NotMetrics { line }), "{text}");
        }
    }
}
