//! The reports as Prometheus text 0.0.4, made anew at each scrape: nothing is registered and nothing is kept.

use super::families::{FAMILIES, Family, Kind, MICROS, Series, Value};
use super::{CLUSTER_FAMILIES, Reports};
use crate::counters::Histogram;
use prometheus::TextEncoder;
use prometheus::proto::{self, Metric, MetricFamily, MetricType};
use std::borrow::Cow;

/// The whole text, `build` being the labels of `corepost_build_info`.
pub fn render(reports: &Reports, build: &[(&'static str, String)]) -> String {
    let families: Vec<MetricFamily> = FAMILIES
        .iter()
        .chain(CLUSTER_FAMILIES)
        .map(|family| read(family, reports))
        // A family without series is an error to the encoder: such are there before the first core has answered, and
        // where there is no cluster.
        .filter(|family| !family.get_metric().is_empty())
        .chain([build_info(build)])
        .collect();
    TextEncoder::new().encode_to_string(&families).expect("each family has a name and a series")
}

fn read(family: &Family, reports: &Reports) -> MetricFamily {
    let mut series = Series::default();
    (family.read)(reports, &mut series);
    let metrics = series.0.into_iter().map(|(labels, value)| metric(family, &labels, value)).collect();
    assemble(family.name, family.help, kind_of(family.kind), metrics)
}

fn metric(family: &Family, labels: &[Cow<'static, str>], value: Value) -> Metric {
    assert_eq!(labels.len(), family.labels.len(), "{} has a value for each label", family.name);
    let pairs = family.labels.iter().zip(labels).filter(|(_, value)| !value.is_empty());
    let mut metric = Metric::from_label(pairs.map(|(name, value)| label(name, value)).collect());
    match (family.kind, value) {
        (Kind::Counter, Value::Number(number)) => {
            let mut counter = proto::Counter::default();
            counter.set_value(number);
            metric.set_counter(counter);
        }
        (Kind::Gauge, Value::Number(number)) => metric.set_gauge(gauge(number)),
        (Kind::Sizes, Value::Histogram(counts)) => metric.set_histogram(histogram(&counts, 1.0)),
        (Kind::Seconds, Value::Histogram(counts)) => metric.set_histogram(histogram(&counts, MICROS)),
        _ => unreachable!("{} is read as another kind than it is", family.name),
    }
    metric
}

fn kind_of(kind: Kind) -> MetricType {
    match kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Sizes | Kind::Seconds => MetricType::HISTOGRAM,
    }
}

fn histogram(counts: &Histogram, per_unit: f64) -> proto::Histogram {
    let bucket = |(bound, below)| {
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(bound as f64 / per_unit);
        bucket.set_cumulative_count(below);
        bucket
    };
    let mut histogram = proto::Histogram::default();
    histogram.set_bucket(counts.cumulative().map(bucket).collect());
    histogram.set_sample_count(counts.count());
    histogram.set_sample_sum(counts.sum() as f64 / per_unit);
    histogram
}

fn gauge(number: f64) -> proto::Gauge {
    let mut gauge = proto::Gauge::default();
    gauge.set_value(number);
    gauge
}

fn label(name: &str, value: &str) -> proto::LabelPair {
    let mut pair = proto::LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

fn build_info(build: &[(&'static str, String)]) -> MetricFamily {
    let mut metric = Metric::from_label(build.iter().map(|(name, value)| label(name, value)).collect());
    metric.set_gauge(gauge(1.0));
    assemble("corepost_build_info", "Always 1; its labels say what runs.", MetricType::GAUGE, vec![metric])
}

fn assemble(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
