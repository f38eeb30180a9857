//! Facts about the target and the machine, each found or named as a gap.

pub mod fingerprint;

use serde::{Deserialize, Serialize};

/// Something that could not be had. It is stored and shown, never replaced by a zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What is missing.
    pub what: String,
    /// Why it is missing.
    pub why: String,
    /// What to do to get it next time.
    pub cure: String,
}

impl Gap {
    /// A gap in three phrases.
    pub fn new(what: impl Into<String>, why: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), cure: cure.into() }
    }
}
