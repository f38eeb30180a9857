//! May we read this process? Tried, not guessed; and when not, which rule forbids it.

use std::fs::{self, File};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::{Pid, geteuid};

use crate::os::proc::Process;

/// `CAP_SYS_PTRACE` in `include/uapi/linux/capability.h`.
const CAP_SYS_PTRACE: u32 = 19;
/// Yama's switch; absent where the kernel has no Yama.
const PTRACE_SCOPE: &str = "/proc/sys/kernel/yama/ptrace_scope";

/// Why a process is closed to us, and what would open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The rule.
    pub rule: String,
    /// The next command.
    pub cure: String,
}

/// Reads one byte of the process's memory, as a sampler would.
///
/// # Errors
/// The inner result says which rule forbids it; the outer one that the process is gone.
pub fn try_read(process: &Process) -> io::Result<Result<(), Denied>> {
    let address = match first_mapping(process) {
        Ok(Some(address)) => address,
        Ok(None) => return Err(io::Error::from(io::ErrorKind::NotFound)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(Err(diagnose(process))),
        Err(error) => return Err(error),
    };
    let mut byte = [0_u8; 1];
    let remote = [RemoteIoVec { base: address as usize, len: 1 }];
    match process_vm_readv(Pid::from_raw(process.pid), &mut [IoSliceMut::new(&mut byte)], &remote) {
        Ok(_) => Ok(Ok(())),
        Err(Errno::ESRCH) => Err(io::Error::from(io::ErrorKind::NotFound)),
        // A seccomp profile can deny the call and still leave the file, which samplers fall back to.
        Err(_) => match File::open(process.dir().join("mem")).and_then(|mem| mem.read_at(&mut byte, address)) {
            Ok(_) => Ok(Ok(())),
            Err(_) => Ok(Err(diagnose(process))),
        },
    }
}

fn first_mapping(process: &Process) -> io::Result<Option<u64>> {
    let maps = fs::read_to_string(process.dir().join("maps"))?;
    let address = maps.lines().next().and_then(|line| u64::from_str_radix(line.split_once('-')?.0, 16).ok());
    Ok(address)
}

/// The rule that most likely keeps us from this process.
pub fn diagnose(process: &Process) -> Denied {
    let ours = geteuid().as_raw();
    let target = process.status().ok().map(|status| (status.ruid, status.euid, status.suid));
    let scope = fs::read_to_string(PTRACE_SCOPE).ok().and_then(|text| text.trim().parse().ok());
    let privileged = has_ptrace_capability(Path::new("/proc/self/status")).unwrap_or(false);
    let owner = process.uid().ok();
    explain(&Facts { pid: process.pid, ours, target, owner, scope, privileged })
}

/// What the kernel's check looks at (`__ptrace_may_access` in kernel/ptrace.c, `yama_ptrace_access_check`).
#[derive(Debug, Clone, Copy)]
struct Facts {
    pid: i32,
    ours: u32,
    /// Real, effective and saved uid of the target.
    target: Option<(u32, u32, u32)>,
    /// Owner of the target's folder in `/proc`: root for a process that is not dumpable.
    owner: Option<u32>,
    scope: Option<u32>,
    privileged: bool,
}

fn explain(facts: &Facts) -> Denied {
    let Facts { pid, ours, .. } = *facts;
    let as_root = format!("sudo capture --pid {pid}");
    let denied = |rule: String, cure: String| Denied { rule, cure };
    match facts.target {
        Some((real, effective, saved)) if !facts.privileged && [real, effective, saved] != [ours; 3] => denied(
            format!("it runs as uid {real} and this program as uid {ours} without CAP_SYS_PTRACE; the kernel lets only the same user or that capability read it"),
            format!(
                "run as the same user or as root: sudo -u '#{real}' capture --pid {pid}   or   {as_root}   (in Kubernetes: kubectl debug --profile=general --target=CONTAINER)"
            ),
        ),
        Some((real, ..)) if !facts.privileged && facts.owner.is_some_and(|owner| owner != real) => denied(
            "it is not dumpable (it changed its user or cleared PR_SET_DUMPABLE), so only CAP_SYS_PTRACE may read it".to_owned(),
            format!("run as root: {as_root}"),
        ),
        _ => match facts.scope {
            Some(3) => denied(
                "kernel.yama.ptrace_scope is 3: no process may be read until the next boot".to_owned(),
                "set kernel.yama.ptrace_scope=1 in /etc/sysctl.d and boot again".to_owned(),
            ),
            Some(scope @ 1..=2) if !facts.privileged => denied(
                format!("kernel.yama.ptrace_scope is {scope}: only CAP_SYS_PTRACE may read a process that is not one's own child"),
                format!("run as root: {as_root}   or, for all users: sudo sysctl kernel.yama.ptrace_scope=0"),
            ),
            _ => denied(
                "the kernel refused, and neither uid nor Yama forbids it: a security module (AppArmor, SELinux), seccomp or a user namespace does".to_owned(),
                format!("look for the denial with dmesg; outside the container: {as_root}"),
            ),
        },
    }
}

/// Whether the effective set holds the capability: in a non-root container it can be in the bounding set alone, and
/// is then of no use.
fn has_ptrace_capability(status: &Path) -> Option<bool> {
    let status = fs::read_to_string(status).ok()?;
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    Some(u64::from_str_radix(set.trim(), 16).ok()? >> CAP_SYS_PTRACE & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::proc::Procfs;

    const FACTS: Facts = Facts {
        pid: 7,
        ours: 1000,
        target: Some((1000, 1000, 1000)),
        owner: Some(1000),
        scope: None,
        privileged: false,
    };

    #[test]
    fn our_own_memory_can_be_read() {
        let us = Procfs::default().process(std::process::id().cast_signed());
        assert_eq!(try_read(&us).unwrap(), Ok(()));
    }

    #[test]
    fn a_process_that_is_gone_is_not_called_forbidden() {
        assert!(try_read(&Procfs::default().process(i32::MAX - 1)).is_err());
    }

    #[test]
    fn each_rule_is_named_with_its_own_cure() {
        let cases = [
            (Facts { target: Some((0, 0, 0)), owner: Some(0), ..FACTS }, "it runs as uid 0", "sudo -u '#0'"),
            (Facts { owner: Some(0), ..FACTS }, "not dumpable", "sudo capture --pid 7"),
            (Facts { scope: Some(1), ..FACTS }, "ptrace_scope is 1", "sudo sysctl"),
            (Facts { scope: Some(3), privileged: true, ..FACTS }, "ptrace_scope is 3", "boot"),
            (FACTS, "security module", "dmesg"),
        ];
        for (facts, rule, cure) in cases {
            let denied = explain(&facts);
            assert!(denied.rule.contains(rule) && denied.cure.contains(cure), "{denied:?}");
        }
    }

    #[test]
    fn a_capability_outside_the_effective_set_is_inert() {
        let folder = tempfile::tempdir().unwrap();
        let status = folder.path().join("status");
        fs::write(&status, "CapEff:\t0000000000000000\nCapBnd:\t0000000000080000\n").unwrap();
        assert_eq!(has_ptrace_capability(&status), Some(false));
        fs::write(&status, "CapEff:\t0000000000080000\n").unwrap();
        assert_eq!(has_ptrace_capability(&status), Some(true));
    }
}
