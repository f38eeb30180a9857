//! Prometheus' text format, as far as its samples go.
//!
//! Like Prometheus itself it takes a text whole or not at all: a line that is none tells that something else answered.

use crate::observe::sample::{Labels, Metric, Sample};

/// Where a text is none of Prometheus'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotExposition {
    /// Line, counted from one.
    pub line: usize,
}

/// Gives every sample of the metrics that are read.
pub fn read(text: &[u8], mut each: impl FnMut(Sample)) -> Result<(), NotExposition> {
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let bad = NotExposition { line: index + 1 };
        let line = str::from_utf8(line).map_err(|_| bad)?.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Line::Read(sample) = parsed(line).ok_or(bad)? {
            each(sample);
        }
    }
    Ok(())
}

/// A line that holds a sample.
enum Line {
    /// Of a metric that is read.
    Read(Sample),
    /// Of another one.
    PassedOver,
}

/// One line: `name{label="value",…} value [timestamp]`. None where it is no sample.
fn parsed(line: &str) -> Option<Line> {
    let (name, rest) = name(line)?;
    let metric = Metric::named(name);
    let mut labels = Labels::default();
    let rest = match rest.trim_start().strip_prefix('{') {
        Some(inside) => labels_of(inside, metric.is_some().then_some(&mut labels))?,
        None => rest,
    };
    let mut fields = rest.split_ascii_whitespace();
    let value: f64 = fields.next()?.parse().ok()?;
    let timestamp = fields.next().map(str::parse::<f64>);
    if fields.next().is_some() || timestamp.is_some_and(|time| time.is_err()) {
        return None;
    }
    Some(metric.map_or(Line::PassedOver, |metric| Line::Read(Sample { metric, labels, value })))
}

/// A name, and what follows it.
fn name(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let begins_well = text.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    (end > 0 && begins_well).then(|| text.split_at(end))
}

/// Reads labels up to the closing brace and gives what follows it. Values go where `labels` has a place for them; the
/// others are passed over as they stand.
fn labels_of<'a>(mut text: &'a str, mut labels: Option<&mut Labels>) -> Option<&'a str> {
    loop {
        text = text.trim_start();
        if let Some(rest) = text.strip_prefix('}') {
            return Some(rest);
        }
        let (label, rest) = name(text)?;
        let rest = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
        let end = closing_quote(rest)?;
        if let Some(place) = labels.as_deref_mut().and_then(|labels| labels.place(label)) {
            *place = Some(unescaped(&rest[..end]));
        }
        text = rest[end + 1..].trim_start();
        if let Some(rest) = text.strip_prefix(',') {
            text = rest;
        } else if !text.starts_with('}') {
            return None;
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            (_, Some('n')) => plain.push('\n'),
            (_, Some(escaped)) => plain.push(escaped),
            (c, None) => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Latency;
    use proptest::prelude::*;

    fn samples(text: &str) -> Result<Vec<Sample>, NotExposition> {
        let mut samples = Vec::new();
        read(text.as_bytes(), |sample| samples.push(sample)).map(|()| samples)
    }

    #[test]
    fn a_real_answer_is_read() {
        let text = concat!(
            "# HELP litellm_in_flight_requests Number of requests\n",
            "# TYPE litellm_in_flight_requests gauge\n",
            "litellm_in_flight_requests 1.0\n",
            "litellm_proxy_total_requests_metric_total{end_user=\"None\",requested_model=\"mock-gpt\",",
            "route=\"/v1/chat/completions\",status_code=\"200\",user_email=\"a@b.example\"} 2.0\n",
            "litellm_request_total_latency_metric_bucket{le=\"+Inf\",model=\"x\"} 3.0 1795500000000\n",
            "python_gc_objects_collected_total{generation=\"0\"} 1.53e+04\n\n",
        );
        let samples = samples(text).unwrap();
        assert_eq!(samples.len(), 3);
        assert_eq!((samples[0].metric, samples[0].value), (Metric::InFlight, 1.0));
        let labels = Labels {
            route: Some("/v1/chat/completions".into()),
            status_code: Some("200".into()),
            requested_model: Some("mock-gpt".into()),
            ..Labels::default()
        };
        assert_eq!(samples[1], Sample { metric: Metric::Requests, labels, value: 2.0 });
        assert_eq!(samples[2].metric, Metric::Bucket(Latency::Total));
        assert_eq!(samples[2].labels.le.as_deref(), Some("+Inf"));
    }

    #[test]
    fn what_is_not_prometheus_is_refused_with_its_line() {
        for text in [
            "<html>\n<body>Hello</body></html>",
            "{\"detail\":\"Not Found\"}",
            "name",
            "name nan more stuff",
            "name{a=\"b\" 1",
            "name{a=\"b} 1",
            "name{a=b} 1",
            "name{a=\"b\"c=\"d\"} 1",
            "9name 1",
            "name one",
        ] {
            assert_eq!(samples(&format!("up 1\n{text}")), Err(NotExposition { line: 2 }), "{text}");
        }
        assert_eq!(read(b"\xff\xfe 1", |_| {}), Err(NotExposition { line: 1 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&text, |_| {});
        }

        #[test]
        fn almost_a_sample_is_read_or_refused(text in "(litellm_in_flight_requests|a)[{}\"\\\\=,a-z 0-9é\n]{0,40}") {
            let _ = read(text.as_bytes(), |_| {});
        }

        #[test]
        fn a_label_survives_its_escapes(route in any::<String>(), other in any::<String>(), value in 0.0..1e15_f64) {
            let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            // Carriage returns and the like stay within their line.
            let text = format!(
                "litellm_proxy_total_requests_metric_total{{user=\"{}\", route = \"{}\",}} {value}",
                escape(&other), escape(&route),
            );
            let samples = samples(&text).unwrap();
            prop_assert_eq!(samples[0].labels.route.as_deref(), Some(route.as_str()));
            prop_assert_eq!(samples[0].value.to_bits(), value.to_bits());
        }
    }
}
