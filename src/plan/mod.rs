//! From what was typed to what will be done: typed, checked, and free of the command line's own types.
//!
//! | room | what is in it |
//! |---|---|
//! | here | what each command is to do |
//! | `typed` | how that follows from what was typed, and what is refused |
//! | `units` | times, shares and sizes |

mod typed;
mod units;

use std::env;
use std::path::{Path, PathBuf};

pub use self::typed::orders;
pub use self::units::{percent, size, time};
use crate::analyse::classify::Class;
use crate::error::Failure;
use crate::logs::LogSource;
use crate::notice::Loudness;
use crate::sample::engine::Asked;
use crate::sample::session::Orders;

/// Where a work folder is made that stands beside no bundle, in this order.
const SCRATCH_FOLDERS: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "."];

/// A capture to be made.
#[derive(Debug, Clone)]
pub struct CapturePlan {
    /// What is captured.
    pub target: TargetPlan,
    /// How to sample.
    pub orders: Orders,
    /// The engine asked for, if any.
    pub engine: Option<Asked>,
    /// The py-spy named.
    pub py_spy: Option<PathBuf>,
    /// The config file named.
    pub config: Option<PathBuf>,
    /// What to read beside the stacks.
    pub observe: ObservePlan,
    /// The bundle to hold it against.
    pub baseline: Option<PathBuf>,
    /// Whether it ends when whoever started it is gone.
    pub attendance: Attended,
    /// What the reporter knows.
    pub reporter: ReporterPlan,
    /// Where the result goes.
    pub output: OutputPlan,
}

/// What is captured.
#[derive(Debug, Clone)]
pub struct TargetPlan {
    /// Pids named; empty for whatever LiteLLM runs here.
    pub pids: Vec<i32>,
    /// Whether just these are meant, not the rest of their proxy.
    pub only: bool,
}

/// A capture to be looked into without making it.
#[derive(Debug, Clone)]
pub struct DoctorPlan {
    /// What would be captured.
    pub target: TargetPlan,
    /// The engine asked for, if any.
    pub engine: Option<Asked>,
    /// The py-spy named.
    pub py_spy: Option<PathBuf>,
    /// The config file named.
    pub config: Option<PathBuf>,
    /// What would be read beside the stacks.
    pub observe: ObservePlan,
    /// Where the bundle would go.
    pub destination: Destination,
    /// In which form to tell it.
    pub result: ResultForm,
}

/// Whether standard input is held open by whoever waits for the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attended {
    /// Its end is the end of the capture.
    ByStandardInput,
    /// Nobody needs to.
    No,
}

/// What to read beside the stacks.
#[derive(Debug, Clone)]
pub struct ObservePlan {
    /// Where LiteLLM answers, if named.
    pub litellm_url: Option<String>,
    /// The variable that holds a key.
    pub litellm_key_env: String,
    /// Where its log is.
    pub log: LogSource,
}

/// What the reporter knows.
#[derive(Debug, Clone, Default)]
pub struct ReporterPlan {
    /// How the reporter would classify it.
    pub classification: Option<Class>,
    /// A text file with steps.
    pub repro_steps: Option<PathBuf>,
    /// A sample of requests.
    pub requests: Option<PathBuf>,
    /// What is kept of that sample.
    pub content: RequestContent,
}

/// What is kept of the reporter's sample of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RequestContent {
    /// Shapes.
    #[default]
    Withheld,
    /// Shapes, and the content without secrets.
    Kept,
}

/// Where the result goes and how it is told.
#[derive(Debug, Clone)]
pub struct OutputPlan {
    /// Where the bundle goes.
    pub destination: Destination,
    /// What standard output carries.
    pub result: ResultForm,
    /// How much is said on standard error.
    pub loudness: Loudness,
}

/// Where a bundle goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A folder; the file's name is chosen.
    Folder(PathBuf),
    /// Just this file.
    File(PathBuf),
}

impl Destination {
    /// The folders that the work folder may stand in: the first that can be written to is taken. A bundle's own folder is
    /// the only one, so that it can be renamed into its place; for standard output any will do, and in a container whose
    /// root is read-only that is often `/dev/shm` alone.
    pub fn work_parents(&self) -> Vec<PathBuf> {
        match self {
            Self::Stdout => {
                let named = env::var_os("TMPDIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
                named.into_iter().chain(SCRATCH_FOLDERS.map(PathBuf::from)).collect()
            }
            Self::Folder(folder) => vec![folder.clone()],
            Self::File(file) => vec![parent(file)],
        }
    }

    /// The file that a bundle of this name comes to stand in; none on standard output.
    pub fn target(&self, name: &str) -> Option<PathBuf> {
        self.file(&format!("{name}.tar.gz"))
    }

    /// The file that something comes to stand in, which in a folder has this name; none on standard output.
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        match self {
            Self::Stdout => None,
            Self::Folder(folder) => Some(folder.join(name)),
            Self::File(file) => Some(file.clone()),
        }
    }

    /// For messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Stdout => "standard output".to_owned(),
            Self::Folder(path) | Self::File(path) => path.display().to_string(),
        }
    }
}

/// What standard output carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultForm {
    /// The bundle's path.
    Path,
    /// The result as JSON.
    Json,
}

/// A work folder to be packed.
#[derive(Debug, Clone)]
pub struct PackPlan {
    /// The folder.
    pub dir: PathBuf,
    /// Where the result goes.
    pub output: OutputPlan,
}

/// Bundles to be put together.
#[derive(Debug, Clone)]
pub struct MergePlan {
    /// The bundles, one or more.
    pub bundles: Vec<PathBuf>,
    /// Where the result goes.
    pub output: OutputPlan,
}

/// A bundle to be shown.
#[derive(Debug, Clone)]
pub struct InspectPlan {
    /// The bundle.
    pub bundle: PathBuf,
    /// Whether its files are checked.
    pub verify: bool,
    /// In which form.
    pub result: ResultForm,
}

/// A bundle to be judged and drawn again.
#[derive(Debug, Clone)]
pub struct ReportPlan {
    /// The bundle.
    pub bundle: PathBuf,
    /// The folder that gets a folder named after the bundle.
    pub output: PathBuf,
    /// In which form.
    pub result: ResultForm,
}

/// Two bundles to be held against each other.
#[derive(Debug, Clone)]
pub struct DiffPlan {
    /// The one before.
    pub before: PathBuf,
    /// The one after.
    pub after: PathBuf,
    /// The folder for files, if any.
    pub output: Option<PathBuf>,
    /// In which form.
    pub result: ResultForm,
}

/// A bundle's profile to be written for another tool.
#[derive(Debug, Clone)]
pub struct ExportPlan {
    /// The bundle.
    pub bundle: PathBuf,
    /// For which tool.
    pub format: ProfileFormat,
    /// Where it goes.
    pub destination: Destination,
    /// In which form the result is told.
    pub result: ResultForm,
}

/// The formats of other tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileFormat {
    /// Firefox Profiler's processed profiles.
    Firefox,
    /// speedscope's files.
    Speedscope,
    /// pprof's profiles.
    Pprof,
    /// Folded stacks.
    Collapsed,
}

/// The folder that a file stands in.
fn parent(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A command line that asks for something impossible.
pub fn usage(what: String, cure: &str) -> Failure {
    Failure::Usage { what, cure: cure.to_owned() }
}
