//! How long the event loop stood still, by its answers or by its stacks.

use super::*;
use crate::analyse::stall::{MeasuredBy, Stall};
use crate::os::proc::ProcessId;
use crate::sample::{Event, What};

use scene::ROUTER;

const SCRUB: &[(&str, &str)] = &[
    ("/usr/lib/python3.13/asyncio/runners.py", "Runner.run"),
    (
        "/venv/lib/python3.13/site-packages/litellm/litellm_core_utils/litellm_logging.py",
        "Logging.async_success_handler",
    ),
    ("/app/custom_callbacks.py", "Burn.scrub"),
];
const LOOP: &[(&str, &str)] = &[("/usr/lib/python3.13/asyncio/runners.py", "Runner.run")];

fn stall_of(scene: Scene) -> Option<Stall> {
    verdict(scene).stall
}

/// Questions once a second, each answered after so long or not at all.
fn asked(mut scene: Scene, answers: &[(u64, Option<f64>)]) -> Scene {
    for (at_us, latency) in answers {
        let failed = if latency.is_some() { 0.0 } else { 1.0 };
        scene.row("liveliness", *at_us, &[("latency_s", *latency), ("failed", Some(failed))]);
    }
    scene
}

#[test]
fn a_late_answer_is_a_stall_of_the_busiest_main_thread() {
    let mut scene = asked(Scene::empty(), &[(1_000_000, Some(0.01)), (2_000_000, Some(1.5)), (4_000_000, Some(0.3))]);
    scene.busy(101, "MainThread", ROUTER, (0, 30_000_000), 0.2);
    scene.busy(102, "MainThread", ROUTER, (2_000_000, 2_500_000), 0.9);
    scene.busy(102, "MainThread", SCRUB, (2_500_000, 3_500_000), 1.0);
    scene.busy(102, "janitor", SCRUB, (0, 30_000_000), 1.0);
    let stall = stall_of(scene).unwrap();
    assert_eq!((stall.seconds, stall.from_us, stall.pid), (1.5, 2_000_000, Some(102)));
    assert_eq!(stall.from_utc, "2026-11-24T10:00:02.000000Z");
    assert_eq!(
        stall.stack,
        [
            "Logging.async_success_handler (litellm/litellm_core_utils/litellm_logging.py)",
            "Burn.scrub (app/custom_callbacks.py)"
        ]
    );
    assert_eq!(
        stall.sentence,
        "/health/liveliness, asked at 10:00:02 UTC, was answered after 1.50 s; meanwhile the main thread of worker 102 ran \
         for 1.45 s, mostly in Burn.scrub (app/custom_callbacks.py)."
    );
}

#[test]
fn a_stall_from_before_the_spike_is_not_the_spikes() {
    let answers = [(1_000_000, Some(3.0)), (18_000_000, Some(0.4)), (22_000_000, None), (27_000_000, Some(0.1))];
    let scene = asked(Scene::empty(), &answers[..2]).fired_at(20, Vec::new());
    assert_eq!(stall_of(scene).unwrap().from_us, 18_000_000);
    let scene = asked(Scene::empty(), &answers).fired_at(20, Vec::new());
    assert_eq!(stall_of(scene).unwrap().from_us, 22_000_000);
}

#[test]
fn no_answer_in_time_is_a_stall_of_at_least_the_deadline() {
    let scene = asked(Scene::empty(), &[(1_000_000, Some(0.01)), (2_000_000, None), (7_000_000, Some(0.01))]);
    let stall = stall_of(scene).unwrap();
    assert_eq!((stall.seconds, stall.pid, stall.measured_by), (5.0, None, MeasuredBy::Liveliness));
    assert_eq!(
        stall.sentence,
        "/health/liveliness, asked at 10:00:02 UTC, was not answered within 5.00 s; no worker's main thread ran or waited for \
         a CPU for a tenth of that, so that it waited for something else."
    );
    let last = asked(Scene::empty(), &[(1_000_000, Some(0.01)), (25_000_000, None)]);
    assert_eq!(stall_of(last).map(|stall| stall.from_us), Some(25_000_000), "the capture ended with the deadline");
}

#[test]
fn a_stopped_worker_is_named_where_nothing_else_explains_the_silence() {
    let mut scene = asked(Scene::empty(), &[(1_000_000, Some(0.01)), (2_000_000, None), (7_000_000, Some(0.01))]);
    let process = ProcessId { pid: 101, start_ticks: 1 };
    for at_us in [5_000_000, 10_000_000] {
        scene.facts.evidence.events.push(Event { at_us, process, what: What::WorkerStopped });
    }
    let sentence = stall_of(scene).unwrap().sentence;
    assert!(sentence.ends_with("and worker 101 was found stopped, by SIGSTOP or a debugger."), "{sentence}");
}

#[test]
fn a_question_that_was_refused_and_an_answer_in_time_are_no_stalls() {
    let refused = [(1_000_000, None), (2_000_000, None), (3_000_000, Some(0.01))];
    assert_eq!(stall_of(asked(Scene::empty(), &refused)), None);
    assert_eq!(stall_of(asked(Scene::empty(), &[(1_000_000, Some(0.199))])), None);
    assert!(stall_of(asked(Scene::empty(), &[(1_000_000, Some(0.2))])).is_some());
}

#[test]
fn answers_count_more_than_stacks() {
    let mut scene = asked(Scene::empty(), &[(1_000_000, Some(0.01))]);
    scene.busy(101, "MainThread", SCRUB, (0, 5_000_000), 1.0);
    assert_eq!(stall_of(scene), None, "the loop answered");
}

#[test]
fn without_answers_a_main_thread_that_stays_below_one_function_is_a_stall() {
    let mut scene = Scene::empty();
    scene.busy(101, "MainThread", LOOP, (0, 4_000_000), 1.0);
    scene.busy(101, "MainThread", SCRUB, (4_000_000, 4_600_000), 1.0);
    let deeper = [SCRUB, &[("/usr/lib/python3.13/re/__init__.py", "sub")]].concat();
    scene.busy(101, "MainThread", &deeper, (4_600_000, 5_000_000), 0.9);
    scene.busy(101, "MainThread", ROUTER, (5_000_000, 5_300_000), 1.0);
    let stall = stall_of(scene).unwrap();
    assert_eq!((stall.seconds, stall.from_us, stall.measured_by), (1.0, 4_000_000, MeasuredBy::Samples));
    assert_eq!(stall.stack.last().map(String::as_str), Some("Burn.scrub (app/custom_callbacks.py)"));
    assert_eq!(
        stall.sentence,
        "By its stacks, the main thread of worker 101 stayed below Burn.scrub (app/custom_callbacks.py) for 1.00 s from \
         10:00:04 UTC on, running or waiting for a CPU for at least 80 % of each sample."
    );
}

#[test]
fn pauses_other_threads_and_short_stretches_are_no_stalls() {
    let run = |thread: &str, stretches: &[(u64, u64)], cores: f64| {
        let mut scene = Scene::empty();
        for stretch in stretches {
            scene.busy(101, thread, SCRUB, *stretch, cores);
        }
        stall_of(scene)
    };
    assert!(run("MainThread", &[(0, 500_000)], 1.0).is_some());
    assert_eq!(run("MainThread", &[(0, 490_000)], 1.0), None, "short");
    assert_eq!(run("janitor", &[(0, 5_000_000)], 1.0), None, "another thread");
    assert_eq!(run("MainThread", &[(0, 5_000_000)], 0.79), None, "it rested in between");
    assert_eq!(run("MainThread", &[(0, 400_000), (500_000, 900_000)], 1.0), None, "a hole");
}

#[test]
fn a_main_thread_that_waits_for_a_cpu_holds_its_loop_up_too() {
    let mut scene = asked(Scene::empty(), &[(2_000_000, Some(1.0))]);
    scene.busy(101, "MainThread", SCRUB, (2_000_000, 3_000_000), 0.05);
    for sample in &mut scene.facts.profile.samples {
        sample.run_delay_ns = 9_000_000;
    }
    let stall = stall_of(scene).unwrap();
    assert_eq!(stall.pid, Some(101));
    assert!(stall.sentence.contains(" ran for 50.0 ms and waited for a CPU for 900 ms, "), "{}", stall.sentence);
}

#[test]
fn the_stack_of_a_stall_is_what_at_least_half_of_it_has_in_common() {
    let mut scene = asked(Scene::empty(), &[(2_000_000, Some(1.0))]);
    let deeper = |function| [SCRUB, &[("/app/custom_callbacks.py", function)]].concat();
    for (index, function) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let from_us = 2_000_000 + index as u64 * 150_000;
        scene.busy(101, "MainThread", &deeper(function), (from_us, from_us + 150_000), 1.0);
    }
    // No stack is as frequent as this one, and yet it is less than half.
    scene.busy(101, "MainThread", LOOP, (2_600_000, 3_000_000), 1.0);
    let stall = stall_of(scene).unwrap();
    assert_eq!(stall.stack.last().map(String::as_str), Some("Burn.scrub (app/custom_callbacks.py)"));

    let mut spread = asked(Scene::empty(), &[(2_000_000, Some(1.0))]);
    for (index, function) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let from_us = 2_000_000 + index as u64 * 250_000;
        spread.busy(101, "MainThread", &[("/app/jobs.py", function)], (from_us, from_us + 250_000), 1.0);
    }
    let stall = stall_of(spread).unwrap();
    assert_eq!(stall.stack, Vec::<String>::new());
    assert!(stall.sentence.ends_with("ran for 1.00 s, not mostly in any function."), "{}", stall.sentence);
}

#[test]
fn a_stall_before_the_stacks_were_sampled_has_no_known_reason() {
    let mut scene = asked(Scene::empty(), &[(2_000_000, Some(1.0))]);
    scene.facts.evidence.slices[0].from_us = 2_900_000;
    let stall = stall_of(scene).unwrap();
    assert_eq!(
        stall.sentence,
        "/health/liveliness, asked at 10:00:02 UTC, was answered after 1.00 s; the stacks were not sampled then, so that \
         the reason is not known."
    );
}
