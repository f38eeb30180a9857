//! Failures that a user can act on: what happened, what to do next, and the exit code, side by side.

use std::path::PathBuf;

use thiserror::Error;

use crate::workload::requests::RequestsError;

/// The command that brings py-spy where nothing else is needed.
const INSTALL_PY_SPY: &str = "pip install py-spy";

/// Exit codes, as `--help` and the README list them. Scripts depend on them.
pub mod exit {
    /// The bundle is complete.
    pub const COMPLETE: u8 = 0;
    /// A fault of this program.
    pub const INTERNAL: u8 = 1;
    /// The command line asks for something impossible.
    pub const USAGE: u8 = 2;
    /// A bundle was written and lists what is missing.
    pub const PARTIAL: u8 = 3;
    /// No worker to capture.
    pub const NO_WORKER: u8 = 4;
    /// Not permitted, or not equipped, to attach.
    pub const CANNOT_ATTACH: u8 = 5;
    /// Attached, but no stack was sampled.
    pub const NOTHING_SAMPLED: u8 = 6;
    /// The output could not be written.
    pub const OUTPUT: u8 = 7;
}

/// What is left of a capture whose output could not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// The work folder, of which a bundle can be made.
    Work(PathBuf),
    /// The bundle; only to tell its name failed.
    Bundle(PathBuf),
}

/// Why there is no bundle.
#[derive(Debug, Error)]
pub enum Failure {
    /// The command line asks for something impossible.
    #[error("{what}")]
    Usage {
        /// What is impossible.
        what: String,
        /// What to type instead.
        cure: String,
    },
    /// More than one proxy runs here and none was named.
    #[error("{} LiteLLM proxies run here, and one must be named:\n{}", instances.len(), instances.join("\n"))]
    SeveralProxies {
        /// One line each.
        instances: Vec<String>,
        /// The supervisor of the first one, for the example.
        example_pid: i32,
    },
    /// Nothing to capture.
    #[error("{what}")]
    NoWorker {
        /// What was looked for.
        what: String,
        /// What to do next.
        cure: String,
    },
    /// The kernel forbids it.
    #[error("not permitted to read process {pid}: {rule}")]
    NotPermitted {
        /// The process.
        pid: i32,
        /// The rule that forbids it.
        rule: String,
        /// The command that would be allowed.
        cure: String,
    },
    /// The process does not even show what it is.
    #[error("process {pid} shows nothing of itself to us: {rule}")]
    Hidden {
        /// The process.
        pid: i32,
        /// The rule that hides it.
        rule: String,
        /// The command that would be allowed.
        cure: String,
    },
    /// No py-spy anywhere.
    #[error("py-spy was not found: not beside this program, not on PATH, not in the target's environment")]
    PySpyMissing,
    /// A py-spy that does not run.
    #[error("{} cannot be used as py-spy: {why}", path.display())]
    PySpyUnusable {
        /// The program.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The native engine was asked for by name and cannot read a worker.
    #[error("the native engine cannot read worker {pid}: {why}")]
    NativeRefused {
        /// The worker.
        pid: i32,
        /// Why not.
        why: String,
    },
    /// The cluster, or a pod in it, did not do what it was asked.
    #[error("{what}")]
    Cluster {
        /// What went wrong.
        what: String,
        /// What to do next.
        cure: String,
    },
    /// The result could not be written.
    #[error("cannot write {target}: {why}")]
    Output {
        /// The file, folder or stream.
        target: String,
        /// The system's reason.
        why: String,
        /// What there is of the capture all the same.
        kept: Kept,
    },
    /// A bundle or work folder that cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        why: String,
        /// What to do next.
        cure: String,
    },
    /// Of several bundles that were to be put together, none can be read.
    #[error("none of the {} bundles can be read:\n{}", faults.len(), faults.join("\n"))]
    NoneReadable {
        /// One line each.
        faults: Vec<String>,
    },
    /// A bundle whose files are not what its manifest says.
    #[error("{} is damaged:\n{}", path.display(), faults.join("\n"))]
    Damaged {
        /// The bundle.
        path: PathBuf,
        /// One line each.
        faults: Vec<String>,
    },
    /// The last gate found a secret.
    #[error("a secret would have reached the bundle, so it was not written: {hit}")]
    SecretInBundle {
        /// File and kind; never the value.
        hit: String,
        /// The work folder.
        kept: PathBuf,
    },
    /// A fault of this program.
    #[error("internal fault: {0:#}")]
    Internal(#[from] anyhow::Error),
}

impl Failure {
    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } | Self::SeveralProxies { .. } | Self::Unreadable { .. } | Self::NoneReadable { .. } => {
                exit::USAGE
            }
            Self::NoWorker { .. } => exit::NO_WORKER,
            Self::NotPermitted { .. }
            | Self::Hidden { .. }
            | Self::PySpyMissing
            | Self::PySpyUnusable { .. }
            | Self::NativeRefused { .. }
            | Self::Cluster { .. } => exit::CANNOT_ATTACH,
            Self::Output { .. } => exit::OUTPUT,
            Self::Damaged { .. } => exit::PARTIAL,
            Self::SecretInBundle { .. } | Self::Internal(_) => exit::INTERNAL,
        }
    }

    /// What can be had all the same, in one line.
    pub fn instead(&self) -> Option<&'static str> {
        let stacks_alone =
            self.exit_code() == exit::CANNOT_ATTACH && !matches!(self, Self::Hidden { .. } | Self::Cluster { .. });
        stacks_alone.then_some("or have everything but the stacks: capture --without-stacks")
    }

    /// What to do next, in one line.
    pub fn cure(&self) -> Option<String> {
        match self {
            Self::Usage { cure, .. }
            | Self::NoWorker { cure, .. }
            | Self::NotPermitted { cure, .. }
            | Self::Hidden { cure, .. }
            | Self::Cluster { cure, .. }
            | Self::Unreadable { cure, .. } => Some(cure.clone()),
            Self::SeveralProxies { example_pid, .. } => Some(format!("for example: capture --pid {example_pid}")),
            Self::PySpyMissing => Some(format!("install it: {INSTALL_PY_SPY}")),
            Self::PySpyUnusable { .. } => {
                Some(format!("name another with --py-spy PATH, or install it: {INSTALL_PY_SPY}"))
            }
            Self::NativeRefused { .. } => Some("use --engine py-spy".to_owned()),
            Self::Output { kept, .. } => Some(match kept {
                Kept::Nothing => "choose another place with -o PATH".to_owned(),
                Kept::Work(dir) => format!(
                    "nothing is lost: make room or choose another place, then: capture pack {} -o PATH",
                    dir.display()
                ),
                Kept::Bundle(path) => format!("the bundle is finished all the same: {}", path.display()),
            }),
            Self::NoneReadable { .. } => {
                Some("name the bundles that capture wrote, one of each pod: litellm-cpu-HOST-TIME.tar.gz".to_owned())
            }
            Self::Damaged { .. } => Some("ask its sender for another copy".to_owned()),
            Self::SecretInBundle { kept, .. } => {
                Some(format!("please report this; the work folder is kept for you alone: {}", kept.display()))
            }
            Self::Internal(_) => Some("please report this with the command line that led to it".to_owned()),
        }
    }
}

impl From<RequestsError> for Failure {
    fn from(error: RequestsError) -> Self {
        let cure = error.cure().to_owned();
        let why = error.line.map_or_else(|| error.why.clone(), |line| format!("line {line}: {}", error.why));
        Self::Unreadable { path: error.path, why, cure }
    }
}
