//! May we read a worker? Tried, not guessed; and where not, the [`rule`] that forbids it, by the [`facts`] that the
//! kernel goes by, and the [`cure`]: the next command from where we are.

pub mod cure;
pub mod facts;
pub mod rule;
pub mod surroundings;

use std::io;

use crate::os::attach::{Door, try_door};
use crate::os::proc::{Process, Procfs};
use crate::permission::facts::Facts;
use crate::permission::rule::Rule;
use crate::permission::surroundings::Surroundings;

/// Why a process is closed to us, and what would open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The rule, as the end of a sentence that begins with "not permitted to read process PID:".
    pub rule: String,
    /// The next command.
    pub cure: String,
}

/// How far a process is open to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// As a sampler needs it.
    Open,
    /// `process_vm_readv` is refused and `/proc/PID/mem` is not; py-spy falls back to it, the native engine does not.
    FileAlone {
        /// What the system said of the call.
        why: String,
    },
    /// Closed.
    Denied(Denied),
}

/// Reads one byte of the process's memory, as a sampler would.
///
/// # Errors
/// When the process is gone.
pub fn try_read(procfs: &Procfs, process: &Process) -> io::Result<Access> {
    let Err(refused) = try_door(process, Door::Readv) else { return Ok(Access::Open) };
    if refused.kind() == io::ErrorKind::NotFound {
        return Err(refused);
    }
    Ok(match try_door(process, Door::Mem) {
        Ok(()) => Access::FileAlone { why: refused.to_string() },
        Err(_) => Access::Denied(diagnose(procfs, process.pid)),
    })
}

/// Who traces the process already. The kernel lets one tracer at a time, and reading memory is none.
pub fn tracer(procfs: &Procfs, pid: i32) -> Option<i32> {
    let tracer = procfs.process(pid).status_field("TracerPid").ok()??;
    tracer.parse().ok().filter(|tracer| *tracer != 0)
}

/// The rule that keeps us from this process, as far as it can be told without trying. A security module's word cannot.
pub fn forbidden(procfs: &Procfs, pid: i32) -> Option<Denied> {
    let rule = Rule::of(&Facts::gather(procfs, pid));
    (!matches!(rule, Rule::Label(_) | Rule::Unknown)).then(|| diagnose(procfs, pid))
}

/// The rule that most likely keeps us from this process, and what to do about it here.
pub fn diagnose(procfs: &Procfs, pid: i32) -> Denied {
    let facts = Facts::gather(procfs, pid);
    let surroundings = Surroundings::look(procfs, pid);
    let rule = Rule::of(&facts);
    Denied { rule: rule.to_string(), cure: cure::cure(&rule, &facts, &surroundings) }
}
