//! What the evidence says: where the CPU went, which worker was hot, how good the profile is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analyse::changes::{Change, changes};
use crate::analyse::classify::{Classification, classify};
use crate::analyse::compare::{Comparison, compare_with_baseline};
use crate::analyse::evidence::{Evidence, Stacks};
use crate::analyse::facts::Facts;
use crate::analyse::frames::Kind;
use crate::analyse::functions::{Function, by_function, percent, seconds};
use crate::analyse::heat::{Heat, heat};
use crate::analyse::load::{Loads, loads};
use crate::analyse::owners::{OwnerShare, by_owner};
use crate::analyse::quality::{Quality, judge};
use crate::analyse::sizing::{Sizing, sizing};
use crate::analyse::stall::{Stall, stall};
use crate::os::proc::ProcessId;
use crate::redact::Clean;
use crate::sample::native::gil::GilTimes;
use crate::sample::profile::{Place, Profile, Shape};

pub use crate::analyse::quality::Grade;

/// Functions kept in `summary.json`; all of them are in the profile.
const FUNCTIONS_KEPT: usize = 100;

/// The content of `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// CPU of all workers.
    pub cpu: Cpu,
    /// Each worker, the hottest first.
    pub workers: Vec<Worker>,
    /// CPU by whose code it was, self time.
    pub kinds: Vec<KindShare>,
    /// Functions by self time.
    pub functions: Vec<Function>,
    /// The same functions' leaders by total time.
    pub inclusive: Vec<Function>,
    /// How far to trust it.
    pub quality: Quality,
    /// Whether stacks were taken at all.
    #[serde(default, skip_serializing_if = "Stacks::are_taken")]
    pub stacks: Stacks,
    /// CPU and traffic, before and during.
    #[serde(default)]
    pub loads: Loads,
    /// The class of the spike.
    #[serde(default)]
    pub classification: Option<Classification>,
    /// Workers against CPU and memory.
    #[serde(default)]
    pub sizing: Option<Sizing>,
    /// One hot worker, or all.
    #[serde(default)]
    pub heat: Option<Heat>,
    /// The longest stall of an event loop; none where none was noticed.
    #[serde(default)]
    pub stall: Option<Stall>,
    /// Where the CPU went, the largest first.
    #[serde(default)]
    pub owners: Vec<OwnerShare>,
    /// What was changed before the CPU rose.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// What grew against the baseline, where there is one.
    #[serde(default)]
    pub comparison: Option<Comparison>,
}

/// CPU of all workers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// Length of the capture.
    pub wall_seconds: f64,
    /// Sum of all threads' clocks: the total of the flamegraphs.
    pub sampled_seconds: f64,
    /// Growth of user and system time of the same workers over the same time; none where no worker lived to its end.
    pub kernel_seconds: Option<f64>,
    /// The first against the second, over the workers that have both.
    pub difference_percent: Option<f64>,
    /// Cores busy on average.
    pub cores: f64,
    /// CPU of threads without Python.
    pub native_percent: f64,
    /// CPU where no sampler was attached.
    pub not_sampled_percent: f64,
    /// CPU in stacks that were torn and mended.
    pub mended_percent: f64,
    /// CPU in stacks that changed while they were read, and stand as they were read; none with py-spy, which does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn_percent: Option<f64>,
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Its pid.
    pub pid: i32,
    /// Its start time in clock ticks since boot.
    pub start_ticks: u64,
    /// Sum of its threads' clocks.
    pub cpu_seconds: f64,
    /// Growth of its user and system time.
    pub kernel_seconds: Option<f64>,
    /// CPU as a share of one core.
    pub core_percent: f64,
    /// Time its threads were runnable without a CPU.
    pub run_delay_seconds: f64,
    /// How long its clocks were read.
    pub wall_seconds: f64,
    /// Its GIL, where the native engine read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gil: Option<GilTimes>,
}

/// CPU by whose code it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KindShare {
    /// Whose code.
    pub kind: Kind,
    /// Its CPU.
    pub self_seconds: f64,
    /// Its share.
    pub self_percent: f64,
}

#[derive(Default)]
struct Tally {
    cpu_ns: u64,
    run_delay_ns: u64,
}

/// CPU that is not simply in a stack that was read whole.
#[derive(Default)]
#[expect(clippy::struct_field_names, reason = "the unit belongs to each name")]
struct Parts {
    native_ns: u64,
    not_sampled_ns: u64,
    mended_ns: u64,
    torn_ns: u64,
}

/// Judges the facts.
pub fn analyse(facts: &Facts) -> Verdict {
    let profiled = profiled(&facts.evidence, &facts.profile);
    let mut verdict = Verdict {
        loads: loads(facts),
        sizing: Some(sizing(facts)),
        heat: heat(&profiled.workers, &facts.profile),
        stall: stall(facts),
        owners: if facts.evidence.stacks.are_taken() { by_owner(&facts.profile) } else { Vec::new() },
        changes: changes(facts),
        comparison: facts.baseline.as_deref().map(|baseline| compare_with_baseline(baseline, facts)),
        ..profiled
    };
    // The class rests on all the rest.
    verdict.classification = Some(classify(facts, &verdict));
    verdict
}

/// What follows from the profile.
pub fn profiled(evidence: &Evidence, profile: &Profile<Clean>) -> Verdict {
    let mut tallies: BTreeMap<ProcessId, Tally> = BTreeMap::new();
    let kind_of_frame: Vec<Kind> = profile.frames.iter().map(Kind::of).collect();
    let mut kinds: BTreeMap<Kind, u64> = BTreeMap::new();
    let mut parts = Parts::default();
    let mut samples = 0;
    for sample in &profile.samples {
        let tally = tallies.entry(profile.threads[sample.thread as usize].process).or_default();
        tally.cpu_ns += sample.cpu_ns;
        tally.run_delay_ns += sample.run_delay_ns;
        match sample.shape {
            Shape::Whole => {}
            Shape::Mended => parts.mended_ns += sample.cpu_ns,
            Shape::Torn => parts.torn_ns += sample.cpu_ns,
        }
        let kind = match sample.place {
            Place::Stack(stack) => {
                samples += u64::from(sample.cpu_ns > 0);
                kind_of_frame[profile.stacks[stack as usize].frame as usize]
            }
            Place::Native => {
                parts.native_ns += sample.cpu_ns;
                Kind::Native
            }
            Place::NotSampled => {
                parts.not_sampled_ns += sample.cpu_ns;
                Kind::Native
            }
        };
        *kinds.entry(kind).or_default() += sample.cpu_ns;
    }
    let all_ns: u64 = tallies.values().map(|tally| tally.cpu_ns).sum();
    let workers = workers(evidence, &tallies);
    let cpu = cpu(evidence, &workers, all_ns, &parts);
    let mut kinds: Vec<KindShare> = kinds
        .into_iter()
        .filter(|(_, ns)| *ns > 0 && evidence.stacks.are_taken())
        .map(|(kind, ns)| KindShare { kind, self_seconds: seconds(ns), self_percent: percent(ns, all_ns) })
        .collect();
    kinds.sort_by(|a, b| b.self_seconds.total_cmp(&a.self_seconds));
    let mut functions = by_function(profile);
    let mut inclusive = functions.clone();
    inclusive
        .sort_by(|a, b| b.total_seconds.total_cmp(&a.total_seconds).then(b.self_seconds.total_cmp(&a.self_seconds)));
    functions.truncate(FUNCTIONS_KEPT);
    inclusive.truncate(FUNCTIONS_KEPT);
    let quality = judge(evidence, &cpu, samples);
    Verdict {
        cpu,
        workers,
        kinds,
        functions,
        inclusive,
        quality,
        stacks: evidence.stacks.clone(),
        loads: Loads::default(),
        classification: None,
        sizing: None,
        heat: None,
        stall: None,
        owners: Vec::new(),
        changes: Vec::new(),
        comparison: None,
    }
}

fn workers(evidence: &Evidence, tallies: &BTreeMap<ProcessId, Tally>) -> Vec<Worker> {
    let nothing = Tally::default();
    let mut workers: Vec<Worker> = evidence
        .workers
        .iter()
        .map(|worker| {
            let tally = tallies.get(&worker.process).unwrap_or(&nothing);
            let wall_us = worker.to_us.saturating_sub(worker.from_us);
            Worker {
                pid: worker.process.pid,
                start_ticks: worker.process.start_ticks,
                cpu_seconds: seconds(tally.cpu_ns),
                kernel_seconds: worker.kernel_cpu_us.map(|us| us as f64 / 1e6),
                core_percent: percent(tally.cpu_ns, wall_us * 1_000),
                run_delay_seconds: seconds(tally.run_delay_ns),
                wall_seconds: wall_us as f64 / 1e6,
                gil: evidence.gil.iter().find(|gil| gil.process == worker.process).map(|gil| gil.times),
            }
        })
        .collect();
    workers.sort_by(|a, b| b.cpu_seconds.total_cmp(&a.cpu_seconds).then(a.pid.cmp(&b.pid)));
    workers
}

fn cpu(evidence: &Evidence, workers: &[Worker], all_ns: u64, parts: &Parts) -> Cpu {
    let begin_us = evidence.slices.first().map_or(0, |slice| slice.from_us);
    let end_us = evidence.slices.last().map_or(0, |slice| slice.to_us);
    let wall_seconds = end_us.saturating_sub(begin_us) as f64 / 1e6;
    let both = || workers.iter().filter_map(|worker| Some((worker.cpu_seconds, worker.kernel_seconds?)));
    let kernel_seconds = both().map(|pair| pair.1).sum::<f64>();
    let compared_seconds = both().map(|pair| pair.0).sum::<f64>();
    let tells_torn = evidence.samplers.iter().any(|sampler| sampler.counts.is_some());
    Cpu {
        wall_seconds,
        sampled_seconds: seconds(all_ns),
        kernel_seconds: both().next().map(|_| kernel_seconds),
        difference_percent: (kernel_seconds > 0.0)
            .then(|| ((compared_seconds / kernel_seconds - 1.0) * 1_000.0).round() / 10.0),
        cores: if wall_seconds > 0.0 { (seconds(all_ns) / wall_seconds * 1_000.0).round() / 1_000.0 } else { 0.0 },
        native_percent: percent(parts.native_ns, all_ns),
        not_sampled_percent: percent(parts.not_sampled_ns, all_ns),
        mended_percent: percent(parts.mended_ns, all_ns),
        torn_percent: tells_torn.then(|| percent(parts.torn_ns, all_ns)),
    }
}
