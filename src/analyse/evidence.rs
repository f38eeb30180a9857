//! The facts that every verdict is computed from, besides those that have files of their own: profile, series,
//! fingerprint, workload. Everything that came with format 1.1 is missing in older bundles.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::analyse::classify::Class;
use crate::logs::Finding;
use crate::os::proc::ProcessId;
use crate::redact::Clean;
use crate::sample::native::gil::WorkerGil;
use crate::sample::native::witness::Witness;
use crate::sample::{Event, OwnCost, Sampler, Slice};
use crate::traffic::Tally;

/// What was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Evidence {
    /// When the capture began.
    pub started_utc: String,
    /// Time zero of everything that counts in microseconds: the same moment to the microsecond, or an earlier one where a
    /// watch recorded what came before.
    #[serde(default)]
    pub epoch_utc: Option<Timestamp>,
    /// What set it off, where a watch made it: then time zero lies before its beginning, and what was recorded since then
    /// is among the series, tallies and logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Triggered>,
    /// Whether stacks were taken at all. In bundles before format 1.3 they were.
    #[serde(default, skip_serializing_if = "Stacks::are_taken")]
    pub stacks: Stacks,
    /// The slices that were finished; their times count from the beginning.
    pub slices: Vec<Slice>,
    /// What the kernel counted for each worker.
    pub workers: Vec<WorkerCpu>,
    /// What each sampler did.
    pub samplers: Vec<Sampler>,
    /// Each worker's GIL, where the native engine read it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gil: Vec<WorkerGil>,
    /// What a second engine said of the native engine's stacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
    /// What happened on the way.
    pub events: Vec<Event>,
    /// What the capture itself took; none where it was killed before it could say.
    pub own: Option<OwnCost>,
    /// What the proxy had used and done before the capture began.
    #[serde(default)]
    pub lifetime: Option<Lifetime>,
    /// Requests as they were counted, by source, then by time.
    #[serde(default)]
    pub tallies: Vec<Tally<Clean>>,
    /// Lines of the logs that matter.
    #[serde(default)]
    pub findings: Vec<Finding<Clean>>,
    /// What the reporter knows.
    #[serde(default)]
    pub reporter: Reporter,
}

/// What set off a capture that a watch made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Triggered {
    /// When the rule fired.
    pub at_us: u64,
    /// Since when it was broken.
    pub since_us: u64,
    /// Which rule, as a word.
    pub condition: String,
    /// What was measured, in the rule's unit.
    pub value: f64,
    /// What the rule allows, in the same.
    pub limit: f64,
    /// The worker that broke it, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The same as a sentence without its end.
    pub words: String,
    /// What happened to the proxy in the recorded time before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub happenings: Vec<Happening>,
}

/// Something that happened to the proxy while it was watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    /// When it was noticed.
    pub at_us: u64,
    /// What, as a sentence without its end.
    pub what: Clean,
    /// LiteLLM's version until then, where it is another one since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_before: Option<Clean>,
}

/// Whether stacks were taken at all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stacks {
    /// They were; how well, the quality says.
    #[default]
    Taken,
    /// None were, by `--without-stacks`.
    LeftOut {
        /// The reason, as the end of a sentence that begins with "because".
        because: String,
    },
}

impl Stacks {
    /// Why there are none; nothing where there are some.
    pub fn missing(&self) -> Option<&str> {
        match self {
            Self::Taken => None,
            Self::LeftOut { because } => Some(because),
        }
    }

    /// Whether they were taken.
    pub fn are_taken(&self) -> bool {
        self.missing().is_none()
    }
}

impl Evidence {
    /// Time zero in UTC; in bundles of format 1.0 to the second.
    pub fn epoch(&self) -> Timestamp {
        let by_second = || self.started_utc.parse().unwrap_or(Timestamp::UNIX_EPOCH);
        self.epoch_utc.unwrap_or_else(by_second)
    }
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

/// The proxy's life up to the capture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lifetime {
    /// When it was read, in microseconds since the capture began.
    pub at_us: u64,
    /// How long the oldest process of the proxy had been running.
    pub age_seconds: f64,
    /// User and system time of all workers since they began, those that ended included as far as their supervisor
    /// waited for them.
    pub cpu_seconds: f64,
    /// Workers that ran.
    pub workers: u32,
}

/// What the reporter gave along.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reporter {
    /// How the reporter would classify it.
    #[serde(default)]
    pub classification: Option<Class>,
    /// How to reproduce it, in the reporter's words, redacted.
    #[serde(default)]
    pub repro_steps: Option<Clean>,
    /// Whether `--requests` was given with its content to be kept, by name.
    #[serde(default)]
    pub prompts_included: bool,
}
