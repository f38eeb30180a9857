//! The promises, kept against a real LiteLLM. `scripts/test` makes the lab they need and runs them.

mod support;

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use support::{
    Capture,
    bundle::Bundle,
    cpu_seconds,
    lab::{Case, Config, Lab, LiteLlm, Server},
    start_ticks, state,
};

/// The time a load needs to reach every worker, and a LiteLLM to come to rest.
const SETTLE: Duration = Duration::from_secs(4);

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn four_workers_are_all_drawn_and_their_cpu_agrees_with_the_kernels() {
    let lab = Lab::require();
    let litellm = lab.litellm(Server::Uvicorn, 4, Config::Burn);
    let _load = litellm.load(Case::Burn, 8);
    thread::sleep(SETTLE);

    let cpu = || litellm.workers().iter().map(|&pid| cpu_seconds(pid)).sum::<f64>();
    let (begin, before) = (Instant::now(), cpu());
    let bundle = lab.capture(&litellm).pid(litellm.pid()).args(["--duration", "14s"]).run().bundle();
    let (wall, grown) = (begin.elapsed().as_secs_f64(), cpu() - before);

    assert_covers(&bundle, &litellm);
    let sampled = bundle.figure("/cpu/sampled_seconds");
    let kernel = bundle.figure("/cpu/kernel_seconds");
    let drawn = bundle.folded("profiles/all.folded").total() as f64 / 1e6;
    assert_near(drawn, sampled, 0.01);
    assert_near(sampled, kernel, 0.05);
    // The load is even, and the run lasted longer than its window: what was measured here, cut to size.
    assert_near(kernel, grown * 14.0 / wall, 0.15);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_workers_pid_and_no_pid_stand_for_the_whole_proxy() {
    let lab = Lab::require();
    let litellm = lab.litellm(Server::Uvicorn, 2, Config::Burn);
    let _load = litellm.load(Case::Burn, 4);
    thread::sleep(SETTLE);

    let of_worker = short(lab.capture(&litellm)).pid(litellm.workers()[1]).run().bundle();
    assert_covers(&of_worker, &litellm);
    let found = short(lab.capture(&litellm)).run().bundle();
    assert_covers(&found, &litellm);

    let only = short(lab.capture(&litellm)).arg("--only").pid(litellm.workers()[1]).run().bundle();
    assert_eq!(drawn_workers(&only), &litellm.workers()[1..]);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn gunicorns_forks_are_its_workers() {
    workers_are_found(Server::Gunicorn);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn granians_forks_are_its_workers() {
    workers_are_found(Server::Granian);
}

fn workers_are_found(server: Server) {
    let lab = Lab::require();
    let litellm = lab.litellm(server, 2, Config::Burn);
    let _load = litellm.load(Case::Burn, 4);
    thread::sleep(SETTLE);

    let bundle = short(lab.capture(&litellm)).pid(litellm.pid()).run().bundle();
    assert_covers(&bundle, &litellm);
    assert!(bundle.folded("profiles/all.folded").self_share("expensive_pii_scrub") > 0.8);
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn of_two_proxies_one_must_be_named() {
    let lab = Lab::require();
    let one = lab.litellm(Server::Uvicorn, 1, Config::Plain);
    let other = lab.litellm(Server::Uvicorn, 1, Config::Plain);

    short(lab.capture(&one))
        .run()
        .assert_status(2)
        .assert_stdout("")
        .assert_stderr_has(&one.pid().to_string())
        .assert_stderr_has(&other.pid().to_string());
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_callback_that_burns_cpu_is_blamed() {
    let lab = Lab::require();
    let litellm = lab.litellm(Server::Uvicorn, 1, Config::Burn);
    let _load = litellm.load(Case::Burn, 2);
    thread::sleep(SETTLE);

    let bundle = lab.capture(&litellm).pid(litellm.pid()).args(["--duration", "10s"]).run().bundle();
    assert_covers(&bundle, &litellm);
    let summary = bundle.json("summary.json");
    let first = summary.pointer("/functions/0/name").and_then(|name| name.as_str()).expect("a function is named");
    assert!(first.contains("expensive_pii_scrub"), "the first is {first}");
    let worker = bundle.folded(&format!("profiles/worker-{}.folded", litellm.pid()));
    let share = worker.self_share("expensive_pii_scrub");
    assert!(share > 0.8, "the share of the worker's CPU is {share:.3}");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_long_stream_is_blamed_as_py_spy_blames_it() {
    const STREAMING: [&str; 2] = ["async_data_generator", "CustomStreamWrapper."];
    let lab = Lab::require();
    let litellm = lab.litellm(Server::Uvicorn, 1, Config::Plain);
    let _load = litellm.load(Case::Stream, 2);
    thread::sleep(SETTLE);

    // Without stopping the worker samples are lost just where stacks change most; the leaders lead all the same.
    let gentle = lab.capture(&litellm).pid(litellm.pid()).args(["--duration", "12s"]).run().bundle();
    for name in STREAMING {
        let share = gentle.folded("profiles/all.folded").inclusive_share(name);
        assert!(share > 0.3, "{name} has {share:.3}");
    }

    let exact = ["--duration", "12s", "--max-overhead", "100%"];
    let exact = lab.capture(&litellm).pid(litellm.pid()).blocking().args(exact).run().bundle();
    let ours = exact.folded("profiles/all.folded");
    let theirs = lab.py_spy_record(litellm.pid(), 12);
    for name in STREAMING {
        let (our_share, their_share) = (ours.inclusive_share(name), theirs.inclusive_share(name));
        // One after the other, with a load that varies: thirteen points were seen on a busy machine.
        assert!((our_share - their_share).abs() < 0.15, "{name}: {our_share:.3}, py-spy says {their_share:.3}");
    }
    // From the fifth place on there are many with 3 % each, so that two runs of py-spy do not agree on them either.
    let (our_five, their_ten) = (ours.top(5), theirs.top(10));
    let shared = our_five.iter().filter(|name| their_ten.contains(name)).count();
    assert!(shared >= 4, "ours: {our_five:?}\npy-spy's: {their_ten:?}");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn an_idle_proxy_is_drawn_idle() {
    let lab = Lab::require();
    let litellm = lab.litellm(Server::Uvicorn, 1, Config::Plain);
    thread::sleep(SETTLE * 2);

    let bundle = lab.capture(&litellm).pid(litellm.pid()).args(["--duration", "12s"]).run().bundle();
    let drawn = bundle.folded("profiles/all.folded").total() as f64 / 1e6;
    let cpu = &bundle.json("summary.json")["cpu"];
    let (used, cores) = (cpu["kernel_seconds"].as_f64().expect("seconds"), cpu["cores"].as_f64().expect("cores"));
    // Sleepers are in every sample, and weigh nothing. How much a LiteLLM uses that nobody else asks is its own matter:
    // 0.002 of a core were seen, and 0.136.
    assert!((drawn - used).abs() < 0.05 && cores < 0.5, "{drawn} s are drawn of {used} s: {cores} cores");
    let is_called_idle = bundle.text("flamegraphs/all.svg").contains("nearly idle: ");
    assert!(if is_called_idle { cores < 0.025 } else { cores > 0.015 }, "{cores} cores");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn short_bursts_between_waits_get_the_cpu_they_used() {
    // Sampling is chance: in 25 s a function's share is off by 3 points as a rule, and the waits have 0 to 7 %; 12 were
    // seen on a busy machine. Before bursts were given back to the code, the waits had 15 to 44 %.
    const MOST_OFF: f64 = 0.12;
    const MOST_WAITED: f64 = 0.15;
    let lab = Lab::require();
    let mut oracle = lab.oracle();
    thread::sleep(Duration::from_secs(1));

    let before = oracle.cpu_seconds();
    let capture = lab.plain_capture().pid(oracle.pid()).args(["--duration", "25s", "--max-overhead", "100%"]);
    let bundle = capture.run().bundle();
    let after = oracle.cpu_seconds();

    let used: BTreeMap<String, f64> =
        after.into_iter().map(|(name, cpu)| (name.clone(), cpu - before[&name])).collect();
    let all: f64 = used.values().sum();
    let folded = bundle.folded("profiles/all.folded");
    for (name, cpu) in used {
        let (found, right) = (folded.inclusive_share(&name), cpu / all);
        assert!((found - right).abs() < MOST_OFF, "{name}: {found:.3} where {right:.3} is right");
    }
    for wait in ["EpollSelector.select", "nap"] {
        let share = folded.self_share(wait);
        assert!(share < MOST_WAITED, "{share:.3} of the CPU is on {wait}");
    }
}

fn short(capture: Capture) -> Capture {
    capture.args(["--duration", "6s", "--slice", "3s"])
}

/// Every worker has a flamegraph, no other process has one, and all of them run as before.
#[track_caller]
fn assert_covers(bundle: &Bundle, litellm: &LiteLlm) {
    assert_eq!(drawn_workers(bundle), litellm.workers());
    for &pid in litellm.workers() {
        assert!(!matches!(state(pid), 'T' | 't' | 'Z'), "worker {pid} is in state {}", state(pid));
        assert!(start_ticks(pid) >= start_ticks(litellm.pid()));
    }
}

/// The pids that have a flamegraph of the whole capture, in order.
fn drawn_workers(bundle: &Bundle) -> Vec<i32> {
    let mut pids: Vec<i32> = bundle
        .names()
        .filter_map(|name| name.strip_prefix("flamegraphs/worker-")?.strip_suffix(".svg")?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}

#[track_caller]
fn assert_near(value: f64, expected: f64, share: f64) {
    assert!((value - expected).abs() <= share * expected, "{value} is not within {share} of {expected}");
}
