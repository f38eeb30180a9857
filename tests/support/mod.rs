//! What the tests share: the program run as a person runs it, programs for it to capture, and its bundle taken apart.

#![expect(dead_code, reason = "each file of tests uses a part of it")]

pub mod bundle;
pub mod cluster;
pub mod containers;
pub mod interpreters;
pub mod lab;
pub mod page;
pub mod pythons;
pub mod serving;
pub mod spiky;
pub mod storing;
pub mod target;
pub mod visit;

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use procfs::process::{Process, Stat};
use tempfile::TempDir;

use bundle::Bundle;

/// Longer than anything takes here, on a machine that does something else as well.
const PATIENCE: Duration = Duration::from_mins(1);

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program that runs in any container, where `scripts/build-portable` has made it.
pub fn portable() -> PathBuf {
    repository().join(format!("target/portable/capture-linux-{}", env::consts::ARCH))
}

/// Waits until there is an answer.
#[track_caller]
pub fn wait_for<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Says that a test cannot be made here. Rust has no word for it, so that the test passes; `scripts/test` counts these
/// lines. They are written past the test harness, which would keep them to itself.
pub fn skip(reason: &str) {
    let test = thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

/// One run of `capture`, in a folder of its own, in which it leaves its bundle.
pub struct Capture {
    command: Command,
    dir: TempDir,
}

impl Capture {
    pub fn new() -> Self {
        Self::of(Command::new(env!("CARGO_BIN_EXE_capture")))
    }

    /// Another build of it.
    pub fn built(program: &Path) -> Self {
        Self::of(Command::new(program))
    }

    /// `capture` as the last argument of another program, which makes the surroundings it runs in.
    pub fn within<const N: usize>(program: &str, args: [&str; N]) -> Self {
        let mut command = Command::new(program);
        command.args(args).arg(env!("CARGO_BIN_EXE_capture"));
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let dir = tempfile::tempdir().expect("a folder for the bundle");
        for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"CAPTURE_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir(dir.path());
        command.env("TMPDIR", dir.path());
        Self { command, dir }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub fn args<const N: usize>(self, args: [&str; N]) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// By the engine that `CAPTURE_TEST_ENGINE` names, where it does: with `native`, every test of results can be run
    /// with that one too.
    pub fn pid(self, pid: i32) -> Self {
        let capture = self.arg("--pid").arg(pid.to_string());
        match env::var("CAPTURE_TEST_ENGINE") {
            Ok(engine) => capture.arg("--engine").arg(engine),
            Err(_) => capture,
        }
    }

    /// Stopping the worker for each sample, where the engine can; the native one needs not.
    pub fn blocking(self) -> Self {
        if env::var("CAPTURE_TEST_ENGINE").is_ok_and(|engine| engine == "native") {
            self
        } else {
            self.arg("--blocking")
        }
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// With the py-spy of `tests/support/fake-py-spy`, and which of its ways it has.
    pub fn fake_py_spy(self, way: &str) -> Self {
        self.arg("--py-spy").arg(repository().join("tests/support/fake-py-spy")).env("FAKE_PY_SPY", way)
    }

    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.command.stderr(stderr);
        self
    }

    /// As another user, who may write to the folder.
    pub fn user(mut self, uid: u32) -> Self {
        std::os::unix::fs::chown(self.dir.path(), Some(uid), None).expect("root may give a folder away");
        self.command.uid(uid);
        self
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    #[track_caller]
    pub fn start(mut self) -> Running {
        let mut child = self.command.spawn().expect("capture can be started");
        let stderr = child.stderr.take().map(gather);
        Running { child, stderr, dir: self.dir }
    }

    #[track_caller]
    pub fn run(self) -> Output {
        self.start().finish()
    }
}

fn gather(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

/// A run under way.
pub struct Running {
    child: Child,
    stderr: Option<JoinHandle<Vec<u8>>>,
    dir: TempDir,
}

impl Running {
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Ends it as the kernel does when memory is short: it can do nothing more.
    pub fn kill(&mut self) {
        self.child.kill().expect("capture is running");
        self.child.wait().expect("capture can be waited for");
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("capture can be signalled");
    }

    /// The work folder, once there is one.
    #[track_caller]
    pub fn work(&self) -> PathBuf {
        wait_for("the work folder", || work_folders(self.dir.path()).pop())
    }

    /// Waits until this many slices are recorded.
    #[track_caller]
    pub fn wait_for_slices(&self, count: usize) {
        wait_for("slices", || (slices(&self.work()) >= count).then_some(()));
    }

    /// Waits until this many samplers have ended and are recorded.
    #[track_caller]
    pub fn wait_for_ended_samplers(&self, count: usize) {
        wait_for("ended samplers", || (ended_samplers(&self.work()) >= count).then_some(()));
    }

    /// The reading end of its standard output, which then is not part of the [`Output`].
    pub fn take_stdout(&mut self) -> std::process::ChildStdout {
        self.child.stdout.take().expect("standard output is piped and was not taken")
    }

    /// Its end. Nothing that it started may be left: it is known by its folder, which every child stands in too.
    #[track_caller]
    pub fn finish(mut self) -> Output {
        let stdout = self.child.stdout.take().map(gather);
        let status = self.child.wait().expect("capture ends");
        wait_for("the end of what capture started", || standing_in(self.dir.path()).is_empty().then_some(()));
        let text = |gathered: Option<JoinHandle<Vec<u8>>>| {
            gathered.map(|thread| thread.join().expect("a pipe was read")).unwrap_or_default()
        };
        Output {
            status,
            stdout: text(stdout),
            stderr: String::from_utf8(text(self.stderr)).expect("stderr is UTF-8"),
            dir: self.dir,
        }
    }
}

/// What a run of `capture` said and left.
pub struct Output {
    status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
    dir: TempDir,
}

impl Output {
    #[track_caller]
    pub fn assert_status(self, expected: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(expected),
            "{}\nstdout:\n{}\nstderr:\n{}",
            self.status,
            self.said(),
            self.stderr
        );
        self
    }

    #[track_caller]
    pub fn assert_ended_by(self, signals: &[Signal]) -> Self {
        let signal = self.status.signal().and_then(|signal| Signal::try_from(signal).ok());
        assert!(signal.is_some_and(|by| signals.contains(&by)), "{}; stderr:\n{}", self.status, self.stderr);
        self
    }

    #[track_caller]
    pub fn assert_stdout(self, expected: &str) -> Self {
        assert_eq!(self.said(), expected, "stderr:\n{}", self.stderr);
        self
    }

    #[track_caller]
    pub fn assert_stdout_has(self, part: &str) -> Self {
        assert!(self.said().contains(part), "`{part}` is not in stdout:\n{}", self.said());
        self
    }

    #[track_caller]
    pub fn assert_stderr(self, expected: &str) -> Self {
        assert_eq!(self.stderr, expected);
        self
    }

    #[track_caller]
    pub fn assert_stderr_has(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "`{part}` is not in stderr:\n{}", self.stderr);
        self
    }

    /// Nothing is in its folder: no bundle and no work folder.
    #[track_caller]
    pub fn assert_left_nothing(self) -> Self {
        assert_eq!(names_in(self.dir.path()), [""; 0], "stderr:\n{}", self.stderr);
        self
    }

    /// The work folder is all that is left.
    #[track_caller]
    pub fn assert_left_work(self) -> Self {
        assert_eq!(names_in(self.dir.path()).len(), 1, "{:?}", names_in(self.dir.path()));
        assert_eq!(work_folders(self.dir.path()).len(), 1, "{:?}", names_in(self.dir.path()));
        self
    }

    /// The work folder that was left.
    #[track_caller]
    pub fn work(&self) -> PathBuf {
        work_folders(self.dir.path()).pop().unwrap_or_else(|| panic!("no work folder; stderr:\n{}", self.stderr))
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The path of the bundle that stdout names.
    #[track_caller]
    pub fn bundle_path(&self) -> PathBuf {
        self.dir.path().join(self.said().trim_end_matches('\n'))
    }

    /// The bundle that stdout names. A lab cannot tell everything a ticket needs, so a run with gaps will do here; but
    /// then the exit code and the manifest must both say so.
    #[track_caller]
    pub fn bundle(self) -> Bundle {
        let expected = match self.status.code() {
            Some(0) => "complete",
            Some(3) => "partial",
            _ => panic!("no bundle with {}; stderr:\n{}", self.status, self.stderr),
        };
        let bundle = self.only_bundle();
        assert_eq!(bundle.json("manifest.json")["status"], expected, "stderr:\n{}", self.stderr);
        bundle
    }

    /// The bundle that stdout names, and nothing but it is in the folder.
    #[track_caller]
    pub fn only_bundle(&self) -> Bundle {
        let path = self.bundle_path();
        let left = names_in(self.dir.path());
        assert_eq!(left, [path.file_name().expect("a file").to_str().expect("UTF-8")], "stderr:\n{}", self.stderr);
        Bundle::open(&path)
    }
}

/// The names in a folder, hidden ones too, sorted.
pub fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// A program of a few lines. Another process writes it: a test beside this one that forks while we write keeps the file
/// open for a moment, and what is open for writing is too busy to be executed.
pub fn write_program(path: &Path, text: &str) {
    let mut writer = Command::new("sh");
    writer.args(["-c", "printf '%s' \"$1\" >\"$0\" && chmod 755 \"$0\""]).arg(path).arg(text);
    assert!(writer.status().is_ok_and(|status| status.success()), "{} cannot be written", path.display());
}

/// A file's name and what is in it.
pub type File = (String, Vec<u8>);

/// The files below a folder, hidden ones too.
pub fn files_below(dir: &Path) -> Vec<File> {
    let mut files = Vec::new();
    for name in names_in(dir) {
        let path = dir.join(&name);
        if path.is_dir() {
            files.extend(files_below(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            files.push((name, fs::read(&path).expect("a file")));
        }
    }
    files
}

pub fn work_folders(dir: &Path) -> Vec<PathBuf> {
    let folders = names_in(dir).into_iter().filter(|name| name.starts_with(".litellm-cpu-")).map(|name| dir.join(name));
    folders.filter(|path| path.extension().is_some_and(|end| end == "work")).collect()
}

/// How many slices a work folder holds.
pub fn slices(work: &Path) -> usize {
    records(&work.join("slices.jsonl"))
}

/// How many ended samplers a work folder holds, each with its trace.
pub fn ended_samplers(work: &Path) -> usize {
    records(&work.join("segments.jsonl"))
}

fn records(file: &Path) -> usize {
    fs::read_to_string(file).map_or(0, |records| records.lines().count())
}

/// The processes that a process started, zombies left out.
pub fn children(parent: i32) -> Vec<i32> {
    let stats = procfs::process::all_processes().expect("/proc").filter_map(|process| process.ok()?.stat().ok());
    stats.filter(|stat| stat.ppid == parent && stat.state != 'Z').map(|stat| stat.pid).collect()
}

/// The processes whose current folder this is.
fn standing_in(dir: &Path) -> Vec<i32> {
    let processes = procfs::process::all_processes().expect("/proc").filter_map(Result::ok);
    processes.filter(|process| process.cwd().is_ok_and(|cwd| cwd == dir)).map(|process| process.pid).collect()
}

fn stat(pid: i32) -> Stat {
    Process::new(pid).and_then(|process| process.stat()).unwrap_or_else(|why| panic!("process {pid}: {why}"))
}

/// User and system time of all its threads, the ended ones included, in clock ticks.
pub fn cpu_ticks(pid: i32) -> u64 {
    let stat = stat(pid);
    stat.utime + stat.stime
}

pub fn cpu_seconds(pid: i32) -> f64 {
    cpu_ticks(pid) as f64 / procfs::ticks_per_second() as f64
}

/// `R`, `S`, ..., and `T` or `t` when something stopped it.
pub fn state(pid: i32) -> char {
    stat(pid).state
}

/// Tells a process from a later one with the same pid.
pub fn start_ticks(pid: i32) -> u64 {
    stat(pid).starttime
}
