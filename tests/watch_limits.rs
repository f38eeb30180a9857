//! The limits of a watch against what no test can make up: a file system that is full, and other processes.

mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
    time::Duration,
};

use litellm_capture::watch::limits::{
    Captured, Limits, claim::Owner, moment::Moment, plan::LimitsPlan, retention::Removed, skip::Skip,
};
use serde_json::Value;
use tempfile::TempDir;

use support::skip;

fn plan(folder: &Path) -> LimitsPlan {
    LimitsPlan {
        cooldown: Duration::from_mins(10),
        higher_share: 0.25,
        max_captures: 10,
        window: Duration::from_hours(24),
        min_free_bytes: 1,
        min_free_share: 0.0,
        keep: 20,
        keep_for: None,
        keep_bytes: 500_000_000,
        folder: folder.to_owned(),
        state_dir: folder.join(".capture-watch"),
    }
}

fn limits(plan: &LimitsPlan, now: &Moment) -> Limits {
    let warn = Box::new(|warning| panic!("{warning}"));
    Limits::open(plan.clone(), now, warn).expect("the folder can be written to")
}

// The disk.

#[test]
fn a_disk_without_room_is_refused_with_the_figures_and_nothing_is_written() {
    let Some(disk) = Disk::mount() else { return skip("no file system can be mounted here") };
    let plan = LimitsPlan { min_free_bytes: 100_000_000, min_free_share: 0.05, ..plan(disk.path()) };
    let now = Moment::now();
    let mut limits = limits(&plan, &now);
    let before = support::files_below(disk.path());
    let skipped = limits.admit(0.9, &now).expect_err("it has ten megabytes");
    let Skip::Disk { free_bytes, .. } = skipped else { panic!("{skipped:?}") };
    assert!((9_000_000..10_500_000).contains(&free_bytes), "{free_bytes}");
    let words = skipped.words();
    let end = format!(
        " MB are free in {}, and a capture must leave 100 MB (--min-free): make room, or lower --min-free",
        disk.path().display()
    );
    assert!(words.starts_with("only ") && words.ends_with(&end), "{words}");
    assert_eq!(support::files_below(disk.path()), before);
}

#[test]
fn a_disk_that_fills_up_is_not_filled_further_and_captures_go_on_when_there_is_room() {
    let Some(disk) = Disk::mount() else { return skip("no file system can be mounted here") };
    let plan = LimitsPlan { min_free_bytes: 3_000_000, cooldown: Duration::from_secs(1), keep: 1, ..plan(disk.path()) };
    let mut now = Moment::now();
    let mut limits = limits(&plan, &now);
    let mut capture = |name: &str| -> Result<Vec<Removed>, Skip> {
        now = now.before(-60.0);
        let permit = limits.admit(0.9, &now)?;
        let bundle = disk.path().join(format!("litellm-cpu-{name}.tar.gz"));
        fs::write(&bundle, vec![1; 3_000_000]).expect("there is room");
        let captured = Captured { bundle, bytes: 3_000_000, peak: 0.9, ended: now.clone() };
        let new = limits.captured(permit, captured);
        Ok(limits.retain(&new, &now, &|_| false))
    };
    assert_eq!(capture("a").expect("it is empty"), []);
    fs::write(disk.path().join("of-others"), vec![1; 2_000_000]).expect("there is room");
    let skipped = capture("b").expect_err("five megabytes are left, and a bundle takes three of them");
    assert_eq!(skipped.code(), "disk");
    assert!(skipped.words().contains("a capture must leave 3 MB beside its bundle of about 3 MB"), "{skipped:?}");
    fs::remove_file(disk.path().join("of-others")).expect("it is there");
    assert_eq!(capture("b").expect("there is room").len(), 1, "the older one goes");
}

#[test]
fn a_full_disk_takes_no_capture_and_what_is_remembered_stays() {
    let Some(disk) = Disk::mount() else { return skip("no file system can be mounted here") };
    let (plan, now) = (plan(disk.path()), Moment::now());
    let mut limits = limits(&plan, &now);
    let permit = limits.admit(0.9, &now).expect("it is empty");
    limits.failed(permit, 0.9, &now);
    disk.fill();
    let later = now.before(-300.0);
    assert_eq!(limits.admit(0.9, &later).expect_err("the cooldown").code(), "cooldown");
    let later = now.before(-700.0);
    assert_eq!(limits.admit(0.9, &later).expect_err("no byte is free").code(), "disk");
    let state = fs::read(plan.state_dir.join("state.json")).expect("the state");
    let state: Value = serde_json::from_slice(&state).expect("a whole one");
    assert_eq!(state["state"]["captures"].as_array().map(Vec::len), Some(1));
}

// Other processes.

#[test]
fn the_capture_of_another_process_is_waited_for_and_its_death_frees_the_way() {
    let dir = tempfile::tempdir().expect("a folder");
    let (plan, now) = (plan(dir.path()), Moment::now());
    let mut limits = limits(&plan, &now);
    let mut other = Other::locks(&plan.state_dir.join("capture.lock"), &now);
    let skipped = limits.admit(0.9, &now).expect_err("the other captures");
    let Skip::Busy { pid, since_utc } = skipped else { panic!("{skipped:?}") };
    assert_eq!((pid, since_utc), (Some(other.pid()), Some(now.utc)));
    other.kill();
    limits.admit(0.9, &now).expect("the kernel took the lock off");
}

#[test]
fn whoever_keeps_the_state_for_itself_holds_a_capture_up_and_not_the_watch() {
    let dir = tempfile::tempdir().expect("a folder");
    let (plan, now) = (plan(dir.path()), Moment::now());
    let mut limits = limits(&plan, &now);
    let mut other = Other::locks(&plan.state_dir.join("state.lock"), &now);
    let skipped = limits.admit(0.9, &now).expect_err("the other has the state");
    assert_eq!(skipped.code(), "state");
    assert!(skipped.words().contains("another process keeps state.lock locked"), "{skipped:?}");
    other.kill();
    limits.admit(0.9, &now).expect("it is free");
}

#[test]
fn of_all_that_ask_at_once_one_captures_at_a_time_and_together_no_more_than_may() {
    let dir = tempfile::tempdir().expect("a folder");
    let plan = LimitsPlan { cooldown: Duration::from_nanos(1), max_captures: 5, ..plan(dir.path()) };
    let (running, captures) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let watch = || {
        let mut limits = limits(&plan, &Moment::now());
        loop {
            match limits.admit(0.9, &Moment::now()) {
                Ok(permit) => {
                    assert_eq!(running.fetch_add(1, SeqCst), 0, "another one captures");
                    let number = captures.fetch_add(1, SeqCst);
                    let bundle = dir.path().join(format!("litellm-cpu-{number}.tar.gz"));
                    fs::write(&bundle, [0; 10]).expect("there is room");
                    running.fetch_sub(1, SeqCst);
                    let _ = limits.captured(permit, Captured { bundle, bytes: 10, peak: 0.9, ended: Moment::now() });
                }
                Err(skip) if skip.code() == "too_many" => return,
                Err(_) => thread::yield_now(),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(watch);
        }
    });
    assert_eq!(captures.into_inner(), 5);
}

/// Another process that has a lock until it is killed.
struct Other(Child);

impl Other {
    fn locks(path: &PathBuf, now: &Moment) -> Self {
        const PROGRAM: &str = "
import fcntl, json, os, sys, time
file = open(sys.argv[1], 'r+')
fcntl.flock(file, fcntl.LOCK_EX)
owner = json.loads(sys.argv[2])
owner['process']['pid'] = os.getpid()
json.dump(owner, file)
file.flush()
print('locked', flush=True)
time.sleep(600)
";
        let owner = serde_json::to_string(&Owner::here(now)).expect("JSON");
        let mut python = Command::new("python3");
        python.args(["-c", PROGRAM]).arg(path).arg(owner).stdout(Stdio::piped());
        let mut child = python.spawn().expect("python3 can be started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert_eq!(line, "locked\n");
        Self(child)
    }

    fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A file system in memory, of ten megabytes.
struct Disk {
    dir: TempDir,
}

impl Disk {
    /// None where we may not.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=10m", "tmpfs"]).arg(dir.path()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self { dir })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Leaves no free byte.
    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.path().join("filler")).expect("a file");
        while file.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}
