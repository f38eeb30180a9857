//! The native engine held against another that reads the same worker: does it see the same calls?
//!
//! Once the sampling is over py-spy looks at each worker. A call in its stacks, one function by another, agrees when the
//! native engine saw it in the same thread. What moved on in between is new to both, so that a healthy engine agrees in
//! most and not in all calls. Calls are counted and nothing else is kept.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::os::proc::ProcessId;
use crate::redact::Raw;
use crate::sample::native::record::{FrameRecord, NativeSlice};
use crate::sample::profile::StackNode;
use crate::sample::pyspy::DumpedThread;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Witness {
    /// `py-spy`.
    pub engine: String,
    /// Its version.
    pub version: String,
    /// Stacks that could be compared: of threads that the native engine saw in Python code.
    pub stacks: u64,
    /// Stacks of which the native engine saw every call.
    pub agreeing: u64,
    /// Calls that it saw, as a share of those in the stacks.
    pub share: f64,
}

/// Counts of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agreement {
    stacks: u64,
    agreeing: u64,
    calls: u64,
    seen: u64,
}

impl Agreement {
    /// The witness's word; none where no stack could be compared.
    pub fn of(self, engine: &str, version: &str) -> Option<Witness> {
        (self.calls > 0).then(|| Witness {
            engine: engine.to_owned(),
            version: version.to_owned(),
            stacks: self.stacks,
            agreeing: self.agreeing,
            share: (self.seen as f64 / self.calls as f64 * 1e3).round() / 1e3,
        })
    }

    /// Adds a thread's stack, from the leaf on.
    fn add(&mut self, seen: &HashSet<Call<'_>>, functions: &[(Raw, Raw)]) {
        let calls: Vec<Call<'_>> = functions
            .windows(2)
            .map(|pair| (Some(function(&pair[1])), function(&pair[0])))
            .chain(functions.last().map(|root| (None, function(root))))
            .collect();
        let known = calls.iter().filter(|call| seen.contains(*call)).count() as u64;
        self.stacks += 1;
        self.agreeing += u64::from(known == calls.len() as u64);
        self.calls += calls.len() as u64;
        self.seen += known;
    }
}

/// A function by its name without class and enclosing function, and its file: before 3.11 engines name it differently.
type Function<'a> = (&'a str, &'a str);
/// The caller, none at the root, and who is called.
type Call<'a> = (Option<Function<'a>>, Function<'a>);

fn function((name, file): &(Raw, Raw)) -> Function<'_> {
    (plain(name.expose()), file.expose())
}

fn plain(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Compares another engine's look at a worker with all that was read of it.
pub fn compare(slices: &[NativeSlice], process: ProcessId, threads: &[DumpedThread], agreement: &mut Agreement) {
    let slices = || slices.iter().filter(|slice| slice.process == process);
    let frames: Vec<&FrameRecord> = slices().flat_map(|slice| &slice.frames).collect();
    let nodes: Vec<StackNode> = slices().flat_map(|slice| &slice.stacks).copied().collect();
    let mut stacks: HashMap<i32, HashSet<u32>> = HashMap::new();
    for thread in slices().flat_map(|slice| &slice.threads) {
        stacks.entry(thread.inner_tid).or_default().extend(thread.samples.iter().filter_map(|sample| sample.stack));
    }
    for thread in threads.iter().filter(|thread| !thread.functions.is_empty()) {
        let Some(stacks) = thread.tid.and_then(|tid| stacks.get(&tid)).filter(|stacks| !stacks.is_empty()) else {
            continue;
        };
        let calls: HashSet<Call<'_>> = stacks.iter().flat_map(|&stack| calls(stack, &nodes, &frames)).collect();
        agreement.add(&calls, &thread.functions);
    }
}

/// The calls of a stack. A parent stands before its children, so that there is an end.
fn calls<'a>(stack: u32, nodes: &[StackNode], frames: &[&'a FrameRecord]) -> Vec<Call<'a>> {
    let function =
        |node: &StackNode| frames.get(node.frame as usize).map(|frame| (plain(&frame.function), frame.file.as_str()));
    let mut calls = Vec::new();
    let mut next = Some(stack);
    while let Some(node) = next.and_then(|number| nodes.get(number as usize)) {
        let parent = node.parent.filter(|parent| Some(*parent) < next);
        let caller = parent.and_then(|parent| nodes.get(parent as usize)).and_then(function);
        calls.extend(function(node).map(|callee| (caller, callee)));
        next = parent;
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::native::record::{Counts, NativeSample, State, ThreadSamples};

    const WORKER: ProcessId = ProcessId { pid: 70, start_ticks: 5 };

    /// Thread 71 was seen in `main` and in `main;work`.
    fn read() -> Vec<NativeSlice> {
        let frame = |function: &str| FrameRecord { function: function.into(), file: "/a.py".into(), line: 3 };
        let sample = |stack| NativeSample {
            at_us: 0,
            span_us: 0,
            cpu_ns: 0,
            run_delay_ns: 0,
            stack: Some(stack),
            state: State::NONE,
        };
        vec![NativeSlice {
            process: WORKER,
            rate_hz: 100,
            from_us: 0,
            to_us: 1,
            kernel_cpu_us: None,
            frames: vec![frame("main"), frame("Jobs.work")],
            stacks: vec![StackNode { parent: None, frame: 0 }, StackNode { parent: Some(0), frame: 1 }],
            threads: vec![ThreadSamples {
                tid: 9_071,
                inner_tid: 71,
                comm: "x".into(),
                name: None,
                python: true,
                samples: vec![sample(0), sample(1)],
            }],
            counts: Counts::default(),
            cost_us: 0,
        }]
    }

    fn witness(tid: i32, leaf_to_root: &[&str]) -> Option<Witness> {
        let functions = leaf_to_root.iter().map(|name| (Raw::new(*name), Raw::new("/a.py"))).collect();
        let mut agreement = Agreement::default();
        compare(&read(), WORKER, &[DumpedThread { tid: Some(tid), functions }], &mut agreement);
        agreement.of("py-spy", "0.4.3")
    }

    #[test]
    fn the_same_calls_agree_however_a_function_is_qualified() {
        let witness = witness(71, &["work", "main"]).unwrap();
        assert_eq!((witness.stacks, witness.agreeing), (1, 1));
        assert!((witness.share - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_moved_on_agrees_up_to_there_and_another_root_does_not() {
        let moved_on = witness(71, &["other", "work", "main"]).unwrap();
        assert_eq!((moved_on.agreeing, moved_on.share), (0, 0.667));
        let another = witness(71, &["work", "start"]).unwrap();
        assert_eq!((another.agreeing, another.share), (0, 0.0));
    }

    #[test]
    fn a_thread_that_was_not_seen_says_nothing() {
        assert_eq!(witness(72, &["work", "main"]), None);
    }
}
