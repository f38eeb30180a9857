//! A program without a place in the file system: in a pod with a read-only root nothing on disk can be executed.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use nix::sys::memfd::{MFdFlags, memfd_create};

/// An executable in memory, for as long as this lives.
#[derive(Debug)]
pub struct MemoryFile(File);

impl MemoryFile {
    /// Takes the program from `content`; `name` is what `/proc/PID/exe` will show of it.
    ///
    /// # Errors
    /// Where the kernel forbids it (`vm.memfd_noexec` is 2) or memory is short.
    pub fn new(name: &str, mut content: impl Read) -> io::Result<Self> {
        let mut file = File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC)?);
        io::copy(&mut content, &mut file)?;
        Ok(Self(file))
    }

    /// Where a child of ours executes it. The descriptor is closed when it does, and the program runs on.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::child::{Ending, Supervised};

    #[test]
    fn a_program_runs_from_memory_alone() {
        let program = MemoryFile::new("true", File::open("/bin/true").unwrap()).unwrap();
        let mut child = Supervised::spawn(&program.path(), &[]).unwrap();
        while child.ending().is_none() {
            child.pump().unwrap();
        }
        assert_eq!(child.ending(), Some(Ending::Code(0)));
    }
}
