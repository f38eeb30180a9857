//! LiteLLM's logs: where they are, what of them concerns the spike, and what their lines say.

use serde::{Deserialize, Serialize};

/// A kind of line that matters, and how often it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding<T> {
    /// What such a line means.
    pub kind: Kind,
    /// What it is about: a job's name, an exception's type.
    pub about: Option<T>,
    /// How often it came before the spike, as far as the log was read.
    pub before: u64,
    /// How often during the spike.
    pub during: u64,
    /// The last such line, redacted.
    pub example: T,
}

/// Kinds of lines that matter when the CPU spikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `APScheduler`: `Run time of job … was missed by …`: the event loop was blocked.
    JobMissed,
    /// `APScheduler`: a job still ran when it was due again.
    JobOverlapped,
    /// A worker ended.
    WorkerDied,
    /// A server process began: at boot, or when a worker was replaced.
    WorkerStarted,
    /// A queue was full.
    QueueFull,
    /// A traceback, by the type of its exception.
    Traceback,
    /// A line of level ERROR or CRITICAL without a traceback.
    Error,
}
