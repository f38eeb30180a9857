//! Requests and latencies: cumulative tallies as they are read, and what happened between two of them.
//!
//! Where a tally comes from is always said, since sources differ in what they count: LiteLLM's own counters, its access
//! log, or nothing better than the connections that the kernel accepted.

pub mod rows;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where tallies come from, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The files through which the workers share their metrics, read without asking a worker.
    MetricFiles,
    /// `/metrics/`.
    MetricsEndpoint,
    /// Lines of the access log.
    AccessLog,
    /// Connections that the network namespace accepted. A connection carries one request or many.
    Connections,
}

impl Source {
    /// Words for a sentence: "requests by …".
    pub fn words(self) -> &'static str {
        match self {
            Self::MetricFiles => "LiteLLM's metric files",
            Self::MetricsEndpoint => "/metrics/",
            Self::AccessLog => "the access log",
            Self::Connections => "accepted connections (a connection may carry several requests)",
        }
    }

    /// Whether it counts requests, and not something near them.
    pub fn counts_requests(self) -> bool {
        self != Self::Connections
    }
}

/// What a latency is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    /// `litellm_request_total_latency_metric`: from the request to the end of its processing.
    Total,
    /// `litellm_llm_api_latency_metric`: the provider's part.
    Upstream,
    /// `litellm_overhead_latency_metric`: LiteLLM's own part.
    Overhead,
    /// `litellm_request_queue_time_seconds`: before processing began.
    Queue,
    /// `litellm_llm_api_time_to_first_token_metric`: of streams.
    FirstToken,
}

impl Latency {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Total, Self::Upstream, Self::Overhead, Self::Queue, Self::FirstToken];

    /// Its name in a column or a table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Upstream => "upstream",
            Self::Overhead => "overhead",
            Self::Queue => "queue",
            Self::FirstToken => "first_token",
        }
    }
}

/// Requests of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Count<T> {
    /// Path without its query, identifiers in it replaced; none where the source does not tell.
    pub route: Option<T>,
    /// HTTP status; none where the source does not tell.
    pub status: Option<u16>,
    /// Model group, as clients name it; none where the source does not tell.
    pub model: Option<T>,
    /// How many, since the source began to count.
    pub requests: f64,
}

/// A cumulative histogram of seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Upper bounds of the buckets in seconds, ascending, without the infinite one.
    pub bounds: Vec<f64>,
    /// Observations up to each bound, the infinite one last: cumulative, one more than there are bounds.
    pub counts: Vec<f64>,
    /// Sum of all observations.
    pub sum_seconds: f64,
}

/// What a source has counted since it began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tally<T> {
    /// Who counts.
    pub source: Source,
    /// When it was read, in microseconds since the capture began: the middle of the reading.
    pub at_us: u64,
    /// How long the reading took.
    pub took_us: u64,
    /// Requests by route, status and model; sorted.
    pub counts: Vec<Count<T>>,
    /// Latencies over all models.
    pub latencies: BTreeMap<Latency, Histogram>,
    /// Requests in flight at that moment, the reading itself not counted.
    pub in_flight: Option<f64>,
    /// Tokens of prompts.
    pub prompt_tokens: Option<f64>,
    /// Tokens of completions.
    pub completion_tokens: Option<f64>,
}

/// What happened between two tallies of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window<T> {
    /// Who counted.
    pub source: Source,
    /// The first tally's time; none where the window began with the source itself.
    pub from_us: Option<u64>,
    /// The second tally's time.
    pub to_us: u64,
    /// Growth of each count; kinds that did not grow are left out.
    pub counts: Vec<Count<T>>,
    /// Growth of the histograms.
    pub latencies: BTreeMap<Latency, Histogram>,
    /// Growth of the prompts' tokens.
    pub prompt_tokens: Option<f64>,
    /// Growth of the completions' tokens.
    pub completion_tokens: Option<f64>,
}

impl<T> Tally<T> {
    /// The same tally with other text.
    pub fn map<U>(self, mut clean: impl FnMut(&T) -> U) -> Tally<U> {
        let counts = self
            .counts
            .iter()
            .map(|count| Count {
                route: count.route.as_ref().map(&mut clean),
                status: count.status,
                model: count.model.as_ref().map(&mut clean),
                requests: count.requests,
            })
            .collect();
        Tally {
            source: self.source,
            at_us: self.at_us,
            took_us: self.took_us,
            counts,
            latencies: self.latencies,
            in_flight: self.in_flight,
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.completion_tokens,
        }
    }

    /// All requests.
    pub fn requests(&self) -> f64 {
        total(self.counts.iter())
    }
}

impl<T: Clone + PartialEq> Window<T> {
    /// What happened between two tallies of one source; none where a counter ran backwards, as it does when the workers
    /// were replaced or each of them answers for itself.
    pub fn between(earlier: &Tally<T>, later: &Tally<T>) -> Option<Self> {
        let before = |count: &Count<T>| {
            let same = |known: &&Count<T>| {
                known.route == count.route && known.status == count.status && known.model == count.model
            };
            earlier.counts.iter().find(same).map_or(0.0, |known| known.requests)
        };
        let mut counts = Vec::new();
        for count in &later.counts {
            let grown = count.requests - before(count);
            if grown < 0.0 {
                return None;
            }
            if grown > 0.0 {
                counts.push(Count { requests: grown, ..count.clone() });
            }
        }
        let mut latencies = BTreeMap::new();
        for (latency, histogram) in &later.latencies {
            let nothing = Histogram::default();
            let grown = histogram.since(earlier.latencies.get(latency).unwrap_or(&nothing))?;
            latencies.insert(*latency, grown);
        }
        let grown = |later: Option<f64>, earlier: Option<f64>| {
            later.map(|all| all - earlier.unwrap_or(0.0)).filter(|grown| *grown >= 0.0)
        };
        Some(Self {
            source: later.source,
            from_us: Some(earlier.at_us),
            to_us: later.at_us,
            counts,
            latencies,
            prompt_tokens: grown(later.prompt_tokens, earlier.prompt_tokens),
            completion_tokens: grown(later.completion_tokens, earlier.completion_tokens),
        })
    }

    /// Everything that a tally's source had counted by then.
    pub fn until(tally: &Tally<T>) -> Self {
        Self {
            source: tally.source,
            from_us: None,
            to_us: tally.at_us,
            counts: tally.counts.clone(),
            latencies: tally.latencies.clone(),
            prompt_tokens: tally.prompt_tokens,
            completion_tokens: tally.completion_tokens,
        }
    }

    /// The window that covers a stretch best: from the last tally not after its beginning, else the first, to the first
    /// not before its end, else the last. None where that are not two tallies.
    pub fn covering(tallies: &[Tally<T>], from_us: u64, to_us: u64) -> Option<Self> {
        let first = tallies.iter().rposition(|tally| tally.at_us <= from_us).unwrap_or(0);
        let last = tallies.iter().position(|tally| tally.at_us >= to_us).unwrap_or(tallies.len().checked_sub(1)?);
        (first < last).then(|| Self::between(&tallies[first], &tallies[last])).flatten()
    }
}

impl<T> Window<T> {
    /// Its length; none where it began with the source.
    pub fn seconds(&self) -> Option<f64> {
        Some((self.to_us - self.from_us?) as f64 / 1e6)
    }

    /// All requests.
    pub fn requests(&self) -> f64 {
        total(self.counts.iter())
    }

    /// Requests with a status of 400 and above.
    pub fn errors(&self) -> f64 {
        total(self.counts.iter().filter(|count| count.status.is_some_and(|status| status >= 400)))
    }
}

/// From a positive zero: the sum of no floats is a negative one, which looks odd where it is written.
fn total<'a, T: 'a>(counts: impl Iterator<Item = &'a Count<T>>) -> f64 {
    counts.fold(0.0, |sum, count| sum + count.requests)
}

impl Histogram {
    /// What was observed since an earlier state; none where it ran backwards or has other buckets.
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        if earlier.counts.is_empty() {
            return Some(self.clone());
        }
        if self.bounds != earlier.bounds {
            return None;
        }
        let counts: Vec<f64> =
            self.counts.iter().zip(&earlier.counts).map(|(later, earlier)| later - earlier).collect();
        counts.iter().all(|count| *count >= 0.0).then(|| Self {
            bounds: self.bounds.clone(),
            counts,
            sum_seconds: (self.sum_seconds - earlier.sum_seconds).max(0.0),
        })
    }

    /// All observations.
    pub fn count(&self) -> f64 {
        self.counts.last().copied().unwrap_or(0.0)
    }

    /// The mean in seconds; none without observations.
    pub fn mean_seconds(&self) -> Option<f64> {
        (self.count() > 0.0).then(|| self.sum_seconds / self.count())
    }

    /// The value below which a share of the observations lies, in seconds, as Prometheus' `histogram_quantile` has it:
    /// linear within its bucket, and the last bound where it lies beyond that. None without observations.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = share * self.count();
        if self.count() <= 0.0 {
            return None;
        }
        let bucket = self.counts.iter().position(|count| *count >= rank)?;
        let Some(&upper) = self.bounds.get(bucket) else { return self.bounds.last().copied() };
        let (lower, below) = match bucket.checked_sub(1) {
            Some(previous) => (self.bounds[previous], self.counts[previous]),
            None => (0.0, 0.0),
        };
        let within = self.counts[bucket] - below;
        Some(if within > 0.0 { lower + (upper - lower) * (rank - below) / within } else { upper })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(at_us: u64, ok: f64, failed: f64) -> Tally<String> {
        let count = |status, requests| Count {
            route: Some("/v1/chat/completions".to_owned()),
            status: Some(status),
            model: Some("gpt".to_owned()),
            requests,
        };
        let histogram = Histogram { bounds: vec![0.1, 1.0], counts: vec![ok / 2.0, ok, ok], sum_seconds: ok * 0.3 };
        Tally {
            source: Source::MetricsEndpoint,
            at_us,
            took_us: 0,
            counts: vec![count(200, ok), count(429, failed)],
            latencies: BTreeMap::from([(Latency::Total, histogram)]),
            in_flight: None,
            prompt_tokens: Some(ok * 10.0),
            completion_tokens: None,
        }
    }

    #[test]
    fn a_window_is_the_growth_between_two_tallies() {
        let window = Window::between(&tally(0, 10.0, 1.0), &tally(10_000_000, 30.0, 1.0)).unwrap();
        assert_eq!((window.requests(), window.errors(), window.seconds()), (20.0, 0.0, Some(10.0)));
        assert_eq!(window.counts.len(), 1, "what did not grow is left out");
        assert_eq!(window.prompt_tokens, Some(200.0));
        assert_eq!(window.latencies[&Latency::Total].counts, [10.0, 20.0, 20.0]);
    }

    #[test]
    fn a_counter_that_runs_backwards_gives_no_window() {
        assert_eq!(Window::between(&tally(0, 10.0, 1.0), &tally(1, 9.0, 1.0)), None);
        assert_eq!(Window::between(&tally(0, 10.0, 1.0), &tally(1, 11.0, 0.0)), None);
    }

    #[test]
    fn the_covering_window_reaches_as_far_as_there_are_tallies() {
        let tallies: Vec<_> = (0..4).map(|n| tally(n * 10, n as f64, 0.0)).collect();
        let reach =
            |from, to| Window::covering(&tallies, from, to).map(|window| (window.from_us.unwrap(), window.to_us));
        assert_eq!(reach(12, 18), Some((10, 20)));
        assert_eq!(reach(10, 20), Some((10, 20)));
        assert_eq!(reach(0, 99), Some((0, 30)));
        assert_eq!(reach(40, 99), None);
        assert_eq!(Window::<String>::covering(&[], 0, 1), None);
    }

    #[test]
    fn quantiles_are_those_of_prometheus() {
        let histogram =
            Histogram { bounds: vec![0.1, 0.5, 1.0], counts: vec![50.0, 90.0, 100.0, 100.0], sum_seconds: 20.0 };
        let near = |share: f64, expected: f64| {
            assert!((histogram.quantile(share).unwrap() - expected).abs() < 1e-9, "{share}");
        };
        near(0.5, 0.1);
        near(0.25, 0.05);
        near(0.7, 0.3);
        near(0.99, 0.95);
        let beyond = Histogram { bounds: vec![0.1], counts: vec![0.0, 3.0], sum_seconds: 9.0 };
        assert_eq!(beyond.quantile(0.5), Some(0.1));
        assert_eq!(Histogram::default().quantile(0.5), None);
    }
}
