//! What was asked of the proxy: the shapes of requests, never their content.
//!
//! [`route`] frees a path of what names someone or something in it; [`requests`] reads the file that the reporter gives.

pub mod counted;
pub mod requests;
mod route;
mod vocabulary;

pub use route::route;

use serde::{Deserialize, Serialize};

/// Requests that look alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape<T> {
    /// When.
    pub when: When,
    /// Where it was read.
    pub from: Origin,
    /// Path without its query, identifiers in it replaced.
    pub route: Option<T>,
    /// Model group, as clients name it.
    pub model: Option<T>,
    /// Whether the answer is streamed; none where the source does not tell.
    pub stream: Option<bool>,
    /// HTTP status.
    pub status: Option<u16>,
    /// Tokens of the prompt, on average.
    pub prompt_tokens: Option<f64>,
    /// Tokens of the completion, on average.
    pub completion_tokens: Option<f64>,
    /// Size of the request's body in bytes, on average.
    pub body_bytes: Option<f64>,
    /// Messages in the request, on average.
    pub messages: Option<f64>,
    /// Duration in seconds, on average.
    pub duration_seconds: Option<f64>,
    /// How many requests look like this.
    pub requests: f64,
    /// Names of further fields that the request had (`tools`, `response_format` …), sorted; of known fields alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<T>,
}

/// At which time a request was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before the spike.
    Before,
    /// During the spike.
    During,
    /// The source does not tell.
    Unknown,
}

/// Where a shape was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// LiteLLM's counters.
    Metrics,
    /// The access log.
    AccessLog,
    /// `/spend/logs/v2`.
    SpendLogs,
    /// The file that the reporter gave with `--requests`.
    Reporter,
}

impl<T> Shape<T> {
    /// The same shape with other text.
    pub fn map<U>(self, mut clean: impl FnMut(&T) -> U) -> Shape<U> {
        Shape {
            when: self.when,
            from: self.from,
            route: self.route.as_ref().map(&mut clean),
            model: self.model.as_ref().map(&mut clean),
            stream: self.stream,
            status: self.status,
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.completion_tokens,
            body_bytes: self.body_bytes,
            messages: self.messages,
            duration_seconds: self.duration_seconds,
            requests: self.requests,
            fields: self.fields.iter().map(clean).collect(),
        }
    }
}
