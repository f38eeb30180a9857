//! How long the slowest requests took, from one reading of LiteLLM's counters to the next.

use std::collections::BTreeMap;

use crate::traffic::{Histogram, Latency, Source, Tally};
use crate::watch::trigger::hold::Measure;

/// The slowest of a hundred: of fewer requests than this, its latency is that of a single one. Readings are held
/// against ever earlier ones until there are so many between them.
const LEAST_REQUESTS: f64 = 10.0;
/// Unless that takes longer than this: then it cannot be told.
const LONGEST_US: u64 = 60_000_000;
/// Counters are read every five seconds or less often, so that a figure stands until a third one should have come.
const LEAST_STANDING_US: u64 = 15_000_000;

/// The last readings of each source.
#[derive(Debug, Clone, Default)]
pub struct Latencies(BTreeMap<Source, Readings>);

#[derive(Debug, Clone)]
struct Readings {
    earlier_us: u64,
    earlier: Histogram,
    last_us: u64,
    p99: Option<Measure>,
}

impl Latencies {
    /// The next reading of a source's counters. Where they ran backwards, as they do when workers are replaced, it is
    /// the first one of a new count.
    pub fn see<T>(&mut self, tally: &Tally<T>) {
        let Some(histogram) = tally.latencies.get(&Latency::Total) else { return };
        let first =
            || Readings { earlier_us: tally.at_us, earlier: histogram.clone(), last_us: tally.at_us, p99: None };
        let readings = self.0.entry(tally.source).or_insert_with(first);
        if tally.at_us <= readings.last_us {
            return;
        }
        readings.last_us = tally.at_us;
        let grown = histogram.since(&readings.earlier);
        let is_long = tally.at_us - readings.earlier_us >= LONGEST_US;
        if !is_long && grown.as_ref().is_some_and(|grown| grown.count() < LEAST_REQUESTS) {
            return;
        }
        let enough = grown.filter(|grown| grown.count() >= LEAST_REQUESTS);
        let value = enough.and_then(|grown| grown.quantile(0.99)).filter(|value| value.is_finite());
        readings.p99 = value.map(|value| Measure { from_us: readings.earlier_us, to_us: tally.at_us, value });
        readings.earlier_us = tally.at_us;
        readings.earlier = histogram.clone();
    }

    /// The 99th percentile in seconds by the best source that tells one which still stands.
    pub fn p99(&self, now_us: u64) -> Option<Measure> {
        let stands = |measure: &Measure| {
            let for_us = LEAST_STANDING_US.max((measure.to_us - measure.from_us).saturating_mul(2));
            now_us <= measure.to_us.saturating_add(for_us)
        };
        self.0.values().find_map(|readings| readings.p99.filter(stands))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    /// So many requests up to a second and so many slower ones, since the counters began.
    fn tally(source: Source, at_s: u64, fast: f64, slow: f64) -> Tally<String> {
        let counts = vec![fast, fast + slow, fast + slow];
        let histogram = Histogram { bounds: vec![1.0, 10.0], counts, sum_seconds: fast + slow * 5.0 };
        Tally {
            source,
            at_us: at_s * S,
            took_us: 0,
            counts: Vec::new(),
            latencies: BTreeMap::from([(Latency::Total, histogram)]),
            in_flight: None,
            prompt_tokens: None,
            completion_tokens: None,
        }
    }

    fn after(tallies: &[(u64, f64, f64)]) -> Latencies {
        let mut latencies = Latencies::default();
        for (at_s, fast, slow) in tallies {
            latencies.see(&tally(Source::MetricFiles, *at_s, *fast, *slow));
        }
        latencies
    }

    fn stretch(latencies: &Latencies, now_s: u64) -> Option<(u64, u64, bool)> {
        latencies.p99(now_s * S).map(|found| (found.from_us / S, found.to_us / S, found.value > 5.0))
    }

    #[test]
    fn it_is_of_what_happened_between_two_readings() {
        assert_eq!(stretch(&after(&[(0, 5000.0, 0.0)]), 0), None);
        assert_eq!(stretch(&after(&[(0, 5000.0, 0.0), (5, 5050.0, 50.0)]), 5), Some((0, 5, true)));
        assert_eq!(stretch(&after(&[(0, 0.0, 500.0), (5, 50.0, 500.0)]), 5), Some((0, 5, false)));
    }

    #[test]
    fn few_requests_are_gathered_over_a_longer_time_until_that_tells_nothing_either() {
        let slow = [(0, 0.0, 0.0), (5, 0.0, 4.0), (10, 0.0, 8.0), (15, 0.0, 12.0)];
        assert_eq!(stretch(&after(&slow[..3]), 10), None);
        assert_eq!(stretch(&after(&slow), 15), Some((0, 15, true)));
        assert_eq!(stretch(&after(&[slow[0], (60, 0.0, 8.0), (65, 0.0, 16.0)]), 65), None);
    }

    #[test]
    fn counters_that_ran_backwards_begin_anew() {
        let replaced = [(0, 500.0, 0.0), (5, 0.0, 50.0), (10, 0.0, 80.0)];
        assert_eq!(stretch(&after(&replaced[..2]), 5), None);
        assert_eq!(stretch(&after(&replaced), 10), Some((5, 10, true)));
    }

    #[test]
    fn sources_are_told_apart_and_the_best_one_counts_while_it_stands() {
        let mut latencies = after(&[(0, 0.0, 0.0), (5, 100.0, 0.0)]);
        latencies.see(&tally(Source::MetricsEndpoint, 6, 0.0, 0.0));
        latencies.see(&tally(Source::MetricsEndpoint, 16, 0.0, 100.0));
        assert_eq!(stretch(&latencies, 16), Some((0, 5, false)));
        assert_eq!(stretch(&latencies, 21), Some((6, 16, true)));
        assert_eq!(stretch(&latencies, 37), None);
    }
}
