//! From samples to a tally: summed over every label but route, status and model.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::observe::sample::{Metric, Sample};
use crate::observe::words::{OTHER, Words, path, status};
use crate::traffic::{Count, Histogram, Latency, Source, Tally};

/// So many kinds of requests are told apart; the rest is summed. A model is a label that clients fill.
const MOST_KINDS: usize = 200;

/// LiteLLM has 18 buckets; a histogram with more than this is not one of its.
const MOST_BUCKETS: usize = 100;

/// Larger values are no counts. Sums of them stay finite.
const LARGEST: f64 = 1e18;

/// Route, status and model as they stand.
type Labelled = (Option<String>, Option<String>, Option<String>);

/// Route, status and model as they are kept.
type Kind = (Option<String>, Option<u16>, Option<String>);

/// Makes tallies of one source that can be held against each other: a kind of request that was told apart once stays so.
pub struct Reducer {
    words: Words,
    kept: BTreeSet<Kind>,
    /// Routes and models as they stand, to what is kept of them: the same few come with every reading.
    routes: HashMap<String, Option<String>>,
    models: HashMap<String, Option<String>>,
}

/// When and how a reading was made.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Who counted.
    pub source: Source,
    /// The middle of it, in microseconds since the capture began.
    pub at_us: u64,
    /// How long it took.
    pub took_us: u64,
}

/// The samples of one reading, summed so far.
#[derive(Debug, Default)]
pub struct Sums {
    requests: BTreeMap<Labelled, f64>,
    latencies: BTreeMap<Latency, Buckets>,
    in_flight: Option<f64>,
    prompt_tokens: Option<f64>,
    completion_tokens: Option<f64>,
    answers_for_itself: bool,
}

#[derive(Debug, Default)]
struct Buckets {
    /// By the bits of their upper bound, which for numbers above zero have the numbers' order.
    counts: BTreeMap<u64, f64>,
    sum_seconds: f64,
}

impl Sums {
    /// Adds a sample. One whose value is no count adds nothing.
    pub fn add(&mut self, sample: Sample) {
        let Sample { metric, labels, value } = sample;
        if !(0.0..=LARGEST).contains(&value) {
            return;
        }
        let add = |sum: &mut Option<f64>| *sum = Some(sum.unwrap_or(0.0) + value);
        match metric {
            Metric::Requests => {
                let model = labels.requested_model.or(labels.model_group);
                *self.requests.entry((labels.route, labels.status_code, model)).or_default() += value;
            }
            Metric::Bucket(latency) => {
                let Some(bound) = labels.le.and_then(|le| le.parse::<f64>().ok()).filter(|bound| *bound > 0.0) else {
                    return;
                };
                let counts = &mut self.latencies.entry(latency).or_default().counts;
                if counts.len() < MOST_BUCKETS || counts.contains_key(&bound.to_bits()) {
                    *counts.entry(bound.to_bits()).or_default() += value;
                }
            }
            Metric::Sum(latency) => self.latencies.entry(latency).or_default().sum_seconds += value,
            Metric::InFlight => add(&mut self.in_flight),
            Metric::PromptTokens => add(&mut self.prompt_tokens),
            Metric::CompletionTokens => add(&mut self.completion_tokens),
            Metric::ProcessStart => self.answers_for_itself = true,
        }
    }

    /// Takes the requests in flight for not told.
    pub fn forget_in_flight(&mut self) {
        self.in_flight = None;
    }

    /// Whether nothing of LiteLLM's was in it.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.latencies.is_empty() && self.in_flight.is_none()
    }

    /// Whether a single process answered, for itself alone.
    pub fn answers_for_itself(&self) -> bool {
        self.answers_for_itself
    }

    /// Whether any request was counted.
    pub fn has_requests(&self) -> bool {
        self.requests.values().any(|requests| *requests > 0.0)
    }
}

impl Buckets {
    /// The histogram; none where it has no infinite bucket or is not cumulative. In files every bucket holds its own
    /// observations alone.
    fn histogram(self, source: Source) -> Option<Histogram> {
        let mut counts: Vec<f64> = self.counts.values().copied().collect();
        if source == Source::MetricFiles {
            let mut below = 0.0;
            for count in &mut counts {
                below += *count;
                *count = below;
            }
        }
        let mut bounds: Vec<f64> = self.counts.keys().map(|bits| f64::from_bits(*bits)).collect();
        (bounds.pop() == Some(f64::INFINITY) && counts.is_sorted()).then_some(Histogram {
            bounds,
            counts,
            sum_seconds: self.sum_seconds,
        })
    }
}

impl Reducer {
    /// One that knows no kinds yet.
    pub fn new() -> Self {
        Self { words: Words::new(), kept: BTreeSet::new(), routes: HashMap::new(), models: HashMap::new() }
    }

    /// The tally of a reading.
    pub fn tally(&mut self, sums: Sums, reading: Reading) -> Tally<String> {
        let in_flight = match reading.source {
            // The scrape is a request in flight itself.
            Source::MetricsEndpoint => sums.in_flight.map(|all| (all - 1.0).max(0.0)),
            _ => sums.in_flight,
        };
        let histogram = |(latency, buckets): (Latency, Buckets)| Some((latency, buckets.histogram(reading.source)?));
        Tally {
            source: reading.source,
            at_us: reading.at_us,
            took_us: reading.took_us,
            counts: self.counts(sums.requests),
            latencies: sums.latencies.into_iter().filter_map(histogram).collect(),
            in_flight,
            prompt_tokens: sums.prompt_tokens,
            completion_tokens: sums.completion_tokens,
        }
    }

    fn counts(&mut self, requests: BTreeMap<Labelled, f64>) -> Vec<Count<String>> {
        let mut kinds: BTreeMap<Kind, f64> = BTreeMap::new();
        for ((route, code, model), requests) in requests {
            let route = route.and_then(|label| kept_word(&mut self.routes, label, path));
            let model = model.and_then(|label| kept_word(&mut self.models, label, |label| self.words.model(label)));
            *kinds.entry((route, code.as_deref().and_then(status), model)).or_default() += requests;
        }
        let mut new: Vec<&Kind> = kinds.keys().filter(|kind| !self.kept.contains(kind)).collect();
        new.sort_by(|a, b| kinds[b].total_cmp(&kinds[a]));
        new.truncate(MOST_KINDS.saturating_sub(self.kept.len()));
        let new: Vec<Kind> = new.into_iter().cloned().collect();
        self.kept.extend(new);

        let mut counts: BTreeMap<Kind, f64> = BTreeMap::new();
        for (kind, requests) in kinds {
            let other = |kind: &Kind| (Some(OTHER.to_owned()), kind.1, Some(OTHER.to_owned()));
            let kind = if self.kept.contains(&kind) { kind } else { other(&kind) };
            *counts.entry(kind).or_default() += requests;
        }
        counts.into_iter().map(|((route, status, model), requests)| Count { route, status, model, requests }).collect()
    }
}

/// What is kept of a label, remembered for the next reading; not without end, since clients choose the labels.
fn kept_word(
    known: &mut HashMap<String, Option<String>>,
    label: String,
    word: impl FnOnce(&str) -> Option<String>,
) -> Option<String> {
    const MOST_REMEMBERED: usize = 1_000;
    if let Some(kept) = known.get(&label) {
        return kept.clone();
    }
    let kept = word(&label);
    if known.len() < MOST_REMEMBERED {
        known.insert(label, kept.clone());
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::exposition;
    use proptest::prelude::*;

    const ENDPOINT: Reading = Reading { source: Source::MetricsEndpoint, at_us: 7, took_us: 3 };

    fn sums(text: &str) -> Sums {
        let mut sums = Sums::default();
        exposition::read(text.as_bytes(), |sample| sums.add(sample)).unwrap();
        sums
    }

    fn tally(text: &str) -> Tally<String> {
        Reducer::new().tally(sums(text), ENDPOINT)
    }

    #[test]
    fn what_differs_in_other_labels_alone_is_one_kind_of_request() {
        let one = |user: &str, n: u32| {
            format!(
                "litellm_proxy_total_requests_metric_total{{user=\"{user}\",route=\"/v1/embeddings?q=1\",status_code=\"200\",requested_model=\"m\"}} {n}\n"
            )
        };
        let tally = tally(&(one("a", 2) + &one("b", 3)));
        let kind =
            Count { route: Some("/v1/embeddings".into()), status: Some(200), model: Some("m".into()), requests: 5.0 };
        assert_eq!(tally.counts, [kind]);
        assert_eq!((tally.at_us, tally.took_us), (7, 3));
    }

    #[test]
    fn an_older_release_names_the_model_group_alone() {
        let tally = tally("litellm_proxy_total_requests_metric_total{model_group=\"m\"} 1\n");
        assert_eq!(tally.counts[0].model.as_deref(), Some("m"));
        assert_eq!((tally.counts[0].status, tally.in_flight, tally.prompt_tokens), (None, None, None));
        assert!(tally.latencies.is_empty(), "what is absent is none, not zero");
    }

    #[test]
    fn the_scrape_itself_is_not_in_flight_and_files_are_no_scrape() {
        assert_eq!(tally("litellm_in_flight_requests 3\n").in_flight, Some(2.0));
        let files = Reading { source: Source::MetricFiles, ..ENDPOINT };
        assert_eq!(Reducer::new().tally(sums("litellm_in_flight_requests 3\n"), files).in_flight, Some(3.0));
    }

    #[test]
    fn histograms_are_summed_over_all_labels() {
        let bucket = |model: &str, le: &str, n: u32| {
            format!("litellm_overhead_latency_metric_bucket{{model=\"{model}\",le=\"{le}\"}} {n}\n")
        };
        let text = bucket("a", "+Inf", 4) + &bucket("a", "0.5", 3) + &bucket("b", "0.5", 1) + &bucket("b", "+Inf", 1);
        let text = text
            + "litellm_overhead_latency_metric_sum{model=\"a\"} 1.5\nlitellm_overhead_latency_metric_sum{model=\"b\"} 0.5\n";
        let expected = Histogram { bounds: vec![0.5], counts: vec![4.0, 5.0], sum_seconds: 2.0 };
        assert_eq!(tally(&text).latencies, BTreeMap::from([(Latency::Overhead, expected.clone())]));
        let files = Reading { source: Source::MetricFiles, ..ENDPOINT };
        let in_files = Reducer::new().tally(sums(&text), files);
        assert_eq!(in_files.latencies[&Latency::Overhead].counts, [4.0, 9.0], "each bucket holds its own there");
    }

    #[test]
    fn a_histogram_without_its_last_bucket_is_none() {
        assert!(tally("litellm_overhead_latency_metric_bucket{le=\"0.5\"} 3\n").latencies.is_empty());
        assert!(tally("litellm_overhead_latency_metric_sum 3\n").latencies.is_empty());
    }

    #[test]
    fn kinds_are_limited_and_one_that_was_told_apart_stays_so() {
        let one = |model: usize, n: usize| {
            format!(
                "litellm_proxy_total_requests_metric_total{{status_code=\"200\",requested_model=\"m{model}\"}} {n}\n"
            )
        };
        let all = |grown: usize| (0..300).map(|n| one(n, n + 1 + n * 10 * grown)).collect::<String>();
        let mut reducer = Reducer::new();
        let first = reducer.tally(sums(&all(0)), ENDPOINT);
        let second = reducer.tally(sums(&(all(1) + &one(999, 1_000_000))), ENDPOINT);
        assert_eq!(first.counts.len(), MOST_KINDS + 1);
        let one_by_one = (1..=300).sum::<usize>();
        assert_eq!(Some(first.requests()), Some(one_by_one as f64));
        let names = |tally: &Tally<String>| tally.counts.iter().map(|count| count.model.clone()).collect::<Vec<_>>();
        assert_eq!(names(&first), names(&second));
        assert!(names(&first).contains(&Some("m299".into())), "the most frequent are told apart");
    }

    proptest! {
        #[test]
        fn every_tally_is_finite_and_can_be_stored(
            values in prop::collection::vec((any::<f64>(), "[0-9.+-]{0,4}|\\+Inf|NaN|-1", any::<String>()), 0..30),
        ) {
            let mut all = Sums::default();
            for (value, le, model) in values {
                for metric in [Metric::Requests, Metric::Bucket(Latency::Total), Metric::Sum(Latency::Total), Metric::InFlight] {
                    let labels = crate::observe::sample::Labels {
                        le: Some(le.clone()), requested_model: Some(model.clone()), ..Default::default()
                    };
                    all.add(Sample { metric, labels, value });
                }
            }
            let tally = Reducer::new().tally(all, ENDPOINT);
            let stored = serde_json::to_string(&tally).unwrap();
            prop_assert_eq!(serde_json::from_str::<Tally<String>>(&stored).unwrap(), tally);
        }
    }
}
