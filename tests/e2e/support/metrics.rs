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

    /// All series of this name whose labels contain `label`, together.
    pub fn sum(&self, name: &str, label: &str) -> f64 {
        let of = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (known, labels) = series.split_once('{').unwrap_or((series, ""));
            (known == name && labels.contains(label)).then(|| value.parse::<f64>().unwrap())
        };
        self.0.lines().filter(|line| !line.starts_with('#')).filter_map(of).sum()
    }
}
