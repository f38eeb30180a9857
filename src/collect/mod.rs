//! Facts about the target and the machine, each found or named as a gap.
//!
//! [`collect`] is the table of contents: one step a room. A step reads through the target's own `/proc` entry and its
//! own file tree, never runs anything of the target's, and reports what it could not have. Steps are bounded by size;
//! the deadline is looked at between them.

mod cgroup;
mod cleaning;
pub mod cluster;
mod container;
pub mod fingerprint;
mod host;
mod interpreter;
mod litellm;
mod packages;
mod processes;
mod python;
mod subject;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::collect::cleaning::Cleaner;
use crate::collect::fingerprint::Fingerprint;
use crate::collect::subject::Subject;
use crate::discover::{Proxy, Role};
pub use crate::os::cgroup::CgroupRoot;
use crate::os::proc::Procfs;
use crate::redact::Raw;

/// What a gap says is missing where nothing tells the container's image.
pub const NO_IMAGE: &str = "the container's image";

/// Something that could not be had. It is stored and shown, never replaced by a zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What is missing.
    pub what: String,
    /// Why it is missing.
    pub why: String,
    /// What to do to get it next time.
    pub cure: String,
    /// How much it matters.
    pub weight: Weight,
}

/// How much a gap matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// The bundle lacks something that it exists for: it is partial.
    Partial,
    /// A ticket asks for it, but nothing beside the process can tell it, or it is not there to be told.
    Note,
}

impl Gap {
    /// A gap in three phrases that makes the bundle partial.
    pub fn new(what: impl Into<String>, why: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), cure: cure.into(), weight: Weight::Partial }
    }

    /// A gap that is to be known but leaves the bundle complete.
    pub fn note(what: impl Into<String>, why: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { weight: Weight::Note, ..Self::new(what, why, cure) }
    }

    /// The gap that a failed read leaves, with the cure that fits the failure.
    fn unread(what: impl Into<String>, error: &io::Error) -> Self {
        let as_owner = "run capture as the user that owns the process, or as root";
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::new(what, "permission denied", as_owner),
            io::ErrorKind::NotFound => {
                Self::new(what, "not there; the process may have ended", "capture again while it runs")
            }
            // The kind alone: a message could carry what was read.
            kind => Self::new(what, format!("reading it failed: {kind}"), "capture again, or note it in the ticket"),
        }
    }
}

/// Everything collected, as it came from outside.
#[derive(Debug, Clone)]
pub struct Collected {
    /// Machine, container, interpreter, LiteLLM and processes.
    pub fingerprint: Fingerprint<Raw>,
    /// The environments of the supervisor and the workers. What Python set at run time is not in them: of what
    /// LiteLLM sets itself, only spawned workers show anything.
    pub environs: Vec<ProcessEnviron>,
    /// LiteLLM's config file.
    pub config: Option<ConfigFile>,
    /// What could not be had.
    pub gaps: Vec<Gap>,
}

impl Collected {
    /// A variable that is set in the environment of a supervisor or a worker.
    pub fn variable(&self, name: &str) -> Option<&Raw> {
        let variables = self.environs.iter().flat_map(|environ| &environ.vars);
        let mut set = variables.filter(|(_, value)| !value.expose().trim().is_empty());
        set.find(|(known, _)| known.expose() == name).map(|(_, value)| value)
    }
}

/// The environment that a process was started with.
#[derive(Debug, Clone)]
pub struct ProcessEnviron {
    /// Whose.
    pub pid: i32,
    /// What it is there for.
    pub role: Role,
    /// Names and values, as they stand.
    pub vars: Vec<(Raw, Raw)>,
}

/// A config file of LiteLLM's.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// Its path, as the target or the `--config` option names it.
    pub path: Raw,
    /// All of it.
    pub text: Raw,
    /// When it was last changed.
    pub modified_utc: Option<String>,
}

/// How to collect.
#[derive(Debug, Clone, Copy)]
pub struct CollectOptions<'a> {
    /// A config file named by the user, as a path that we see; it takes the place of the one in use.
    pub config: Option<&'a Path>,
    /// How long all of it may take. What is not begun by then becomes a gap.
    pub deadline: Duration,
}

/// Collecting reads a few hundred small files; a network file system that hangs must not hold up the stacks.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Config files are kept in the low hundreds of kilobytes; more than this is something else.
const CONFIG_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

/// Collects the fingerprint of a proxy. Nothing here fails as a whole: what is missing is a gap.
pub fn collect(procfs: &Procfs, cgroups: &CgroupRoot, proxy: &Proxy, options: &CollectOptions<'_>) -> Collected {
    let mut gaps = Vec::new();
    let subject = Subject::of(procfs, proxy, &mut gaps);
    let mut steps = Steps { ends: Instant::now() + options.deadline, gaps: &mut gaps };

    let processes = steps.run("the processes", |gaps| processes::collect(procfs, &subject, gaps));
    let host = steps.run("the host", |gaps| host::collect(procfs, &subject, gaps));
    let cgroup = steps.run("the cgroup", |gaps| cgroup::collect(procfs, cgroups, &subject, gaps));
    let container = steps.run("the container", |gaps| container::collect(procfs, &subject, gaps));
    let mut python = steps.run("the interpreter", |gaps| python::collect(&subject, gaps));
    let ends = steps.ends;
    python.packages = steps.run("the packages", |gaps| packages::collect(&subject, &python.site_packages, ends, gaps));
    let mut litellm = steps.run("LiteLLM's settings", |gaps| litellm::collect(&subject, &python, gaps));
    let config = steps.run("the config file", |gaps| config(&subject, &litellm, options, gaps));
    if let Some(config) = &config {
        litellm.config_path.get_or_insert_with(|| config.path.clone());
        litellm.config_modified_utc.clone_from(&config.modified_utc);
    }

    let fingerprint = Fingerprint { host, cgroup, container, python, litellm, processes };
    Collected { fingerprint, environs: subject.environs, config, gaps }
}

/// The steps of a collection, up to the deadline.
struct Steps<'a> {
    ends: Instant,
    gaps: &'a mut Vec<Gap>,
}

impl Steps<'_> {
    fn run<T: Default>(&mut self, what: &str, step: impl FnOnce(&mut Vec<Gap>) -> T) -> T {
        if Instant::now() >= self.ends {
            self.gaps.push(Gap::new(
                what,
                "the time for collecting was over before it could be read",
                "capture again when the machine or its file systems answer faster",
            ));
            return T::default();
        }
        step(self.gaps)
    }
}

/// The config file that the user named, else the one in use. LiteLLM also runs without one, which is no gap.
fn config(
    subject: &Subject<'_>,
    litellm: &fingerprint::LiteLlm<Raw>,
    options: &CollectOptions<'_>,
    gaps: &mut Vec<Gap>,
) -> Option<ConfigFile> {
    gaps.extend(litellm::config_elsewhere(subject));
    let read = match (options.config, &litellm.config_path) {
        (Some(path), _) => {
            let name = Raw::from_bytes(path.as_os_str().as_encoded_bytes());
            // Not a FIFO: opening one would wait for its writer.
            let found = fs::metadata(path).and_then(|about| {
                if about.is_file() {
                    Ok(())
                } else {
                    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
                }
            });
            let file = found.and_then(|()| fs::File::open(path));
            file.and_then(|file| config_file(name, file))
        }
        (None, Some(path)) => subject.open(Path::new(path.expose())).and_then(|file| config_file(path.clone(), file)),
        (None, None) => return None,
    };
    read.inspect_err(|error| {
        gaps.push(Gap { cure: "name a copy of it with --config FILE".into(), ..Gap::unread("the config file", error) });
    })
    .ok()
}

fn config_file(path: Raw, file: fs::File) -> io::Result<ConfigFile> {
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if about.len() > CONFIG_LIMIT_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large for a config file"));
    }
    let mut bytes = Vec::new();
    file.take(CONFIG_LIMIT_BYTES).read_to_end(&mut bytes)?;
    Ok(ConfigFile { path, text: Raw::from_bytes(&bytes), modified_utc: about.modified().ok().and_then(utc) })
}

/// A time as RFC 3339 in UTC, to the second.
fn utc(time: SystemTime) -> Option<String> {
    let seconds = i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()).ok()?;
    Some(Timestamp::from_second(seconds).ok()?.to_string())
}

/// A path as text from outside.
fn raw_path(path: impl Into<PathBuf>) -> Raw {
    Raw::from_bytes(path.into().as_os_str().as_encoded_bytes())
}
