//! From tallies to rows of the table of traffic: what LiteLLM counted from one reading to the next.

use crate::series::{Reading, column, table};
use crate::traffic::{Count, Latency, Source, Tally, Window};

/// The shares of requests whose latency is shown, and their names in a column.
const QUANTILES: [(f64, &str); 3] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99")];

/// The column of a latency's quantile, such as `total_p99_s`.
pub fn latency_column(latency: Latency, quantile: &str) -> String {
    format!("{}_{quantile}_s", latency.word())
}

/// One row for each reading of LiteLLM's own counters, by the best source that was read twice, with what happened since
/// the one before; the first has no figures but the requests in flight. A
/// window in which a counter ran backwards has no figures but the requests in flight; a latency that the release does
/// not have has no column.
pub fn traffic_rows<T: Clone + PartialEq>(tallies: &[Tally<T>]) -> Vec<Reading> {
    let of = |source| tallies.iter().filter(move |tally: &&Tally<T>| tally.source == source);
    let is_read_twice = |source: &Source| of(*source).count() > 1;
    let Some(source) = [Source::MetricFiles, Source::MetricsEndpoint].into_iter().find(is_read_twice) else {
        return Vec::new();
    };
    let has = |latency: &Latency| of(source).any(|tally| tally.latencies.contains_key(latency));
    let latencies: Vec<Latency> = Latency::ALL.into_iter().filter(has).collect();
    let earlier = std::iter::once(None).chain(of(source).map(Some));
    earlier.zip(of(source)).map(|(earlier, later)| row(earlier, later, &latencies)).collect()
}

fn row<T: Clone + PartialEq>(earlier: Option<&Tally<T>>, later: &Tally<T>, latencies: &[Latency]) -> Reading {
    let window = earlier.and_then(|earlier| Window::between(earlier, later));
    let mut values = vec![
        (column::REQUESTS.to_owned(), window.as_ref().map(Window::requests)),
        (column::ERRORS.to_owned(), window.as_ref().filter(|window| knows_status(&window.counts)).map(Window::errors)),
        (column::IN_FLIGHT.to_owned(), later.in_flight),
    ];
    for latency in latencies {
        let histogram = window.as_ref().and_then(|window| window.latencies.get(latency));
        let quantile =
            |(share, name)| (latency_column(*latency, name), histogram.and_then(|histogram| histogram.quantile(share)));
        values.extend(QUANTILES.map(quantile));
    }
    Reading { table: table::TRAFFIC.to_owned(), at_us: later.at_us, values }
}

/// Whether failures can be told: no request without a status.
fn knows_status<T>(counts: &[Count<T>]) -> bool {
    counts.iter().all(|count| count.status.is_some())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::traffic::Histogram;

    fn tally(source: Source, at_us: u64, requests: f64) -> Tally<String> {
        let histogram = Histogram { bounds: vec![1.0], counts: vec![requests, requests], sum_seconds: requests };
        Tally {
            source,
            at_us,
            took_us: 0,
            counts: vec![Count { route: None, status: Some(500), model: None, requests }],
            latencies: BTreeMap::from([(Latency::Overhead, histogram)]),
            in_flight: Some(3.0),
            prompt_tokens: None,
            completion_tokens: None,
        }
    }

    fn figures(reading: &Reading) -> Vec<(&str, Option<f64>)> {
        reading.values.iter().map(|(name, value)| (name.as_str(), *value)).collect()
    }

    #[test]
    fn a_row_tells_what_happened_since_the_one_before() {
        let tallies = [0.0, 4.0, 4.0].map(|requests| tally(Source::MetricFiles, requests as u64, requests));
        let rows = traffic_rows(&tallies);
        assert_eq!(rows.len(), 3);
        assert_eq!(figures(&rows[0])[..3], [("requests", None), ("errors", None), ("in_flight", Some(3.0))]);
        assert_eq!((rows[1].table.as_str(), rows[1].at_us), ("traffic", 4));
        let busy = [
            ("requests", Some(4.0)),
            ("errors", Some(4.0)),
            ("in_flight", Some(3.0)),
            ("overhead_p50_s", Some(0.5)),
            ("overhead_p90_s", Some(0.9)),
            ("overhead_p99_s", Some(0.99)),
        ];
        assert_eq!(figures(&rows[1]), busy);
        let idle = [("requests", Some(0.0)), ("errors", Some(0.0)), ("in_flight", Some(3.0)), ("overhead_p50_s", None)];
        assert_eq!(figures(&rows[2])[..4], idle, "no requests have no latency");
    }

    #[test]
    fn a_counter_that_ran_backwards_leaves_its_figures_out() {
        let rows = traffic_rows(&[tally(Source::MetricsEndpoint, 0, 9.0), tally(Source::MetricsEndpoint, 1, 2.0)]);
        assert_eq!(figures(&rows[1])[..3], [("requests", None), ("errors", None), ("in_flight", Some(3.0))]);
    }

    #[test]
    fn the_best_source_that_was_read_twice_is_shown_alone() {
        let endpoint = [1.0, 2.0].map(|requests| tally(Source::MetricsEndpoint, requests as u64, requests));
        let once = tally(Source::MetricFiles, 0, 5.0);
        let log = [1.0, 2.0].map(|requests| tally(Source::AccessLog, requests as u64, requests));
        assert_eq!(traffic_rows(&[&[once.clone()][..], &endpoint, &log].concat()).len(), 2);
        assert_eq!(traffic_rows(&log), []);
        assert_eq!(traffic_rows(&[once]), []);
    }
}
