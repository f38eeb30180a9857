//! Spikes of every class, made with a real LiteLLM, and each one judged right, with figures that agree with those of the
//! load generator and of the kernel.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

use serde_json::Value;
use support::{
    Capture, Output,
    bundle::Bundle,
    lab::{Case, Config, Lab, LiteLlm, Server, Setup},
    skip,
};

/// The time a load needs to reach every worker.
const SETTLE: Duration = Duration::from_secs(3);
/// Long enough for counters that are read every five seconds.
const DURATION: [&str; 4] = ["--duration", "11s", "--slice", "6s"];

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn twice_the_traffic_and_twice_the_cpu_is_driven_by_rps() {
    let lab = Lab::require();
    let litellm = lab.litellm_with(1, Config::Burn, &costing("0.02"));
    let calm = calm(&lab, &litellm, Case::Burn, 6.0);

    let _load = litellm.steady_load(Case::Burn, 12.0);
    thread::sleep(SETTLE);
    let output = against(capture(&lab, &litellm), &calm).run();
    let bundle = output.only_bundle();

    assert_report_reproduces(&output.bundle_path(), &bundle);
    let classification = classification(&bundle);
    assert_eq!(classification["class"], "scales_with_traffic", "{classification:#}");
    assert_near(&classification["traffic_ratio"], 2.0, 0.1);
    // At the lower rate each request can cost more: after a rest it does on some machines.
    assert_near(&classification["elasticity"], 1.0, 0.5);
    assert_says(&classification, &["requests", "cores"]);
    assert_ticket_ticks(&bundle, "CPU scales with traffic (RPS-driven)");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_thread_that_burns_cpu_in_one_worker_is_no_matter_of_traffic_and_is_named() {
    let lab = Lab::require();
    let dir = tempfile::tempdir().expect("a folder");
    let flag = dir.path().join("burn");
    let variables = [("LAB_BURN_FLAG", flag.display().to_string())].into();
    let litellm = lab.litellm_with(2, Config::Background, &Setup { variables, ..Setup::default() });
    let calm = calm(&lab, &litellm, Case::Plain, 6.0);

    let _load = litellm.steady_load(Case::Plain, 6.0);
    fs::write(&flag, "").expect("a file");
    thread::sleep(SETTLE);
    let bundle = against(capture(&lab, &litellm), &calm).run().bundle();

    let classification = classification(&bundle);
    assert_eq!(classification["class"], "without_traffic", "{classification:#}");
    assert_near(&classification["traffic_ratio"], 1.0, 0.1);
    let heat = &bundle.json("summary.json")["heat"];
    assert_eq!(heat["spread"], "one_hot", "{heat:#}");
    assert!(heat["function"].as_str().is_some_and(|function| function.contains("reindex_everything")), "{heat:#}");
    assert!(litellm.workers().contains(&(heat["hottest"].as_i64().expect("a pid") as i32)), "{heat:#}");
    assert_ticket_ticks(&bundle, "CPU increases without a traffic increase");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn heavier_requests_at_the_same_rate_cost_more_each() {
    let lab = Lab::require();
    let litellm = lab.litellm(Server::Uvicorn, 1, Config::Plain);
    let calm = calm(&lab, &litellm, Case::Plain, 4.0);

    let _load = litellm.steady_load(Case::Answer, 4.0);
    thread::sleep(SETTLE);
    let bundle = against(capture(&lab, &litellm), &calm).run().bundle();

    let classification = classification(&bundle);
    assert_eq!(classification["class"], "without_traffic", "{classification:#}");
    assert!(figure(&classification["cost_ratio"]) > 1.25, "{classification:#}");
    let sentence = classification["sentence"].as_str().expect("a sentence").to_lowercase();
    assert!(sentence.contains("stream") || sentence.contains("token"), "{sentence}");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_newer_release_that_costs_more_for_each_request_is_an_upgrade_and_its_function_is_named() {
    let lab = Lab::require();
    let older = Setup { release: Some("older"), ..costing("0.01") };
    let calm = {
        let litellm = lab.litellm_with(1, Config::Burn, &older);
        calm(&lab, &litellm, Case::Burn, 6.0)
    };
    let litellm = lab.litellm_with(1, Config::Burn, &costing("0.05"));
    let _load = litellm.steady_load(Case::Burn, 6.0);
    thread::sleep(SETTLE);
    let output = against(capture(&lab, &litellm), &calm).run();
    let spike = output.bundle_path();
    let bundle = output.only_bundle();

    let classification = classification(&bundle);
    assert_eq!(classification["class"], "after_upgrade", "{classification:#}");
    assert_says(&classification, &["1.104.9", "1.106.2"]);
    assert!(bundle.text("flamegraphs/spike-minus-baseline.svg").contains("expensive_pii_scrub"));

    let diff = Capture::new().args(["diff", path(&calm.path), path(&spike), "--json"]).run().assert_status(0);
    let diff: Value = serde_json::from_slice(&diff.stdout).expect("JSON");
    assert_eq!(diff["per"], "request");
    let first = diff.pointer("/functions/0/name").and_then(Value::as_str).expect("a function");
    assert!(first.contains("expensive_pii_scrub"), "the first is {first}");
    let changes = diff["changes"].as_array().expect("changes");
    assert!(changes.iter().any(|change| change["area"] == "lite_llm" && change["before"] == "1.104.9"), "{changes:#?}");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn without_metrics_log_and_baseline_nothing_is_claimed_and_the_cures_are_named() {
    let lab = Lab::require();
    let litellm = lab.litellm_with(1, Config::Bare, &Setup { silent: true, ..costing("0.02") });
    let _load = litellm.steady_load(Case::Plain, 6.0);
    thread::sleep(SETTLE);
    let bundle = capture(&lab, &litellm).run().bundle();

    let classification = classification(&bundle);
    assert_eq!(classification["class"], "undetermined", "{classification:#}");
    let to_add = classification["to_add"].to_string();
    for cure in ["--baseline", "prometheus", "--log"] {
        assert!(to_add.contains(cure), "`{cure}` is not in {to_add}");
    }
    assert_eq!(bundle.json("summary.json")["loads"]["during"]["counted_by"], "connections");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn a_worker_held_by_a_cpu_limit_is_throttled_not_busy() {
    let lab = Lab::require();
    let litellm = lab.litellm_with(1, Config::Burn, &costing("0.05"));
    let Some(_limit) = CpuLimit::on(litellm.pid(), 0.3) else {
        return skip("no cgroup with a CPU limit can be made here");
    };
    let _load = litellm.load(Case::Burn, 4);
    thread::sleep(SETTLE);
    let bundle = capture(&lab, &litellm).run().bundle();

    let sizing = bundle.json("summary.json")["sizing"].clone();
    assert_eq!(sizing["size"], "throttled", "{sizing:#}");
    assert_near(&sizing["quota_cores"], 0.3, 0.001);
    assert!(figure(&sizing["throttled_percent"]) > 50.0, "{sizing:#}");
    assert!(sizing["sentence"].as_str().is_some_and(|sentence| sentence.contains("0.3")), "{sizing:#}");
}

#[test]
#[ignore = "needs the lab: run scripts/test"]
fn the_figures_are_those_of_the_load_generator_and_of_the_kernel() {
    /// LiteLLM's `LATENCY_BUCKETS` (types/integrations/prometheus.py), in milliseconds.
    const BUCKETS_MS: [f64; 12] =
        [5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0, 30_000.0];
    let lab = Lab::require();
    let litellm = lab.litellm_with(2, Config::Burn, &costing("0.01"));
    // The first requests of a worker's life load modules, and the first for its metrics take most of a second.
    litellm.measured_load(Case::Burn, 20.0, 5).result();
    for _ in 0..8 {
        litellm.read_metrics();
    }

    // A load that outlasts the capture: its rate, and the CPU that it takes.
    let load = litellm.measured_load(Case::Burn, 20.0, 20);
    thread::sleep(SETTLE);
    let bundle = lab.capture(&litellm).pid(litellm.pid()).args(["--duration", "14s"]).run().bundle();
    let during = bundle.json("summary.json")["loads"]["during"].clone();
    let load = load.result();
    assert_eq!(load.errors, 0, "{load:?}");
    assert_near(&during["rps"], load.rps, 0.03);
    // Requests are counted from before the first sample to after the last, so that it is the rate that counts; and the
    // seconds at both ends are not quite like those between them.
    let kernel_cores = bundle.figure("/cpu/kernel_seconds") / bundle.figure("/cpu/wall_seconds");
    assert_near(&during["cores"], kernel_cores, 0.06);

    // A load within the capture: every request, and how long it took. What waits while samplers attach and pictures are
    // drawn is the client's to see, and is not in LiteLLM's own histograms.
    let capture = lab.capture(&litellm).pid(litellm.pid()).args(["--duration", "22s", "--slice", "2s"]).start();
    capture.wait_for_slices(1);
    let load = litellm.measured_load(Case::Burn, 20.0, 12).result();
    let bundle = capture.finish().bundle();
    let during = bundle.json("summary.json")["loads"]["during"].clone();
    assert_near(&during["requests"], load.requests as f64, 0.03);
    let bucket = |ms: f64| BUCKETS_MS.iter().position(|bound| ms <= *bound).unwrap_or(BUCKETS_MS.len());
    for (name, measured_ms) in [("p50_seconds", load.p50_ms), ("p99_seconds", load.p99_ms)] {
        let ours_ms = figure(&during[name]) * 1_000.0;
        let apart = bucket(ours_ms).abs_diff(bucket(measured_ms));
        assert!(apart <= 1, "{name}: {ours_ms} ms against {measured_ms} ms");
    }
}

/// What is made of the facts once more is the same to the byte.
#[track_caller]
fn assert_report_reproduces(path_of_bundle: &Path, bundle: &Bundle) {
    let made = tempfile::tempdir().expect("a folder");
    let again = Capture::new().args(["report", path(path_of_bundle), "-o", path(made.path())]).run().assert_status(0);
    let folder = PathBuf::from(again.said().trim());
    for (name, stored) in bundle.files().filter(|(name, _)| *name != "manifest.json") {
        assert!(fs::read(folder.join(name)).expect("a file") == stored, "{name} differs");
    }
}

/// A capture of calm times, kept for as long as it is compared with.
struct Calm {
    path: PathBuf,
    _output: Output,
}

fn calm(lab: &Lab, litellm: &LiteLlm, case: Case, rps: f64) -> Calm {
    let _load = litellm.steady_load(case, rps);
    thread::sleep(SETTLE);
    let output = capture(lab, litellm).run();
    Calm { path: output.bundle_path(), _output: output }
}

fn capture(lab: &Lab, litellm: &LiteLlm) -> Capture {
    lab.capture(litellm).pid(litellm.pid()).args(DURATION)
}

fn against(capture: Capture, calm: &Calm) -> Capture {
    capture.arg("--baseline").arg(&calm.path)
}

/// A callback that takes so many seconds of CPU after every request.
fn costing(seconds: &str) -> Setup {
    Setup { variables: [("LAB_CPU_SECONDS", seconds.to_owned())].into(), ..Setup::default() }
}

fn classification(bundle: &Bundle) -> Value {
    bundle.json("summary.json")["classification"].clone()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[track_caller]
fn figure(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no figure"))
}

#[track_caller]
fn assert_near(value: &Value, expected: f64, share: f64) {
    let value = figure(value);
    assert!((value - expected).abs() <= share * expected, "{value} is not within {share} of {expected}");
}

#[track_caller]
fn assert_says(classification: &Value, words: &[&str]) {
    let sentence = classification["sentence"].as_str().expect("a sentence");
    for word in words {
        assert!(sentence.contains(word), "`{word}` is not in: {sentence}");
    }
}

#[track_caller]
fn assert_ticket_ticks(bundle: &Bundle, class: &str) {
    let ticked = format!("- [x] {class}");
    assert!(bundle.text("TICKET.md").contains(&ticked), "`{ticked}` is not in the ticket");
}

/// A cgroup with a CPU limit and one process in it, gone when this is dropped.
struct CpuLimit {
    dir: PathBuf,
    pid: i32,
}

impl CpuLimit {
    /// Under version 1 or 2 of cgroups; none where neither can be had.
    fn on(pid: i32, cores: f64) -> Option<Self> {
        let name = format!("capture-test-{}", process::id());
        let quota_us = format!("{}", (cores * 100_000.0) as u64);
        for (top, file, value) in [
            ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", quota_us.clone()),
            ("/sys/fs/cgroup", "cpu.max", format!("{quota_us} 100000")),
        ] {
            let dir = Path::new(top).join(&name);
            if fs::create_dir(&dir).is_err() {
                continue;
            }
            let limit = Self { dir, pid };
            let set = fs::write(limit.dir.join(file), &value).is_ok();
            if set && fs::write(limit.dir.join("cgroup.procs"), pid.to_string()).is_ok() {
                return Some(limit);
            }
        }
        None
    }
}

impl Drop for CpuLimit {
    fn drop(&mut self) {
        // The process goes back to where it was; then the group is empty.
        let parent = self.dir.parent().expect("it is below the mount");
        let _ = fs::write(parent.join("cgroup.procs"), self.pid.to_string());
        let _ = fs::remove_dir(&self.dir);
    }
}
