//! Why a capture was made, in words and in figures.

use serde::{Deserialize, Serialize};

use crate::analyse::figures::{duration, limit};

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// `--cpu`.
    Cpu,
    /// `--adaptive`.
    Adaptive,
    /// `--throttled`.
    Throttled,
    /// `--liveliness`.
    Liveliness,
    /// `--p99`.
    P99,
}

/// Whom a condition concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// One worker.
    Worker {
        /// Its pid.
        pid: i32,
    },
    /// All workers together.
    Workers,
    /// Everything in the workers' cgroup.
    Cgroup,
    /// The proxy as its clients see it.
    Proxy,
}

/// What a share of CPU is of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whole {
    /// One core.
    Core,
    /// The cgroup's quota.
    Quota {
        /// In cores.
        cores: f64,
    },
    /// All CPUs that may be used.
    Machine {
        /// How many.
        cpus: u32,
    },
}

/// Why a capture was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// What was waited for.
    pub condition: Condition,
    /// Whom it concerns.
    pub whom: Whom,
    /// What the CPU's share is of; none for what is no CPU.
    pub of: Option<Whole>,
    /// The figure's mean over the stretch: a share of CPU or of quota periods, else seconds. None where probes failed
    /// and took no time that could be told.
    pub value: Option<f64>,
    /// What the figure reached or exceeded in all of the stretch, in the same unit.
    pub limit: f64,
    /// What the recorded past had at most, its 99th percentile; of [`Condition::Adaptive`] alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual: Option<f64>,
    /// Since when, in microseconds since time zero.
    pub from_us: u64,
    /// The end of the last reading.
    pub to_us: u64,
}

impl Condition {
    /// All of them, in the order in which they are given as the reason where several are met: from what says most about
    /// CPU to what says least.
    pub const ALL: [Self; 5] = [Self::Cpu, Self::Adaptive, Self::Throttled, Self::Liveliness, Self::P99];

    /// Its option.
    pub fn option(self) -> &'static str {
        match self {
            Self::Cpu => "--cpu",
            Self::Adaptive => "--adaptive",
            Self::Throttled => "--throttled",
            Self::Liveliness => "--liveliness",
            Self::P99 => "--p99",
        }
    }

    /// Its name: its option's.
    pub fn word(self) -> &'static str {
        self.option().trim_start_matches('-')
    }

    /// A figure of it with its unit.
    pub fn figure(self, value: f64) -> String {
        match self {
            Self::Cpu | Self::Adaptive | Self::Throttled => format!("{:.0} %", value * 100.0),
            Self::Liveliness | Self::P99 => duration(value),
        }
    }

    /// A limit of it with its unit, as it was set.
    pub fn limit(self, value: f64) -> String {
        match self {
            Self::Cpu | Self::Adaptive | Self::Throttled => format!("{} %", limit(value * 100.0)),
            Self::Liveliness | Self::P99 if value < 1.0 => duration(value),
            Self::Liveliness | Self::P99 => format!("{} s", limit(value)),
        }
    }
}

impl Whom {
    /// As the subject of a sentence.
    pub fn words(self) -> String {
        match self {
            Self::Worker { pid } => format!("worker {pid}"),
            Self::Workers => "all workers together".to_owned(),
            Self::Cgroup => "the cgroup".to_owned(),
            Self::Proxy => "the proxy".to_owned(),
        }
    }
}

impl Whole {
    /// Words for the end of "97 % of …".
    pub fn words(self) -> String {
        match self {
            Self::Core => "a core".to_owned(),
            Self::Quota { cores } => {
                format!("the quota of {} {}", limit(cores), if limit(cores) == "1" { "core" } else { "cores" })
            }
            Self::Machine { cpus: 1 } => "the machine's one CPU".to_owned(),
            Self::Machine { cpus } => format!("the machine's {cpus} CPUs"),
        }
    }
}

impl Reason {
    /// The length of the stretch in seconds.
    pub fn seconds(&self) -> f64 {
        self.to_us.saturating_sub(self.from_us) as f64 / 1e6
    }

    /// One sentence, without its full stop.
    pub fn words(&self) -> String {
        let seconds = format!("{:.0} s", self.seconds());
        let limit = self.condition.limit(self.limit);
        let value = self.value.map(|value| self.condition.figure(value));
        let used = || {
            let of = self.of.map(Whole::words).unwrap_or_default();
            format!("{} used {} of {of} for {seconds}", self.whom.words(), value.as_deref().unwrap_or("more"))
        };
        match (self.condition, &value) {
            (Condition::Cpu, _) => format!("{} (limit {limit})", used()),
            (Condition::Adaptive, _) => {
                let usual = self.usual.map(|usual| self.condition.figure(usual)).unwrap_or_default();
                format!("{}, and {usual} in 99 % of the time before at most (limit {limit})", used())
            }
            (Condition::Throttled, value) => {
                let share = value.as_deref().unwrap_or_default();
                format!("the quota ran out in {share} of its periods for {seconds} (limit {limit})")
            }
            (Condition::Liveliness, Some(value)) => {
                format!("/health/liveliness took {value} for {seconds} (limit {limit})")
            }
            (Condition::Liveliness, None) => {
                format!("/health/liveliness failed or took too long for {seconds} (limit {limit})")
            }
            (Condition::P99, value) => {
                let value = value.as_deref().unwrap_or_default();
                format!("the 99th percentile of the requests' latency was {value} over {seconds} (limit {limit})")
            }
        }
    }

    /// The same for a file's name, of `a-z`, `0-9` and `-`: `cpu97`, `p99-6s`, `liveliness-failed`.
    pub fn figure(&self) -> String {
        let percent = || format!("{:.0}", self.value.unwrap_or(self.limit) * 100.0);
        match (self.condition, self.value) {
            (Condition::Cpu, _) => format!("cpu{}", percent()),
            (Condition::Adaptive, _) => format!("adaptive{}", percent()),
            (Condition::Throttled, _) => format!("throttled{}", percent()),
            (Condition::Liveliness, Some(seconds)) => format!("liveliness-{}", short(seconds)),
            (Condition::Liveliness, None) => "liveliness-failed".to_owned(),
            (Condition::P99, seconds) => format!("p99-{}", short(seconds.unwrap_or(self.limit))),
        }
    }
}

/// `6s`, `250ms`.
fn short(seconds: f64) -> String {
    if seconds < 0.9995 { format!("{:.0}ms", seconds * 1e3) } else { format!("{seconds:.0}s") }
}
