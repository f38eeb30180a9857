//! Where load comes from, the best source first, and what a life is worth.

use super::*;
use crate::analyse::evidence::Happening;
use crate::analyse::load::{BeforeSource, Load, loads};
use crate::traffic::Source;

use scene::Traffic;

fn during(scene: Scene) -> Load {
    loads(&scene.done()).during
}

#[test]
fn cpu_and_requests_are_of_the_same_stretch() {
    // Counted from 0 s to 20 s alone, and only the first twenty seconds were busy.
    let mut scene = Scene::of(&[]).traffic(rps(10.0));
    scene.facts.evidence.tallies.truncate(3);
    for second in 0..=30 {
        let user = if second <= 20 { 0.5 } else { 0.0 };
        scene.row("worker-101", second * 1_000_000, &[("user_s", Some(user)), ("system_s", Some(0.0))]);
    }
    let load = during(scene);
    assert_eq!((load.seconds, load.requests, load.rps), (20.0, Some(200.0), Some(10.0)));
    assert_eq!((load.cpu_seconds, load.cores, load.cpu_seconds_per_request), (Some(10.0), Some(0.5), Some(0.05)));
}

#[test]
fn without_tables_the_threads_clocks_tell_the_cpu() {
    let mut scene = Scene::of(&[]);
    scene.busy(101, "MainThread", scene::ROUTER, (0, 30_000_000), 0.5);
    assert_eq!(during(scene).cores, Some(0.5));
    // A table that covers a part only does not speak for the whole.
    let mut partly = Scene::of(&[]);
    partly.busy(101, "MainThread", scene::ROUTER, (0, 30_000_000), 0.5);
    for second in 0..=20 {
        partly.row("worker-101", second * 1_000_000, &[("user_s", Some(0.9)), ("system_s", Some(0.0))]);
    }
    assert_eq!(during(partly).cores, Some(0.5));
}

#[test]
fn the_best_source_counts_and_latencies_and_tokens_come_with_it() {
    let log = Traffic { source: Source::AccessLog, ..rps(7.0) };
    let metrics = Traffic { tokens: Some((1_000.0, 50.0)), error_percent: 10.0, ..rps(8.0) };
    // By source as evidence is kept, but the better one last.
    let load = during(Scene::of(&[0.4]).traffic(log).traffic(metrics));
    assert_eq!((load.counted_by, load.rps), (Some(Source::MetricsEndpoint), Some(8.0)));
    assert_eq!((load.prompt_tokens_per_request, load.completion_tokens_per_request), (Some(1_000.0), Some(50.0)));
    let near = |value: Option<f64>, expected: f64| assert!((value.unwrap() - expected).abs() < 1e-6, "{value:?}");
    near(load.error_percent, 10.0);
    near(load.mean_seconds, 0.2);
    near(load.p50_seconds, 0.1);
    near(load.p99_seconds, 0.982);
}

#[test]
fn a_source_that_ran_backwards_leaves_it_to_the_next() {
    let mut scene = Scene::of(&[0.4]).traffic(rps(8.0));
    scene.facts.evidence.tallies[3].counts[0].requests = 1.0;
    let log = Traffic { source: Source::AccessLog, ..rps(7.0) };
    assert_eq!(during(scene.traffic(log)).counted_by, Some(Source::AccessLog));
}

#[test]
fn connections_are_told_as_what_they_are() {
    let load = during(Scene::of(&[0.4]).every_second("network", &[("connections_accepted", Some(3.0))]));
    assert_eq!((load.counted_by, load.requests, load.rps), (Some(Source::Connections), Some(90.0), Some(3.0)));
    assert_eq!((load.cpu_seconds_per_request, load.counted_rps()), (None, None));
    assert_eq!(during(Scene::of(&[0.4])).counted_by, None);
}

#[test]
fn a_life_is_counted_without_its_start() {
    let before = loads(&Scene::of(&[0.4, 0.4]).traffic(rps(8.0)).lifetime(100_000.0, 420.0).done()).before.unwrap();
    assert_eq!(before.source, BeforeSource::Lifetime);
    assert_eq!(before.load.cpu_seconds, Some(400.0));
    assert_eq!((before.load.rps, before.load.cpu_seconds_per_request), (Some(0.1), Some(0.04)));
    assert_eq!(
        before.caveats,
        [
            "an average over the proxy's life of 1 day, quiet hours included",
            "20.0 CPU-seconds for the start of 2 workers, at most 10 each, are taken off"
        ]
    );
}

#[test]
fn a_life_serves_when_it_did_more_than_start_and_was_counted_from_the_beginning() {
    let before = |scene: Scene| loads(&scene.done()).before;
    let scene = || Scene::of(&[0.4]).traffic(rps(8.0));
    assert!(before(scene().lifetime(600.0, 50.0)).is_some());
    assert_eq!(before(scene().lifetime(600.0, 49.9)), None);
    assert_eq!(before(scene()), None);
    assert_eq!(before(Scene::of(&[0.4]).lifetime(600.0, 100.0)), None, "nothing counted");
    let log = Traffic { source: Source::AccessLog, ..rps(8.0) };
    assert_eq!(before(Scene::of(&[0.4]).traffic(log).lifetime(600.0, 100.0)), None, "a log begins when it is opened");
}

#[test]
fn a_baseline_comes_before_the_life_and_its_caveats_are_told() {
    let log = Traffic { source: Source::AccessLog, ..rps(8.0) };
    let baseline = Scene::of(&[0.4]).traffic(log).version("1.75.5");
    let now = Scene::of(&[0.4, 0.4]).traffic(rps(8.0)).lifetime(100_000.0, 420.0).against(baseline);
    let before = loads(&now.done()).before.unwrap();
    assert_eq!((before.source, before.name.as_deref()), (BeforeSource::Baseline, Some("litellm-cpu-calm")));
    assert_eq!(before.litellm_version.as_deref(), Some("1.75.5"));
    assert_eq!(
        before.caveats,
        [
            "the baseline was captured 3 days earlier",
            "1 worker then, 2 now",
            "requests by the access log then, by /metrics/ now"
        ]
    );
}

/// Calm until second 16, busy after: a tenth of a core, then all of it; and so many requests a second, read each second.
fn watched(calm_rps: f64, busy_rps: f64) -> Scene {
    let mut scene = Scene::of(&[]);
    let mut requests = 1_000.0;
    for second in 0..=scene::SECONDS {
        let is_busy = second > 16;
        let user = if is_busy { 1.0 } else { 0.1 };
        scene.row("worker-101", second * 1_000_000, &[("user_s", Some(user)), ("system_s", Some(0.0))]);
        requests += if is_busy { busy_rps } else { calm_rps };
        scene.facts.evidence.tallies.push(scene::tally(Source::MetricFiles, second, requests));
    }
    scene
}

#[test]
fn what_a_watch_recorded_before_the_spike_is_the_best_to_hold_against() {
    let scene =
        watched(2.0, 2.0).version("1.106.2").lifetime(100_000.0, 420.0).against(Scene::of(&[0.1]).traffic(rps(8.0)));
    let loads = loads(&scene.fired_at(20, Vec::new()).done());
    let before = loads.before.unwrap();
    assert_eq!((before.source, before.litellm_version.as_deref()), (BeforeSource::Recorder, Some("1.106.2")));
    assert_eq!((before.load.seconds, before.load.requests, before.load.rps), (16.0, Some(32.0), Some(2.0)));
    let near = |value: Option<f64>, expected: f64| assert!((value.unwrap() - expected).abs() < 1e-9, "{value:?}");
    near(before.load.cores, 0.1);
    near(loads.during.cores, 1.0);
    assert_eq!(before.caveats, ["the 16 seconds before the spike, as capture watch recorded them"]);
}

#[test]
fn what_was_counted_before_a_restart_is_left_out() {
    let mut scene = watched(2.0, 2.0);
    for tally in &mut scene.facts.evidence.tallies[4..] {
        tally.counts[0].requests -= 1_005.0;
    }
    let upgraded = Happening {
        at_us: 4_000_000,
        what: scene::clean("LiteLLM 1.106.1 became 1.106.2"),
        version_before: Some(scene::clean("1.106.1")),
    };
    let before = loads(&scene.fired_at(20, vec![upgraded]).done()).before.unwrap();
    assert_eq!((before.load.seconds, before.load.rps), (12.0, Some(2.0)));
    assert_eq!(before.litellm_version.as_deref(), Some("1.106.1"), "the version that the spike may be held against");
    assert_eq!(before.caveats[1], "meanwhile LiteLLM 1.106.1 became 1.106.2");
}

#[test]
fn too_short_a_past_is_none() {
    assert_eq!(loads(&watched(2.0, 2.0).fired_at(9, Vec::new()).done()).before, None);
}
