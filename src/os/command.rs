//! A command of the user's own: bounded in time and in what is kept of its output, and nothing of it stays behind.
//!
//! Both its outputs are one pipe, so that lines stand in the order they were written. It has a process group of its
//! own, which is told to end when its time is over, and killed when it does not; what the command leaves in the
//! background is killed with it.

use std::ffi::OsString;
use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::os::child::{Ending, die_with_parent};

/// How often its end is looked for: a command may close its output and go on.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What is read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// What is to be run, and how much of everything it may take.
#[derive(Debug)]
pub struct Order<'a> {
    /// The program.
    pub program: &'a Path,
    /// What it is given.
    pub arguments: Vec<OsString>,
    /// The variable of our environment that is not for it.
    pub without_variable: &'a str,
    /// When it is told to end.
    pub deadline: Duration,
    /// How long after that it is killed.
    pub patience: Duration,
    /// How many bytes are kept of its output: the last ones.
    pub output_bytes: usize,
}

/// Why it came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It was through.
    Itself,
    /// Its time was over.
    Deadline,
    /// Whoever waited for it had to go.
    Stopped,
}

/// How it went.
#[derive(Debug)]
pub struct Ended {
    /// Why.
    pub cause: Cause,
    /// How.
    pub ending: Ending,
    /// From start to end.
    pub took: Duration,
    /// The last of what it wrote.
    pub output: Vec<u8>,
}

/// Runs it to its end. `stop` is asked again and again whether it has to end before its time.
///
/// It dies with the thread that calls this.
///
/// # Errors
/// When it cannot be started, or its pipe not be read.
pub fn run(order: &Order<'_>, stop: &dyn Fn() -> bool) -> io::Result<Ended> {
    let (mut pipe, writer) = io::pipe()?;
    fcntl(pipe.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(io::Error::from)?;
    let mut group = {
        let mut command = Command::new(order.program);
        command.args(&order.arguments).env_remove(order.without_variable).process_group(0);
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        die_with_parent(&mut command);
        // The command holds the writing ends too, until it is dropped here.
        Group(command.spawn()?)
    };
    let began = Instant::now();
    let mut output = Vec::new();
    let mut told: Option<(Cause, Instant)> = None;
    while !group.has_ended()? {
        match told {
            Some((_, since)) if since.elapsed() >= order.patience => group.signal(Signal::SIGKILL),
            Some(_) => {}
            None => {
                let stopped = stop().then_some(Cause::Stopped);
                let due = (began.elapsed() >= order.deadline).then_some(Cause::Deadline);
                if let Some(cause) = stopped.or(due) {
                    told = Some((cause, Instant::now()));
                    group.signal(Signal::SIGTERM);
                }
            }
        }
        wait_for(&pipe)?;
        take(&mut pipe, &mut output, order.output_bytes)?;
    }
    let took = began.elapsed();
    take(&mut pipe, &mut output, order.output_bytes)?;
    let ending = group.finish()?;
    Ok(Ended { cause: told.map_or(Cause::Itself, |(cause, _)| cause), ending, took, output })
}

fn wait_for(pipe: &PipeReader) -> io::Result<()> {
    let timeout = PollTimeout::try_from(LOOK_EVERY).unwrap_or(PollTimeout::ZERO);
    let mut pipes = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    match poll(&mut pipes, timeout) {
        // Everybody closed it: there is nothing to wait for but the end.
        Ok(_) if pipes[0].revents().is_some_and(|events| events == PollFlags::POLLHUP) => {
            std::thread::sleep(LOOK_EVERY);
            Ok(())
        }
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Takes what the pipe holds, though no more than one look's worth of a command that never stops writing.
fn take(pipe: &mut PipeReader, output: &mut Vec<u8>, keep_bytes: usize) -> io::Result<()> {
    let mut chunk = [0; CHUNK_BYTES];
    // A pipe holds 64 KiB (`pipe(7)`), so that the last look finds the last line.
    for _ in 0..4 {
        match pipe.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => {
                output.extend_from_slice(&chunk[..length]);
                let surplus = output.len().saturating_sub(keep_bytes);
                output.drain(..surplus);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The command's process group, of which nothing is left running.
struct Group(Child);

impl Group {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().cast_signed())
    }

    /// Whether the command itself has ended. It stays a zombie, so that its group's number is nobody else's.
    fn has_ended(&self) -> io::Result<bool> {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(self.pid()), look) {
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => Ok(false),
            Ok(_) => Ok(true),
            Err(errno) => Err(errno.into()),
        }
    }

    fn signal(&self, signal: Signal) {
        // A group that is gone is what was wanted.
        let _ = killpg(self.pid(), signal);
    }

    /// Ends whatever it left in the background, and tells how it ended itself.
    fn finish(&mut self) -> io::Result<Ending> {
        self.signal(Signal::SIGKILL);
        self.0.wait().map(Ending::from)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // After a wait the number may be another's.
        if !matches!(self.has_ended(), Err(error) if error.raw_os_error() == Some(Errno::ECHILD as i32)) {
            let _ = self.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn order(script: &str, deadline: Duration) -> Order<'static> {
        Order {
            program: Path::new("/bin/sh"),
            arguments: vec!["-c".into(), script.into()],
            without_variable: "CARGO_MANIFEST_DIR",
            deadline,
            patience: Duration::from_millis(100),
            output_bytes: 64,
        }
    }

    fn ran(script: &str) -> Ended {
        run(&order(script, Duration::from_mins(1)), &|| false).unwrap()
    }

    #[test]
    fn both_outputs_are_kept_in_their_order_with_the_exit_code() {
        let ended = ran("echo one; echo two >&2; echo three; exit 7");
        assert_eq!((ended.cause, ended.ending), (Cause::Itself, Ending::Code(7)));
        assert_eq!(ended.output, b"one\ntwo\nthree\n");
    }

    #[test]
    fn of_a_flood_the_end_is_kept() {
        let ended = ran("i=0; while [ $i -lt 20000 ]; do echo aaaaaaaaaaaaaaaaaaaa; i=$((i+1)); done; echo end");
        assert_eq!(ended.output.len(), 64);
        assert!(ended.output.ends_with(b"a\nend\n"));
    }

    #[test]
    fn a_variable_is_kept_from_it_and_the_others_are_not() {
        assert_eq!(ran("echo \"${CARGO_MANIFEST_DIR-none}\" ${CARGO_PKG_NAME-none}").output, b"none litellm-capture\n");
    }

    #[test]
    fn when_its_time_is_over_it_is_told_to_end() {
        let script = "trap 'echo told; exit 3' TERM; while :; do sleep 0.01; done";
        let ended = run(&order(script, Duration::from_millis(200)), &|| false).unwrap();
        assert_eq!((ended.cause, ended.ending), (Cause::Deadline, Ending::Code(3)));
        assert!(ended.output.ends_with(b"told\n"), "{:?}", ended.output);
    }

    #[test]
    fn one_that_does_not_listen_is_killed_with_all_it_started() {
        let script = "trap '' TERM; sleep 60 & echo $!; sleep 60; sleep 60";
        let ended = run(&order(script, Duration::from_millis(200)), &|| false).unwrap();
        assert_eq!((ended.cause, ended.ending), (Cause::Deadline, Ending::Signal(Signal::SIGKILL as i32)));
        assert_gone(&ended.output);
    }

    #[test]
    fn what_is_left_in_the_background_ends_with_it_and_is_not_waited_for() {
        let ended = ran("sleep 60 & echo $!");
        assert_eq!((ended.cause, ended.ending), (Cause::Itself, Ending::Code(0)));
        assert_gone(&ended.output);
    }

    #[test]
    fn it_ends_before_its_time_when_whoever_waits_must_go() {
        let asked = AtomicUsize::new(0);
        let stop = || asked.fetch_add(1, Ordering::SeqCst) > 1;
        let ended = run(&order("exec sleep 60", Duration::from_mins(1)), &stop).unwrap();
        assert_eq!((ended.cause, ended.ending), (Cause::Stopped, Ending::Signal(Signal::SIGTERM as i32)));
    }

    #[test]
    fn output_that_is_closed_is_not_its_end() {
        assert_eq!(ran("exec >&- 2>&-; sleep 0.1; exit 5").ending, Ending::Code(5));
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let missing = Order { program: Path::new("/nowhere/sh"), ..order("", Duration::from_secs(1)) };
        assert_eq!(run(&missing, &|| false).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    /// The kernel needs a moment, and a killed process is a zombie until whoever inherited it has waited for it.
    #[track_caller]
    fn assert_gone(pid: &[u8]) {
        let path = format!("/proc/{}/stat", std::str::from_utf8(pid).unwrap().lines().next().unwrap());
        let began = Instant::now();
        while std::fs::read_to_string(&path).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(began.elapsed() < Duration::from_mins(1), "{path} is still there");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
