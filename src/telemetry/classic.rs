//! Prometheus' older text format, for those who do not ask for OpenMetrics: `promtool check metrics` and old scrapers.
//!
//! The samples are the same. What differs is the comments: the older format names a counter by its samples (with `_total`),
//! knows no infos and no units, and has no end mark.

/// `text`, in the format of OpenMetrics, in the older one.
pub fn of_open_metrics(text: &str) -> String {
    let mut classic = String::with_capacity(text.len() + 1024);
    let mut help = None;
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|typed| typed.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some((_, help)) = help.take().filter(|(described, _)| *described == name) {
                push(&mut classic, &["# HELP ", name, suffix, " ", help, "\n"]);
            }
            push(&mut classic, &["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            push(&mut classic, &[line, "\n"]);
        }
    }
    classic
}

fn push(text: &mut String, parts: &[&str]) {
    text.extend(parts.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_infos_are_named_by_their_samples() {
        let open = "# HELP a Counts.\n# TYPE a counter\na_total{x=\"# TYPE\"} 3\n# HELP b What.\n# TYPE b info\n\
                    b_info{v=\"1\"} 1\n# HELP c_bytes Size.\n# TYPE c_bytes gauge\n# UNIT c_bytes bytes\nc_bytes 2\n# EOF\n";
        let classic = "# HELP a_total Counts.\n# TYPE a_total counter\na_total{x=\"# TYPE\"} 3\n# HELP b_info What.\n\
                       # TYPE b_info gauge\nb_info{v=\"1\"} 1\n# HELP c_bytes Size.\n# TYPE c_bytes gauge\nc_bytes 2\n";
        assert_eq!(of_open_metrics(open), classic);
    }
}
