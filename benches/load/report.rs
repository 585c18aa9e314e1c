//! What a run found, for people (one figure a line) or for scripts (one JSON object).

use crate::histogram::Histogram;
use crate::server::Cost;
use serde_json::{Map, Value, json};

/// Named figures in the order they were found.
pub struct Report {
    figures: Vec<(String, Value)>,
}

impl Report {
    pub fn new(mode: &str, target: &str) -> Self {
        Self { figures: vec![("mode".into(), json!(mode)), ("target".into(), json!(target))] }
    }

    pub fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.push((name.to_owned(), value.into()));
    }

    /// A figure with fractions, as far as they mean anything.
    pub fn put_rounded(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.put(name, (value * 1_000.0).round() / 1_000.0);
        }
    }

    /// So many in a window, and what each of them cost.
    pub fn put_work(&mut self, what: &str, count: u64, cost: Cost) {
        self.put(what, count);
        self.put_rounded("seconds", Some(cost.wall.as_secs_f64()));
        self.put(&format!("{what}_per_second"), (count as f64 / cost.wall.as_secs_f64()).round() as u64);
        self.put_rounded("server_cpu_us_each", cost.cpu_us_each(count));
        self.put_rounded("server_cpu_share", cost.cpu_share());
        self.put_rounded("load_cpu_share", cost.own_cpu_share());
    }

    pub fn put_times(&mut self, of: &str, times: &Histogram) {
        let us = |d: std::time::Duration| Some(d.as_nanos() as f64 / 1_000.0);
        self.put(&format!("{of}_count"), times.total());
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
            self.put_rounded(&format!("{of}_{name}_us"), us(times.quantile(share)));
        }
        self.put_rounded(&format!("{of}_max_us"), us(times.greatest()));
    }

    pub fn print(&self, as_json: bool) {
        if as_json {
            let map: Map<String, Value> = self.figures.iter().cloned().collect();
            println!("{}", Value::Object(map));
        } else {
            for (name, value) in &self.figures {
                println!("{name:>28}  {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            }
        }
    }
}
