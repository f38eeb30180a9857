//! Another process's memory, read without its noticing: `process_vm_readv` copies, and neither stops nor writes.

use std::io::IoSliceMut;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// Most stretches that one call takes (`UIO_MAXIOV` in `include/uapi/linux/uio.h`).
pub const MOST_STRETCHES: usize = 1024;

/// Bytes of the target that are wanted.
pub type Stretch = RemoteIoVec;

/// Why nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process has ended.
    Gone,
    /// The kernel does not let us.
    Denied,
    /// The first address is not mapped.
    Unmapped,
}

/// Memory that can be read in stretches: a process's, or an image of one.
pub trait Memory {
    /// Copies the stretches one after the other, in order, into `into`, which is at least as long as all of them.
    /// Tells how many bytes came: fewer than asked for when a stretch is not mapped, where the copying ends.
    fn read(&self, stretches: &[Stretch], into: &mut [u8]) -> Result<usize, Fault>;

    /// One stretch, whole.
    fn read_exact(&self, address: u64, into: &mut [u8]) -> Result<(), Fault> {
        let stretch = Stretch { base: address as usize, len: into.len() };
        if self.read(&[stretch], into)? == into.len() { Ok(()) } else { Err(Fault::Unmapped) }
    }

    /// A 64-bit number.
    fn read_u64(&self, address: u64) -> Result<u64, Fault> {
        let mut bytes = [0; 8];
        self.read_exact(address, &mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

/// The memory of a running process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessMemory {
    pid: Pid,
}

impl ProcessMemory {
    /// Of this process; nothing is read yet.
    pub fn of(pid: i32) -> Self {
        Self { pid: Pid::from_raw(pid) }
    }
}

impl Memory for ProcessMemory {
    fn read(&self, stretches: &[Stretch], into: &mut [u8]) -> Result<usize, Fault> {
        process_vm_readv(self.pid, &mut [IoSliceMut::new(into)], stretches).map_err(|errno| match errno {
            Errno::ESRCH => Fault::Gone,
            Errno::EPERM | Errno::EACCES | Errno::ENOSYS => Fault::Denied,
            _ => Fault::Unmapped,
        })
    }
}
