//! All processes at one moment, as far as they can be seen, with parents, children and what each one runs.

use std::collections::BTreeMap;

use crate::discover::command::{self, Program};
use crate::discover::error::DiscoverError;
use crate::discover::{Member, Role};
use crate::os::proc::{Process, ProcessId, Procfs};
use crate::redact::Raw;

/// One process of a snapshot.
#[derive(Debug)]
pub struct Seen {
    /// Pid and start time.
    pub id: ProcessId,
    /// Parent's pid.
    pub parent_pid: i32,
    /// Command line.
    pub argv: Vec<Raw>,
    /// What it runs.
    pub program: Program,
}

impl Seen {
    /// The same process with a role in a proxy.
    pub fn member(&self, role: Role, why: impl Into<String>) -> Member {
        Member { id: self.id, parent_pid: self.parent_pid, role, why: why.into() }
    }
}

/// The processes of one moment, by pid.
#[derive(Debug)]
pub struct Snapshot {
    procfs: Procfs,
    seen: BTreeMap<i32, Seen>,
    /// How long the machine had been up, in the clock ticks that start times are given in.
    now_ticks: u64,
}

impl Snapshot {
    /// Reads them all. Whatever vanishes meanwhile is left out, and so are zombies.
    pub fn take(procfs: &Procfs) -> Result<Self, DiscoverError> {
        let pids = procfs.pids().map_err(|source| DiscoverError::NoProcesses { source })?;
        let seen: BTreeMap<i32, Seen> =
            pids.into_iter().filter_map(|pid| Some((pid, look(&procfs.process(pid))?))).collect();
        // Sandboxes may show no uptime; the start of the youngest process is near enough.
        let youngest = || seen.values().map(|seen| seen.id.start_ticks).max().unwrap_or(0);
        let now_ticks = uptime_ticks(procfs).unwrap_or_else(youngest);
        Ok(Self { procfs: procfs.clone(), seen, now_ticks })
    }

    /// The process with this pid.
    pub fn get(&self, pid: i32) -> Option<&Seen> {
        self.seen.get(&pid)
    }

    /// Every process, ascending by pid.
    pub fn all(&self) -> impl Iterator<Item = &Seen> {
        self.seen.values()
    }

    /// The children of a process, ascending by pid.
    pub fn children(&self, pid: i32) -> impl Iterator<Item = &Seen> {
        self.all().filter(move |seen| seen.parent_pid == pid && seen.id.pid != pid)
    }

    /// Everything below a process, ascending by pid.
    pub fn descendants(&self, pid: i32) -> Vec<&Seen> {
        let mut found: BTreeMap<i32, &Seen> = BTreeMap::new();
        let mut parents = vec![pid];
        while let Some(parent) = parents.pop() {
            for child in self.children(parent).filter(|child| child.id.pid != pid) {
                // A snapshot is not atomic: pids reused while it was taken could make a ring of parents.
                if found.insert(child.id.pid, child).is_none() {
                    parents.push(child.id.pid);
                }
            }
        }
        found.into_values().collect()
    }

    /// How long a process had been running, in clock ticks.
    pub fn age_ticks(&self, seen: &Seen) -> u64 {
        self.now_ticks.saturating_sub(seen.id.start_ticks)
    }

    /// Whether uvloop is mapped into a process, which it is into every one that serves by uvicorn as LiteLLM starts it.
    pub fn maps_uvloop(&self, pid: i32) -> bool {
        let files = self.procfs.process(pid).mapped_files().unwrap_or_default();
        files.iter().any(|path| path.to_str().is_some_and(|path| path.contains("/uvloop/loop.")))
    }
}

fn uptime_ticks(procfs: &Procfs) -> Option<u64> {
    let seconds: f64 = procfs.read("uptime").ok()?.split_whitespace().next()?.parse().ok()?;
    Some((seconds * procfs::ticks_per_second() as f64) as u64)
}

fn look(process: &Process) -> Option<Seen> {
    let stat = process.stat().ok()?;
    if matches!(stat.state, 'Z' | 'X' | 'x') {
        return None;
    }
    let argv = process.argv().ok()?;
    let id = ProcessId { pid: process.pid, start_ticks: stat.starttime };
    let program = program(process, &stat.comm, &argv);
    Some(Seen { id, parent_pid: stat.ppid, argv, program })
}

fn program(process: &Process, comm: &str, argv: &[Raw]) -> Program {
    // The kernel cuts the name to 15 bytes, so the platform behind it is lost; Prisma's own download has the prefix.
    if comm.starts_with("query-engine") || comm.starts_with("prisma-query-en") {
        return Program::QueryEngine;
    }
    let named = argv.first().is_some_and(|program| command::is_interpreter(program.expose()));
    // The link can be read by the owner and by root alone; a process that renamed itself shows only there.
    let executes = || process.exe().is_ok_and(|exe| exe.to_str().is_some_and(command::is_interpreter));
    if named || executes() { command::python_program(argv) } else { Program::Foreign }
}
