//! Is there CPU and memory left for a capture, in the cgroup whose limits it shares with the workers?

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::discover::Proxy;
use crate::doctor::Machine;
use crate::doctor::probe::{Outcome, Probe};
use crate::os::cgroup::{self, Membership, Place, Version};
use crate::os::clock::pause;

/// Long enough for five periods of a quota.
const READING: Duration = Duration::from_millis(500);
/// What sampling one worker takes, in cores, as `scripts/bench` measured it: py-spy at 100 Hz until the budget slows it
/// down, and the native engine.
const PY_SPY_CORES: f64 = 0.104;
const NATIVE_CORES: f64 = 0.013;
/// What this program takes beside the samplers.
const OWN_CORES: f64 = 0.008;
/// What this program has resident, with room for the making of the bundle.
const OWN_BYTES: u64 = 64_000_000;

/// Where nothing is left.
const TAKEN_CURE: &str =
    "what a capture takes is taken from the workers: use --engine native and --rate 25, or raise the limit first";

/// CPU, then memory.
pub fn probes(machine: &Machine, proxy: &Proxy) -> Vec<Probe> {
    let workers = proxy.workers().count();
    let process = proxy.workers().next().map(|worker| machine.procfs.process(worker.id.pid));
    let membership = process.and_then(|process| Membership::of(&machine.procfs, &machine.cgroups, &process).ok());
    let quota = membership.as_ref().and_then(|membership| {
        let place = membership.place("cpu")?;
        let usage = membership.place("cpuacct").unwrap_or_else(|| place.clone());
        let (level, cores) = place.cpu_quota()?;
        Some(Quota { place, usage, level, cores })
    });
    let cpu = match quota {
        Some(quota) => within_quota(&quota, workers),
        None => of_machine(machine, workers),
    };
    vec![cpu, memory(membership.as_ref())]
}

/// A quota and where it is counted.
struct Quota {
    place: Place,
    /// Where the CPU time of the same processes is counted.
    usage: Place,
    /// The level that sets it.
    level: PathBuf,
    cores: f64,
}

/// One reading.
#[derive(Clone, Copy)]
struct Count {
    cpu_seconds: f64,
    periods: u64,
    throttled: u64,
}

impl Quota {
    fn count(&self) -> Option<Count> {
        let stat = fs::read_to_string(self.level.join("cpu.stat")).ok()?;
        let cpu_seconds = match self.place.version {
            Version::V2 => cgroup::counter(&stat, "usage_usec")? as f64 / 1e6,
            Version::V1 => cgroup::number(&self.usage.leaf, "cpuacct.usage")? as f64 / 1e9,
        };
        Some(Count {
            cpu_seconds,
            periods: cgroup::counter(&stat, "nr_periods")?,
            throttled: cgroup::counter(&stat, "nr_throttled")?,
        })
    }
}

fn within_quota(quota: &Quota, workers: usize) -> Probe {
    const WHAT: &str = "CPU headroom";
    let limit = format!("of a quota of {:.2} cores", quota.cores);
    let begun = Instant::now();
    let Some(before) = quota.count() else {
        return Probe::new(WHAT, Outcome::NotTried, format!("what is used {limit} is not counted here"));
    };
    pause(READING);
    let Some(after) = quota.count() else {
        return Probe::new(
            WHAT,
            Outcome::NotTried,
            format!("what is used {limit} was not counted: its cgroup has gone"),
        );
    };
    let used = (after.cpu_seconds - before.cpu_seconds) / begun.elapsed().as_secs_f64();
    let periods = after.periods.saturating_sub(before.periods);
    let throttled = after.throttled.saturating_sub(before.throttled);
    let held = match throttled {
        0 => String::new(),
        throttled => format!(", and the workers were held in {throttled} of {periods} periods"),
    };
    judged(Reading { limit, left: quota.cores - used, used, held }, workers)
}

/// What was read of the CPU.
struct Reading {
    limit: String,
    used: f64,
    left: f64,
    held: String,
}

fn judged(reading: Reading, workers: usize) -> Probe {
    let Reading { limit, used, left, held } = reading;
    let count = workers as f64;
    let [native, py_spy] = [NATIVE_CORES, PY_SPY_CORES].map(|each| OWN_CORES + count * each);
    let proof = format!(
        "{limit} {used:.2} were in use for {} ms{held}; a capture takes about {native:.2} cores by the native engine, \
         {py_spy:.2} by py-spy until its budget slows it down",
        READING.as_millis()
    );
    let probe =
        |result, cure: Option<&str>| Probe::new("CPU headroom", result, proof.clone()).cured(cure.map(str::to_owned));
    if left >= py_spy && held.is_empty() {
        probe(Outcome::Ok, None)
    } else if left >= native && held.is_empty() {
        probe(Outcome::Warning, Some("use --engine native, or fewer samples: --rate 25"))
    } else {
        probe(Outcome::Warning, Some(TAKEN_CURE))
    }
}

/// Without a quota the machine's processors are the limit.
fn of_machine(machine: &Machine, workers: usize) -> Probe {
    let read = || {
        let stat = machine.procfs.read("stat").ok()?;
        let cpus = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
        // Fields of proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal.
        let ticks: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
        let idle: u64 = ticks.get(3..5)?.iter().sum();
        Some((cpus as f64, ticks.iter().take(8).sum::<u64>() - idle))
    };
    let begun = Instant::now();
    let not_told =
        || Probe::new("CPU headroom", Outcome::NotTried, "there is no quota, and /proc/stat does not tell it");
    let Some((cpus, before)) = read() else { return not_told() };
    pause(READING);
    let Some((_, after)) = read() else { return not_told() };
    let used = after.saturating_sub(before) as f64 / procfs::ticks_per_second() as f64 / begun.elapsed().as_secs_f64();
    let limit = format!("there is no quota; of {cpus:.0} CPUs");
    judged(Reading { limit, used, left: cpus - used, held: String::new() }, workers)
}

fn memory(membership: Option<&Membership>) -> Probe {
    const WHAT: &str = "memory headroom";
    let limit = membership.and_then(|membership| {
        let place = membership.place("memory")?;
        let (level, limit) = place.memory_limit()?;
        let used = cgroup::memory_used(&level)?;
        // File pages that nobody used lately go when memory is wanted.
        let stat = fs::read_to_string(level.join("memory.stat")).unwrap_or_default();
        let spare = ["total_inactive_file", "inactive_file"].iter().find_map(|name| cgroup::counter(&stat, name));
        Some((limit, used.saturating_sub(spare.unwrap_or(0))))
    });
    let Some((limit, used)) = limit else { return Probe::new(WHAT, Outcome::Ok, "there is no limit") };
    let mb = |bytes: u64| bytes / 1_000_000;
    let proof = format!(
        "{} of {} MB are in use, file cache left out; a capture takes about {} MB",
        mb(used),
        mb(limit),
        mb(OWN_BYTES)
    );
    if limit.saturating_sub(used) >= OWN_BYTES {
        return Probe::new(WHAT, Outcome::Ok, proof);
    }
    let cure = "raise the limit first: what a capture takes counts there, and the kernel may end a worker for it";
    Probe::new(WHAT, Outcome::Warning, proof).cured(Some(cure.to_owned()))
}
