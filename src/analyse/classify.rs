//! The three classes of LiteLLM's page, by figures.

use serde::{Deserialize, Serialize};

/// How the CPU behaves: the options of LiteLLM's "CPU Issue Classification".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// CPU scales with traffic (RPS-driven).
    ScalesWithTraffic,
    /// CPU increases without a traffic increase.
    WithoutTraffic,
    /// CPU increases after a LiteLLM upgrade.
    AfterUpgrade,
    /// The evidence does not decide.
    Undetermined,
}

impl Class {
    /// In the page's own words.
    pub fn words(self) -> &'static str {
        match self {
            Self::ScalesWithTraffic => "CPU scales with traffic (RPS-driven)",
            Self::WithoutTraffic => "CPU increases without a traffic increase",
            Self::AfterUpgrade => "CPU increases after a LiteLLM upgrade",
            Self::Undetermined => "undetermined",
        }
    }
}

/// How far a class is to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Little speaks for it.
    Low,
    /// It fits, with reservations.
    Medium,
    /// Every figure says so.
    High,
}

/// The class, with everything that a person needs to check it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// The class.
    pub class: Class,
    /// How far to trust it.
    pub confidence: Confidence,
    /// One sentence with the figures.
    pub sentence: String,
    /// Cores during over cores before.
    pub cpu_ratio: Option<f64>,
    /// Requests a second during over before.
    pub traffic_ratio: Option<f64>,
    /// CPU-seconds per request during over before.
    pub cost_ratio: Option<f64>,
    /// Relative change of CPU for a relative change of traffic; none where traffic hardly changed.
    pub elasticity: Option<f64>,
    /// LiteLLM's version before.
    pub version_before: Option<String>,
    /// LiteLLM's version during.
    pub version_during: Option<String>,
    /// What speaks against the class.
    pub contradictions: Vec<String>,
    /// What would decide it, or make it more certain.
    pub to_add: Vec<String>,
    /// What the reporter believes.
    pub reporter: Option<Class>,
}
