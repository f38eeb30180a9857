//! CPU, requests and latency of a stretch of time, and what that stretch is held against.

use serde::{Deserialize, Serialize};

use crate::analyse::facts::Facts;
use crate::traffic::Source;

/// CPU and traffic of a stretch. What could not be had is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Length.
    pub seconds: f64,
    /// CPU of all workers.
    pub cpu_seconds: Option<f64>,
    /// The same as cores busy on average.
    pub cores: Option<f64>,
    /// Who counted the requests.
    pub counted_by: Option<Source>,
    /// Requests; connections where nothing better counted.
    pub requests: Option<f64>,
    /// Requests a second.
    pub rps: Option<f64>,
    /// Requests that failed, in percent.
    pub error_percent: Option<f64>,
    /// CPU-seconds for each request.
    pub cpu_seconds_per_request: Option<f64>,
    /// Tokens of a prompt, on average.
    pub prompt_tokens_per_request: Option<f64>,
    /// Tokens of a completion, on average.
    pub completion_tokens_per_request: Option<f64>,
    /// Mean of the total latency.
    pub mean_seconds: Option<f64>,
    /// Median of the total latency.
    pub p50_seconds: Option<f64>,
    /// 99th percentile of the total latency.
    pub p99_seconds: Option<f64>,
}

/// What the capture is held against, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BeforeSource {
    /// The minutes before, as `capture watch` recorded them.
    Recorder,
    /// A bundle given with `--baseline`.
    Baseline,
    /// The proxy's own life until the capture.
    Lifetime,
}

/// What the capture is held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// Which of the three.
    pub source: BeforeSource,
    /// The baseline's name.
    pub name: Option<String>,
    /// LiteLLM's version then.
    pub litellm_version: Option<String>,
    /// CPU and traffic.
    pub load: Load,
    /// What to keep in mind when comparing: a young process, another number of workers, another source.
    pub caveats: Vec<String>,
}

/// CPU and traffic before and during.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Loads {
    /// Before; none where there is nothing to hold against.
    pub before: Option<Before>,
    /// During the capture.
    pub during: Load,
}

/// CPU and traffic of a capture and of what it is held against.
pub fn loads(_facts: &Facts) -> Loads {
    Loads::default()
}
