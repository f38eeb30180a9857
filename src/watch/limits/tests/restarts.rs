//! What a restart finds, whatever ended the watcher and whatever became of its state.

use serde_json::{Value, json};

use super::super::leftovers::Leftovers;
use super::*;
use crate::bundle::work::{MANIFEST, Work};

/// A work folder of a capture that runs.
fn begins(scene: &Scene, name: &str) -> Work {
    let (work, _) = Work::create(scene.folder.path(), &format!("litellm-cpu-{name}")).unwrap();
    work.write(MANIFEST, &manifest()).unwrap();
    work
}

fn manifest() -> Vec<u8> {
    let manifest = json!({
        "format": {"major": 1, "minor": 3}, "tool": {"name": "capture", "version": "0"}, "status": "running",
        "name": "x", "started_utc": "2026-11-24T06:00:00Z", "ended_utc": null, "arguments": [],
        "settings": {
            "duration_seconds": 1.0, "slice_seconds": 1.0, "rate_hz": 1, "sampling": "nonblocking",
            "max_overhead_percent": 1.0,
        },
        "engine": {"name": "native", "version": "0"}, "looks_like_litellm": true, "processes": [],
        "interrupted_by": null, "quality": null, "overhead": null, "gaps": [], "redactions": 0, "files": [],
    });
    manifest.to_string().into_bytes()
}

/// A watcher that is killed while it captures into a work folder.
fn killed(scene: &Scene, name: &str) -> PathBuf {
    let mut watcher = scene.watcher();
    let permit = watcher.admit(scene, 0.9).unwrap();
    let work = begins(scene, name);
    watcher.limits.works_in(&permit, work.dir(), &scene.now);
    work.dir().to_owned()
}

/// Something is written into it now.
fn touch_all(work: &Path, scene: &Scene) {
    for entry in fs::read_dir(work).unwrap() {
        scene.touch(&entry.unwrap().path());
    }
}

#[test]
fn limits_hold_across_restarts() {
    let mut scene = Scene::with(|plan| plan.max_captures = 2);
    let _ = scene.watcher().captures(&scene, 0.9, "a", 10);
    scene.pass(MINUTE);
    assert_eq!(scene.watcher().skips(&scene, 0.9), "cooldown");
    scene.pass(HOUR);
    let _ = scene.watcher().captures(&scene, 0.9, "b", 10);
    scene.pass(HOUR);
    assert_eq!(scene.watcher().skips(&scene, 0.9), "too_many");
}

#[test]
fn a_wall_clock_that_steps_changes_nothing_within_a_boot() {
    for utc in ["2016-01-01T00:00:00Z", "2036-01-01T00:00:00Z"] {
        let mut scene = Scene::new();
        let mut watcher = scene.watcher();
        let _ = watcher.captures(&scene, 0.9, "a", 10);
        scene.set_wall_clock(utc);
        scene.pass(9.0 * MINUTE);
        assert_eq!(watcher.skips(&scene, 0.9), "cooldown");
        scene.pass(1.0 * MINUTE);
        watcher.admit(&scene, 0.9).unwrap();
    }
}

#[test]
fn after_a_reboot_the_wall_clock_decides_and_one_that_went_back_holds_for_a_cooldown_at_most() {
    let mut scene = Scene::new();
    let _ = scene.watcher().captures(&scene, 0.9, "a", 10);
    scene.reboot();
    scene.pass(9.0 * MINUTE);
    assert_eq!(scene.watcher().skips(&scene, 0.9), "cooldown");
    scene.pass(1.0 * MINUTE);
    let _ = scene.watcher().captures(&scene, 0.9, "b", 10);

    let mut scene = Scene::new();
    scene.set_wall_clock("2036-01-01T00:00:00Z");
    let _ = scene.watcher().captures(&scene, 0.9, "a", 10);
    scene.reboot();
    scene.set_wall_clock("2026-11-24T06:00:00Z");
    let mut watcher = scene.watcher();
    scene.pass(9.0 * MINUTE);
    assert_eq!(watcher.skips(&scene, 0.9), "cooldown");
    scene.pass(1.0 * MINUTE);
    watcher.admit(&scene, 0.9).unwrap();
}

#[test]
fn a_capture_that_was_killed_counts_from_its_last_sign_of_life() {
    let mut scene = Scene::new();
    let work = killed(&scene, "a");
    scene.pass(2.0 * MINUTE);
    touch_all(&work, &scene);
    scene.pass(9.0 * MINUTE);
    assert_eq!(scene.watcher().skips(&scene, 0.9), "cooldown");
    scene.pass(1.0 * MINUTE);
    scene.watcher().admit(&scene, 0.9).unwrap();
}

#[test]
fn one_that_was_killed_before_it_had_a_work_folder_counts_from_its_begin() {
    let mut scene = Scene::new();
    let permit = scene.watcher().admit(&scene, 0.9).unwrap();
    drop(permit);
    scene.pass(9.0 * MINUTE);
    assert_eq!(scene.watcher().skips(&scene, 0.9), "cooldown");
    scene.pass(1.0 * MINUTE);
    scene.watcher().admit(&scene, 0.9).unwrap();
}

#[test]
fn what_it_left_becomes_a_bundle_of_ours_and_what_others_left_is_only_named() {
    let mut scene = Scene::with(|plan| plan.keep = 1);
    let work = killed(&scene, "a");
    let other = begins(&scene, "other").dir().to_owned();
    let runs = begins(&scene, "runs");
    touch_all(&work, &scene);
    scene.pass(HOUR);
    let mut watcher = scene.watcher();
    let ours = work.canonicalize().unwrap();
    let others = vec![other.canonicalize().unwrap()];
    assert_eq!(watcher.limits.leftovers(&scene.now), Leftovers { ours: vec![ours.clone()], others });
    drop(runs);

    let bundle = scene.write("litellm-cpu-a.tar.gz", 10);
    let new = watcher.limits.packed(&ours, &bundle, 10, &scene.now);
    fs::remove_dir_all(&ours).unwrap();
    assert_eq!(watcher.retains(&scene, &new, &[]), []);
    let new = watcher.captures(&scene, 0.9, "b", 10);
    assert_eq!(watcher.retains(&scene, &new, &[]).len(), 1);
    assert_eq!(scene.bundles(), ["litellm-cpu-b.tar.gz"]);
}

#[test]
fn a_leftover_that_cannot_be_packed_is_tried_twice_and_then_named() {
    let scene = Scene::new();
    let work = killed(&scene, "a").canonicalize().unwrap();
    let found = || scene.watcher().limits.leftovers(&scene.now);
    let ours = Leftovers { ours: vec![work.clone()], others: vec![] };
    assert_eq!([found(), found()], [ours.clone(), ours]);
    assert_eq!(found(), Leftovers { ours: vec![], others: vec![work] });
}

#[test]
fn the_work_folder_of_a_capture_that_failed_is_packed_after_the_next_start() {
    let scene = Scene::new();
    let mut watcher = scene.watcher();
    let permit = watcher.admit(&scene, 0.9).unwrap();
    let work = begins(&scene, "a");
    let dir = work.dir().canonicalize().unwrap();
    watcher.limits.works_in(&permit, &dir, &scene.now);
    watcher.limits.failed(permit, 0.9, &scene.now);
    drop(work);
    assert_eq!(scene.watcher().limits.leftovers(&scene.now).ours, [dir]);
}

#[test]
fn a_capture_that_another_watcher_runs_is_no_leftover() {
    let scene = Scene::new();
    let mut watcher = scene.watcher();
    let permit = watcher.admit(&scene, 0.9).unwrap();
    let work = begins(&scene, "a");
    watcher.limits.works_in(&permit, work.dir(), &scene.now);
    assert_eq!(scene.watcher().limits.leftovers(&scene.now), Leftovers::default());
    let bundle = scene.write("litellm-cpu-a.tar.gz", 10);
    let captured = Captured { bundle, bytes: 10, peak: 0.9, ended: scene.now.clone() };
    let _ = watcher.limits.captured(permit, captured);
    let state: Value = serde_json::from_slice(&fs::read(scene.state_file()).unwrap()).unwrap();
    assert_eq!(state["state"]["captures"].as_array().unwrap().len(), 1);
}

#[test]
fn half_a_state_that_was_being_written_is_as_if_it_had_not_begun() {
    let mut scene = Scene::new();
    let _ = scene.watcher().captures(&scene, 0.9, "a", 10);
    fs::write(scene.plan.state_dir.join("state.json.partial"), b"{\"format\":1,\"sta").unwrap();
    scene.pass(MINUTE);
    let mut watcher = scene.watcher();
    assert_eq!(watcher.skips(&scene, 0.9), "cooldown");
    assert_eq!(watcher.told(), [""; 0]);
}

#[test]
fn a_damaged_state_is_moved_aside_and_the_bundles_tell_when_the_last_captures_were() {
    let mut scene = Scene::with(|plan| (plan.keep, plan.max_captures) = (1, 2));
    let _ = scene.watcher().captures(&scene, 0.9, "a", 10);
    scene.touch(&scene.path("litellm-cpu-a.tar.gz"));
    fs::write(scene.state_file(), b"{\"format\":7,\"state\":{\"captures\":[]}}").unwrap();
    scene.pass(MINUTE);
    let mut watcher = scene.watcher();
    let aside = scene.plan.state_dir.join("state.damaged.json");
    let folder = scene.folder.path().canonicalize().unwrap();
    assert_eq!(
        watcher.told(),
        [format!(
            "the limits' state could not be read (it has format 7, and this program knows 1) and was moved to {}; when \
             the last captures were is told by the bundles in {}, and these will not be removed any more",
            aside.display(),
            folder.display()
        )]
    );
    assert!(fs::read(aside).unwrap().starts_with(b"{\"format\":7"));
    let skip = watcher.admit(&scene, 99.0).unwrap_err();
    assert!(matches!(skip, Skip::Cooldown { mark: None, .. }), "how high it was is not known: {skip:?}");
    scene.pass(10.0 * MINUTE);
    let new = watcher.captures(&scene, 0.9, "b", 10);
    assert_eq!(watcher.retains(&scene, &new, &[]), [], "the other one is no longer ours");
    scene.pass(HOUR);
    assert_eq!(watcher.skips(&scene, 99.0), "too_many");
    assert_eq!(watcher.told(), [""; 0]);
}

#[test]
fn a_state_that_is_damaged_again_before_it_was_written_anew_still_holds() {
    let mut scene = Scene::new();
    let _ = scene.watcher().captures(&scene, 0.9, "a", 10);
    scene.touch(&scene.path("litellm-cpu-a.tar.gz"));
    // As if the power had gone between the two steps.
    fs::rename(scene.state_file(), scene.plan.state_dir.join("state.damaged.json")).unwrap();
    scene.pass(MINUTE);
    assert_eq!(scene.watcher().skips(&scene, 0.9), "cooldown");
}

#[test]
fn what_no_limit_needs_is_forgotten() {
    let mut scene = Scene::with(|plan| (plan.keep, plan.max_captures) = (3, 1_000));
    let mut watcher = scene.watcher();
    for number in 0..60 {
        scene.pass(HOUR);
        let new = watcher.captures(&scene, 0.9, &format!("{number:02}"), 10);
        watcher.retains(&scene, &new, &[]);
    }
    let state: Value = serde_json::from_slice(&fs::read(scene.state_file()).unwrap()).unwrap();
    assert_eq!(state["state"]["captures"].as_array().unwrap().len(), 24);
}
