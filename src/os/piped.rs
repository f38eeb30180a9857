//! A child that is fed and listened to until it ends, is told to finish, or is given up: kubectl.
//!
//! Unlike a [`Supervised`](super::child::Supervised) one its output is bytes, of which there may be many megabytes, and
//! its standard input may be held open: that is how a program in a pod knows that somebody still waits for it.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::os::child::{Ending, die_with_parent};

/// How often the caller is asked what it wishes.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// What is kept of standard error: its end, where the reason stands.
const ERROR_BYTES: usize = 16 * 1024;
/// What is read or written at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// What a child gets on standard input.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// Nothing.
    Closed,
    /// These bytes and then the end.
    Whole(&'a [u8]),
    /// These bytes, and no end before the child's own.
    HeldOpen(&'a [u8]),
}

/// What the caller wishes of a running child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    GoOn,
    /// Come to an end: a byte is written on standard input, which is then closed.
    Finish,
    /// Be gone.
    Abandon,
}

/// How it went.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended; none where it was given up.
    pub ending: Option<Ending>,
    /// The end of what it wrote on standard error.
    pub stderr: String,
}

/// Runs a program, whose standard output goes to `output`.
///
/// It dies with the thread that calls this.
///
/// # Errors
/// When it cannot be started, or `output` takes no more; the child is then gone too.
pub fn run(
    program: &Path,
    arguments: &[String],
    input: Input<'_>,
    output: &mut dyn Write,
    wish: &mut dyn FnMut() -> Wish,
) -> io::Result<Outcome> {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command.stdin(if matches!(input, Input::Closed) { Stdio::null() } else { Stdio::piped() });
    die_with_parent(&mut command);
    let mut running = Running(command.spawn()?);
    let mut stdin = Feed::new(running.0.stdin.take(), input)?;
    let mut stdout = running.0.stdout.take();
    let mut stderr = running.0.stderr.take();
    for pipe in [stdout.as_ref().map(AsFd::as_fd), stderr.as_ref().map(AsFd::as_fd)].into_iter().flatten() {
        dont_block(pipe)?;
    }
    let mut said = Vec::new();
    while stdout.is_some() || stderr.is_some() {
        match wish() {
            Wish::GoOn => {}
            Wish::Finish => stdin.finish(),
            Wish::Abandon => return Ok(Outcome { ending: None, stderr: text(&said) }),
        }
        wait_for(stdin.writable(), [stdout.as_ref().map(AsFd::as_fd), stderr.as_ref().map(AsFd::as_fd)])?;
        stdin.feed();
        drain(&mut stdout, &mut |bytes| output.write_all(bytes))?;
        drain(&mut stderr, &mut |bytes| {
            said.extend_from_slice(bytes);
            let surplus = said.len().saturating_sub(ERROR_BYTES);
            said.drain(..surplus);
            Ok(())
        })?;
    }
    loop {
        if let Some(status) = running.0.try_wait()? {
            return Ok(Outcome { ending: Some(status.into()), stderr: text(&said) });
        }
        if wish() == Wish::Abandon {
            return Ok(Outcome { ending: None, stderr: text(&said) });
        }
        std::thread::sleep(ASK_EVERY / 10);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn dont_block(pipe: BorrowedFd<'_>) -> io::Result<()> {
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}

fn wait_for(writable: Option<BorrowedFd<'_>>, readable: [Option<BorrowedFd<'_>>; 2]) -> io::Result<()> {
    let to_read = readable.into_iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::POLLIN));
    let to_write = writable.into_iter().map(|pipe| PollFd::new(pipe, PollFlags::POLLOUT));
    let mut pipes: Vec<PollFd<'_>> = to_read.chain(to_write).collect();
    let timeout = PollTimeout::try_from(ASK_EVERY).unwrap_or(PollTimeout::ZERO);
    match poll(&mut pipes, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Takes what a pipe holds, up to one chunk; none is left of a pipe that ended.
fn drain<P: Read>(pipe: &mut Option<P>, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let Some(open) = pipe else { return Ok(()) };
    match open.read(&mut chunk) {
        Ok(0) => *pipe = None,
        Ok(length) => take(&chunk[..length])?,
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// The way into the child.
struct Feed<'a> {
    pipe: Option<ChildStdin>,
    left: &'a [u8],
    held: bool,
    asked: bool,
}

impl<'a> Feed<'a> {
    fn new(pipe: Option<ChildStdin>, input: Input<'a>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            dont_block(pipe.as_fd())?;
        }
        let (left, held): (&[u8], bool) = match input {
            Input::Closed => (&[], false),
            Input::Whole(bytes) => (bytes, false),
            Input::HeldOpen(bytes) => (bytes, true),
        };
        let mut feed = Self { pipe, left, held, asked: false };
        feed.close_when_done();
        Ok(feed)
    }

    fn writable(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().filter(|_| !self.left.is_empty()).map(AsFd::as_fd)
    }

    fn feed(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        if self.left.is_empty() {
            return;
        }
        match pipe.write(&self.left[..self.left.len().min(CHUNK_BYTES)]) {
            Ok(written) => self.left = &self.left[written..],
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            // It reads no more; how it ends will tell why.
            Err(_) => self.pipe = None,
        }
        self.close_when_done();
    }

    /// A word that a program in a pod hears even where the end of its input does not reach it.
    fn finish(&mut self) {
        if self.held && !self.asked {
            self.asked = true;
            self.held = false;
            // What was not sent yet is not worth finishing: the end alone says so.
            self.left = if self.left.is_empty() { b"\n" } else { &[] };
            self.close_when_done();
        }
    }

    fn close_when_done(&mut self) {
        if self.left.is_empty() && !self.held {
            self.pipe = None;
        }
    }
}

/// Never left running.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, input: Input<'_>, wishes: &mut dyn FnMut() -> Wish) -> (Outcome, String) {
        let mut output = Vec::new();
        let arguments = ["-c".to_owned(), script.to_owned()];
        let outcome = run(Path::new("/bin/sh"), &arguments, input, &mut output, wishes).unwrap();
        (outcome, text(&output))
    }

    #[test]
    fn megabytes_go_in_and_come_out_and_both_ends_are_told() {
        let sent = vec![b'x'; 3_000_000];
        let (outcome, output) = shell("cat; echo done >&2; exit 7", Input::Whole(&sent), &mut || Wish::GoOn);
        assert_eq!(output.len(), sent.len());
        assert_eq!((outcome.ending, outcome.stderr.trim()), (Some(Ending::Code(7)), "done"));
    }

    #[test]
    fn held_input_ends_when_the_child_is_asked_to_finish() {
        let mut asked = 0;
        let mut wish = || {
            asked += 1;
            if asked > 3 { Wish::Finish } else { Wish::GoOn }
        };
        let (outcome, output) =
            shell("head -c 3; echo; head -c 1 | wc -c; cat | wc -c", Input::HeldOpen(b"abc"), &mut wish);
        assert_eq!(outcome.ending, Some(Ending::Code(0)));
        assert_eq!(output.split_whitespace().collect::<Vec<_>>(), ["abc", "1", "0"]);
    }

    #[test]
    fn a_child_that_is_given_up_is_gone() {
        let (outcome, _) = shell("exec sleep 60", Input::HeldOpen(b""), &mut || Wish::Abandon);
        assert_eq!(outcome.ending, None);
    }
}
