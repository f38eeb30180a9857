//! Waiting for several sockets at once, on one thread.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Something to read, or the end.
    Reading,
    /// Room to write, or the end.
    Writing,
}

/// Waits until one of them is ready, or for so long at most, or until a signal comes; and tells of each whether it is.
pub fn wait<'a>(
    sockets: impl IntoIterator<Item = (BorrowedFd<'a>, For)>,
    longest: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let flags = |wanted| match wanted {
        For::Reading => PollFlags::POLLIN,
        For::Writing => PollFlags::POLLOUT,
    };
    let mut polled: Vec<PollFd<'a>> =
        sockets.into_iter().map(|(socket, wanted)| PollFd::new(socket, flags(wanted))).collect();
    // Rounded up, lest the last millisecond be spent in turning round and round.
    let longest = longest.map(|time| time + Duration::from_millis(1));
    let timeout = longest.map_or(PollTimeout::NONE, |time| PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX));
    match poll(&mut polled, timeout) {
        Ok(_) => Ok(polled.iter().map(|socket| socket.any().unwrap_or(true)).collect()),
        Err(Errno::EINTR) => Ok(vec![false; polled.len()]),
        Err(errno) => Err(errno.into()),
    }
}
