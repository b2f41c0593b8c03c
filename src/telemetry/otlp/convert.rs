//! From the text of OpenMetrics, as this program writes it, to OTLP: so there is one set of metrics, and one reading of it.
//!
//! Counters become monotonic sums, counted from the start of the process; infos become gauges. What can't be read is left out: a test
//! holds this against all that a relay shows.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum, metric::Data,
        number_data_point,
    },
};

/// A label or an attribute of a resource.
pub fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

/// All metrics in `text`, counted since `start` and read at `now`, in nanoseconds since 1970.
pub fn of_open_metrics(text: &str, start: u64, now: u64) -> Vec<Metric> {
    let mut metrics = Vec::new();
    let mut family: Option<Family<'_>> = None;
    let mut help = "";
    for line in text.lines() {
        if let Some((_, described)) = line.strip_prefix("# HELP ").and_then(|described| described.split_once(' ')) {
            help = described;
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|typed| typed.split_once(' ')) {
            metrics.extend(family.take().and_then(|family| family.metric(start, now)));
            family = Some(Family { name, kind, help, samples: Vec::new() });
        } else if let Some((family, sample)) = family.as_mut().zip(Sample::read(line)) {
            family.samples.push(sample);
        }
    }
    metrics.extend(family.and_then(|family| family.metric(start, now)));
    metrics
}

struct Family<'t> {
    name: &'t str,
    kind: &'t str,
    help: &'t str,
    samples: Vec<Sample<'t>>,
}

struct Sample<'t> {
    name: &'t str,
    labels: Vec<(&'t str, String)>,
    value: f64,
}

impl<'t> Sample<'t> {
    /// `name{label="value",...} value`, without a time and with nothing after it but an exemplar.
    fn read(line: &'t str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(end);
        let mut labels = Vec::new();
        if let Some(mut inside) = rest.strip_prefix('{') {
            while !inside.starts_with('}') {
                let (label, quoted) = inside.split_once("=\"")?;
                let (value, after) = unquoted(quoted)?;
                labels.push((label, value));
                inside = after.strip_prefix(',').unwrap_or(after);
            }
            rest = &inside[1..];
        }
        let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
        Some(Self { name, labels, value })
    }

    fn attributes(&self) -> impl Iterator<Item = KeyValue> {
        self.labels.iter().filter(|(name, _)| *name != "le").map(|(name, value)| attribute(name, value))
    }
}

/// A label's value, up to its closing quote, and what comes after that.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

impl Family<'_> {
    fn metric(self, start: u64, now: u64) -> Option<Metric> {
        let cumulative = AggregationTemporality::Cumulative.into();
        let (name, data) = match self.kind {
            "counter" => {
                let data_points = self.numbers(start, now);
                (
                    self.name.to_owned(),
                    Data::Sum(Sum { data_points, aggregation_temporality: cumulative, is_monotonic: true }),
                )
            }
            "gauge" => (self.name.to_owned(), Data::Gauge(Gauge { data_points: self.numbers(0, now) })),
            "info" => (format!("{}_info", self.name), Data::Gauge(Gauge { data_points: self.numbers(0, now) })),
            "histogram" => {
                let data_points = self.histograms(start, now);
                (self.name.to_owned(), Data::Histogram(Histogram { data_points, aggregation_temporality: cumulative }))
            }
            _ => return None,
        };
        Some(Metric { name, description: self.help.to_owned(), data: Some(data), ..Metric::default() })
    }

    fn numbers(&self, start: u64, now: u64) -> Vec<NumberDataPoint> {
        let point = |sample: &Sample<'_>| NumberDataPoint {
            attributes: sample.attributes().collect(),
            start_time_unix_nano: start,
            time_unix_nano: now,
            value: Some(number_data_point::Value::AsDouble(sample.value)),
            ..NumberDataPoint::default()
        };
        self.samples.iter().map(point).collect()
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are written as whole numbers")]
    fn histograms(&self, start: u64, now: u64) -> Vec<HistogramDataPoint> {
        let mut points: BTreeMap<Vec<(&str, &str)>, HistogramDataPoint> = BTreeMap::new();
        for sample in &self.samples {
            let labels = sample.labels.iter().filter(|(name, _)| *name != "le");
            let key = labels.map(|(name, value)| (*name, value.as_str())).collect();
            let point = points.entry(key).or_insert_with(|| HistogramDataPoint {
                attributes: sample.attributes().collect(),
                start_time_unix_nano: start,
                time_unix_nano: now,
                ..HistogramDataPoint::default()
            });
            match sample.name.strip_prefix(self.name) {
                Some("_sum") => point.sum = Some(sample.value),
                Some("_count") => point.count = sample.value as u64,
                Some("_bucket") => {
                    let bound = sample.labels.iter().find(|(name, _)| *name == "le").map(|(_, bound)| bound.as_str());
                    // Buckets come in order, each with all that is in those before it.
                    let before: u64 = point.bucket_counts.iter().sum();
                    point.bucket_counts.push((sample.value as u64).saturating_sub(before));
                    point
                        .explicit_bounds
                        .extend(bound.and_then(|bound| bound.parse().ok()).filter(|b: &f64| b.is_finite()));
                }
                _ => {}
            }
        }
        points.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP a Counts.\n# TYPE a counter\na_total{x=\"q\\\"b\\\\s\\nn,}\",y=\"\"} 3\n# HELP b What.\n\
                        # TYPE b info\nb_info{v=\"1\"} 1\n# HELP g Size.\n# TYPE g gauge\ng 2.5\n# HELP h Time.\n\
                        # TYPE h histogram\nh_sum{e=\"1\"} 4.5\nh_count{e=\"1\"} 7\nh_bucket{le=\"0.5\",e=\"1\"} 2\n\
                        h_bucket{le=\"1.0\",e=\"1\"} 6\nh_bucket{le=\"+Inf\",e=\"1\"} 7\n# EOF\n";

    #[test]
    fn all_kinds_are_carried_over() {
        let metrics = of_open_metrics(TEXT, 5, 9);
        let names: Vec<_> = metrics.iter().map(|metric| (metric.name.as_str(), metric.description.as_str())).collect();
        assert_eq!(names, [("a", "Counts."), ("b_info", "What."), ("g", "Size."), ("h", "Time.")]);
        let Some(Data::Sum(sum)) = &metrics[0].data else { panic!("{:?}", metrics[0]) };
        assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
        let point = &sum.data_points[0];
        assert_eq!(point.attributes, [attribute("x", "q\"b\\s\nn,}"), attribute("y", "")]);
        assert_eq!(point.value, Some(number_data_point::Value::AsDouble(3.0)));
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (5, 9));
        let Some(Data::Histogram(histogram)) = &metrics[3].data else { panic!("{:?}", metrics[3]) };
        let point = &histogram.data_points[0];
        assert_eq!((point.count, point.sum), (7, Some(4.5)));
        assert_eq!((&point.bucket_counts[..], &point.explicit_bounds[..]), (&[2, 4, 1][..], &[0.5, 1.0][..]));
        assert_eq!(point.attributes, [attribute("e", "1")]);
    }
}
