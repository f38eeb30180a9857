//! Folded stacks: one line for each distinct stack, `frame;frame;frame WEIGHT`, weights in microseconds of CPU.
//!
//! The outermost frame is the worker, then the thread. Time in native threads and time without a sampler stand under
//! names in brackets, so that all weights together are the CPU time that the kernel counted.

use std::fmt::Write as _;
use std::iter;

use rustc_hash::FxHashMap;

use crate::analyse::frames::{drawn, written};
use crate::redact::Clean;
use crate::sample::profile::{Frame, Interner, Place, Profile, Sample, StackNode, Thread};

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

/// What was used at one place; of one sample, or of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// Index of the thread.
    pub thread: u32,
    /// Where the thread was.
    pub place: Place,
    /// CPU time.
    pub cpu_ns: u64,
}

impl From<&Sample> for Weight {
    fn from(sample: &Sample) -> Self {
        Self { thread: sample.thread, place: sample.place, cpu_ns: sample.cpu_ns }
    }
}

/// Folds all samples of a profile.
pub fn fold(profile: &Profile<Clean>, detail: Detail) -> String {
    Folder::of(profile, detail).fold(profile.samples.iter().map(Weight::from))
}

/// Folds one part of a profile after another: names, and the stacks that are one under them, are found once for all.
#[derive(Debug)]
pub struct Folder {
    /// Worker and thread, by the thread's index.
    roots: Vec<String>,
    names: Vec<String>,
    /// Stacks of names.
    stacks: Vec<StackNode>,
    /// The stack of names of each of the profile's stacks.
    stack_of: Vec<u32>,
}

impl Folder {
    /// Names the threads and stacks of a profile.
    pub fn of(profile: &Profile<Clean>, detail: Detail) -> Self {
        let (mut names, mut stacks) = (Interner::default(), Interner::default());
        let frames: Vec<u32> = profile.frames.iter().map(|frame| names.id(name(frame, detail))).collect();
        let mut stack_of: Vec<u32> = Vec::with_capacity(profile.stacks.len());
        for stack in &profile.stacks {
            let parent = stack.parent.map(|parent| stack_of[parent as usize]);
            stack_of.push(stacks.id(StackNode { parent, frame: frames[stack.frame as usize] }));
        }
        let root = |thread: &Thread<Clean>| {
            format!("worker {};{}", thread.process.pid, thread.name.as_str().replace([';', '\n'], ":"))
        };
        Self {
            roots: profile.threads.iter().map(root).collect(),
            names: names.into_items(),
            stacks: stacks.into_items(),
            stack_of,
        }
    }

    /// Folds weights of this profile; sorted, so that the same facts give the same bytes.
    pub fn fold(&self, weights: impl IntoIterator<Item = Weight>) -> String {
        let mut sums: FxHashMap<(u32, Place), u64> = FxHashMap::default();
        for Weight { thread, place, cpu_ns } in weights.into_iter().filter(|weight| weight.cpu_ns > 0) {
            let place = match place {
                Place::Stack(stack) => Place::Stack(self.stack_of[stack as usize]),
                Place::Native | Place::NotSampled => place,
            };
            *sums.entry((thread, place)).or_default() += cpu_ns;
        }
        let mut lines: Vec<(String, u64)> =
            sums.into_iter().map(|((thread, place), cpu_ns)| (self.line(thread, place), cpu_ns)).collect();
        lines.sort_unstable();
        // Threads of one name are one.
        lines.dedup_by(|(line, cpu_ns), (before, sum)| {
            let is_alike = line == before;
            *sum += if is_alike { *cpu_ns } else { 0 };
            is_alike
        });
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

    fn line(&self, thread: u32, place: Place) -> String {
        let mut names = match place {
            Place::Stack(stack) => self.leaf_to_root(stack),
            Place::Native => vec![NATIVE],
            Place::NotSampled => vec![NOT_SAMPLED],
        };
        names.push(&self.roots[thread as usize]);
        names.reverse();
        names.join(";")
    }

    fn leaf_to_root(&self, stack: u32) -> Vec<&str> {
        let callers = iter::successors(Some(stack), |stack| self.stacks[*stack as usize].parent);
        callers.map(|stack| self.names[self.stacks[stack as usize].frame as usize].as_str()).collect()
    }
}

fn name(frame: &Frame<Clean>, detail: Detail) -> String {
    match detail {
        Detail::Lines => written(frame),
        Detail::Functions => drawn(frame),
    }
}
