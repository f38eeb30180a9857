//! One capture at a time, whoever shares the folder of the state.
//!
//! A capture holds the lock of `capture.lock`, which the kernel takes off however its owner ends. In the file stands
//! who it is, for those who find it held; and where the file system knows no locks, that alone decides: an owner whose
//! process is gone has ended. Two that ask there in the same instant may both get it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use crate::os::lock::{FileLock, Locking, try_lock};
use crate::os::proc::{ProcessId, Procfs};

/// An owner is some hundred bytes of JSON.
const LARGEST_OWNER_BYTES: usize = 4096;
/// A process of another container cannot be looked up. No capture lasts so long.
const LONGEST_CAPTURE: Duration = Duration::from_hours(1);

/// Who captures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// The process.
    pub process: ProcessId,
    /// The PID namespace that its pid belongs to.
    pub pid_namespace: Option<String>,
    /// Since when, and in which boot of the machine.
    pub since: Moment,
}

impl Owner {
    /// This process, from now on.
    pub fn here(now: &Moment) -> Self {
        let procfs = Procfs::default();
        let start_ticks = procfs.own().id().map_or(0, |own| own.start_ticks);
        Self {
            process: ProcessId { pid: process::id().cast_signed(), start_ticks },
            pid_namespace: procfs.own_pid_namespace().ok().map(|namespace| namespace.display().to_string()),
            since: now.clone(),
        }
    }

    /// Whether it still runs, as far as this process can tell. Another boot ended it.
    fn lives(&self, me: &Self) -> bool {
        let boot = |owner: &Self| owner.since.boot.as_ref().map(|boot| boot.id.clone());
        if boot(self) != boot(me) {
            false
        } else if self.pid_namespace == me.pid_namespace {
            Procfs::default().same(self.process).is_some()
        } else {
            me.since.seconds_since(&self.since) < LONGEST_CAPTURE.as_secs_f64()
        }
    }
}

/// What came of asking.
#[derive(Debug)]
pub enum Attempt {
    /// No capture is under way.
    Free(Claim),
    /// One is; whose, where the file tells.
    Held(Option<Owner>),
}

/// The right to capture, until it is dropped.
#[derive(Debug)]
pub struct Claim(Hold);

#[derive(Debug)]
enum Hold {
    Locked(FileLock),
    /// Where the file system knows no locks.
    Written(File),
}

/// Asks for the lock of a file.
pub fn claim(file: File, me: &Owner) -> io::Result<Attempt> {
    let owner = owner_in(&file);
    Ok(match try_lock(file) {
        Locking::Locked(lock) => Attempt::Free(Claim(Hold::Locked(lock))),
        Locking::Held => Attempt::Held(owner),
        Locking::Unknown(file) => by_owner(file, owner, me),
    })
}

/// Without a lock.
fn by_owner(file: File, owner: Option<Owner>, me: &Owner) -> Attempt {
    match owner {
        Some(owner) if owner.lives(me) => Attempt::Held(Some(owner)),
        _ => Attempt::Free(Claim(Hold::Written(file))),
    }
}

impl Claim {
    /// Writes down who has it.
    pub fn sign(&self, me: &Owner) -> io::Result<()> {
        self.file().set_len(0)?;
        self.file().write_all_at(&serde_json::to_vec(me)?, 0)
    }

    fn file(&self) -> &File {
        match &self.0 {
            Hold::Locked(lock) => lock,
            Hold::Written(file) => file,
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Before the lock goes, so that nobody else's name is erased.
        let _ = self.file().set_len(0);
    }
}

/// Who stands in the file; none where nobody does, or it is only being written.
fn owner_in(file: &File) -> Option<Owner> {
    let mut bytes = vec![0; LARGEST_OWNER_BYTES];
    let read = file.read_at(&mut bytes, 0).ok()?;
    serde_json::from_slice(&bytes[..read]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::limits::moment::Boot;

    fn now() -> Moment {
        let boot = Some(Boot { id: "this".to_owned(), seconds: 10_000.0 });
        Moment { boot, utc: "2026-11-24T06:00:00Z".parse().unwrap() }
    }

    /// Asks without a lock, where this owner stands in the file.
    fn is_free(file: &File, owner: &Owner) -> bool {
        file.set_len(0).unwrap();
        file.write_all_at(&serde_json::to_vec(owner).unwrap(), 0).unwrap();
        let file = file.try_clone().unwrap();
        let found = owner_in(&file);
        assert_eq!(found.as_ref(), Some(owner));
        matches!(by_owner(file, found, &Owner::here(&now())), Attempt::Free(_))
    }

    #[test]
    fn where_there_are_no_locks_an_owner_that_is_gone_is_taken_over() {
        let file = tempfile::tempfile().unwrap();
        let lives = Owner::here(&now());
        assert!(!is_free(&file, &lives));
        let reused = ProcessId { start_ticks: lives.process.start_ticks + 1, ..lives.process };
        assert!(is_free(&file, &Owner { process: reused, ..lives.clone() }), "its pid is another process's now");
        let gone = ProcessId { pid: 4_194_304, ..lives.process };
        assert!(is_free(&file, &Owner { process: gone, ..lives.clone() }));
        let boot = Some(Boot { id: "before".to_owned(), seconds: 9_000.0 });
        assert!(is_free(&file, &Owner { since: Moment { boot, ..now() }, ..lives }), "the machine was started anew");
    }

    #[test]
    fn an_owner_in_another_container_is_believed_for_as_long_as_a_capture_can_last() {
        let file = tempfile::tempfile().unwrap();
        let elsewhere = |seconds| Owner {
            process: ProcessId { pid: 1, start_ticks: 1 },
            pid_namespace: Some("pid:[1]".to_owned()),
            since: now().before(seconds),
        };
        assert!(!is_free(&file, &elsewhere(3_599.0)));
        assert!(is_free(&file, &elsewhere(3_601.0)));
    }

    #[test]
    fn who_is_done_leaves_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("capture.lock");
        let open = || File::options().create(true).truncate(false).read(true).write(true).open(&path).unwrap();
        let me = Owner::here(&now());
        let Attempt::Free(first) = claim(open(), &me).unwrap() else { panic!("it is free") };
        first.sign(&me).unwrap();
        assert!(matches!(claim(open(), &me).unwrap(), Attempt::Held(Some(owner)) if owner == me));
        drop(first);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        assert!(matches!(claim(open(), &me).unwrap(), Attempt::Free(_)));
    }
}
