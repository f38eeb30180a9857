//! The facts that every verdict is computed from, besides the profile and the fingerprint, which have files of their own.

use serde::{Deserialize, Serialize};

use crate::os::proc::ProcessId;
use crate::sample::{Event, OwnCost, Sampler, Slice};

/// What was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Evidence {
    /// When the capture began.
    pub started_utc: String,
    /// The slices that were finished; their times count from the beginning.
    pub slices: Vec<Slice>,
    /// What the kernel counted for each worker.
    pub workers: Vec<WorkerCpu>,
    /// What each sampler did.
    pub samplers: Vec<Sampler>,
    /// What happened on the way.
    pub events: Vec<Event>,
    /// What the capture itself took; none where it was killed before it could say.
    pub own: Option<OwnCost>,
}

/// One worker over the time in which its clocks were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerCpu {
    /// The worker.
    pub process: ProcessId,
    /// First reading.
    pub from_us: u64,
    /// Last reading.
    pub to_us: u64,
    /// Growth of its user and system time, by `/proc/PID/stat`; none where it ended on the way.
    pub kernel_cpu_us: Option<u64>,
}
