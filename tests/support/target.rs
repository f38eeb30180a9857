//! Small Python programs to capture: each burns some CPU in a function with a name.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{repository, state, wait_for};

/// One process of `tests/support/burner.py`, or several below a parent. They end with this, and with the test.
pub struct Target {
    child: Child,
    pids: Vec<i32>,
}

impl Target {
    /// A process that burns.
    #[track_caller]
    pub fn alone() -> Self {
        Self::start(1, None)
    }

    /// Processes that burn, below one that waits for them.
    #[track_caller]
    pub fn several(count: usize) -> Self {
        Self::start(count, None)
    }

    fn start(count: usize, user: Option<u32>) -> Self {
        let mut command = Command::new("python3");
        command.arg(repository().join("tests/support/burner.py")).arg(count.to_string());
        if let Some(uid) = user {
            std::os::unix::process::CommandExt::uid(&mut command, uid);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 can be started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line of UTF-8");
        let pids: Vec<i32> = line.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect();
        assert_eq!(pids.len(), count);
        Self { child, pids }
    }

    /// The process that burns, or the first of them.
    pub fn pid(&self) -> i32 {
        self.pids[0]
    }

    pub fn pids(&self) -> &[i32] {
        &self.pids
    }

    pub fn signal(&self, index: usize, signal: Signal) {
        kill(Pid::from_raw(self.pids[index]), signal).expect("a process of our own can be signalled");
    }

    /// None of them was left stopped.
    #[track_caller]
    pub fn assert_runs(&self) {
        for &pid in &self.pids {
            assert!(matches!(state(pid), 'R' | 'S' | 'D'), "process {pid} is in state {}", state(pid));
        }
    }

    /// Waits until the process is in this state.
    #[track_caller]
    pub fn wait_for_state(&self, index: usize, expected: char) {
        wait_for("a state", || (state(self.pids[index]) == expected).then_some(()));
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
