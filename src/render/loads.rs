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
        name: "Time span",
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
            Some(value) if figure.from == From::Counts && counts_connections(load) => {
                format!("{} (connections)", (figure.written)(*value))
            }
            Some(value) => (figure.written)(*value),
            None => missing(figure.from, load).to_owned(),
        };
        let mut row = vec![figure.name.to_owned()];
        row.extend(values.iter().zip(&sides).map(written));
        let are_alike = figure.from != From::Counts
            || sides.iter().all(|load| counts_connections(load))
            || !sides.iter().any(|load| counts_connections(load));
        if let [Some(was), Some(is)] = values[..]
            && are_alike
            && figure.name != FIGURES[0].name
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

fn counts_connections(load: &Load) -> bool {
    load.counted_by == Some(Source::Connections)
}

fn missing(from: From, load: &Load) -> &'static str {
    match (from, load.counted_by) {
        (_, Some(source)) if source.counts_requests() && load.requests == Some(0.0) => "no request came",
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
        let idle = Load { counted_by: Some(Source::MetricFiles), requests: Some(0.0), ..Load::default() };
        assert!(written(None, &idle).contains("Completion tokens per request | no request came |"));
        let by_log = written(Some(&Load { rps: Some(1.0), ..Load::default() }), &log);
        let latencies = "Prompt tokens per request; Completion tokens per request | not counted: no metrics, no access log | \
                         the access log does not tell |";
        assert!(by_log.contains(latencies), "{by_log}");
        assert!(by_log.contains("| Requests per second (RPS) | 1.00 | 2.00 | × 2.00 |"), "{by_log}");
    }

    #[test]
    fn connections_are_called_so_and_not_held_against_requests() {
        let connections = Load { counted_by: Some(Source::Connections), rps: Some(3.0), ..Load::default() };
        let before = Load { counted_by: Some(Source::MetricFiles), rps: Some(1.0), ..Load::default() };
        let mixed = written(Some(&before), &connections);
        assert!(mixed.contains("| Requests per second (RPS) | 1.00 | 3.00 (connections) |  |"), "{mixed}");
        let alike = written(Some(&connections), &connections);
        assert!(alike.contains("| 3.00 (connections) | 3.00 (connections) | × 1.00 |"), "{alike}");
    }
}
