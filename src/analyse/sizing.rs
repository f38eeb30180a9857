//! Whether the proxy has the CPU and memory that its workers need.

use serde::{Deserialize, Serialize};

/// How the proxy is sized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// The kernel holds it back: its quota runs out.
    Throttled,
    /// Less than LiteLLM's rule asks for.
    Undersized,
    /// As LiteLLM's rule asks for.
    Adequate,
    /// The limits are not known.
    Unknown,
}

/// Workers against CPU and memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sizing {
    /// The verdict.
    pub size: Size,
    /// One sentence with the figures.
    pub sentence: String,
    /// Workers that ran.
    pub workers: u32,
    /// CPU quota in cores; none without a limit.
    pub quota_cores: Option<f64>,
    /// CPUs that the workers may run on.
    pub cpus: Option<u32>,
    /// Memory limit of the cgroup, else the machine's memory.
    pub memory_bytes: Option<u64>,
    /// Quota periods during the capture in which the quota ran out, in percent.
    pub throttled_percent: Option<f64>,
    /// Time that the cgroup was held during the capture.
    pub throttled_seconds: Option<f64>,
    /// Time that the workers' threads waited for a CPU, for each second that they ran.
    pub wait_per_cpu_second: Option<f64>,
}
