//! What is being looked at: the proxy's processes, with the readings that several steps need, taken once.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::collect::{Gap, ProcessEnviron};
use crate::discover::{Member, Proxy, Role};
use crate::os::proc::{Process, Procfs};
use crate::os::root::TargetRoot;
use crate::redact::Raw;

/// The proxy under collection.
pub struct Subject<'a> {
    /// All members.
    pub proxy: &'a Proxy,
    /// A worker, or the top when there is none: the process that stands for all where one is enough.
    pub process: Process,
    /// The command line of the top, where LiteLLM's own options are.
    pub argv: Vec<Raw>,
    /// The command line of the process itself.
    pub worker_argv: Vec<Raw>,
    /// Environments of the supervisor and the workers.
    pub environs: Vec<ProcessEnviron>,
    /// Files mapped into the process.
    pub maps: Vec<PathBuf>,
    root: io::Result<TargetRoot>,
    cwd: io::Result<PathBuf>,
}

impl<'a> Subject<'a> {
    /// Takes the common readings; what fails leaves its gap here, once.
    pub fn of(procfs: &Procfs, proxy: &'a Proxy, gaps: &mut Vec<Gap>) -> Self {
        let top = proxy.members.first();
        let worker = proxy.workers().next().or(top);
        // Without members nothing can be read; pid 0 has no folder, so every reading becomes a gap.
        let process = procfs.process(worker.map_or(0, |member| member.id.pid));
        let mut note = |what: &str, error: &io::Error| {
            gaps.push(Gap::unread(format!("{what} of process {}", process.pid), error));
        };
        let root = process.root().inspect_err(|error| note("the file tree", error));
        let maps = process.mapped_files().inspect_err(|error| note("the mapped files", error)).unwrap_or_default();
        // Command lines are part of the facts of each process, and so are their gaps.
        let worker_argv = process.argv().unwrap_or_default();
        let argv = top.and_then(|top| procfs.process(top.id.pid).argv().ok()).unwrap_or_else(|| worker_argv.clone());
        let cwd = process.cwd();
        let environs = environs(procfs, proxy, gaps);
        Self { proxy, process, argv, worker_argv, environs, maps, root, cwd }
    }

    /// A variable of the environments. A worker's counts first: it can hold what LiteLLM set before it spawned it.
    pub fn var(&self, name: &str) -> Option<&Raw> {
        let rank = |environ: &&ProcessEnviron| environ.role != Role::Worker;
        let mut environs: Vec<&ProcessEnviron> = self.environs.iter().collect();
        environs.sort_by_key(rank);
        let found = |environ: &&'_ ProcessEnviron| environ.vars.iter().any(|(known, _)| known.expose() == name);
        let environ = environs.into_iter().find(found)?;
        environ.vars.iter().find(|(known, _)| known.expose() == name).map(|(_, value)| value)
    }

    /// A variable that is set to something.
    pub fn set_var(&self, name: &str) -> Option<&Raw> {
        self.var(name).filter(|value| !value.expose().trim().is_empty())
    }

    /// The process's file tree.
    pub fn root(&self) -> io::Result<&TargetRoot> {
        self.root.as_ref().map_err(again)
    }

    /// Opens a file in the process's tree; a relative path starts at its working directory.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        self.root()?.file(&self.absolute(path)?)
    }

    /// A path made absolute in the process's tree.
    pub fn absolute(&self, path: &Path) -> io::Result<PathBuf> {
        if path.is_absolute() {
            return Ok(path.to_owned());
        }
        Ok(self.cwd.as_ref().map_err(again)?.join(path))
    }

    /// All processes of the proxy, the top one first.
    pub fn members(&self) -> &'a [Member] {
        &self.proxy.members
    }
}

fn environs(procfs: &Procfs, proxy: &Proxy, gaps: &mut Vec<Gap>) -> Vec<ProcessEnviron> {
    let serving = proxy.members.iter().filter(|member| matches!(member.role, Role::Supervisor | Role::Worker));
    let read = |member: &Member| match procfs.process(member.id.pid).environ() {
        Ok(vars) => Some(ProcessEnviron { pid: member.id.pid, role: member.role, vars }),
        Err(error) => {
            gaps.push(Gap::unread(format!("the environment of process {}", member.id.pid), &error));
            None
        }
    };
    serving.filter_map(read).collect()
}

/// The same failure once more; `io::Error` cannot be cloned.
fn again(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}
