//! Two halves into one profile: py-spy knows where each thread was, the kernel knows how much CPU it used.
//!
//! A thread's time is laid out here as pieces, each in one stack, and [`deal`](super::deal) gives them the CPU. What a
//! sampler believed of idle and busy is not used: a thread that did not run weighs nothing. No CPU is lost on the way:
//! what fell where no stack is known keeps its weight under a name of its own.

use std::collections::{BTreeMap, HashMap};

use crate::os::proc::ProcessId;
use crate::redact::Raw;
use crate::sample::Sampler;
use crate::sample::clocks::{ProcessRecord, Stretch};
use crate::sample::deal::{Piece, SLACK_US, deal};
use crate::sample::mend::mend;
use crate::sample::profile::{Profile, Sample, Shape, Thread};
use crate::sample::pyspy::Segment;
use crate::sample::pyspy::trace::{self, Stacks, ThreadTrace, Trace};
use crate::sample::waits::is_wait;

/// One trace with the record of the child that wrote it.
pub struct Traced {
    /// The child's record.
    pub segment: Segment,
    /// The bytes of its trace; empty where there is none.
    pub json: Vec<u8>,
}

/// What the traces say of one worker.
#[derive(Debug, Default)]
struct Timeline {
    /// Time in which a sampler took samples.
    covered: Vec<(u64, u64)>,
    threads: BTreeMap<i32, ThreadTimeline>,
}

/// One thread's pieces, by time and without overlap.
#[derive(Debug, Default)]
struct ThreadTimeline {
    name: Option<Raw>,
    pieces: Vec<Piece>,
}

/// Threads by number.
#[derive(Debug, Default)]
pub struct Threads {
    list: Vec<Thread<Raw>>,
    index: HashMap<(ProcessId, i32), u32>,
}

impl Threads {
    /// The thread's number; a new one gets this name.
    pub fn index(&mut self, process: ProcessId, tid: i32, name: impl FnOnce() -> Raw) -> u32 {
        *self.index.entry((process, tid)).or_insert_with(|| {
            self.list.push(Thread { process, tid, name: name() });
            self.list.len() as u32 - 1
        })
    }

    /// The threads, by number.
    pub fn into_list(self) -> Vec<Thread<Raw>> {
        self.list
    }
}

/// The profile, and what each sampler contributed.
pub struct Joined {
    /// Stacks weighed with CPU time.
    pub profile: Profile<Raw>,
    /// In the order in which they were started.
    pub samplers: Vec<Sampler>,
}

/// Makes the profile.
pub fn join(records: &[ProcessRecord], mut traces: Vec<Traced>) -> Joined {
    traces.sort_by_key(|traced| traced.segment.spawned_us);
    let mut stacks = Stacks::default();
    let mut timelines: BTreeMap<ProcessId, Timeline> = BTreeMap::new();
    let mut runs = Vec::new();
    for Traced { segment, json } in traces {
        let trace = trace::read(&json, &mut stacks);
        runs.push(sampler_of(&segment, &trace, json.is_empty()));
        timelines.entry(segment.process).or_default().add(&segment, trace);
    }
    for thread in timelines.values_mut().flat_map(|timeline| timeline.threads.values_mut()) {
        mend(&mut thread.pieces, &mut stacks);
    }
    let frames = stacks.frames.into_items();
    let nodes = stacks.nodes.into_items();
    let waits: Vec<bool> = frames.iter().map(|frame| is_wait(frame.function.expose(), frame.file.expose())).collect();
    let waits_of_stack: Vec<bool> = nodes.iter().map(|node| waits[node.frame as usize]).collect();

    let mut threads = Threads::default();
    let mut samples = Vec::new();
    let nothing = Timeline::default();
    for record in records {
        let timeline = timelines.get(&record.process).unwrap_or(&nothing);
        for thread in &record.threads {
            let known = timeline.threads.get(&thread.inner_tid);
            // As Python names it, else as the kernel does.
            let name = || known.and_then(|known| known.name.clone()).unwrap_or_else(|| Raw::new(thread.comm.clone()));
            let index = threads.index(record.process, thread.tid, name);
            let pieces = known.map_or(&[][..], |known| known.pieces.as_slice());
            let from_to_us = (record.from_us, record.to_us);
            let dealt =
                deal(&thread.stretches, from_to_us, pieces, &waits_of_stack, |stretch| timeline.covers(stretch));
            samples.extend(dealt.into_iter().map(|part| Sample {
                at_us: part.stretch.from_us,
                span_us: part.stretch.to_us - part.stretch.from_us,
                thread: index,
                place: part.place,
                shape: part.shape,
                cpu_ns: part.stretch.cpu_ns,
                run_delay_ns: part.stretch.run_delay_ns,
            }));
        }
    }
    let threads = threads.into_list();
    samples.sort_by_key(|sample| (sample.at_us, sample.thread));
    Joined { profile: Profile { frames, stacks: nodes, threads, samples }, samplers: runs }
}

fn sampler_of(segment: &Segment, trace: &Trace, without_file: bool) -> Sampler {
    let covered = covered(segment, trace);
    Sampler {
        process: segment.process,
        rate_hz: segment.rate_hz,
        from_us: covered.map(|covered| covered.0),
        to_us: covered.map(|covered| covered.1),
        threads: trace.threads.len() as u32,
        stacks: segment.stacks,
        errors: segment.errors,
        behind: segment.behind,
        cpu_us: segment.cpu_us,
        fault: segment.fault.clone(),
        // One that counted its stacks has also tried to write them.
        cut_short: trace.cut_short && (!without_file || segment.stacks.is_some_and(|stacks| stacks > 0)),
        counts: None,
    }
}

/// First and last sample of a trace, in the capture's time.
fn covered(segment: &Segment, trace: &Trace) -> Option<(u64, u64)> {
    let first_us = trace.threads.iter().filter_map(|thread| Some(thread.changes.first()?.0)).min()?;
    let zero_us = zero_of(segment, trace.last_us);
    Some((zero_us + first_us, zero_us + trace.last_us))
}

impl Timeline {
    fn add(&mut self, segment: &Segment, trace: Trace) {
        let Some((begin_us, end_us)) = covered(segment, &trace) else { return };
        let zero_us = end_us - trace.last_us;
        // At a hand-over the new sampler's word counts from its first sample on.
        for thread in self.threads.values_mut() {
            thread.pieces.retain(|piece| piece.from_us < begin_us);
            if let Some(last) = thread.pieces.last_mut() {
                last.to_us = last.to_us.min(begin_us);
            }
        }
        self.covered.push((begin_us, end_us));
        let half_gap_us = 500_000 / u64::from(segment.rate_hz.max(1));
        for mut thread in trace.threads {
            // Before 3.11 py-spy may know a thread by its pthread id alone; the main thread is known all the same.
            let is_main = thread.name.as_ref().is_some_and(|name| name.expose() == "MainThread");
            let Some(tid) = thread.tid.or(is_main.then_some(segment.process.pid)) else { continue };
            let timeline = self.threads.entry(tid).or_default();
            timeline.name = thread.name.take().or(timeline.name.take());
            add_pieces(&mut timeline.pieces, &thread, TraceTime { zero_us, end_us, half_gap_us });
        }
    }

    fn covers(&self, stretch: &Stretch) -> bool {
        self.covered
            .iter()
            .any(|&(from_us, to_us)| stretch.to_us + SLACK_US > from_us && stretch.from_us < to_us + SLACK_US)
    }
}

/// From a trace's own time to the capture's.
#[derive(Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "the unit belongs to each name")]
struct TraceTime {
    zero_us: u64,
    end_us: u64,
    half_gap_us: u64,
}

fn add_pieces(pieces: &mut Vec<Piece>, thread: &ThreadTrace, time: TraceTime) {
    let mut previous_us = None;
    let mut open: Option<(u64, u32)> = None;
    for &(at_us, stack) in &thread.changes {
        // The stack was seen at this time and changed somewhere since the sample before: in the middle, on average.
        let since_us = previous_us.map_or(time.half_gap_us, |previous: u64| (at_us - previous) / 2);
        let at_us_here = (time.zero_us + at_us).saturating_sub(since_us.min(time.half_gap_us));
        previous_us = Some(at_us);
        if let Some((from_us, stack)) = open.take() {
            pieces.push(Piece { from_us, to_us: at_us_here, stack, gap_us: 2 * time.half_gap_us, shape: Shape::Whole });
        }
        open = stack.map(|stack| (at_us_here, stack));
    }
    if let Some((from_us, stack)) = open {
        pieces.push(Piece {
            from_us,
            to_us: time.end_us.max(from_us),
            stack,
            gap_us: 2 * time.half_gap_us,
            shape: Shape::Whole,
        });
    }
}

/// When a trace's clock was zero. It starts once py-spy has read its arguments, and `last_us` is when it wrote the
/// file, just after it said that it stopped and made the file. On a busy machine we hear its words late, so the file's
/// own time is the better witness; the two ends of the child's life bound the answer.
fn zero_of(segment: &Segment, last_us: u64) -> u64 {
    let latest_us = segment.sampling_us.unwrap_or(u64::MAX).max(segment.spawned_us);
    match segment.written_us.into_iter().chain(segment.stopped_us).min() {
        Some(ended_us) => ended_us.saturating_sub(last_us).clamp(segment.spawned_us, latest_us),
        None => segment.spawned_us,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::clocks::ThreadRecord;
    use crate::sample::profile::Place;

    const WORKER: ProcessId = ProcessId { pid: 70, start_ticks: 5 };

    /// A trace of thread 71: each entry is a time in milliseconds and the function it is in from then on.
    fn traced(changes: &[(u64, &str)], last_ms: u64) -> Traced {
        let event = |ph: &str, ms: u64, name: &str, file: &str| {
            format!(
                r#"{{"args":{{"filename":"{file}","line":1}},"name":"{name}","ph":"{ph}","tid":9,"ts":{}}}"#,
                ms * 1_000
            )
        };
        let file = |name: &str| if name == "run" { "/lib/asyncio/runners.py" } else { "/app/a.py" };
        let mut events = vec![event("B", changes[0].0, "thread (71): MainThread", "")];
        let mut open: Option<&str> = None;
        for &(ms, name) in changes {
            events.extend(open.map(|name| event("E", ms, name, file(name))));
            events.push(event("B", ms, name, file(name)));
            open = Some(name);
        }
        events.extend(open.map(|name| event("E", last_ms, name, file(name))));
        events.push(event("E", last_ms, "thread (71): MainThread", ""));
        let segment = Segment {
            process: WORKER,
            rate_hz: 100,
            file: String::new(),
            spawned_us: 0,
            sampling_us: None,
            stopped_us: Some(last_ms * 1_000),
            written_us: None,
            stacks: None,
            errors: None,
            behind: 0,
            cpu_us: 0,
            fault: None,
        };
        Traced { segment: Segment { sampling_us: Some(0), ..segment }, json: format!("[{}]", events.join(",")).into() }
    }

    fn joined(records: &[ProcessRecord], traces: Vec<Traced>) -> Profile<Raw> {
        join(records, traces).profile
    }

    fn record(tid: i32, stretches: &[(u64, u64, u64)]) -> ProcessRecord {
        let stretches = stretches.iter().map(|&(from_ms, to_ms, cpu_ms)| Stretch {
            from_us: from_ms * 1_000,
            to_us: to_ms * 1_000,
            cpu_ns: cpu_ms * 1_000_000,
            run_delay_ns: 0,
        });
        let thread = ThreadRecord { tid, inner_tid: tid, comm: "pool".into(), stretches: stretches.collect() };
        ProcessRecord { process: WORKER, from_us: 0, to_us: 1_000_000, kernel_cpu_us: None, threads: vec![thread] }
    }

    /// CPU in milliseconds by function, native and unknown ones in brackets.
    fn cpu_ms(profile: &Profile<Raw>) -> BTreeMap<String, u64> {
        let mut cpu = BTreeMap::new();
        for sample in profile.samples.iter().filter(|sample| sample.cpu_ns > 0) {
            let name = match sample.place {
                Place::Stack(stack) => profile.leaf_to_root(stack).next().unwrap().function.expose().to_owned(),
                Place::Native => "[native]".to_owned(),
                Place::NotSampled => "[not sampled]".to_owned(),
            };
            *cpu.entry(name).or_insert(0) += sample.cpu_ns;
        }
        cpu.into_iter().map(|(name, ns)| (name, (ns + 500_000) / 1_000_000)).collect()
    }

    fn expect(profile: &Profile<Raw>, expected: &[(&str, u64)]) {
        assert_eq!(cpu_ms(profile), expected.iter().map(|&(name, ms)| (name.to_owned(), ms)).collect());
    }

    #[test]
    fn cpu_goes_to_the_stack_that_stood_there() {
        let trace = traced(&[(10, "a"), (500, "b")], 1_000);
        expect(&joined(&[record(71, &[(100, 200, 90), (600, 650, 50)])], vec![trace]), &[("a", 90), ("b", 50)]);
    }

    #[test]
    fn a_thread_that_did_not_run_weighs_nothing_whatever_stack_it_shows() {
        let profile = joined(&[record(71, &[])], vec![traced(&[(10, "a")], 1_000)]);
        expect(&profile, &[]);
        assert_eq!(profile.samples.len(), 1, "but where it stood is told");
    }

    #[test]
    fn a_change_lies_half_a_gap_before_it_was_seen() {
        let trace = traced(&[(10, "a"), (500, "b")], 1_000);
        // At 100 Hz the mean gap is 10 ms: b began at 495 on average.
        expect(&joined(&[record(71, &[(490, 500, 10)])], vec![trace]), &[("a", 5), ("b", 5)]);
    }

    #[test]
    fn what_a_thread_slept_it_slept_in_its_wait() {
        let trace = traced(&[(10, "run"), (105, "a"), (205, "run")], 1_000);
        expect(&joined(&[record(71, &[(0, 300, 100)])], vec![trace]), &[("a", 100)]);
    }

    #[test]
    fn a_wait_that_took_more_than_the_rest_is_told() {
        let trace = traced(&[(10, "run"), (105, "a"), (205, "run")], 1_000);
        expect(&joined(&[record(71, &[(0, 300, 260)])], vec![trace]), &[("a", 100), ("run", 160)]);
    }

    #[test]
    fn a_thread_that_python_does_not_know_is_native() {
        expect(&joined(&[record(99, &[(100, 200, 7)])], vec![traced(&[(10, "a")], 1_000)]), &[("[native]", 7)]);
    }

    #[test]
    fn cpu_without_a_sampler_keeps_its_weight_under_a_name_of_its_own() {
        let trace = traced(&[(10, "a")], 200);
        let record = record(71, &[(100, 150, 50), (210, 220, 10), (700, 800, 100)]);
        expect(&joined(&[record], vec![trace]), &[("a", 60), ("[not sampled]", 100)]);
        expect(&joined(&[self::record(71, &[(100, 200, 7)])], vec![]), &[("[not sampled]", 7)]);
    }

    #[test]
    fn at_a_hand_over_the_new_sampler_counts_from_its_first_sample() {
        let mut second = traced(&[(10, "b")], 500);
        second.segment.spawned_us = 400_000;
        second.segment.sampling_us = Some(420_000);
        second.segment.stopped_us = Some(900_000);
        let profile =
            joined(&[record(71, &[(300, 350, 50), (420, 520, 100)])], vec![second, traced(&[(10, "a")], 460)]);
        expect(&profile, &[("a", 50), ("b", 100)]);
    }

    #[test]
    fn the_traces_clock_is_bounded_by_what_was_seen_of_the_child() {
        let segment = traced(&[(10, "a")], 100).segment;
        let at = |spawned_us, sampling_us, stopped_us| Segment {
            spawned_us,
            sampling_us: Some(sampling_us),
            stopped_us,
            ..segment.clone()
        };
        assert_eq!(zero_of(&at(1_000, 40_000, Some(102_000)), 100_000), 2_000);
        assert_eq!(zero_of(&at(1_000, 40_000, Some(100_500)), 100_000), 1_000, "never before it was started");
        assert_eq!(zero_of(&at(1_000, 40_000, Some(900_000)), 100_000), 40_000, "never after it sampled");
        let heard_late = Segment { written_us: Some(103_000), ..at(1_000, 40_000, Some(130_000)) };
        assert_eq!(zero_of(&heard_late, 100_000), 3_000, "the file's time counts where its words came late");
        assert_eq!(zero_of(&at(1_000, 40_000, None), 100_000), 1_000);
    }
}
