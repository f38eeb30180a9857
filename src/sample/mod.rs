//! Stacks at intervals, weighed with the CPU time that the kernel counted.
//!
//! [`session`] keeps the time while an [`engine`] samples within the budget of the [`governor`], and [`record`] keeps
//! what it reads in the work folder. There are two: [`pyspy`] runs a child for each worker and reads the CPU [`clocks`]
//! beside it, [`native`] reads stacks and clocks itself. Without stacks
//! [`clocks_alone`] takes an engine's place. Afterwards [`join`] makes a [`profile`] of either's records.

pub mod clocks;
pub mod clocks_alone;
mod deal;
pub mod engine;
pub mod governor;
pub mod join;
pub mod mend;
pub mod native;
pub mod profile;
pub mod pyspy;
pub mod record;
pub mod session;
mod sparing;
mod waits;

use serde::{Deserialize, Serialize};

use crate::os::proc::ProcessId;
use crate::sample::native::record::Counts;

/// A stretch of the capture whose stacks were brought to safety together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Beginning, in microseconds since the capture began.
    pub from_us: u64,
    /// End.
    pub to_us: u64,
}

/// Something that happened to a worker or to its sampler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, in microseconds since the capture began.
    pub at_us: u64,
    /// The worker.
    pub process: ProcessId,
    /// What happened.
    pub what: What,
}

/// The kinds of events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A worker was found while the capture ran.
    WorkerJoined,
    /// A worker ended.
    WorkerGone,
    /// The sampler was slowed down to stay within its budget.
    RateSteppedDown {
        /// Samples a second before.
        from_hz: u32,
        /// Samples a second from then on.
        to_hz: u32,
        /// What the sampler had cost, in percent of one core.
        cost_percent: f64,
    },
    /// The sampler was taken off, since even the lowest rate broke the budget.
    Detached {
        /// What the sampler had cost, in percent of one core.
        cost_percent: f64,
    },
    /// The sampler was slowed down since the proxy hesitated to answer `/health/liveliness`.
    SlowedForProxy {
        /// Samples a second before.
        from_hz: u32,
        /// Samples a second from then on.
        to_hz: u32,
    },
    /// The sampler was taken off since the proxy had stopped to answer `/health/liveliness`.
    DetachedForProxy,
    /// The sampler ended when nobody had asked it to.
    SamplerLost,
    /// The worker was found stopped after a slice.
    WorkerStopped,
}

/// One run of a sampler on one worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampler {
    /// The worker.
    pub process: ProcessId,
    /// Samples a second asked for.
    pub rate_hz: u32,
    /// First sample.
    pub from_us: Option<u64>,
    /// Last sample.
    pub to_us: Option<u64>,
    /// Threads with Python stacks.
    pub threads: u32,
    /// Thread stacks it kept.
    pub stacks: Option<u64>,
    /// Samples it lost to an error.
    pub errors: Option<u64>,
    /// How often it complained of being behind.
    pub behind: u32,
    /// Its CPU time.
    pub cpu_us: u64,
    /// Why it is of no or little use.
    pub fault: Option<String>,
    /// True where its file ended too early.
    pub cut_short: bool,
    /// How the native engine's reading went; none for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
}

/// The capture's own process while it sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCost {
    /// CPU time, without the samplers'.
    pub cpu_us: u64,
    /// Over this time.
    pub elapsed_us: u64,
    /// Most memory it had resident; none where the kernel did not tell.
    pub peak_rss_bytes: Option<u64>,
    /// Readings of the clocks that came later than one whole interval.
    pub late_readings: u64,
    /// All readings.
    pub readings: u64,
    /// CPU time of the threads that read counters and logs and ask LiteLLM, which is part of it; none in bundles of
    /// format 1.0.
    #[serde(default)]
    pub observers_cpu_us: Option<u64>,
}
