//! Which bundles go and which never do.

use super::super::retention::Why;
use super::*;

/// A capture an hour, each with a bundle of ten bytes.
fn captured(scene: &mut Scene, watcher: &mut Watcher, names: &[&str]) -> NewBundle {
    let mut last = None;
    for name in names {
        scene.pass(HOUR);
        last = Some(watcher.captures(scene, 0.9, name, 10));
    }
    last.expect("a name")
}

fn names(removed: &[Removed]) -> Vec<String> {
    let name = |removed: &Removed| removed.path.file_name().unwrap().to_str().unwrap().to_owned();
    removed.iter().map(name).collect()
}

#[test]
fn the_oldest_go_when_there_are_too_many() {
    let mut scene = Scene::with(|plan| plan.keep = 2);
    let mut watcher = scene.watcher();
    let new = captured(&mut scene, &mut watcher, &["a", "b", "c"]);
    let removed = watcher.retains(&scene, &new, &[]);
    assert_eq!(names(&removed), ["litellm-cpu-a.tar.gz"]);
    assert_eq!(removed[0].why, Why::Count { keep: 2 });
    assert_eq!(removed[0].why.words(), "at most 2 bundles are kept (--keep)");
    assert_eq!(scene.bundles(), ["litellm-cpu-b.tar.gz", "litellm-cpu-c.tar.gz"]);
    assert_eq!(watcher.retains(&scene, &new, &[]), []);
}

#[test]
fn the_oldest_go_when_they_take_too_much_and_the_newest_stays_however_large() {
    let mut scene = Scene::with(|plan| plan.keep_bytes = 25);
    let mut watcher = scene.watcher();
    let new = captured(&mut scene, &mut watcher, &["a", "b", "c"]);
    let removed = watcher.retains(&scene, &new, &[]);
    assert_eq!((names(&removed), removed[0].bytes), (vec!["litellm-cpu-a.tar.gz".to_owned()], 10));
    assert_eq!(removed[0].why.words(), "all bundles together are kept below 25 bytes (--keep-bytes)");

    scene.pass(HOUR);
    let new = watcher.captures(&scene, 0.9, "large", 1_000);
    let removed = watcher.retains(&scene, &new, &[]);
    assert_eq!(names(&removed), ["litellm-cpu-b.tar.gz", "litellm-cpu-c.tar.gz"]);
    assert_eq!(scene.bundles(), ["litellm-cpu-large.tar.gz"]);
}

#[test]
fn those_that_are_too_old_go_with_the_next_one_and_not_before() {
    let mut scene = Scene::with(|plan| plan.keep_for = Some(Duration::from_hours(48)));
    let mut watcher = scene.watcher();
    let new = captured(&mut scene, &mut watcher, &["a", "b"]);
    scene.pass(100.0 * HOUR);
    let removed = watcher.retains(&scene, &new, &[]);
    assert_eq!(names(&removed), ["litellm-cpu-a.tar.gz"], "the newest stays however old");
    assert_eq!(removed[0].why.words(), "it is older than 2 days (--keep-for)");
    let new = captured(&mut scene, &mut watcher, &["c"]);
    assert_eq!(names(&watcher.retains(&scene, &new, &[])), ["litellm-cpu-b.tar.gz"]);
}

#[test]
fn what_is_yet_to_be_delivered_stays_and_counts() {
    let mut scene = Scene::with(|plan| plan.keep = 2);
    let mut watcher = scene.watcher();
    let new = captured(&mut scene, &mut watcher, &["a", "b", "c"]);
    let pending = [Path::new("litellm-cpu-a.tar.gz")];
    assert_eq!(names(&watcher.retains(&scene, &new, &pending)), ["litellm-cpu-b.tar.gz"]);
    let new = captured(&mut scene, &mut watcher, &["d"]);
    assert_eq!(names(&watcher.retains(&scene, &new, &[])), ["litellm-cpu-a.tar.gz"]);
}

#[test]
fn nothing_goes_that_no_watcher_wrote() {
    let mut scene = Scene::with(|plan| plan.keep = 1);
    for name in ["litellm-cpu-0-by-hand.tar.gz", "notes.tar.gz"] {
        scene.write(name, 10);
    }
    let mut watcher = scene.watcher();
    let _ = captured(&mut scene, &mut watcher, &["a", "b", "c"]);
    scene.write("litellm-cpu-a.tar.gz", 11);
    fs::remove_file(scene.path("litellm-cpu-b.tar.gz")).unwrap();
    std::os::unix::fs::symlink(scene.path("notes.tar.gz"), scene.path("litellm-cpu-b.tar.gz")).unwrap();
    let new = captured(&mut scene, &mut watcher, &["d"]);
    assert_eq!(names(&watcher.retains(&scene, &new, &[])), ["litellm-cpu-c.tar.gz"]);
    let left = ["litellm-cpu-0-by-hand", "litellm-cpu-a", "litellm-cpu-b", "litellm-cpu-d", "notes"];
    assert_eq!(scene.bundles(), left.map(|name| format!("{name}.tar.gz")));
}

#[test]
fn where_the_newest_was_taken_away_the_one_before_it_stays() {
    let mut scene = Scene::with(|plan| plan.keep_for = Some(Duration::from_mins(1)));
    let mut watcher = scene.watcher();
    let new = captured(&mut scene, &mut watcher, &["a", "b", "c"]);
    fs::remove_file(scene.path("litellm-cpu-c.tar.gz")).unwrap();
    scene.pass(HOUR);
    assert_eq!(names(&watcher.retains(&scene, &new, &[])), ["litellm-cpu-a.tar.gz"]);
    assert_eq!(scene.bundles(), ["litellm-cpu-b.tar.gz"]);
}

#[test]
fn watchers_that_share_a_state_keep_their_folders_apart() {
    let mut scene = Scene::with(|plan| plan.keep = 1);
    let elsewhere = tempfile::tempdir().unwrap();
    let mut watcher = scene.watcher();
    let _ = captured(&mut scene, &mut watcher, &["a"]);
    scene.plan.folder = elsewhere.path().to_owned();
    let mut other = scene.watcher();
    scene.pass(HOUR);
    let permit = other.admit(&scene, 0.9).unwrap();
    let bundle = elsewhere.path().join("litellm-cpu-b.tar.gz");
    fs::write(&bundle, [0; 10]).unwrap();
    let new = other.limits.captured(permit, Captured { bundle, bytes: 10, peak: 0.9, ended: scene.now.clone() });
    assert_eq!(other.retains(&scene, &new, &[]), []);
    let new = captured(&mut scene, &mut watcher, &["c"]);
    assert_eq!(names(&watcher.retains(&scene, &new, &[])), ["litellm-cpu-a.tar.gz"]);
}
