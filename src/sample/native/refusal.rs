//! Why a process is not sampled by this tool itself; each reason is one sentence for whoever asked.

use std::path::PathBuf;

use thiserror::Error;

use crate::os::memory::Fault;
use crate::sample::native::layout::Version;
use crate::sample::native::tables::OLDEST_MINOR;

/// The newest CPython whose debug offsets are known: 3.15.
pub const NEWEST_MINOR: u8 = 15;

/// Why an interpreter is not read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The process has ended.
    #[error("the process has ended")]
    Gone,
    /// `/proc` or `process_vm_readv` is closed to us.
    #[error("the kernel does not let the memory of the process be read")]
    Denied,
    /// Not CPython, or older than 3.7.
    #[error("no _PyRuntime in {}", .0.display())]
    NoRuntime(PathBuf),
    /// It has no dynamic symbol, and the file with its sections is not that which runs.
    #[error("no _PyRuntime among the symbols of {}, and that file is gone or was replaced since the process began", .0.display())]
    FileReplaced(PathBuf),
    /// Neither symbol nor text tells it.
    #[error("{} does not tell its version", .0.display())]
    UnknownVersion(PathBuf),
    /// Before 3.10.
    #[error("CPython {0} is older than what is read here (3.{OLDEST_MINOR})")]
    TooOld(Version),
    /// After 3.15.
    #[error("CPython {0} is newer than what is read here (3.{NEWEST_MINOR})")]
    TooNew(Version),
    /// An alpha, beta or release candidate.
    #[error("this is a prerelease of CPython {0}, whose structures may still have changed")]
    Prerelease(Version),
    /// Built without the GIL.
    #[error("CPython {0} is free-threaded")]
    FreeThreaded(Version),
    /// 3.13 on: what it says of its structures cannot be.
    #[error("the debug offsets of CPython {0} make no sense")]
    Offsets(Version),
    /// There is no interpreter or no thread.
    #[error("CPython {0} is starting or ending")]
    NotRunning(Version),
    /// A check failed; the second field says which.
    #[error("CPython {0} is not laid out as expected: {1}")]
    Unexpected(Version, &'static str),
    /// Too few stacks could be read down to their base.
    #[error("the self-check read {whole} of {known} threads' stacks down to their base")]
    SelfCheck {
        /// Stacks that were.
        whole: usize,
        /// Threads that Python knows.
        known: usize,
    },
}

impl Refusal {
    /// What a fault while reading means; an address that leads nowhere is one that was misread.
    pub fn from_fault(fault: Fault, version: Version) -> Self {
        match fault {
            Fault::Gone => Self::Gone,
            Fault::Denied => Self::Denied,
            Fault::Unmapped => Self::Unexpected(version, "an address leads nowhere"),
        }
    }
}
