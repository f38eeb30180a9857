//! Whether the proxy has the CPU and memory that its workers need.

use serde::{Deserialize, Serialize};

use crate::analyse::facts::Facts;
use crate::analyse::figures::{counted, duration, finite, gib, limit, ratio};
use crate::analyse::spent;
use crate::series::{Table, column, table};

/// LiteLLM's rule for production: so many cores for each worker.
const CORES_PER_WORKER: f64 = 1.0;
/// LiteLLM's rule for production: so much memory for each worker.
const BYTES_PER_WORKER: u64 = 4 << 30;
/// A machine sold with 8 GiB shows a little less, since its firmware and its kernel keep some.
const MEMORY_KEPT_BY_THE_MACHINE: f64 = 0.07;
/// The share of periods at which Kubernetes' own alert, `CPUThrottlingHigh`, fires.
pub const MOST_THROTTLED_PERCENT: f64 = 25.0;
/// Threads that wait for a CPU for more than a tenth of the time that they run are short of CPUs.
const MUCH_WAITING: f64 = 0.1;

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

/// Judges the size, with what was counted while the capture sampled.
pub fn sizing(facts: &Facts) -> Sizing {
    let cgroup = facts.fingerprint.as_ref().map(|print| &print.cgroup);
    let host = facts.fingerprint.as_ref().map(|print| &print.host);
    let workers = facts.evidence.workers.len() as u32;
    let throttling = throttling(facts);
    let mut sizing = Sizing {
        size: Size::Unknown,
        sentence: String::new(),
        workers,
        quota_cores: cgroup.and_then(|cgroup| cgroup.cpu_quota_cores),
        cpus: host.and_then(|host| host.cpus_allowed),
        memory_bytes: cgroup
            .and_then(|cgroup| cgroup.memory_limit_bytes)
            .or_else(|| host.and_then(|host| host.memory_bytes)),
        throttled_percent: throttling.and_then(|throttling| throttling.percent),
        throttled_seconds: throttling.and_then(|throttling| throttling.seconds),
        wait_per_cpu_second: waiting(facts),
    };
    sizing.size = sizing.judge();
    sizing.sentence = sizing.words(facts);
    sizing
}

impl Sizing {
    /// What the workers may use: the quota, or the CPUs where those are fewer.
    fn cores(&self) -> Option<f64> {
        match (self.quota_cores, self.cpus.map(f64::from)) {
            (Some(quota), Some(cpus)) => Some(quota.min(cpus)),
            (quota, cpus) => quota.or(cpus),
        }
    }

    fn judge(&self) -> Size {
        if self.throttled_percent.is_some_and(|percent| percent > MOST_THROTTLED_PERCENT) {
            return Size::Throttled;
        }
        let enough_cores = self.cores().map(|cores| cores >= CORES_PER_WORKER * f64::from(self.workers));
        let wanted = (BYTES_PER_WORKER * u64::from(self.workers)) as f64 * (1.0 - MEMORY_KEPT_BY_THE_MACHINE);
        let enough_memory = self.memory_bytes.map(|bytes| bytes as f64 >= wanted);
        match (enough_cores, enough_memory) {
            (Some(false), _) | (_, Some(false)) => Size::Undersized,
            (Some(true), Some(true)) => Size::Adequate,
            _ => Size::Unknown,
        }
    }

    fn words(&self, facts: &Facts) -> String {
        let (from_us, to_us) = facts.sampled_us();
        let seconds = to_us.saturating_sub(from_us) as f64 / 1e6;
        let begin = match self.size {
            Size::Throttled => "Throttled, not busy",
            Size::Undersized => "Undersized",
            Size::Adequate => "Adequate",
            Size::Unknown => "Not known",
        };
        let held = match (self.throttled_percent.filter(|percent| *percent > 0.0), self.throttled_seconds) {
            (Some(percent), Some(held)) => format!(
                "; the quota ran out in {percent:.0} % of the periods and held them for {held:.1} s, summed over CPUs, \
                 of {seconds:.1} s"
            ),
            (Some(percent), None) => format!("; the quota ran out in {percent:.0} % of the periods"),
            (None, _) => String::new(),
        };
        let wait = self.wait_per_cpu_second.filter(|wait| *wait > MUCH_WAITING).map_or_else(String::new, |wait| {
            format!(" For each second that the workers' threads ran they waited {} for a CPU.", duration(wait))
        });
        format!("{begin}: {}{held}.{wait}{}", self.limits(), self.rule())
    }

    fn limits(&self) -> String {
        let workers = counted(self.workers, "worker");
        let verb = if self.workers == 1 { "has" } else { "share" };
        let cores = match (self.quota_cores, self.cpus) {
            (Some(quota), Some(cpus)) if quota > f64::from(cpus) => counted(cpus, "CPU"),
            (Some(quota), _) => format!("a CPU limit of {} cores", limit(quota)),
            (None, Some(cpus)) => counted(cpus, "CPU"),
            (None, None) => "an unknown number of CPUs".to_owned(),
        };
        let memory = self.memory_bytes.map_or("an unknown amount".to_owned(), gib);
        format!("{workers} {verb} {cores} and {memory} of memory")
    }

    fn rule(&self) -> String {
        let each = " LiteLLM asks for 1 CPU and 4 GiB per worker".to_owned();
        match self.workers {
            0 | 1 => each + ".",
            many => each + &format!(", here {many} CPUs and {} GiB.", many * 4),
        }
    }
}

#[derive(Clone, Copy)]
struct Throttling {
    percent: Option<f64>,
    seconds: Option<f64>,
}

/// What the quota did while the capture sampled; the cgroup's own totals count from its making.
fn throttling(facts: &Facts) -> Option<Throttling> {
    let cgroup: &Table = facts.series.table(table::CGROUP)?;
    let (from_us, to_us) = facts.sampled_us();
    let grown = |name| cgroup.growth(name, from_us, to_us);
    let percent = ratio(grown(column::THROTTLED_PERIODS)? * 100.0, grown(column::PERIODS)?);
    Some(Throttling { percent, seconds: grown(column::THROTTLED_S).and_then(finite) })
}

/// Time that the workers' threads waited for a CPU for each second that they had one: by the kernel's count for each
/// worker, else by the threads' clocks.
fn waiting(facts: &Facts) -> Option<f64> {
    let over = |columns: &[&str]| spent::per_second(&facts.series, columns, facts.sampled_us());
    let counted = over(&[column::RUN_QUEUE_WAIT_S]).zip(over(&[column::USER_S, column::SYSTEM_S]));
    counted.and_then(|(waited, ran)| ratio(waited, ran)).or_else(|| {
        let samples = &facts.profile.samples;
        let waited: u64 = samples.iter().map(|sample| sample.run_delay_ns).sum();
        ratio(waited as f64, samples.iter().map(|sample| sample.cpu_ns).sum::<u64>() as f64)
    })
}
