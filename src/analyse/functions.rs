//! CPU by function: itself, and with all it called.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::analyse::frames::{Kind, short_path};
use crate::os::proc::ProcessId;
use crate::redact::Clean;
use crate::sample::profile::{Place, Profile};

/// One function and its CPU time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Qualified name.
    pub name: String,
    /// Short path of its file.
    pub file: String,
    /// Whose code it is.
    pub kind: Kind,
    /// CPU in the function's own code.
    pub self_seconds: f64,
    /// CPU in the function and all it called.
    pub total_seconds: f64,
    /// Its own CPU as a share of all CPU.
    pub self_percent: f64,
    /// Its total CPU as a share of all CPU.
    pub total_percent: f64,
    /// The worker that spent most in it, and its share of that worker's CPU in percent.
    pub hottest_worker: i32,
    /// Its total CPU in that worker, as a share of that worker's CPU.
    pub hottest_worker_percent: f64,
}

impl Function {
    /// Its file, or where there is none what it is instead.
    pub fn place(&self) -> &str {
        if self.file.is_empty() { self.kind.label() } else { &self.file }
    }
}

#[derive(Default)]
struct Tally {
    self_ns: u64,
    total_ns: u64,
    by_worker: HashMap<ProcessId, u64>,
}

/// Every function with CPU, the largest self time first.
pub fn by_function(profile: &Profile<Clean>) -> Vec<Function> {
    // Lines of one function belong together; the distinct functions are numbered once.
    let mut numbers: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let function_of: Vec<usize> = profile
        .frames
        .iter()
        .map(|frame| {
            let next = numbers.len();
            *numbers.entry((frame.function.as_str(), frame.file.as_str())).or_insert(next)
        })
        .collect();
    let mut tallies: Vec<Tally> = Vec::new();
    tallies.resize_with(numbers.len(), Tally::default);
    let mut workers: HashMap<ProcessId, u64> = HashMap::new();
    let mut on_stack = Vec::new();
    for ((stack, process), cpu_ns) in cpu_by_stack(profile, &mut workers) {
        on_stack.clear();
        let mut next = Some(stack);
        while let Some(node) = next.map(|index| profile.stacks[index as usize]) {
            let function = function_of[node.frame as usize];
            if on_stack.is_empty() {
                tallies[function].self_ns += cpu_ns;
            }
            // A function that calls itself counts once.
            if !on_stack.contains(&function) {
                on_stack.push(function);
                tallies[function].total_ns += cpu_ns;
                *tallies[function].by_worker.entry(process).or_default() += cpu_ns;
            }
            next = node.parent;
        }
    }
    let all_ns: u64 = workers.values().sum();
    let mut functions: Vec<Function> = numbers
        .into_iter()
        .filter(|(_, number)| tallies[*number].total_ns > 0)
        .map(|((name, file), number)| {
            let tally = &tallies[number];
            let share = |process: &ProcessId, ns: u64| percent(ns, workers.get(process).copied().unwrap_or(0));
            let hottest = tally.by_worker.iter().max_by_key(|(process, ns)| (**ns, std::cmp::Reverse(**process)));
            Function {
                name: name.to_owned(),
                file: short_path(file).to_owned(),
                kind: Kind::of_function(name, file),
                self_seconds: seconds(tally.self_ns),
                total_seconds: seconds(tally.total_ns),
                self_percent: percent(tally.self_ns, all_ns),
                total_percent: percent(tally.total_ns, all_ns),
                hottest_worker: hottest.map_or(0, |(process, _)| process.pid),
                hottest_worker_percent: hottest.map_or(0.0, |(process, ns)| share(process, *ns)),
            }
        })
        .collect();
    functions
        .sort_by(|a, b| b.self_seconds.total_cmp(&a.self_seconds).then(b.total_seconds.total_cmp(&a.total_seconds)));
    functions
}

/// CPU of each distinct stack in each worker; all CPU of each worker on the side.
fn cpu_by_stack(profile: &Profile<Clean>, workers: &mut HashMap<ProcessId, u64>) -> BTreeMap<(u32, ProcessId), u64> {
    let mut stacks = BTreeMap::new();
    for sample in profile.samples.iter().filter(|sample| sample.cpu_ns > 0) {
        let process = profile.threads[sample.thread as usize].process;
        *workers.entry(process).or_default() += sample.cpu_ns;
        if let Place::Stack(stack) = sample.place {
            *stacks.entry((stack, process)).or_default() += sample.cpu_ns;
        }
    }
    stacks
}

/// Nanoseconds as seconds, to the microsecond.
pub fn seconds(ns: u64) -> f64 {
    (ns as f64 / 1e3).round() / 1e6
}

/// A share in percent, to one digit; of nothing it is 0.
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 1_000.0).round() / 10.0 }
}
