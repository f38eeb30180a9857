//! The native sampler against programs that know their own stacks: on every interpreter of the lab no stack is shown that
//! cannot be, but those that are flagged.

mod support;

use std::thread;
use std::time::Duration;

use litellm_capture::os::clock::monotonic_us;
use litellm_capture::os::proc::Procfs;
use litellm_capture::sample::Slice;
use litellm_capture::sample::native::record::{NativeSlice, State};
use litellm_capture::sample::native::worker::NativeWorker;
use support::pythons::{Python, Running, programs, pythons};

/// How long each program is sampled.
const SAMPLED_US: u64 = 700_000;
/// Ten times what a capture takes by itself, so that so short a time tells something.
const RATE_HZ: u64 = 1_000;
/// The worst of the programs do nothing but change their stacks.
const MOST_TORN_PERCENT: usize = 3;

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn no_stack_is_shown_that_cannot_be_on_any_interpreter() {
    let mut wrong = Vec::new();
    for python in pythons() {
        for program in programs() {
            let running = python.spawn(&program, &[]);
            let seen = sampled(&running);
            let (stacks, torn) = judge(&python, &running, &seen, &mut wrong, &program);
            println!("{program} on {python}: {stacks} stacks, {torn} of them flagged");
            if torn * 100 > stacks * MOST_TORN_PERCENT || stacks < 100 {
                wrong.push(format!("{program} on {python}: {torn} of {stacks} stacks are torn"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
fn judge(
    python: &Python,
    running: &Running,
    seen: &NativeSlice,
    wrong: &mut Vec<String>,
    program: &str,
) -> (usize, usize) {
    let (mut stacks, mut torn) = (0, 0);
    for sample in seen.threads.iter().flat_map(|thread| &thread.samples) {
        let Some(stack) = sample.stack else { continue };
        stacks += 1;
        if sample.state.has(State::TORN) {
            torn += 1;
            continue;
        }
        let frames = frames(seen, stack);
        if let Err(why) = running.declared().check(&frames) {
            wrong.push(format!("{program} on {python}: {why}: {frames:?}"));
        }
    }
    (stacks, torn)
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
