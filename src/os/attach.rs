//! The ways into another process, each tried as a sampler would use it: nothing is stopped, traced or written.

use std::fs::{self, File};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use crate::os::proc::Process;

/// A way into a process. The kernel asks for more at some than at others (`PTRACE_MODE_*` in `include/linux/ptrace.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `process_vm_readv`, by which samplers read memory: the right to attach.
    Readv,
    /// `/proc/PID/mem`, to which samplers fall back: the right to attach.
    Mem,
    /// `/proc/PID/maps`: the right to read.
    Maps,
    /// `/proc/PID/root`, the target's file tree: the right to read.
    Root,
    /// `/proc/PID/exe`: the right to read.
    Exe,
    /// `/proc/PID/task`, the threads: open to all unless `/proc` is mounted with `hidepid`.
    Task,
}

impl Door {
    /// All of them, the strictest first.
    pub const ALL: [Self; 6] = [Self::Readv, Self::Mem, Self::Maps, Self::Root, Self::Exe, Self::Task];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Readv => "process_vm_readv",
            Self::Mem => "mem",
            Self::Maps => "maps",
            Self::Root => "root",
            Self::Exe => "exe",
            Self::Task => "task",
        }
    }
}

/// Goes in by one door and takes nothing along: one byte, one link, one listing.
///
/// # Errors
/// The kernel's own; `NotFound` where the process is gone.
pub fn try_door(process: &Process, door: Door) -> io::Result<()> {
    match door {
        Door::Readv => read_byte(process.pid, first_mapping(process)?),
        Door::Mem => {
            let address = first_mapping(process)?;
            File::open(process.dir().join("mem"))?.read_at(&mut [0; 1], address).map(drop)
        }
        Door::Maps => first_mapping(process).map(drop),
        // The link alone is read by all; to follow it takes the right.
        Door::Root => fs::metadata(process.dir().join("root/.")).map(drop),
        Door::Exe => process.exe().map(drop),
        Door::Task => process.threads().map(drop),
    }
}

/// Whether `process_vm_readv` may be called at all, tried on ourselves, whom the kernel never keeps from it: only a
/// seccomp profile does, or a kernel without the call.
pub fn readv_is_allowed() -> bool {
    let byte = 0_u8;
    read_byte(std::process::id().cast_signed(), std::ptr::from_ref(&byte) as u64).is_ok()
}

fn read_byte(pid: i32, address: u64) -> io::Result<()> {
    let remote = [RemoteIoVec { base: address as usize, len: 1 }];
    match process_vm_readv(Pid::from_raw(pid), &mut [IoSliceMut::new(&mut [0; 1])], &remote) {
        Ok(_) => Ok(()),
        Err(Errno::ESRCH) => Err(io::Error::from(io::ErrorKind::NotFound)),
        Err(errno) => Err(errno.into()),
    }
}

fn first_mapping(process: &Process) -> io::Result<u64> {
    let maps = fs::read_to_string(process.dir().join("maps"))?;
    let address = maps.lines().next().and_then(|line| u64::from_str_radix(line.split_once('-')?.0, 16).ok());
    // Nothing is mapped into a process that is ending.
    address.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::proc::Procfs;

    #[test]
    fn every_door_to_ourselves_is_open() {
        let us = Procfs::default().process(std::process::id().cast_signed());
        for door in Door::ALL {
            try_door(&us, door).unwrap_or_else(|why| panic!("{}: {why}", door.name()));
        }
    }

    #[test]
    fn a_process_that_is_gone_is_not_called_forbidden() {
        let nobody = Procfs::default().process(i32::MAX - 1);
        for door in Door::ALL {
            assert_eq!(try_door(&nobody, door).unwrap_err().kind(), io::ErrorKind::NotFound, "{}", door.name());
        }
    }
}
