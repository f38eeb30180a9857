//! The native engine's records into one profile: its numbers to stacks, its moments weighed.
//!
//! What the interpreter did in a thread's name stands as a frame of its own on top of the stack in which it happened, so
//! that it is seen, and still counts as its callers' time.

use std::collections::{BTreeMap, HashMap};

use crate::os::proc::ProcessId;
use crate::redact::Raw;
use crate::sample::Sampler;
use crate::sample::clocks::ProcessRecord;
use crate::sample::join::{Joined, Threads};
use crate::sample::native::record::{FrameRecord, NativeSample, NativeSlice, State};
use crate::sample::native::weigh::{Instant, Moment, weigh};
use crate::sample::profile::{AWAITING_GIL, COLLECTING, Frame, Place, Profile, Sample, Shape, StackNode};
use crate::sample::pyspy::trace::Stacks;

/// Makes the profile. Workers whose stacks were not read have but the records of their clocks.
pub fn join(slices: &[NativeSlice], unread: &[ProcessRecord]) -> Joined {
    let mut stacks = Stacks::default();
    let mut numbers: HashMap<ProcessId, Numbers> = HashMap::new();
    let mut threads: BTreeMap<(ProcessId, i32), Thread> = BTreeMap::new();
    let mut runs = Vec::new();
    for slice in slices {
        let numbers = numbers.entry(slice.process).or_default();
        numbers.learn(slice, &mut stacks);
        for thread in &slice.threads {
            let known = threads.entry((slice.process, thread.tid)).or_default();
            known.name = thread.name.clone().or(known.name.take());
            known.comm.clone_from(&thread.comm);
            known.is_python |= thread.python;
            known.moments.extend(thread.samples.iter().map(|sample| numbers.moment(sample, &mut stacks)));
        }
        note_sampler(&mut runs, slice);
    }
    let mut named = Threads::default();
    let mut samples = Vec::new();
    for ((process, tid), mut thread) in threads {
        let index = named.index(process, tid, || Raw::new(thread.name.take().unwrap_or(thread.comm)));
        if !thread.is_python {
            // Without a stack to be read it ran all the same, in code that is not Python's.
            let without = thread.moments.iter_mut().filter(|moment| moment.place == Place::NotSampled);
            without.for_each(|moment| moment.place = Place::Native);
        }
        samples.extend(weigh(&thread.moments, index));
    }
    for record in unread {
        for thread in &record.threads {
            let index = named.index(record.process, thread.tid, || Raw::new(thread.comm.clone()));
            samples.extend(thread.stretches.iter().map(|stretch| Sample {
                at_us: stretch.from_us,
                span_us: stretch.to_us - stretch.from_us,
                thread: index,
                place: Place::NotSampled,
                shape: Shape::Whole,
                cpu_ns: stretch.cpu_ns,
                run_delay_ns: stretch.run_delay_ns,
            }));
        }
    }
    samples.sort_by_key(|sample| (sample.at_us, sample.thread));
    let (frames, nodes) = (stacks.frames.into_items(), stacks.nodes.into_items());
    Joined { profile: Profile { frames, stacks: nodes, threads: named.into_list(), samples }, samplers: runs }
}

/// One thread over all slices.
#[derive(Default)]
struct Thread {
    name: Option<String>,
    comm: String,
    is_python: bool,
    moments: Vec<Moment>,
}

/// What a worker's numbers stand for in the profile. A number that was never explained stands for nothing.
#[derive(Default)]
struct Numbers {
    frames: Vec<u32>,
    stacks: Vec<Option<u32>>,
}

impl Numbers {
    fn learn(&mut self, slice: &NativeSlice, stacks: &mut Stacks) {
        self.frames.extend(slice.frames.iter().map(|frame| stacks.frames.id(raw(frame))));
        for node in &slice.stacks {
            let parent = match node.parent {
                None => Some(None),
                Some(parent) => self.stacks.get(parent as usize).copied().flatten().map(Some),
            };
            let known = parent.zip(self.frames.get(node.frame as usize).copied());
            self.stacks.push(known.map(|(parent, frame)| stacks.nodes.id(StackNode { parent, frame })));
        }
    }

    fn moment(&self, sample: &NativeSample, stacks: &mut Stacks) -> Moment {
        let stack = sample.stack.and_then(|number| self.stacks.get(number as usize).copied().flatten());
        let stack = stack.map(|parent| match doing(sample.state) {
            None => parent,
            Some(name) => {
                let frame = Frame { function: Raw::new(name), file: Raw::default(), line: 0 };
                let frame = stacks.frames.id(frame);
                stacks.nodes.id(StackNode { parent: Some(parent), frame })
            }
        });
        Moment {
            at_us: sample.at_us,
            span_us: sample.span_us,
            cpu_ns: sample.cpu_ns,
            run_delay_ns: sample.run_delay_ns,
            instant: if sample.state.has(State::ON_CPU) { Instant::On } else { Instant::Off },
            place: stack.map_or(Place::NotSampled, Place::Stack),
            shape: if sample.state.has(State::TORN) { Shape::Torn } else { Shape::Whole },
        }
    }
}

/// What the interpreter does in a thread's name. It collects garbage in the thread that holds the GIL.
fn doing(state: State) -> Option<&'static str> {
    if state.has(State::IN_GC.with(State::GIL_HELD)) {
        Some(COLLECTING)
    } else if state.has(State::GIL_WAITED) {
        Some(AWAITING_GIL)
    } else {
        None
    }
}

fn raw(frame: &FrameRecord) -> Frame<Raw> {
    Frame { function: Raw::new(frame.function.as_str()), file: Raw::new(frame.file.as_str()), line: frame.line }
}

/// Slices of a worker at one rate are one run of the sampler.
fn note_sampler(runs: &mut Vec<Sampler>, slice: &NativeSlice) {
    let threads = slice.threads.iter().filter(|thread| thread.python).count() as u32;
    let behind = u32::try_from(slice.counts.late_ticks).unwrap_or(u32::MAX);
    let same = |run: &&mut Sampler| run.process == slice.process && run.rate_hz == slice.rate_hz;
    match runs.iter_mut().rev().find(|run| run.process == slice.process).filter(same) {
        Some(run) => {
            run.to_us = Some(slice.to_us);
            run.threads = run.threads.max(threads);
            run.stacks = run.stacks.map(|stacks| stacks + slice.counts.read);
            run.errors = run.errors.map(|errors| errors + slice.counts.failed);
            run.behind = run.behind.saturating_add(behind);
            run.cpu_us += slice.cost_us;
            run.counts = run.counts.map(|counts| counts.plus(slice.counts));
        }
        None => runs.push(Sampler {
            process: slice.process,
            rate_hz: slice.rate_hz,
            from_us: Some(slice.from_us),
            to_us: Some(slice.to_us),
            threads,
            stacks: Some(slice.counts.read),
            errors: Some(slice.counts.failed),
            behind,
            cpu_us: slice.cost_us,
            fault: None,
            cut_short: false,
            counts: Some(slice.counts),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::clocks::{Stretch, ThreadRecord};
    use crate::sample::native::record::{Counts, ThreadSamples};

    const WORKER: ProcessId = ProcessId { pid: 70, start_ticks: 5 };

    fn frame(function: &str) -> FrameRecord {
        FrameRecord { function: function.into(), file: "/app/a.py".into(), line: 3 }
    }

    /// A moment after ten milliseconds on a CPU.
    fn sample(at_ms: u64, stack: Option<u32>, state: State) -> NativeSample {
        let state = state.with(State::ON_CPU);
        NativeSample { at_us: at_ms * 1_000, span_us: 10_000, cpu_ns: 10_000_000, run_delay_ns: 0, stack, state }
    }

    fn thread(tid: i32, name: Option<&str>, samples: Vec<NativeSample>) -> ThreadSamples {
        let (name, python) = (name.map(str::to_owned), name.is_some());
        ThreadSamples { tid, inner_tid: tid, comm: "python".into(), name, python, samples }
    }

    fn slice(from_ms: u64, to_ms: u64, threads: Vec<ThreadSamples>) -> NativeSlice {
        NativeSlice {
            process: WORKER,
            rate_hz: 100,
            from_us: from_ms * 1_000,
            to_us: to_ms * 1_000,
            kernel_cpu_us: Some(20_000),
            frames: Vec::new(),
            stacks: Vec::new(),
            threads,
            counts: Counts { ticks: 10, late_ticks: 1, read: 9, torn: 0, failed: 2, retries: 0 },
            cost_us: 300,
        }
    }

    /// CPU in milliseconds by stack, from the root on, or by what stands in its place.
    fn cpu_ms(joined: &Joined) -> BTreeMap<String, u64> {
        let mut cpu = BTreeMap::new();
        for sample in joined.profile.samples.iter().filter(|sample| sample.cpu_ns > 0) {
            let name = match sample.place {
                Place::Stack(stack) => {
                    let frames = joined.profile.leaf_to_root(stack);
                    let mut names: Vec<&str> = frames.map(|frame| frame.function.expose()).collect();
                    names.reverse();
                    names.join(";")
                }
                Place::Native => "[native]".to_owned(),
                Place::NotSampled => "[not sampled]".to_owned(),
            };
            *cpu.entry(name).or_default() += sample.cpu_ns / 1_000_000;
        }
        cpu
    }

    fn expect(joined: &Joined, expected: &[(&str, u64)]) {
        assert_eq!(cpu_ms(joined), expected.iter().map(|&(name, ms)| (name.to_owned(), ms)).collect());
    }

    #[test]
    fn numbers_go_on_over_slices() {
        let mut first = slice(0, 100, vec![thread(71, Some("MainThread"), vec![sample(10, Some(0), State::NONE)])]);
        first.frames = vec![frame("main")];
        first.stacks = vec![StackNode { parent: None, frame: 0 }];
        let mut second = slice(100, 200, vec![thread(71, Some("MainThread"), vec![sample(150, Some(1), State::NONE)])]);
        second.frames = vec![frame("work")];
        second.stacks = vec![StackNode { parent: Some(0), frame: 1 }];
        let joined = join(&[first, second], &[]);
        expect(&joined, &[("main", 10), ("main;work", 10)]);
        assert_eq!(joined.profile.threads[0].name.expose(), "MainThread");
    }

    #[test]
    fn what_the_interpreter_does_stands_on_top_of_the_stack_in_which_it_does_it() {
        let held = State::GIL_HELD;
        let samples = vec![
            sample(10, Some(0), held),
            sample(30, Some(0), held.with(State::IN_GC)),
            sample(50, Some(0), State::GIL_WAITED),
            // Another thread collects.
            sample(70, Some(0), State::IN_GC),
        ];
        let mut only = slice(0, 100, vec![thread(71, Some("MainThread"), samples)]);
        only.frames = vec![frame("main")];
        only.stacks = vec![StackNode { parent: None, frame: 0 }];
        expect(&join(&[only], &[]), &[("main", 20), ("main;<GC>", 10), ("main;<waiting for GIL>", 10)]);
    }

    #[test]
    fn a_thread_that_python_does_not_know_is_native_and_a_stack_that_was_not_read_is_not_sampled() {
        let unread = thread(71, Some("MainThread"), vec![sample(10, None, State::NONE)]);
        let only = slice(0, 100, vec![unread, thread(72, None, vec![sample(10, None, State::NONE)])]);
        expect(&join(&[only], &[]), &[("[native]", 10), ("[not sampled]", 10)]);
    }

    #[test]
    fn a_number_that_was_never_explained_is_not_sampled() {
        let samples = vec![sample(10, Some(7), State::NONE), sample(30, Some(0), State::NONE)];
        let mut only = slice(0, 100, vec![thread(71, Some("MainThread"), samples)]);
        only.stacks = vec![StackNode { parent: Some(4), frame: 9 }];
        expect(&join(&[only], &[]), &[("[not sampled]", 20)]);
    }

    #[test]
    fn a_torn_stack_is_kept_and_marked() {
        let mut only = slice(0, 100, vec![thread(71, Some("x"), vec![sample(10, Some(0), State::TORN)])]);
        only.frames = vec![frame("main")];
        only.stacks = vec![StackNode { parent: None, frame: 0 }];
        let joined = join(&[only], &[]);
        assert_eq!(joined.profile.samples[0].shape, Shape::Torn);
        expect(&joined, &[("main", 10)]);
    }

    #[test]
    fn a_worker_whose_stacks_were_not_read_keeps_its_cpu() {
        let stretch = Stretch { from_us: 1_000, to_us: 9_000, cpu_ns: 7_000_000, run_delay_ns: 0 };
        let thread = ThreadRecord { tid: 81, inner_tid: 81, comm: "python".into(), stretches: vec![stretch] };
        let process = ProcessId { pid: 80, start_ticks: 6 };
        let record = ProcessRecord { process, from_us: 0, to_us: 10_000, kernel_cpu_us: None, threads: vec![thread] };
        expect(&join(&[], &[record]), &[("[not sampled]", 7)]);
    }

    #[test]
    fn slices_at_one_rate_are_one_run_of_the_sampler() {
        let slower = NativeSlice { rate_hz: 50, ..slice(200, 300, vec![]) };
        let joined = join(&[slice(0, 100, vec![]), slice(100, 200, vec![]), slower], &[]);
        let [first, second] = joined.samplers.as_slice() else { panic!("two runs") };
        assert_eq!((first.from_us, first.to_us, first.rate_hz), (Some(0), Some(200_000), 100));
        assert_eq!((first.stacks, first.errors, first.behind, first.cpu_us), (Some(18), Some(4), 2, 600));
        assert_eq!(first.counts.unwrap().ticks, 20);
        assert_eq!((second.from_us, second.rate_hz), (Some(200_000), 50));
    }
}
