//! What the kernel counts for the workers' cgroup. Each figure comes from the hierarchy that its controller is at work
//! in, which under both versions at once may be a different one for each.
//!
//! CPU time, memory and pressure are those of the workers' own cgroup; throttling is counted where the tightest quota is
//! set, since that is where the periods run out.

use std::path::Path;

use crate::observe::ledger::{Figures, KernelFile, Value, counter, level};
use crate::observe::pressure::Pressure;
use crate::os::cgroup::{self, CgroupRoot, Membership, Place, Version};
use crate::os::proc::{Process, Procfs};
use crate::series::column;

const NANOSECONDS: u64 = 1_000_000_000;
const MICROSECONDS: u64 = 1_000_000;

/// The workers' cgroup under observation.
#[derive(Debug)]
pub struct Cgroup {
    usage: Option<(Version, KernelFile)>,
    throttling: Option<(Version, KernelFile)>,
    memory: Option<KernelFile>,
    pressure: Option<Pressure>,
}

impl Cgroup {
    /// The cgroup of a worker; none while the worker cannot be asked for it.
    pub fn of(procfs: &Procfs, mounts: &CgroupRoot, worker: &Process) -> Option<Self> {
        let membership = Membership::of(procfs, mounts, worker).ok()?;
        let open = |place: &Place, level: &Path, [v1, v2]: [&str; 2]| {
            let name = if place.version == Version::V1 { v1 } else { v2 };
            Some((place.version, KernelFile::open(&level.join(name)).ok()?))
        };
        let usage = |place: Place| open(&place, &place.leaf, ["cpuacct.usage", "cpu.stat"]);
        let throttling = |place: Place| {
            let quota = place.cpu_quota();
            open(&place, quota.as_ref().map_or(&place.leaf, |(level, _)| level), ["cpu.stat", "cpu.stat"])
        };
        let memory = |place: Place| open(&place, &place.leaf, ["memory.usage_in_bytes", "memory.current"]);
        let pressure = membership.unified().map(|place| Pressure::of_cgroup(&place.leaf));
        Some(Self {
            usage: membership.place("cpuacct").and_then(usage),
            throttling: membership.place("cpu").and_then(throttling),
            memory: membership.place("memory").and_then(memory).map(|(_, file)| file),
            pressure: pressure.filter(Pressure::is_told),
        })
    }

    /// Whether the kernel tells of pressure in this cgroup; version 1 does not.
    pub fn tells_pressure(&self) -> bool {
        self.pressure.is_some()
    }

    /// Its figures now.
    pub fn figures(&self) -> Figures {
        let [periods, throttled_periods, throttled] = self.throttling();
        let memory = self.memory.as_ref().and_then(|file| file.tells(number));
        let mut figures = vec![
            (column::CPU_S, self.usage()),
            (column::PERIODS, periods),
            (column::THROTTLED_PERIODS, throttled_periods),
            (column::THROTTLED_S, throttled),
            (column::MEMORY_BYTES, level(memory)),
        ];
        figures.extend(self.pressure.iter().flat_map(Pressure::figures));
        figures
    }

    fn usage(&self) -> Option<Value> {
        let (version, file) = self.usage.as_ref()?;
        match version {
            Version::V1 => counter(file.tells(number), NANOSECONDS),
            Version::V2 => counter(file.tells(|stat| cgroup::counter(stat, "usage_usec")), MICROSECONDS),
        }
    }

    /// Periods, those in which the quota ran out, and the time for which it had.
    fn throttling(&self) -> [Option<Value>; 3] {
        let Some((version, file)) = &self.throttling else { return [None; 3] };
        let (time, per_second) = match version {
            Version::V1 => ("throttled_time", NANOSECONDS),
            Version::V2 => ("throttled_usec", MICROSECONDS),
        };
        let names = [("nr_periods", 1), ("nr_throttled", 1), (time, per_second)];
        // One reading for all three, so that they fit one another.
        let read =
            file.tells(|stat| Some(names.map(|(name, per_unit)| counter(cgroup::counter(stat, name), per_unit))));
        read.unwrap_or([None; 3])
    }
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}
