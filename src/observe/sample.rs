//! A sample of LiteLLM's metrics, as both formats give it: which metric, and the few labels that may be looked at.
//!
//! LiteLLM's labels name users, teams, keys and addresses. What is not in [`Labels`] is never made into a value of ours,
//! so it cannot be kept by mistake.

use serde::Deserialize;

use crate::traffic::Latency;

/// The metrics that are read. All others are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Requests, by route, status and model.
    Requests,
    /// A bucket of a histogram.
    Bucket(Latency),
    /// The sum of a histogram's observations, in seconds.
    Sum(Latency),
    /// Requests in flight.
    InFlight,
    /// Tokens of prompts.
    PromptTokens,
    /// Tokens of completions.
    CompletionTokens,
    /// When the answering process began. Only a process that answers for itself alone has it.
    ProcessStart,
}

const REQUESTS: &str = "litellm_proxy_total_requests_metric_total";
const IN_FLIGHT: &str = "litellm_in_flight_requests";
const PROMPT_TOKENS: &str = "litellm_input_tokens_metric_total";
const COMPLETION_TOKENS: &str = "litellm_output_tokens_metric_total";
const PROCESS_START: &str = "process_start_time_seconds";

/// The histograms' names, in [`Latency::ALL`]'s order.
const HISTOGRAMS: [(Latency, &str); 5] = [
    (Latency::Total, "litellm_request_total_latency_metric"),
    (Latency::Upstream, "litellm_llm_api_latency_metric"),
    (Latency::Overhead, "litellm_overhead_latency_metric"),
    (Latency::Queue, "litellm_request_queue_time_seconds"),
    (Latency::FirstToken, "litellm_llm_api_time_to_first_token_metric"),
];

impl Metric {
    /// The metric that a sample of this name belongs to.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            REQUESTS => Some(Self::Requests),
            IN_FLIGHT => Some(Self::InFlight),
            PROMPT_TOKENS => Some(Self::PromptTokens),
            COMPLETION_TOKENS => Some(Self::CompletionTokens),
            PROCESS_START => Some(Self::ProcessStart),
            _ => HISTOGRAMS.iter().find_map(|(latency, histogram)| match name.strip_prefix(histogram)? {
                "_bucket" => Some(Self::Bucket(*latency)),
                "_sum" => Some(Self::Sum(*latency)),
                _ => None,
            }),
        }
    }

    /// The names of all samples that are read.
    pub fn names() -> impl Iterator<Item = String> {
        let single = [REQUESTS, IN_FLIGHT, PROMPT_TOKENS, COMPLETION_TOKENS, PROCESS_START].map(str::to_owned);
        let of_histogram = |(_, name): (Latency, &str)| [format!("{name}_bucket"), format!("{name}_sum")];
        single.into_iter().chain(HISTOGRAMS.into_iter().flat_map(of_histogram))
    }
}

/// The labels that are looked at, as they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Labels {
    /// Path of the request.
    pub route: Option<String>,
    /// HTTP status.
    pub status_code: Option<String>,
    /// Model, as the client named it.
    pub requested_model: Option<String>,
    /// Model group: what older releases have instead.
    pub model_group: Option<String>,
    /// Upper bound of a histogram's bucket.
    pub le: Option<String>,
}

impl Labels {
    /// The place for a label's value; none for a label that is not looked at.
    pub fn place(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "route" => Some(&mut self.route),
            "status_code" => Some(&mut self.status_code),
            "requested_model" => Some(&mut self.requested_model),
            "model_group" => Some(&mut self.model_group),
            "le" => Some(&mut self.le),
            _ => None,
        }
    }
}

/// A sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Of what.
    pub metric: Metric,
    /// Of which kind.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_asked_for_is_known() {
        for name in Metric::names() {
            assert!(Metric::named(&name).is_some(), "{name}");
        }
        for name in ["litellm_request_total_latency_metric_count", "litellm_overhead_latency_metric_created", ""] {
            assert_eq!(Metric::named(name), None, "{name}");
        }
    }
}
