//! From the native engine's records to a bundle, by way of a work folder whose capture was killed.

mod support;

use std::{fs, io::Write as _, path::Path};

use litellm_capture::{
    bundle::work,
    os::proc::ProcessId,
    sample::{
        Slice,
        native::record::{Counts, FrameRecord, NativeSample, NativeSlice, State, ThreadSamples},
        profile::StackNode,
    },
};
use serde::Serialize;
use serde_json::{Value, json};
use support::{Capture, bundle::Bundle};

const WORKER: ProcessId = ProcessId { pid: 4_711, start_ticks: 99 };
/// Readings of a slice, at 100 Hz.
const TICKS: u64 = 100;

fn manifest() -> Value {
    json!({
        "format": {"major": 1, "minor": 2}, "tool": {"name": "capture", "version": "0"}, "status": "running",
        "name": "litellm-cpu-lab-20261124T100000Z", "started_utc": "2026-11-24T10:00:00Z", "ended_utc": null,
        "arguments": ["capture", "--engine", "native"],
        "settings": {"duration_seconds": 2.0, "slice_seconds": 1.0, "rate_hz": 100, "sampling": "nonblocking",
            "max_overhead_percent": 5.0},
        "engine": {"name": "native", "version": "0", "why": "self-check passed on 1 worker"},
        "looks_like_litellm": false, "processes": [], "interrupted_by": null, "quality": null, "overhead": null,
        "gaps": [], "redactions": 0, "files": [],
    })
}

fn frame(function: &str) -> FrameRecord {
    FrameRecord { function: function.to_owned(), file: "/app/jobs.py".to_owned(), line: 7 }
}

/// A second on a CPU: of each ten samples seven run in the stack, two collect garbage there, one waits for the GIL.
fn second(number: u64, stack: u32) -> NativeSlice {
    let from_us = number * 1_000_000;
    let sample = |tick: u64| {
        let doing = match tick % 10 {
            0 | 1 => State::GIL_HELD.with(State::IN_GC),
            2 => State::GIL_WAITED,
            _ => State::GIL_HELD,
        };
        let at_us = from_us + (tick + 1) * 10_000;
        let state = doing.with(State::ON_CPU);
        NativeSample { at_us, span_us: 10_000, cpu_ns: 10_000_000, run_delay_ns: 0, stack: Some(stack), state }
    };
    NativeSlice {
        process: WORKER,
        rate_hz: 100,
        from_us,
        to_us: from_us + 1_000_000,
        kernel_cpu_us: Some(1_000_000),
        frames: Vec::new(),
        stacks: Vec::new(),
        threads: vec![ThreadSamples {
            tid: WORKER.pid,
            inner_tid: WORKER.pid,
            comm: "python".to_owned(),
            name: Some("MainThread".to_owned()),
            python: true,
            samples: (0..TICKS).map(sample).collect(),
        }],
        counts: Counts { ticks: TICKS, late_ticks: 2, read: TICKS, torn: 0, failed: 0, retries: 1 },
        cost_us: 1_500,
    }
}

fn lines(records: &[impl Serialize]) -> String {
    records.iter().map(|record| serde_json::to_string(record).expect("JSON") + "\n").collect()
}

/// A work folder with two slices and the beginning of a third one.
fn killed(folder: &Path) {
    let first = NativeSlice {
        frames: vec![frame("main"), frame("Jobs.burn")],
        stacks: vec![StackNode { parent: None, frame: 0 }, StackNode { parent: Some(0), frame: 1 }],
        ..second(0, 1)
    };
    let later = NativeSlice {
        frames: vec![frame("Jobs.rest")],
        stacks: vec![StackNode { parent: Some(0), frame: 2 }],
        ..second(1, 2)
    };
    fs::create_dir_all(folder.join(work::CLEAN)).expect("a folder");
    fs::write(folder.join(work::MANIFEST), manifest().to_string()).expect("a manifest");
    let slices = [0, 1].map(|second| Slice { from_us: second * 1_000_000, to_us: (second + 1) * 1_000_000 });
    fs::write(folder.join(work::SLICES), lines(&slices)).expect("slices");
    let mut records = fs::File::create(folder.join(work::NATIVE)).expect("records");
    records.write_all(lines(&[first, later]).as_bytes()).expect("records");
    let cut_short = lines(&[second(2, 1)]);
    records.write_all(&cut_short.as_bytes()[..cut_short.len() / 2]).expect("records");
}

fn packed() -> (tempfile::TempDir, Bundle) {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().join(".litellm-cpu-lab-20261124T100000Z.work");
    killed(&folder);
    let output = Capture::new().arg("pack").arg(&folder).args(["-o", "packed.tar.gz"]).run().assert_status(3);
    let bundle = output.bundle();
    (place, bundle)
}

#[test]
fn a_killed_capture_loses_no_slice_that_ended() {
    let (_place, bundle) = packed();
    assert!((bundle.figure("/cpu/sampled_seconds") - 2.0).abs() < 1e-6);
    assert!((bundle.figure("/cpu/kernel_seconds") - 2.0).abs() < 1e-6);
    assert!(bundle.figure("/cpu/torn_percent").abs() < f64::EPSILON);
    assert!((bundle.figure("/quality/achieved_hz") - 100.0).abs() < 0.1);
    assert!((bundle.figure("/quality/late_percent") - 2.0).abs() < f64::EPSILON);
    assert_eq!(bundle.json("summary.json")["quality"]["grade"], "good");
    assert_eq!(bundle.json("evidence.json")["samplers"].as_array().map(Vec::len), Some(1), "one run at one rate");
}

#[test]
fn garbage_and_the_gil_are_seen_and_stay_their_callers_time() {
    let (_place, bundle) = packed();
    let folded = bundle.text("profiles/all.folded");
    let weight = |stack: &str| -> u64 {
        let line = folded.lines().find(|line| line.starts_with(stack)).unwrap_or_else(|| panic!("{stack}: {folded}"));
        line.rsplit(' ').next().and_then(|weight| weight.parse().ok()).expect("a weight")
    };
    let burn = "worker 4711;MainThread;main (app/jobs.py:7);Jobs.burn (app/jobs.py:7)";
    // To one sample: at the border of two stacks half of a distance goes to each.
    assert!(weight(&format!("{burn};<GC> ")).abs_diff(200_000) <= 10_000, "{folded}");
    assert!(weight(&format!("{burn};<waiting for GIL> ")).abs_diff(100_000) <= 10_000, "{folded}");
    assert!(weight(&format!("{burn} ")).abs_diff(700_000) <= 10_000, "{folded}");

    let summary = bundle.json("summary.json");
    let owner = &summary["owners"][0];
    assert_eq!((&owner["owner"], &owner["percent"]), (&json!("user code jobs.py"), &json!(100.0)));
    let mechanisms: Vec<&str> =
        owner["mechanisms"].as_array().expect("a list").iter().filter_map(|part| part["mechanism"].as_str()).collect();
    assert!(
        mechanisms.contains(&"garbage collection") && mechanisms.contains(&"waiting for the GIL"),
        "{mechanisms:?}"
    );
    assert_ne!(owner["leader"], "<GC>");
    let functions = summary["functions"].as_array().expect("a list");
    let collecting = functions.iter().find(|function| function["name"] == "<GC>").expect("a row of its own");
    assert_eq!(collecting["kind"], "interpreter");

    let gil = &summary["workers"][0]["gil"];
    let seconds = |what: &str| gil[what].as_f64().expect("a figure");
    assert!((seconds("held_seconds") - 1.8).abs() < 1e-6 && (seconds("waited_seconds") - 0.2).abs() < 1e-6, "{gil}");
    assert!((seconds("collecting_seconds") - 0.4).abs() < 1e-6, "{gil}");
}

#[test]
fn ticket_page_and_flamegraph_tell_of_it() {
    let (_place, bundle) = packed();
    let ticket = bundle.text("TICKET.md");
    assert!(ticket.contains("| GIL held |") && ticket.contains("1.80 s"), "{ticket}");
    assert!(ticket.contains("by native `0` (self-check passed on 1 worker)"), "{ticket}");
    assert!(bundle.page().at("/tables/workers/0/gil/held_seconds").is_number());
    let flamegraph = bundle.text("flamegraphs/all.svg");
    assert!(flamegraph.contains("&lt;GC&gt;") && flamegraph.contains("GC and GIL"));
}
