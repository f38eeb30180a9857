//! `capture watch --rehearse`: when the rules would have fired over what a bundle holds.

mod support;

#[path = "support/facts.rs"]
#[expect(dead_code, reason = "nothing is drawn here")]
mod facts;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;
use facts::{Spike, bare};
use litellm_capture::{
    analyse::Facts,
    bundle::{
        archive::{Artifact, pack},
        facts::{FINGERPRINT, write},
    },
    cli::{Cli, Command},
    series::{Reading, Series},
    traffic::{Histogram, Latency, Source, Tally},
    watch::{
        rehearse::replay::replay,
        trigger::{Judgement, Moment, Trigger, capacity::Capacity, plan::RulesPlan},
    },
};
use proptest::prelude::*;
use serde_json::Value;
use support::{Capture, Output, repository};

const S: u64 = 1_000_000;

/// A row a second, from which the figures of each table follow.
fn rows(seconds: u64, table: &str, figures: impl Fn(u64) -> Vec<(&'static str, f64)>) -> Vec<Reading> {
    let row = |second: u64| Reading {
        table: table.to_owned(),
        at_us: second * S,
        values: figures(second).into_iter().map(|(name, value)| (name.to_owned(), Some(value))).collect(),
    };
    (0..seconds).map(row).collect()
}

/// A worker that uses so much of a core in each second.
fn worker(pid: i32, seconds: u64, cores: impl Fn(u64) -> f64) -> Vec<Reading> {
    rows(seconds, &format!("worker-{pid}"), |second| vec![("user_s", cores(second)), ("system_s", 0.0)])
}

/// Calm, but for some seconds.
fn spike(from: u64, to: u64) -> impl Fn(u64) -> f64 {
    move |second| if (from..to).contains(&second) { 0.97 } else { 0.25 }
}

fn capture(readings: Vec<Reading>) -> Facts {
    let mut facts = bare("litellm-0", "1.106.2");
    facts.series = Series::gather(readings);
    facts
}

/// Its bundle in a folder.
fn bundle(folder: &Path, name: &str, mut facts: Facts) -> PathBuf {
    name.clone_into(&mut facts.manifest.name);
    let mut files = write(&facts).expect("facts can be written");
    files.push(Artifact::json("manifest.json", &facts.manifest).expect("JSON"));
    files.push(Artifact::json(FINGERPRINT, &facts.fingerprint).expect("JSON"));
    let path = folder.join(format!("{name}.tar.gz"));
    fs::write(&path, pack(name, &mut files, 0).expect("a tarball")).expect("a file");
    path
}

fn rehearse(path: &Path, options: &[&str]) -> Output {
    options.iter().fold(Capture::new().args(["watch", "--rehearse"]).arg(path), Capture::arg).run()
}

fn stored(format: &str) -> PathBuf {
    repository().join("tests/bundles").join(format!("{format}.tar.gz"))
}

#[test]
fn it_tells_when_it_would_have_fired_why_and_how_long_it_lasted() {
    let folder = tempfile::tempdir().expect("a folder");
    // An hour, as a watch's own bundles hold it.
    let cores = |second| if second < 1000 { spike(605, 640)(second) } else { spike(3500, 3600)(second) };
    let path = bundle(folder.path(), "hour", capture([worker(41, 3600, cores), worker(42, 3600, |_| 0.1)].concat()));
    let told = format!(
        "bundle    {}\n\
         series    2026-11-24 06:15:00 UTC to 2026-11-24 07:14:59 UTC, 59 min 59 s\n\
         fires     2 times\n\
         \x20         2026-11-24 06:25:09 UTC: worker 41 used 97 % of a core for 5 s (limit 80 %); calm after 36 s; \
         peak 97 %\n\
         \x20         2026-11-24 07:13:24 UTC: worker 41 used 97 % of a core for 5 s (limit 80 %); not calm before the \
         series end;\n\
         \x20         peak 97 %\n",
        path.display()
    );
    rehearse(&path, &[]).assert_status(0).assert_stderr("").assert_stdout(&told).assert_left_nothing();
}

#[test]
fn of_a_rule_that_never_fired_it_tells_how_near_it_came() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut facts = capture(worker(41, 60, |second| if second % 7 == 0 { 0.95 } else { 0.639 }));
    let path = bundle(folder.path(), "calm", facts.clone());
    let near = "fires     never\nnot by    --cpu: at most 63 % of a core held for 5 s, worker 41 (limit 80 %)\n";
    rehearse(&path, &[]).assert_status(0).assert_stderr("").assert_stdout_has(near);
    rehearse(&path, &["--cpu", "60%"]).assert_status(0).assert_stdout_has("fires     1 time\n");

    let mut more = worker(41, 60, |_| 0.3);
    more.extend(rows(60, "cgroup", |second| {
        vec![("cpu_s", 1.5), ("periods", 10.0), ("throttled_periods", (second % 3) as f64)]
    }));
    more.extend(rows(60, "liveliness", |second| {
        vec![("latency_s", if second == 30 { 0.9 } else { 0.02 }), ("failed", 0.0)]
    }));
    facts.series = Series::gather(more);
    facts.evidence.tallies = [(5, 100.0), (35, 130.0)].map(|(second, requests)| tally(second, requests)).to_vec();
    facts.fingerprint.as_mut().expect("a fingerprint").cgroup.cpu_quota_cores = Some(2.0);
    let path = bundle(folder.path(), "more", facts);
    let all = ["--adaptive", "--throttled", "25%", "--liveliness", "500ms", "--p99", "2s"];
    let near = "not by    --cpu: at most 75 % of the quota of 2 cores held for 5 s, the cgroup (limit 80 %)\n\
                \x20         --adaptive: not known, since less than five minutes of CPU were read\n\
                \x20         --throttled: at most 0 % of the periods held for 5 s (limit 25 %)\n\
                \x20         --liveliness: at most 20.0 ms held for 5 s (limit 500 ms)\n\
                \x20         --p99: at most 990 ms (limit 2 s)\n";
    rehearse(&path, &all).assert_status(0).assert_stderr("").assert_stdout_has(near);
}

/// So many requests of up to a second, since the counters began.
fn tally<T>(second: u64, requests: f64) -> Tally<T> {
    let counts = vec![requests / 2.0, requests, requests];
    let histogram = Histogram { bounds: vec![0.5, 1.0], counts, sum_seconds: requests };
    Tally {
        source: Source::MetricFiles,
        at_us: second * S,
        took_us: 0,
        counts: Vec::new(),
        latencies: BTreeMap::from([(Latency::Total, histogram)]),
        in_flight: None,
        prompt_tokens: None,
        completion_tokens: None,
    }
}

#[test]
fn what_is_met_in_a_spike_is_told_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut readings = worker(41, 60, spike(20, 40));
    // The loop stands still while it burns: a probe waits until it is given up, and so does the next.
    let probes =
        [(0, 0.01), (10, 0.01), (19, 0.02), (22, 5.0), (27, 5.0), (32, 5.0), (37, 4.0), (41, 0.01), (50, 0.01)];
    readings.extend(probes.map(|(second, latency_s)| Reading {
        table: "liveliness".to_owned(),
        at_us: second * S,
        values: vec![("latency_s".to_owned(), Some(latency_s)), ("failed".to_owned(), Some(0.0))],
    }));
    let path = bundle(folder.path(), "spike", capture(readings));
    let told = "2026-11-24 06:15:24 UTC: worker 41 used 97 % of a core for 5 s (limit 80 %); also /health/liveliness \
                took 5.00 s for 5 s (limit 2 s); calm after";
    let output = rehearse(&path, &["--liveliness", "2s", "--json"]).assert_status(0).assert_stderr("");
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let words = said[0]["rehearsal"]["fired"][0]["words"].as_str().expect("words");
    assert!(words.starts_with(told), "{words}");
}

#[test]
fn json_holds_the_same_figures() {
    let folder = tempfile::tempdir().expect("a folder");
    let facts = capture([worker(41, 60, spike(20, 40)), worker(42, 60, |_| 0.1)].concat());
    let path = bundle(folder.path(), "spike", facts);
    let output = rehearse(&path, &["--json", "--p99", "2s"]).assert_status(0).assert_stderr("");
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let course = &said[0]["rehearsal"];
    assert_eq!((&said[0]["name"], &course["seconds"]), (&"spike".into(), &59.0.into()));
    let fired = &course["fired"][0];
    assert_eq!(
        (&fired["at_utc"], &fired["calm_utc"]),
        (&"2026-11-24T06:15:24Z".into(), &"2026-11-24T06:15:40Z".into())
    );
    assert_eq!((&fired["reason"]["condition"], &fired["reason"]["limit"]), (&"cpu".into(), &0.8.into()));
    assert_eq!(fired["reason"]["whom"]["worker"]["pid"], 41);
    assert_eq!((&course["near"][0]["condition"], &course["near"][0]["highest"]), (&"p99".into(), &Value::Null));
}

#[test]
fn a_capture_with_lost_readings_fires_when_its_worker_spikes() {
    let spike = Spike::default();
    let folder = tempfile::tempdir().expect("a folder");
    let path = bundle(folder.path(), "lost", spike.facts());
    let fires =
        "fires     1 time\n          2026-11-24 06:18:04 UTC: worker 41 used 98 % of a core for 5 s (limit 80 %);";
    rehearse(&path, &["--scope", "worker"]).assert_status(0).assert_stdout_has(fires);
    // All workers together are far from the quota of four cores.
    rehearse(&path, &[]).assert_status(0).assert_stdout_has("fires     never\nnot by    --cpu: at most 6");
}

#[test]
fn bundles_of_every_format_are_told_or_it_is_said_why_not() {
    let nothing =
        "nothing   it holds no figures over time that a rule could look at; bundles have them from format 1.1 on\n";
    rehearse(&stored("1.0"), &[]).assert_status(0).assert_stderr("").assert_stdout_has(nothing);
    let near = "series    2026-11-24 13:12:07 UTC to 2026-11-24 13:12:14 UTC, 6.41 s\nfires     never\n\
                not by    --cpu: at most 29 % of a core held for 5 s, worker 1066 (limit 80 %)\n";
    rehearse(&stored("1.1"), &[]).assert_status(0).assert_stderr("").assert_stdout_has(near);
    for format in ["1.2", "1.3"] {
        let short = "nothing   its series are of 4.1 s, and the rules look at 5 s (--for)\n";
        rehearse(&stored(format), &[]).assert_status(0).assert_stderr("").assert_stdout_has(short);
        let young = "--cpu: not known, since no worker that had come up was read for 2 s without a hole\n";
        rehearse(&stored(format), &["--for", "2s"]).assert_status(0).assert_stdout_has(young);
    }
    // One that a watch made, by these rules.
    let fires =
        "fires     1 time\n          2026-11-28 22:25:50 UTC: worker 21725 used 89 % of a core for 3 s (limit 65 %)";
    rehearse(&stored("1.4"), &["--cpu", "65%", "--for", "3s"]).assert_status(0).assert_stdout_has(fires);
}

#[test]
fn a_folder_is_all_its_bundles_and_what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let none = format!(
        "capture: cannot read {}: no bundle is in this folder: none of its files ends in .tar.gz\n  name a bundle, \
         or a folder of them: litellm-cpu-HOST-TIME.tar.gz\n",
        folder.path().display()
    );
    rehearse(folder.path(), &[]).assert_status(2).assert_stdout("").assert_stderr(&none);

    let broken = folder.path().join("c.tar.gz");
    fs::write(&broken, "no tarball").expect("a file");
    fs::write(folder.path().join("notes.txt"), "no bundle").expect("a file");
    let why = format!("cannot read {}: it is no whole bundle: invalid gzip header", broken.display());
    rehearse(folder.path(), &[]).assert_status(2).assert_stdout("").assert_stderr_has(&why);

    bundle(folder.path(), "b", capture(worker(41, 60, |_| 0.3)));
    bundle(folder.path(), "a", capture(worker(41, 60, spike(20, 40))));
    let output = rehearse(folder.path(), &[]).assert_status(3).assert_stderr(&format!("warning: {why}\n"));
    let said = output.said();
    let (first, second) = said.split_once("\n\n").expect("a paragraph for each");
    assert!(first.contains("a.tar.gz") && first.contains("fires     1 time"), "{first}");
    assert!(second.contains("b.tar.gz") && second.contains("fires     never"), "{second}");
}

#[test]
fn rules_that_cannot_be_are_refused_before_anything_is_read() {
    let nowhere = Path::new("/nowhere");
    let refused = |options: &[&str], stderr: &str| {
        rehearse(nowhere, options).assert_status(2).assert_stdout("").assert_stderr(stderr).assert_left_nothing();
    };
    let nothing = "capture: --cpu off leaves nothing to wait for\n  give another condition: --adaptive, --liveliness, \
                   --p99 or --throttled\n";
    refused(&["--cpu", "off"], nothing);
    refused(&["--cpu", "150%"], "capture: --cpu 150%: not a percentage\n  give one from 0.1% to 100%\n");
    refused(&["--adaptive=0"], "capture: --adaptive 0: not a margin\n  give one from 1% to 1000%\n");
    refused(&["--for", "1h"], "capture: --for 1h: out of range\n  give one from 1s to 10m\n");
    let missing = "capture: cannot read /nowhere: No such file or directory (os error 2)\n  name a bundle: \
                   litellm-cpu-HOST-TIME.tar.gz\n";
    refused(&[], missing);
}

fn rules() -> RulesPlan {
    match Cli::parse_from(["capture", "watch", "--for", "3s"]).command {
        Some(Command::Watch(args)) => RulesPlan::try_from(args.rules).expect("rules"),
        _ => unreachable!("watch was typed"),
    }
}

proptest! {
    #[test]
    fn a_rehearsal_fires_at_the_second_at_which_a_watch_would_have(
        shares in prop::collection::vec((0.5..1.0_f64, 0_u64..90_000, prop::bool::weighted(0.9)), 1..60),
    ) {
        let mut readings = Vec::new();
        let mut trigger = Trigger::new(rules(), Capacity { quota_cores: None, cpus: Some(8) });
        let mut live = None;
        let mut missed = 1.0;
        for (second, (share, late_us, is_read)) in shares.into_iter().enumerate() {
            let at_us = second as u64 * S + late_us;
            if is_read {
                let values = vec![("user_s".to_owned(), Some(share * missed)), ("system_s".to_owned(), Some(0.0))];
                readings.push(Reading { table: "worker-41".to_owned(), at_us, values });
                trigger.see(&readings[readings.len() - 1]);
                missed = 1.0;
            } else {
                missed += 1.0;
            }
            let judged = trigger.judge(Moment { now_us: at_us + 2_000, probe_sent_us: None });
            if let (Judgement::Hot { .. }, None) = (judged, live) {
                live = Some(second as u64);
            }
        }
        let rehearsed = replay(&capture(readings), &rules());
        let first = rehearsed.and_then(|rehearsal| rehearsal.fired.first().map(|fired| fired.at_us / S));
        prop_assert_eq!(first, live);
    }
}
