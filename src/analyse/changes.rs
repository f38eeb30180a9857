//! What was changed before the CPU rose: files newer than the process, and differences to a baseline.

use serde::{Deserialize, Serialize};

/// What kind of thing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// LiteLLM's own version.
    LiteLlm,
    /// LiteLLM's config file.
    Config,
    /// Variables of the environment.
    Environment,
    /// Python, or a package.
    Package,
    /// Workers, server, event loop.
    Workers,
    /// Limits of CPU and memory.
    Limits,
    /// Machine, kernel, image.
    Host,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What kind of thing changed.
    pub area: Area,
    /// What changed: a package's name, a path in the config, a variable.
    pub what: String,
    /// What it was; none where it was not there.
    pub before: Option<String>,
    /// What it is; none where it is gone.
    pub after: Option<String>,
    /// Since when, and why it matters, where that is known.
    pub note: Option<String>,
}
