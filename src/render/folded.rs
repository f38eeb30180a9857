//! Folded stacks: one line for each distinct stack, `frame;frame;frame WEIGHT`, weights in microseconds of CPU.
//!
//! The outermost frame is the worker, then the thread. Time in native threads and time without a sampler stand under
//! names in brackets, so that all weights together are the CPU time that the kernel counted.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use crate::analyse::frames::{drawn, written};
use crate::os::proc::ProcessId;
use crate::redact::Clean;
use crate::sample::profile::{Frame, Place, Profile, Sample};

/// A thread that runs no Python.
pub const NATIVE: &str = "[native thread]";
/// No sampler was attached.
pub const NOT_SAMPLED: &str = "[not sampled]";

/// Whether frames carry their line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// For other tools.
    Lines,
    /// For drawings, where lines of one function belong together.
    Functions,
}

/// Folds the samples that `include` accepts; sorted, so that the same facts give the same bytes.
pub fn fold(profile: &Profile<Clean>, detail: Detail, include: impl Fn(&Sample, ProcessId) -> bool) -> String {
    let mut weights: HashMap<(u32, Place), u64> = HashMap::new();
    for sample in profile.samples.iter().filter(|sample| sample.cpu_ns > 0) {
        if include(sample, profile.threads[sample.thread as usize].process) {
            *weights.entry((sample.thread, sample.place)).or_default() += sample.cpu_ns;
        }
    }
    let names: Vec<String> = profile.frames.iter().map(|frame| name(frame, detail)).collect();
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for ((thread, place), cpu_ns) in weights {
        let thread = &profile.threads[thread as usize];
        let mut line = format!("worker {};{}", thread.process.pid, thread.name.as_str().replace([';', '\n'], ":"));
        match place {
            Place::Stack(stack) => {
                let mut frames = Vec::new();
                let mut next = Some(stack);
                while let Some(node) = next.map(|index| profile.stacks[index as usize]) {
                    frames.push(node.frame);
                    next = node.parent;
                }
                for frame in frames.into_iter().rev() {
                    line.push(';');
                    line.push_str(&names[frame as usize]);
                }
            }
            Place::Native => line.extend([";", NATIVE]),
            Place::NotSampled => line.extend([";", NOT_SAMPLED]),
        }
        *lines.entry(line).or_default() += cpu_ns;
    }
    let mut text = String::new();
    for (line, cpu_ns) in lines {
        let cpu_us = (cpu_ns + 500) / 1_000;
        if cpu_us > 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line} {cpu_us}");
        }
    }
    text
}

fn name(frame: &Frame<Clean>, detail: Detail) -> String {
    match detail {
        Detail::Lines => written(frame),
        Detail::Functions => drawn(frame),
    }
}
