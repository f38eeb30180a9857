//! One hot worker, or all of them.

use serde::{Deserialize, Serialize};

/// How the CPU is spread over the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// None does anything to speak of.
    Idle,
    /// There is one worker only.
    Single,
    /// One uses far more than the others.
    OneHot,
    /// All are about equally busy.
    Even,
    /// Neither.
    Uneven,
}

/// How the CPU is spread over the workers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heat {
    /// The verdict.
    pub spread: Spread,
    /// One sentence with the figures.
    pub sentence: String,
    /// The hottest worker's pid.
    pub hottest: Option<i32>,
    /// What the hottest worker does that the others do not, as a function; none where there is nothing.
    pub function: Option<String>,
}
