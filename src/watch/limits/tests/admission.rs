//! When a spike is captured and when it is not.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn after_a_capture_none_is_made_until_the_cooldown_is_over() {
    let mut scene = Scene::new();
    let mut watcher = scene.watcher();
    let _ = watcher.captures(&scene, 0.9, "a", 10);
    scene.pass(9.0 * MINUTE + 59.0);
    let skip = watcher.admit(&scene, 1.0).unwrap_err();
    let Skip::Cooldown { left_seconds, peak, mark } = skip else { panic!("{skip:?}") };
    assert!((left_seconds - 1.0).abs() < 1e-6 && (peak - 1.0).abs() < 1e-9, "{left_seconds} {peak}");
    assert!(mark.is_some_and(|mark| (mark - 1.125).abs() < 1e-9), "{mark:?}");
    scene.pass(1.0);
    watcher.admit(&scene, 0.1).unwrap();
}

#[test]
fn the_cooldown_counts_from_the_end_of_the_capture() {
    let mut scene = Scene::new();
    let mut watcher = scene.watcher();
    let permit = watcher.admit(&scene, 0.9).unwrap();
    scene.pass(2.0 * MINUTE);
    let bundle = scene.write("litellm-cpu-a.tar.gz", 10);
    let ended = scene.now.clone();
    let _ = watcher.limits.captured(permit, Captured { bundle, bytes: 10, peak: 0.9, ended });
    scene.pass(9.0 * MINUTE);
    assert_eq!(watcher.skips(&scene, 0.9), "cooldown");
    scene.pass(1.0 * MINUTE);
    watcher.admit(&scene, 0.9).unwrap();
}

#[test]
fn a_peak_that_is_higher_by_the_margin_is_captured_within_the_cooldown_and_raises_the_mark() {
    let mut scene = Scene::new();
    let mut watcher = scene.watcher();
    let _ = watcher.captures(&scene, 0.8, "a", 10);
    scene.pass(MINUTE);
    assert_eq!(watcher.skips(&scene, 1.0), "cooldown", "by a quarter is not by more than it");
    let _ = watcher.captures(&scene, 1.01, "b", 10);
    scene.pass(MINUTE);
    assert_eq!(watcher.skips(&scene, 1.2), "cooldown");
    scene.pass(10.0 * MINUTE);
    let _ = watcher.captures(&scene, 0.3, "c", 10);
    scene.pass(MINUTE);
    let _ = watcher.captures(&scene, 0.4, "d", 10);
}

#[test]
fn no_more_captures_begin_within_the_window_however_high_the_peak() {
    let mut scene = Scene::with(|plan| plan.max_captures = 3);
    let mut watcher = scene.watcher();
    for (peak, name) in [(0.5, "a"), (0.9, "b"), (1.5, "c")] {
        let _ = watcher.captures(&scene, peak, name, 10);
        scene.pass(HOUR);
    }
    let skip = watcher.admit(&scene, 99.0).unwrap_err();
    let Skip::TooMany { max_captures: 3, left_seconds, .. } = skip else { panic!("{skip:?}") };
    assert!((left_seconds - 21.0 * HOUR).abs() < 1e-6, "the first began three hours ago: {left_seconds}");
    scene.pass(21.0 * HOUR);
    let _ = watcher.captures(&scene, 0.5, "d", 10);
    scene.pass(HOUR / 2.0);
    assert_eq!(watcher.skips(&scene, 0.5), "too_many");
}

#[test]
fn a_capture_that_failed_counts_as_any_other() {
    let mut scene = Scene::with(|plan| plan.max_captures = 2);
    let mut watcher = scene.watcher();
    for _ in 0..2 {
        let permit = watcher.admit(&scene, 0.9).unwrap();
        watcher.limits.failed(permit, 0.9, &scene.now);
        assert_eq!(watcher.skips(&scene, 0.9), "cooldown");
        scene.pass(10.0 * MINUTE);
    }
    assert_eq!(watcher.skips(&scene, 0.9), "too_many");
}

#[test]
fn one_capture_runs_at_a_time_whoever_shares_the_state() {
    let mut scene = Scene::new();
    let (mut one, mut other) = (scene.watcher(), scene.watcher());
    let permit = one.admit(&scene, 0.9).unwrap();
    let skip = other.admit(&scene, 5.0).unwrap_err();
    assert_eq!(
        skip.words(),
        format!("another capture is under way by process {} since 2026-11-24T06:00:00Z", std::process::id())
    );
    one.limits.failed(permit, 0.9, &scene.now);
    assert_eq!(other.skips(&scene, 0.9), "cooldown", "the last capture of whichever of them");
    scene.pass(10.0 * MINUTE);
    let _ = other.captures(&scene, 0.9, "b", 10);
    assert_eq!(one.skips(&scene, 0.9), "cooldown");
}

#[test]
fn a_disk_without_room_is_left_alone_and_the_figure_is_told() {
    let scene = Scene::with(|plan| plan.min_free_bytes = 1_000_000_000_000_000);
    let words = scene.watcher().admit(&scene, 0.9).unwrap_err().words();
    assert!(words.starts_with("only "), "{words}");
    assert!(words.ends_with("a capture must leave 1000000 GB (--min-free): make room, or lower --min-free"), "{words}");

    let scene = Scene::with(|plan| plan.min_free_share = 1.0);
    let words = scene.watcher().admit(&scene, 0.9).unwrap_err().words();
    assert!(words.ends_with("(--min-free-share): make room, or lower --min-free-share"), "{words}");
}

#[test]
fn what_cannot_be_remembered_is_not_done() {
    let scene = Scene::new();
    let mut watcher = scene.watcher();
    fs::remove_dir_all(&scene.plan.state_dir).unwrap();
    fs::write(&scene.plan.state_dir, "a file").unwrap();
    let skip = watcher.admit(&scene, 0.9).unwrap_err();
    assert_eq!(skip.code(), "state");
    let folder = scene.plan.state_dir.display();
    assert_eq!(
        skip.words(),
        format!(
            "{folder} cannot remember that there was a capture: File exists (os error 17); make it writable, or name \
             another folder with --state-dir"
        )
    );
}

#[test]
fn what_could_not_be_written_at_the_end_of_a_capture_counts_once_it_can() {
    let scene = Scene::new();
    let mut watcher = scene.watcher();
    let permit = watcher.admit(&scene, 0.9).unwrap();
    let aside = scene.path("aside");
    fs::rename(&scene.plan.state_dir, &aside).unwrap();
    fs::write(&scene.plan.state_dir, "a file").unwrap();
    let bundle = scene.write("litellm-cpu-a.tar.gz", 10);
    let captured = Captured { bundle, bytes: 10, peak: 2.0, ended: scene.now.clone() };
    let _ = watcher.limits.captured(permit, captured);
    let folder = scene.plan.state_dir.display();
    assert_eq!(watcher.told(), [format!("{folder} cannot be written: File exists (os error 17)")]);
    fs::remove_file(&scene.plan.state_dir).unwrap();
    fs::rename(&aside, &scene.plan.state_dir).unwrap();
    assert_eq!(watcher.skips(&scene, 2.4), "cooldown");
    assert_eq!(scene.watcher().skips(&scene, 2.4), "cooldown", "and it is written now");
}

#[test]
fn the_state_is_its_owners_alone() {
    let scene = Scene::new();
    let mut watcher = scene.watcher();
    let _ = watcher.captures(&scene, 0.9, "a", 10);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&scene.plan.state_dir), 0o700);
    for entry in fs::read_dir(&scene.plan.state_dir).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn a_folder_that_cannot_remember_is_refused_at_the_start() {
    let mut scene = Scene::new();
    scene.plan.state_dir = scene.write("file", 1);
    let error = Limits::open(scene.plan.clone(), &scene.now, Box::new(|_| {})).unwrap_err();
    let folder = scene.plan.state_dir.display();
    assert_eq!(error.to_string(), format!("the limits cannot be remembered in {folder}: File exists (os error 17)"));
    assert_eq!(error.cure().unwrap(), "name another folder with -o, or one for the limits alone with --state-dir");
}
