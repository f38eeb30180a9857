//! Locks on files: the kernel takes them off when their owner ends, however it ends.

use std::fs::File;
use std::ops::Deref;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// A file that is locked until this is dropped, or the process ends.
#[derive(Debug)]
pub struct FileLock(Flock<File>);

impl Deref for FileLock {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

/// What came of asking for a lock.
#[derive(Debug)]
pub enum Locking {
    /// It is ours.
    Locked(FileLock),
    /// Somebody has it: another process, or this one through another opening of the file.
    Held,
    /// The file system knows no locks. The file comes back.
    Unknown(File),
}

/// Asks for the lock of a file, and does not wait.
pub fn try_lock(file: File) -> Locking {
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Locking::Locked(FileLock(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Locking::Held,
        Err((file, _)) => Locking::Unknown(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_free_again_when_its_owner_drops_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let open = || File::create(&path).unwrap();
        let Locking::Locked(first) = try_lock(open()) else { panic!("it is free") };
        assert!(matches!(try_lock(open()), Locking::Held));
        drop(first);
        assert!(matches!(try_lock(open()), Locking::Locked(_)));
    }
}
