//! LiteLLM's logs: where they are, what of them concerns the spike, and what their lines say.
//!
//! [`LogWatch`] follows them while the capture runs, [`Digest`] makes clean text of them and tells what it says.
//!
//! # What of a log is shown
//!
//! A log of LiteLLM's can hold whole prompts, answers of providers, keys, and addresses of clients. So nothing of it is
//! shown because it looks harmless: a line is shown as far as its form is known, and what stands in its place otherwise
//! is a mark, counted in `redactions.json`.
//!
//! | line | shown | not shown |
//! |---|---|---|
//! | access log | method, route with `{id}` for what is somebody's, status | client's address, query |
//! | beginning of a record | time, pid, level, `file.py:line`, known loggers | other loggers |
//! | message | one of the templates of `known`, numbers in it, known names of exceptions | all else: `[…]` |
//! | record of level DEBUG | its beginning | the message, and all lines that follow until the next record |
//! | record in JSON | the same, written as text | all other fields |
//! | frame of a traceback | path below `site-packages`, else the file's name; line; function | the line of source |
//! | end of a traceback | the exception's type, its message as any other | |
//! | any other line | | `[3 lines withheld: not of a known form]` |
//!
//! A line of which more than 2,000 characters are there ends with how many were cut. Colours are taken out first, since
//! they could part a secret in two; and all text goes through the [`Redactor`](crate::redact::Redactor), before its form
//! is looked at and again when it is finished.

mod access;
mod cleaner;
mod count;
mod digest;
mod envelope;
mod findings;
mod follow;
mod head;
mod known;
mod lines;
mod place;
mod stdin;
mod stretch;
#[cfg(test)]
mod tests;
mod watch;

pub use place::{readable_found, readable_named};

pub use digest::{BEFORE_FILE, DURING_FILE, Digest, Logged, PREVIOUS_FILE, cleaned};
pub use stretch::Stretch;
pub use watch::{Gathered, LogSource, LogWatch, NO_LOGS};

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
