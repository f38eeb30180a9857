//! Which processes are LiteLLM, what each is there for, and why we think so.
//!
//! Pure over a [`Procfs`]: one look at all processes, then everything is decided from parents and command lines.
//! `command` judges a command line, `snapshot` takes the look, `tree` deals out the roles.

pub mod command;
mod error;
mod follow;
mod snapshot;
mod tree;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use crate::discover::error::DiscoverError;
pub use crate::discover::follow::Follower;
use crate::discover::snapshot::{Seen, Snapshot};
use crate::os::proc::{ProcessId, Procfs};

/// What a process of the proxy is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Starts and watches the workers; serves nothing itself.
    Supervisor,
    /// Serves requests.
    Worker,
    /// Multiprocessing's own bookkeeper.
    ResourceTracker,
    /// Prisma's database engine, a child of a worker.
    QueryEngine,
    /// The dedicated Prometheus endpoint.
    MetricsServer,
    /// The spend collector.
    Collector,
    /// The separate health application.
    HealthApp,
    /// Any other child: an MCP server, a database pooler, a build step.
    Other,
}

impl Role {
    /// The role in words, with its article.
    pub fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "the supervisor",
            Self::Worker => "a worker",
            Self::ResourceTracker => "the resource tracker",
            Self::QueryEngine => "a query engine",
            Self::MetricsServer => "the metrics server",
            Self::Collector => "the spend collector",
            Self::HealthApp => "the health application",
            Self::Other => "a helper process",
        }
    }
}

/// One process of a proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Pid and start time.
    pub id: ProcessId,
    /// Parent's pid.
    pub parent_pid: i32,
    /// What it is there for.
    pub role: Role,
    /// Why it was taken for that.
    pub why: String,
}

/// How much of a proxy a [`Proxy`] stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All its processes, also those that start later.
    Whole,
    /// Just the processes that were named.
    Named,
}

/// One running LiteLLM: all its processes, the top one first. A plain Python process is a proxy of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// The processes, ascending by pid after the top one.
    pub members: Vec<Member>,
    /// Whether any of them looks like LiteLLM.
    pub looks_like_litellm: bool,
    /// Whether processes that start later belong to it.
    pub scope: Scope,
}

impl Proxy {
    /// The processes that serve requests.
    pub fn workers(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.role == Role::Worker)
    }
}

/// Which processes to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// Every LiteLLM that runs.
    Any,
    /// The proxies that these pids belong to, whichever member each one is.
    Pids(&'a [i32]),
    /// Just these pids, not the rest of their proxy.
    Only(&'a [i32]),
}

/// Finds proxies. Several instances are several entries; nothing found is an empty list, as long as no pid was named.
pub fn find(procfs: &Procfs, target: Target<'_>) -> Result<Vec<Proxy>, DiscoverError> {
    let snapshot = Snapshot::take(procfs)?;
    let proxies = tree::proxies(&snapshot);
    match target {
        Target::Any => Ok(proxies),
        Target::Pids(pids) => {
            let mut found: Vec<Proxy> = Vec::new();
            for &pid in pids {
                let seen = python(procfs, &snapshot, &proxies, pid)?;
                let proxy = proxies.iter().find(|proxy| proxy.has(seen.id)).cloned();
                let proxy = proxy.unwrap_or_else(|| plain(seen));
                if !found.contains(&proxy) {
                    found.push(proxy);
                }
            }
            Ok(found)
        }
        Target::Only(pids) => only(procfs, &snapshot, &proxies, pids),
    }
}

/// The members of the same proxy now: recycled workers appear, dead processes vanish. Empty when all of it is gone.
pub fn refresh(procfs: &Procfs, proxy: &Proxy) -> Vec<Member> {
    let Ok(snapshot) = Snapshot::take(procfs) else { return Vec::new() };
    let lives = |member: &&Member| snapshot.get(member.id.pid).is_some_and(|seen| seen.id == member.id);
    let survivors = || proxy.members.iter().filter(lives);
    if proxy.scope == Scope::Named {
        return survivors().cloned().collect();
    }
    let now = tree::proxies(&snapshot).into_iter();
    let mut members: Vec<Member> =
        now.filter(|now| proxy.members.iter().any(|member| now.has(member.id))).flat_map(|now| now.members).collect();
    // Workers whose supervisor died no longer hang together, but they go on serving.
    for orphan in survivors() {
        if !members.iter().any(|member| member.id == orphan.id) {
            members.push(orphan.clone());
        }
    }
    members
}

impl Proxy {
    fn has(&self, id: ProcessId) -> bool {
        self.members.iter().any(|member| member.id == id)
    }
}

/// The process with this pid, when it is a member of a proxy or at least Python.
fn python<'a>(procfs: &Procfs, snapshot: &'a Snapshot, proxies: &[Proxy], pid: i32) -> Result<&'a Seen, DiscoverError> {
    let seen = snapshot.get(pid).ok_or(DiscoverError::NoSuchProcess { pid })?;
    if seen.program.is_python() || proxies.iter().any(|proxy| proxy.has(seen.id)) {
        return Ok(seen);
    }
    let process = procfs.process(pid);
    // An interpreter built into another program shows by the library alone.
    let embeds =
        |path: &Path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("libpython"));
    match process.mapped_files() {
        Ok(files) if files.iter().any(|file| embeds(file)) => Ok(seen),
        Err(_) if process.exe().is_err() && seen.argv.iter().all(|arg| arg.expose().is_empty()) => {
            Err(DiscoverError::NotOurs { pid, uid: process.uid().unwrap_or_default() })
        }
        _ => {
            let inside = snapshot.descendants(pid);
            let tops = proxies.iter().filter_map(|proxy| Some(proxy.members.first()?.id));
            let below = tops.filter(|top| inside.iter().any(|seen| seen.id == *top)).map(|top| top.pid).collect();
            Err(DiscoverError::NotPython { pid, below })
        }
    }
}

/// A Python process by itself.
fn plain(seen: &Seen) -> Proxy {
    let looks_like_litellm = seen.program.is_litellm();
    let why = if looks_like_litellm {
        "named by its pid; a part of LiteLLM that runs alone"
    } else {
        "named by its pid; a Python process that does not look like LiteLLM"
    };
    Proxy { members: vec![seen.member(Role::Worker, why)], looks_like_litellm, scope: Scope::Named }
}

/// The named processes alone, gathered by the proxy they belong to. Every one that can be sampled is a worker now,
/// since it is what the capture is about.
fn only(procfs: &Procfs, snapshot: &Snapshot, proxies: &[Proxy], pids: &[i32]) -> Result<Vec<Proxy>, DiscoverError> {
    let mut found: Vec<(Option<usize>, Proxy)> = Vec::new();
    for &pid in pids {
        let seen = python(procfs, snapshot, proxies, pid)?;
        let home = proxies.iter().position(|proxy| proxy.has(seen.id));
        let known = home.and_then(|home| proxies[home].members.iter().find(|member| member.id == seen.id));
        let alone = match known {
            Some(member) if member.role == Role::Worker || !seen.program.is_python() => member.clone(),
            Some(member) => {
                let why = format!("named by its pid alone; in its proxy it is {}", member.role.name());
                seen.member(Role::Worker, why)
            }
            None => plain(seen).members.remove(0),
        };
        match found.iter_mut().find(|(of, _)| *of == home) {
            Some((_, proxy)) if proxy.has(alone.id) => {}
            Some((_, proxy)) => proxy.members.push(alone),
            None => {
                let looks_like_litellm = home.is_some() || seen.program.is_litellm();
                found.push((home, Proxy { members: vec![alone], looks_like_litellm, scope: Scope::Named }));
            }
        }
    }
    Ok(found.into_iter().map(|(_, proxy)| proxy).collect())
}
