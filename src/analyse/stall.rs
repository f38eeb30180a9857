//! How long the event loop stood still, and what it did instead.

use serde::{Deserialize, Serialize};

/// By what a stall was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasuredBy {
    /// `/health/liveliness` did not answer for so long; it runs on the event loop.
    Liveliness,
    /// The main thread's stacks stayed below one function, with hardly a pause.
    Samples,
}

/// The longest stall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// Its length.
    pub seconds: f64,
    /// Its beginning, in UTC.
    pub from_utc: String,
    /// Its beginning, in microseconds since the capture began.
    pub from_us: u64,
    /// How it was measured.
    pub measured_by: MeasuredBy,
    /// The worker whose main thread was busiest then.
    pub pid: Option<i32>,
    /// The stack that filled most of it, from the caller to the leaf, as `function (file)`.
    pub stack: Vec<String>,
    /// One sentence with the figures.
    pub sentence: String,
}
