//! One hot worker, or all of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analyse::figures::{counted, median};
use crate::analyse::frames::drawn;
use crate::analyse::functions::seconds;
use crate::analyse::verdict::Worker;
use crate::os::proc::ProcessId;
use crate::redact::Clean;
use crate::sample::profile::{Place, Profile};

/// Below this share of one core for each worker a proxy is idle: its timers alone use about as much.
pub const IDLE_CORE_PERCENT: f64 = 2.0;
/// A worker below this is not hot, whatever the others do: half of its time it waits for work.
const HOT_CORE_PERCENT: f64 = 50.0;
/// So many times the others' median is no chance: the kernel deals connections to workers unevenly, but hardly by
/// more than two to one.
const HOT_FACTOR: f64 = 3.0;
/// Within this factor of the others' median, workers are alike.
const EVEN_FACTOR: f64 = 1.5;
/// A function must make up so much of what the hottest worker uses beyond the others to be named for it.
const LEAST_EXCESS_SHARE: f64 = 0.2;

/// How the CPU is spread over the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// None does anything to speak of.
    Idle,
    /// There is one worker only.
    Single,
    /// One uses far more than the others.
    OneHot,
    /// All are about equally busy.
    Even,
    /// Neither.
    Uneven,
}

/// How the CPU is spread over the workers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heat {
    /// The verdict.
    pub spread: Spread,
    /// One sentence with the figures.
    pub sentence: String,
    /// The hottest worker's pid.
    pub hottest: Option<i32>,
    /// What the hottest worker does that the others do not, as a function; none where there is nothing.
    pub function: Option<String>,
}

/// How the CPU is spread, by the workers' clocks (the hottest first) and by what they do.
pub fn heat(workers: &[Worker], profile: &Profile<Clean>) -> Option<Heat> {
    let (hottest, others) = workers.split_first()?;
    let (pid, top) = (hottest.pid, hottest.core_percent);
    let heat = |spread, sentence| Heat { spread, sentence, hottest: Some(pid), function: None };
    if top < IDLE_CORE_PERCENT {
        let all = counted(workers.len() as u64, "worker");
        let sentence = format!("Idle: of {all} the busiest, {pid}, uses {top:.1} % of a core.");
        return Some(Heat { spread: Spread::Idle, sentence, hottest: None, function: None });
    }
    let Some(median) = median(others.iter().map(|worker| worker.core_percent)) else {
        return Some(heat(Spread::Single, format!("One worker, {pid}, uses {top:.1} % of a core.")));
    };
    let rest = match others.len() {
        1 => format!("worker {} {median:.1} %", others[0].pid),
        count => format!("the median of the other {count} is {median:.1} %"),
    };
    if top >= HOT_CORE_PERCENT && top >= HOT_FACTOR * median {
        let excess = excess(hottest, others, profile);
        let does = excess.as_ref().map_or_else(String::new, |(function, seconds)| {
            format!(" It spends {seconds:.2} CPU-seconds more than the others in {function}.")
        });
        let sentence = format!("One hot worker: {pid} uses {top:.1} % of a core, {rest}.{does}");
        return Some(Heat { function: excess.map(|(function, _)| function), ..heat(Spread::OneHot, sentence) });
    }
    let coolest = others.iter().map(|worker| worker.core_percent).fold(top, f64::min);
    let even = top <= EVEN_FACTOR * median && coolest * EVEN_FACTOR >= median;
    let (spread, word) = if even { (Spread::Even, "Evenly spread") } else { (Spread::Uneven, "Unevenly spread") };
    let lowest = if others.len() == 1 { String::new() } else { format!(", the lowest {coolest:.1} %") };
    Some(heat(spread, format!("{word}: worker {pid} uses {top:.1} % of a core, {rest}{lowest}.")))
}

/// The function in which the hottest worker spends most CPU of its own beyond the others' mean, and how much.
fn excess(hottest: &Worker, others: &[Worker], profile: &Profile<Clean>) -> Option<(String, f64)> {
    let id = |worker: &Worker| ProcessId { pid: worker.pid, start_ticks: worker.start_ticks };
    let mut own: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for sample in profile.samples.iter().filter(|sample| sample.cpu_ns > 0) {
        let Place::Stack(stack) = sample.place else { continue };
        let (here, elsewhere) = own.entry(profile.stacks[stack as usize].frame).or_default();
        let process = profile.threads[sample.thread as usize].process;
        *if process == id(hottest) { here } else { elsewhere } += sample.cpu_ns;
    }
    let mut functions: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (frame, (here, elsewhere)) in own {
        let entry = functions.entry(drawn(&profile.frames[frame as usize])).or_default();
        *entry = (entry.0 + here, entry.1 + elsewhere);
    }
    let mean = |sum: f64| sum / others.len() as f64;
    let beyond = |(here, elsewhere): (u64, u64)| seconds(here) - mean(seconds(elsewhere));
    let (function, excess) = functions
        .into_iter()
        .map(|(function, spent)| (function, beyond(spent)))
        .max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.cmp(&a.0)))?;
    let all = hottest.cpu_seconds - mean(others.iter().map(|worker| worker.cpu_seconds).sum());
    (excess >= LEAST_EXCESS_SHARE * all).then_some((function, excess))
}
