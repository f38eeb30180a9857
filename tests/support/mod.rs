//! What the tests share: the program run as a person runs it, and its bundle taken apart.

pub mod bundle;
pub mod lab;

use std::{
    ffi::OsStr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use procfs::process::{Process, Stat};
use tempfile::TempDir;

use bundle::Bundle;

/// One run of `capture`, which leaves its bundle in a folder of its own.
pub struct Capture {
    command: Command,
    dir: TempDir,
}

impl Capture {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder for the bundle");
        let mut command = Command::new(env!("CARGO_BIN_EXE_capture"));
        command.stdin(Stdio::null()).current_dir(dir.path());
        Self { command, dir }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub fn args<const N: usize>(self, args: [&str; N]) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    pub fn pid(self, pid: i32) -> Self {
        self.arg("--pid").arg(pid.to_string())
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it in the background; its bundle would come into the folder of this value.
    pub fn start(mut self) -> Running {
        let child = self.command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("capture can be started");
        Running { child, dir: self.dir }
    }

    pub fn run(mut self) -> Output {
        let output = self.command.output().expect("capture can be started");
        Output {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
            dir: self.dir,
        }
    }
}

/// A `capture` at work.
pub struct Running {
    child: Child,
    pub dir: TempDir,
}

impl Running {
    /// Ends it as the kernel does when memory is short: it can do nothing more.
    pub fn kill(&mut self) {
        self.child.kill().expect("capture is running");
        self.child.wait().expect("capture can be waited for");
    }
}

/// What a run of `capture` said.
pub struct Output {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    dir: TempDir,
}

impl Output {
    #[track_caller]
    pub fn assert_status(self, expected: i32) -> Self {
        assert_eq!(self.status, Some(expected), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn assert_stdout(self, expected: &str) -> Self {
        assert_eq!(self.stdout, expected, "stderr:\n{}", self.stderr);
        self
    }

    #[track_caller]
    pub fn assert_stderr_has(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "`{part}` is not in stderr:\n{}", self.stderr);
        self
    }

    /// The bundle that stdout names. A lab cannot tell everything a ticket needs, so a run with gaps will do here; but
    /// then the exit code and the manifest must both say so.
    #[track_caller]
    pub fn bundle(self) -> Bundle {
        let expected = match self.status {
            Some(0) => "complete",
            Some(3) => "partial",
            other => panic!("no bundle with status {other:?}; stderr:\n{}", self.stderr),
        };
        let path = PathBuf::from(self.stdout.trim_end_matches('\n'));
        let bundle = Bundle::open(&self.dir.path().join(path));
        assert_eq!(bundle.json("manifest.json")["status"], expected, "stderr:\n{}", self.stderr);
        bundle
    }
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
