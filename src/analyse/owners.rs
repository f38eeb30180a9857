//! Where the CPU went: by whose work it was, and by what kind of work.

use serde::{Deserialize, Serialize};

/// CPU by owner, such as "logging callback `custom_callbacks`" or "token counting".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnerShare {
    /// Whose work.
    pub owner: String,
    /// CPU.
    pub seconds: f64,
    /// Its share of all CPU.
    pub percent: f64,
    /// By what kind of work, the largest first.
    pub mechanisms: Vec<MechanismShare>,
    /// The function with most CPU of its own below this owner, as `function (file)`.
    pub leader: Option<String>,
}

/// CPU by kind of work, such as "json" or "deepcopy".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MechanismShare {
    /// What kind of work.
    pub mechanism: String,
    /// CPU.
    pub seconds: f64,
    /// Its share of all CPU.
    pub percent: f64,
}
