//! One thing that was tried.

use serde::Serialize;

use crate::collect::{Gap, Weight};

/// How it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As a capture needs it.
    Ok,
    /// A capture goes on, and something is to be known.
    Warning,
    /// Without this there are no stacks.
    Refused,
    /// That part of the bundle will be missing.
    Gap,
    /// It depends on something else that failed, or would cost the proxy.
    NotTried,
}

impl Outcome {
    /// The word at the head of its line, of nine letters at most.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Refused => "refused",
            Self::Gap => "gap",
            Self::NotTried => "not tried",
        }
    }
}

/// What was tried, what came of it, what shows it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// What was tried.
    pub what: String,
    /// How it came out.
    pub result: Outcome,
    /// What shows it.
    pub proof: String,
    /// The next command, or what to change; none where all is well.
    pub cure: Option<String>,
}

impl Probe {
    /// A probe without a cure.
    pub fn new(what: impl Into<String>, result: Outcome, proof: impl Into<String>) -> Self {
        Self { what: what.into(), result, proof: proof.into(), cure: None }
    }

    /// The same with what to do, if anything.
    #[must_use]
    pub fn cured(self, cure: Option<String>) -> Self {
        Self { cure, ..self }
    }
}

/// What a capture would list as missing. What leaves the bundle complete is no more than a warning here.
pub fn of_gap(gap: &Gap) -> Probe {
    let result = match gap.weight {
        Weight::Partial => Outcome::Gap,
        Weight::Note => Outcome::Warning,
    };
    Probe::new(gap.what.clone(), result, gap.why.clone()).cured(Some(gap.cure.clone()))
}
