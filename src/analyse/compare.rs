//! Two captures side by side: load, cost of each function, changes.

use serde::{Deserialize, Serialize};

use crate::analyse::changes::Change;
use crate::analyse::facts::Facts;
use crate::analyse::load::Load;

/// What the CPU of a function is divided by, so that two captures can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// CPU for each request.
    Request,
    /// CPU for each second, where requests were not counted on both sides.
    Second,
}

/// A function before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// Qualified name.
    pub name: String,
    /// Short path of its file.
    pub file: String,
    /// Its own CPU before, in seconds for each unit.
    pub self_before: f64,
    /// Its own CPU after.
    pub self_after: f64,
    /// CPU with all it called, before.
    pub total_before: f64,
    /// CPU with all it called, after.
    pub total_after: f64,
}

/// An owner before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnerGrowth {
    /// Whose work.
    pub owner: String,
    /// CPU before, in seconds for each unit.
    pub before: f64,
    /// CPU after.
    pub after: f64,
}

/// Two captures side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What CPU is divided by.
    pub per: Per,
    /// Load before.
    pub before: Load,
    /// Load after.
    pub after: Load,
    /// Functions whose own CPU grew or shrank, the largest growth first.
    pub functions: Vec<Growth>,
    /// Owners, the largest growth first.
    pub owners: Vec<OwnerGrowth>,
    /// What is different.
    pub changes: Vec<Change>,
}

/// Holds one capture against another.
pub fn compare(_before: &Facts, _after: &Facts) -> Comparison {
    Comparison {
        per: Per::Second,
        before: Load::default(),
        after: Load::default(),
        functions: Vec::new(),
        owners: Vec::new(),
        changes: Vec::new(),
    }
}
