//! A child process that cannot outlive us, cannot hang us and cannot flood us.
//!
//! Its output is read without blocking, line by line, each line with the moment it arrived; the amount kept is
//! bounded. It runs in a process group of its own, so that a Ctrl-C meant for us does not reach it: we decide when
//! it stops. The kernel kills it when we die.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

use crate::os::clock::monotonic_us;

/// What is kept of a child's output: a profiler that repeats a complaint for hours must not fill our memory.
const OUTPUT_LIMIT_BYTES: usize = 256 * 1024;
/// What is read of it at once: a child that writes faster than we read must not hold us for ever. A pipe holds no more,
/// so that the last reading of an ended child finds its last line.
const READ_AT_ONCE_BYTES: usize = 64 * 1024;

/// One line of output and when it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `CLOCK_MONOTONIC` at arrival.
    pub at_us: u64,
    /// The line without its end.
    pub text: String,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        status.code().map_or_else(|| Self::Signal(status.signal().unwrap_or(0)), Self::Code)
    }
}

/// A running or ended child.
#[derive(Debug)]
pub struct Supervised {
    child: Child,
    stdout: Output<ChildStdout>,
    stderr: Output<ChildStderr>,
    /// `CLOCK_MONOTONIC` just before the child was started.
    pub spawned_us: u64,
    ending: Option<Ending>,
    cpu_us: u64,
}

impl Supervised {
    /// Starts a program with these arguments and no standard input.
    ///
    /// Must be called from the main thread: the parent-death signal is sent when the *thread* that forked ends.
    pub fn spawn(program: &Path, arguments: &[String]) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        die_with_parent(&mut command);
        let spawned_us = monotonic_us();
        let mut child = command.spawn()?;
        let stdout = Output::new(child.stdout.take())?;
        let stderr = Output::new(child.stderr.take())?;
        Ok(Self { child, stdout, stderr, spawned_us, ending: None, cpu_us: 0 })
    }

    /// The child's pid.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// What to poll for: the child's open output pipes.
    pub fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let stdout = self.stdout.pipe.as_ref().map(AsFd::as_fd);
        let stderr = self.stderr.pipe.as_ref().map(AsFd::as_fd);
        stdout.into_iter().chain(stderr)
    }

    /// Takes in whatever output is there, and notices the child's end. Never blocks.
    pub fn pump(&mut self) -> io::Result<()> {
        self.stdout.drain()?;
        self.stderr.drain()?;
        if self.ending.is_none() {
            let before_us = reaped_cpu_us();
            if let Some(status) = self.child.try_wait()? {
                self.ending = Some(status.into());
                self.cpu_us = reaped_cpu_us().saturating_sub(before_us);
                self.stdout.drain()?;
                self.stderr.drain()?;
            }
        }
        Ok(())
    }

    /// How it ended, once it did.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// CPU time the whole child took, user and system; known once it ended.
    pub fn cpu_us(&self) -> u64 {
        self.cpu_us
    }

    /// Takes the lines of standard output that came since it was last asked, which makes room for more.
    pub fn take_stdout(&mut self) -> Vec<Line> {
        self.stdout.kept_bytes = self.stdout.partial.len();
        std::mem::take(&mut self.stdout.lines)
    }

    /// Lines of standard output so far.
    pub fn stdout(&self) -> &[Line] {
        &self.stdout.lines
    }

    /// Lines of standard error so far.
    pub fn stderr(&self) -> &[Line] {
        &self.stderr.lines
    }

    /// Sends a signal; a child that is already gone is no error.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.ending.is_some() {
            return Ok(());
        }
        match kill(Pid::from_raw(self.pid()), signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // The last resort on every path: no child is left running and none is left a zombie.
        if self.ending.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// CPU of all children reaped so far. The difference around one reaping is that child's, to the microsecond.
fn reaped_cpu_us() -> u64 {
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| {
        [usage.user_time(), usage.system_time()]
            .iter()
            .map(|time| time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64)
            .sum()
    })
}

/// The child is killed when the thread that starts it ends.
#[expect(unsafe_code, reason = "pre_exec runs between fork and exec; only async-signal-safe calls are made there")]
pub(super) fn die_with_parent(command: &mut Command) {
    let parent = nix::unistd::getpid();
    // SAFETY: prctl and getppid are async-signal-safe, and nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            // The parent may have died before the request took hold.
            if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
        });
    }
}

/// One output pipe, cut into lines.
#[derive(Debug)]
struct Output<P> {
    pipe: Option<P>,
    lines: Vec<Line>,
    partial: Vec<u8>,
    kept_bytes: usize,
}

impl<P: Read + AsFd> Output<P> {
    fn new(pipe: Option<P>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            fcntl(pipe.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Self { pipe, lines: Vec::new(), partial: Vec::new(), kept_bytes: 0 })
    }

    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = [0_u8; 4096];
        for _ in 0..READ_AT_ONCE_BYTES / buffer.len() {
            let Some(pipe) = &mut self.pipe else { break };
            match pipe.read(&mut buffer) {
                Ok(0) => {
                    self.pipe = None;
                    self.end_line();
                }
                Ok(length) => self.take(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.end_line();
            } else if self.kept_bytes < OUTPUT_LIMIT_BYTES {
                self.partial.push(byte);
                self.kept_bytes += 1;
            }
        }
    }

    fn end_line(&mut self) {
        if !self.partial.is_empty() {
            let text = String::from_utf8_lossy(&self.partial).into_owned();
            self.partial.clear();
            self.lines.push(Line { at_us: monotonic_us(), text });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn shell(script: &str) -> Supervised {
        Supervised::spawn(Path::new("/bin/sh"), &["-c".to_owned(), script.to_owned()]).unwrap()
    }

    fn ended(child: &mut Supervised) -> Ending {
        loop {
            child.pump().unwrap();
            if let Some(ending) = child.ending() {
                return ending;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn lines_of_both_pipes_and_the_exit_code_are_kept() {
        let mut child = shell("echo one; echo two >&2; printf three; exit 7");
        assert_eq!(ended(&mut child), Ending::Code(7));
        let text = |lines: &[Line]| lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>();
        assert_eq!(text(child.stdout()), ["one", "three"]);
        assert_eq!(text(child.stderr()), ["two"]);
    }

    #[test]
    fn a_flood_of_output_neither_blocks_the_child_nor_fills_memory() {
        let mut child = shell("i=0; while [ $i -lt 20000 ]; do echo aaaaaaaaaaaaaaaaaaaa; i=$((i+1)); done");
        assert_eq!(ended(&mut child), Ending::Code(0));
        assert!(child.stdout().iter().map(|line| line.text.len()).sum::<usize>() <= OUTPUT_LIMIT_BYTES);
    }

    #[test]
    fn a_child_that_never_stops_writing_does_not_hold_us() {
        let mut child = shell("exec yes");
        for _ in 0..10 {
            child.pump().unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(child.ending(), None);
    }

    #[test]
    fn lines_that_are_taken_make_room_for_the_last_one() {
        let mut child = shell("i=0; while [ $i -lt 20000 ]; do echo aaaaaaaaaaaaaaaaaaaa; i=$((i+1)); done; echo end");
        let mut last = None;
        while child.ending().is_none() {
            child.pump().unwrap();
            last = child.take_stdout().pop().or(last);
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(last.unwrap().text, "end");
    }

    #[test]
    fn a_signal_ends_it_and_is_reported() {
        let mut child = shell("exec sleep 60");
        child.signal(Signal::SIGTERM).unwrap();
        assert_eq!(ended(&mut child), Ending::Signal(Signal::SIGTERM as i32));
        assert!(child.signal(Signal::SIGTERM).is_ok(), "signalling one that ended is no error");
    }

    #[test]
    fn a_dropped_child_is_gone_and_reaped() {
        let child = shell("exec sleep 60");
        let pid = child.pid();
        drop(child);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}
