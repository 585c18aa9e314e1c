//! What a server counts, read as Prometheus reads it.

use super::Api;
use std::net::SocketAddr;

pub struct Metrics(String);

impl Metrics {
    pub fn read(admin: SocketAddr) -> Self {
        let reply = Api::connect(admin).get("/metrics");
        assert_eq!(reply.status, 200);
        Self(String::from_utf8(reply.body).unwrap())
    }

    /// Whether there is a series of this name whose labels contain `label`.
    #[allow(dead_code, reason = "a node alone has no partitions")]
    pub fn has(&self, name: &str, label: &str) -> bool {
        self.series().any(|(known, labels, _)| known == name && labels.contains(label))
    }

    /// All series of this name whose labels contain `label`, together.
    pub fn sum(&self, name: &str, label: &str) -> f64 {
        let of = self.series().filter(|(known, labels, _)| *known == name && labels.contains(label));
        of.map(|(_, _, value)| value.parse::<f64>().unwrap()).sum()
    }

    /// Name, labels and value of each.
    fn series(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            Some((name, labels, value))
        })
    }
}
