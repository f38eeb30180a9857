//! CPU, traffic and latency of two stretches of time, side by side; what is missing says why.

use std::collections::BTreeMap;

use crate::analyse::load::{Before, BeforeSource, Load};
use crate::render::figures::{count, digits, factor, percent, span};
use crate::render::markdown::{Table, code};
use crate::traffic::Source;

/// One figure of a load.
struct Figure {
    name: &'static str,
    of: fn(&Load) -> Option<f64>,
    written: fn(f64) -> String,
    from: From,
}

/// What a figure is told by, and so why it is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Clocks,
    Counts,
    Statuses,
    Metrics,
}

const FIGURES: [Figure; 12] = [
    Figure {
        name: "Length",
        of: |load| (load.seconds > 0.0).then_some(load.seconds),
        written: span,
        from: From::Clocks,
    },
    Figure { name: "CPU of all workers", of: |load| load.cpu_seconds, written: span, from: From::Clocks },
    Figure { name: "Cores busy on average", of: |load| load.cores, written: digits, from: From::Clocks },
    Figure { name: "Requests", of: |load| load.requests, written: count, from: From::Counts },
    Figure { name: "Requests per second (RPS)", of: |load| load.rps, written: digits, from: From::Counts },
    Figure { name: "CPU per request", of: |load| load.cpu_seconds_per_request, written: span, from: From::Counts },
    Figure { name: "Failed requests", of: |load| load.error_percent, written: percent, from: From::Statuses },
    Figure { name: "Latency, mean", of: |load| load.mean_seconds, written: span, from: From::Metrics },
    Figure { name: "Latency, P50", of: |load| load.p50_seconds, written: span, from: From::Metrics },
    Figure { name: "Latency, P99", of: |load| load.p99_seconds, written: span, from: From::Metrics },
    Figure {
        name: "Prompt tokens per request",
        of: |load| load.prompt_tokens_per_request,
        written: count,
        from: From::Metrics,
    },
    Figure {
        name: "Completion tokens per request",
        of: |load| load.completion_tokens_per_request,
        written: count,
        from: From::Metrics,
    },
];

/// Both loads, a row for each figure that at least one of them has; the others share the rows of their reasons. Without
/// a load before there is but one column.
pub fn table(titles: [&str; 2], before: Option<&Load>, during: &Load) -> Table {
    let (titles, sides) = match before {
        Some(before) => (vec![titles[0], titles[1], "change"], vec![before, during]),
        None => (vec![titles[1]], vec![during]),
    };
    let titles: Vec<String> = titles.iter().map(|title| format!("{title} ")).collect();
    let mut table =
        Table::new(&[&["figure"], titles.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat());
    let mut nowhere: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
    for figure in &FIGURES {
        let values: Vec<Option<f64>> = sides.iter().map(|load| (figure.of)(load)).collect();
        if values.iter().all(Option::is_none) {
            let reasons = sides.iter().map(|load| missing(figure.from, load)).collect();
            nowhere.entry(reasons).or_default().push(figure.name);
            continue;
        }
        let written = |(value, load): (&Option<f64>, &&Load)| match value {
            Some(value) => (figure.written)(*value),
            None => missing(figure.from, load).to_owned(),
        };
        let mut row = vec![figure.name.to_owned()];
        row.extend(values.iter().zip(&sides).map(written));
        if let [Some(was), Some(is)] = values[..]
            && figure.name != "Length"
        {
            row.extend(factor(was, is));
        }
        table.row(row);
    }
    for (reasons, names) in nowhere {
        table.row([names.join("; ")].into_iter().chain(reasons.into_iter().map(str::to_owned)));
    }
    let counter = |load: &&Load| load.counted_by.map_or("nobody", Source::words).to_owned();
    table.row(["Requests counted by".to_owned()].into_iter().chain(sides.iter().map(counter)));
    table
}

/// What stands for "before", in words.
pub fn before_words(before: &Before) -> String {
    let version =
        before.litellm_version.as_ref().map_or_else(String::new, |version| format!(" (LiteLLM {})", code(version)));
    let source = match (before.source, &before.name) {
        (BeforeSource::Recorder, _) => "the minutes before, as `capture watch` recorded them".to_owned(),
        (BeforeSource::Baseline, Some(name)) => format!("the baseline {}", code(name)),
        (BeforeSource::Baseline, None) => "the baseline bundle".to_owned(),
        (BeforeSource::Lifetime, _) => "the average of the proxy's own life until the capture".to_owned(),
    };
    source + &version
}

fn missing(from: From, load: &Load) -> &'static str {
    match (from, load.counted_by) {
        (From::Clocks, _) => "not measured",
        (_, None) => "not counted: no metrics, no access log",
        (_, Some(Source::Connections)) => "connections do not tell",
        (From::Metrics, Some(Source::AccessLog)) => "the access log does not tell",
        (_, Some(_)) => "not among what was counted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::markdown::Document;

    fn written(before: Option<&Load>, during: &Load) -> String {
        let mut document = Document::default();
        document.table(&table(["before", "during"], before, during));
        document.into_string()
    }

    #[test]
    fn a_figure_that_is_missing_says_why() {
        let nothing = written(None, &Load::default());
        assert!(nothing.contains("Latency, P99; Prompt tokens"), "{nothing}");
        assert!(nothing.contains("| not counted: no metrics, no access log |"), "{nothing}");
        assert!(!nothing.contains("before"), "{nothing}");
        let log = Load { counted_by: Some(Source::AccessLog), rps: Some(2.0), ..Load::default() };
        let by_log = written(Some(&Load { rps: Some(1.0), ..Load::default() }), &log);
        let latencies = "Prompt tokens per request; Completion tokens per request | not counted: no metrics, no access log | \
                         the access log does not tell |";
        assert!(by_log.contains(latencies), "{by_log}");
        assert!(by_log.contains("| Requests per second (RPS) | 1.00 | 2.00 | × 2.00 |"), "{by_log}");
    }
}
