//! What changed since the start and against a baseline, and which functions grew.

use std::collections::BTreeMap;

use super::*;
use crate::analyse::changes::{Area, Change};
use crate::analyse::compare::{Per, compare};
use crate::analyse::facts::SharedEnviron;
use crate::collect::fingerprint::{Package, ProcessFacts};
use crate::discover::Role;
use crate::os::proc::ProcessId;
use crate::redact::Clean;

use scene::{ROUTER, clean};

fn package(name: &str, version: &str, installed_utc: &str) -> Package<Clean> {
    Package { name: clean(name), version: clean(version), installed_utc: Some(installed_utc.to_owned()) }
}

fn process(pid: i32, started_utc: &str) -> ProcessFacts<Clean> {
    ProcessFacts {
        id: ProcessId { pid, start_ticks: 1 },
        parent_pid: 1,
        role: Role::Worker,
        why: String::new(),
        argv: Vec::new(),
        started_utc: Some(started_utc.to_owned()),
        age_seconds: None,
        threads: None,
        rss_bytes: None,
        ulimits: Vec::new(),
        tracer_pid: None,
        profilers: Vec::new(),
        native_extensions: Vec::new(),
    }
}

fn lines(changes: &[Change]) -> Vec<String> {
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let note = |change: &Change| change.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
    let line = |change: &Change| {
        let Change { area, what, before, after, .. } = change;
        format!("{area:?} {what}: {} -> {}{}", side(before), side(after), note(change))
    };
    changes.iter().map(line).collect()
}

#[test]
fn files_that_are_newer_than_a_process_are_told() {
    let scene = Scene::of(&[0.4]).print(|print| {
        print.processes = vec![process(1, "2026-11-24T08:00:00Z"), process(2, "2026-11-24T09:30:00Z")];
        print.litellm.config_path = Some(clean("/etc/litellm/config.yaml"));
        print.litellm.config_modified_utc = Some("2026-11-24T09:00:00Z".to_owned());
        print.python.packages = vec![
            package("httpx", "0.28.0", "2026-11-24T08:00:00Z"),
            package("langfuse", "3.0.0", "2026-11-24T09:45:00Z"),
            package("litellm", "1.106.2", "2026-11-24T08:00:01Z"),
        ];
    });
    assert_eq!(
        lines(&verdict(scene).changes),
        [
            "LiteLlm litellm: - -> 1.106.2, installed at 2026-11-24T08:00:01Z (1 of 2 running processes started before that)",
            "Config /etc/litellm/config.yaml: - -> changed at 2026-11-24T09:00:00Z (1 of 2 running processes started before that)",
            "Package langfuse: - -> 3.0.0, installed at 2026-11-24T09:45:00Z (2 of 2 running processes started before that)",
        ]
    );
}

#[test]
fn two_captures_differ_in_what_is_different_and_in_nothing_else() {
    let mut before = Scene::of(&[0.4]).version("1.75.5").print(|print| {
        print.python.packages =
            vec![package("httpx", "0.27.0", ""), package("litellm", "1.75.5", ""), package("old", "1", "")];
        print.cgroup.cpu_quota_cores = Some(2.0);
    });
    before.facts.config = Some("litellm_settings: {callbacks: [prometheus]}\nmodel_list: []\n".to_owned());
    let variables = |workers: &str| {
        let table = [("NUM_WORKERS", workers), ("OPENAI_API_KEY", "set")];
        let variables: BTreeMap<String, String> = table.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        vec![SharedEnviron { pids: vec![1], variables }]
    };
    before.facts.variables = variables("2");
    let mut after = Scene::of(&[0.4]).version("1.106.2").print(|print| {
        print.python.packages =
            vec![package("httpx", "0.28.0", ""), package("litellm", "1.106.2", ""), package("new", "1", "")];
        print.litellm.workers_running = 4;
        print.host.kernel = Some(clean("6.2"));
        print.litellm.event_loop = None;
    });
    after.facts.config = Some("model_list: []\nlitellm_settings: {callbacks: [prometheus, mine.burn]}\n".to_owned());
    after.facts.variables = variables("4");
    let same = verdict(Scene::of(&[0.4]).print(|_| ()).against(Scene::of(&[0.4]).print(|_| ()))).changes;
    assert_eq!(same, []);
    let verdict = verdict(after.against(before));
    assert_eq!(
        lines(&verdict.changes),
        [
            "LiteLlm LiteLLM: 1.75.5 -> 1.106.2",
            "Config litellm_settings.callbacks: [prometheus] -> [prometheus, mine.burn]",
            "Environment NUM_WORKERS: 2 -> 4",
            "Workers workers running: 2 -> 4",
            "Limits CPU limit: 2 cores -> none",
            "Package httpx: 0.27.0 -> 0.28.0",
            "Package new: - -> 1",
            "Package old: 1 -> -",
            "Host kernel: 6.1 -> 6.2",
        ]
    );
    assert_eq!(verdict.comparison.unwrap().changes, verdict.changes);
    assert!(Area::LiteLlm < Area::Package);
}

#[test]
fn a_config_that_is_no_yaml_is_told_as_different() {
    let with = |config: &str| {
        let mut scene = Scene::empty();
        scene.facts.config = Some(config.to_owned());
        scene
    };
    let changes = verdict(with("a: [").against(with("a: 1"))).changes;
    assert_eq!(
        lines(&changes),
        ["Config config file: - -> - (it differs, but one of the two is no YAML that could be read)"]
    );
    assert_eq!(verdict(with("a: [").against(with("a: ["))).changes, []);
}

#[test]
fn functions_are_held_against_each_other_by_request_where_both_count() {
    let deepcopy = [ROUTER, &[("/usr/lib/python3.13/copy.py", "deepcopy")]].concat();
    let before = Scene::of(&[0.4]).traffic(rps(10.0));
    let mut after = Scene::of(&[0.8]).traffic(rps(20.0));
    // The tables and the stacks say the same.
    after.facts.profile.samples.clear();
    after.busy(101, "MainThread", ROUTER, (0, 30_000_000), 0.2);
    after.busy(101, "MainThread", &deepcopy, (0, 30_000_000), 0.6);
    let comparison = compare(&before.done(), &after.done());
    assert_eq!(comparison.per, Per::Request);
    let near = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-6, "{value} is not {expected}");
    let functions = comparison.functions;
    assert_eq!((functions[0].name.as_str(), functions[0].file.as_str()), ("deepcopy", "copy.py"));
    near(functions[0].self_before, 0.0);
    near(functions[0].self_after, 0.03);
    assert_eq!(functions[1].name, "Router.acompletion");
    near(functions[1].self_before, 0.04);
    near(functions[1].self_after, 0.01);
    near(functions[1].total_after, 0.04);
    assert_eq!(functions.len(), 2, "what did not grow by itself is left out");
    assert_eq!(comparison.owners[0].owner, "router");
    near(comparison.owners[0].after, 0.04);
}

#[test]
fn functions_are_held_against_each_other_by_second_where_one_side_does_not_count() {
    let comparison = compare(&Scene::of(&[0.4]).done(), &Scene::of(&[0.8]).traffic(rps(20.0)).done());
    assert_eq!(comparison.per, Per::Second);
    let router = &comparison.functions[0];
    assert!((router.self_before - 0.4).abs() < 1e-6 && (router.self_after - 0.8).abs() < 1e-6, "{router:?}");
}

#[test]
fn a_spike_that_a_watch_holds_against_its_calm_goes_by_the_second() {
    let calm = || Scene::of(&[0.4]).traffic(rps(10.0));
    let spike = || Scene::of(&[0.8]).traffic(rps(20.0)).against(calm());
    let per = |scene: Scene| verdict(scene).comparison.unwrap().per;
    assert_eq!(per(spike()), Per::Request);
    assert_eq!(per(spike().fired_at(20, Vec::new())), Per::Second);
}

#[test]
fn the_hundred_functions_that_changed_most_are_kept() {
    let mut after = Scene::empty();
    let mut before = Scene::empty();
    for number in 1..=120 {
        let stack = [("/app/many.py", format!("f{number}"))];
        let stack: Vec<(&str, &str)> = stack.iter().map(|(file, function)| (*file, function.as_str())).collect();
        let scene = if number % 2 == 0 { &mut after } else { &mut before };
        scene.busy(101, "MainThread", &stack, (0, 1_000_000), f64::from(number) / 1_000.0);
    }
    let functions = compare(&before.done(), &after.done()).functions;
    assert_eq!(functions.len(), 100);
    assert_eq!((functions[0].name.as_str(), functions[99].name.as_str()), ("f120", "f119"));
    assert!(functions.iter().all(|growth| growth.name != "f20" && growth.name != "f19"));
}
