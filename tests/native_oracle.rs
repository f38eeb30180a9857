//! The native sampler against programs that know their own stacks, on every interpreter of the lab: what is shown can be,
//! and what changed while it was read is flagged.
//!
//! The programs do nothing but change their stacks, some within a microsecond, so many change while they are read, and in
//! so short a time not all of their calls get known. A few that change back meanwhile still deceive it. Recursions over
//! more than one chunk of the thread's stack of frames, and in 3.10, are flagged most: how deep they were is not known.

mod support;

use std::thread;
use std::time::Duration;

use litellm_capture::os::clock::monotonic_us;
use litellm_capture::os::proc::Procfs;
use litellm_capture::sample::Slice;
use litellm_capture::sample::native::record::{NativeSlice, State};
use litellm_capture::sample::native::worker::NativeWorker;
use support::pythons::{Running, programs, pythons};

/// How long each program is sampled.
const SAMPLED_US: u64 = 250_000;
/// Ten times what a capture takes by itself, so that so short a time tells something.
const RATE_HZ: u64 = 1_000;
/// Of the stacks of all programs on all interpreters, in percent.
const MOST_TORN_PERCENT: usize = 8;
/// The same for those that cannot be and are not flagged, in a thousand.
const MOST_IMPOSSIBLE_IN_A_THOUSAND: usize = 3;

#[derive(Debug, Default)]
struct Tally {
    stacks: usize,
    torn: usize,
    impossible: Vec<String>,
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn what_is_shown_can_be_or_is_flagged_on_every_interpreter() {
    let mut all = Tally::default();
    for python in pythons() {
        for program in programs() {
            let running = python.spawn(&program, &[]);
            let tally = judge(&running, &sampled(&running));
            let Tally { stacks, torn, impossible } = tally;
            println!("{program} on {python}: {stacks} stacks, {torn} flagged, {} impossible", impossible.len());
            for why in impossible.iter().take(2) {
                println!("    {why}");
            }
            assert!(stacks > 5, "{program} on {python} was hardly seen: {stacks} stacks");
            all.stacks += stacks;
            all.torn += torn;
            all.impossible.extend(impossible.into_iter().map(|why| format!("{program} on {python}: {why}")));
        }
    }
    let Tally { stacks, torn, impossible } = all;
    assert!(torn * 100 <= stacks * MOST_TORN_PERCENT, "{torn} of {stacks} stacks are torn");
    let count = impossible.len();
    assert!(
        count * 1_000 <= stacks * MOST_IMPOSSIBLE_IN_A_THOUSAND,
        "{count} of {stacks} stacks cannot be:\n{}",
        impossible.join("\n")
    );
}

/// What the sampler sees of a program.
fn sampled(running: &Running) -> NativeSlice {
    let procfs = Procfs::default();
    let id = procfs.process(running.pid()).id().expect("a process");
    let begin_us = monotonic_us();
    let mut worker = NativeWorker::attach(&procfs, id, 0).expect("an interpreter that is read");
    worker.self_check().expect("stacks that are read");
    let now_us = || monotonic_us() - begin_us;
    while now_us() < SAMPLED_US {
        thread::sleep(Duration::from_micros(fastrand::u64(500_000 / RATE_HZ..1_500_000 / RATE_HZ)));
        worker.tick(now_us());
    }
    worker.take_slice(Slice { from_us: 0, to_us: now_us() })
}

/// Counts stacks and flagged ones, and notes those that are impossible.
fn judge(running: &Running, seen: &NativeSlice) -> Tally {
    let mut tally = Tally::default();
    for sample in seen.threads.iter().flat_map(|thread| &thread.samples) {
        let Some(stack) = sample.stack else { continue };
        tally.stacks += 1;
        if sample.state.has(State::TORN) {
            tally.torn += 1;
            continue;
        }
        let frames = frames(seen, stack);
        if let Err(why) = running.declared().check(&frames) {
            let functions: Vec<&str> = frames.iter().map(|(function, _)| *function).collect();
            tally.impossible.push(format!("{why}: {}", functions.join(" > ")));
        }
    }
    tally
}

/// The functions of a stack with their files, the root first.
fn frames(seen: &NativeSlice, stack: u32) -> Vec<(&str, &str)> {
    let mut frames = Vec::new();
    let mut next = Some(stack);
    while let Some(node) = next.map(|stack| seen.stacks[stack as usize]) {
        let frame = &seen.frames[node.frame as usize];
        frames.push((frame.function.as_str(), frame.file.as_str()));
        next = node.parent;
    }
    frames.reverse();
    frames
}
