//! Shapes as LiteLLM's own counters tell them: by route, model group and status, before and during.

use crate::redact::Clean;
use crate::traffic::{Count, Histogram, Latency, Source, Tally, Window};
use crate::workload::{Origin, Shape, When};

/// The shapes of requests since the proxy began and during the capture, by the best of LiteLLM's own counters; none where
/// there is none. The tallies come sorted by source, then by time.
pub fn shapes(tallies: &[Tally<Clean>]) -> Vec<Shape<Clean>> {
    let own = |source| matches!(source, Source::MetricFiles | Source::MetricsEndpoint);
    let Some(source) = tallies.iter().map(|tally| tally.source).find(|source| own(*source)) else { return Vec::new() };
    let tallies: Vec<&Tally<Clean>> = tallies.iter().filter(|tally| tally.source == source).collect();
    let before = tallies.first().map(|first| Window::until(first));
    let during = tallies.first().zip(tallies.last()).and_then(|(first, last)| Window::between(first, last));
    let windows = [(When::Before, before), (When::During, during)];
    windows
        .into_iter()
        .flat_map(|(when, window)| window.map(|window| of_window(when, &window)).unwrap_or_default())
        .collect()
}

fn of_window(when: When, window: &Window<Clean>) -> Vec<Shape<Clean>> {
    // Tokens and times are counted over all requests: where these differ, an average of all would be one of none.
    let alike = window.counts.len() == 1;
    let each = |total: Option<f64>| total.filter(|_| alike).map(|total| total / window.requests());
    let mean = window.latencies.get(&Latency::Total).filter(|_| alike).and_then(Histogram::mean_seconds);
    let shape = |count: &Count<Clean>| Shape {
        when,
        from: Origin::Metrics,
        route: count.route.clone(),
        model: count.model.clone(),
        stream: None,
        status: count.status,
        prompt_tokens: each(window.prompt_tokens),
        completion_tokens: each(window.completion_tokens),
        body_bytes: None,
        messages: None,
        duration_seconds: mean,
        requests: count.requests,
        fields: Vec::new(),
    };
    let mut shapes: Vec<Shape<Clean>> = window.counts.iter().filter(|count| count.requests > 0.0).map(shape).collect();
    shapes.sort_by(|one, other| other.requests.total_cmp(&one.requests));
    shapes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn tally(source: Source, at_us: u64, requests: &[(&'static str, f64)]) -> Tally<Clean> {
        let count = |(model, requests): &(&'static str, f64)| Count {
            route: Some(Clean::ours("/v1/chat/completions")),
            status: Some(200),
            model: Some(Clean::ours(model)),
            requests: *requests,
        };
        let all: f64 = requests.iter().map(|(_, requests)| requests).sum();
        Tally {
            source,
            at_us,
            took_us: 0,
            counts: requests.iter().map(count).collect(),
            latencies: BTreeMap::new(),
            in_flight: None,
            prompt_tokens: Some(all * 12.0),
            completion_tokens: None,
        }
    }

    #[test]
    fn what_was_counted_before_and_during_is_told_apart() {
        let tallies = [
            tally(Source::MetricFiles, 0, &[("gpt", 10.0)]),
            tally(Source::MetricFiles, 9, &[("gpt", 40.0)]),
            tally(Source::AccessLog, 0, &[("log", 1.0)]),
        ];
        let shapes = shapes(&tallies);
        let told: Vec<_> = shapes.iter().map(|shape| (shape.when, shape.requests, shape.prompt_tokens)).collect();
        assert_eq!(told, [(When::Before, 10.0, Some(12.0)), (When::During, 30.0, Some(12.0))]);
    }

    #[test]
    fn of_requests_that_differ_no_average_is_told() {
        let tallies = [
            tally(Source::MetricsEndpoint, 0, &[]),
            tally(Source::MetricsEndpoint, 9, &[("small", 4.0), ("large", 5.0)]),
        ];
        let shapes = shapes(&tallies);
        let told: Vec<_> = shapes.iter().map(|shape| (shape.requests, shape.prompt_tokens)).collect();
        assert_eq!(told, [(5.0, None), (4.0, None)]);
    }

    #[test]
    fn lines_of_a_log_are_no_counters() {
        assert!(shapes(&[tally(Source::AccessLog, 0, &[("log", 1.0)])]).is_empty());
    }
}
