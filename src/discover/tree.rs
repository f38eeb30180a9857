//! From parents and command lines to proxies and roles.
//!
//! The top of a proxy is a process that runs LiteLLM and whose parent does not. Workers are its children alone: by
//! uvicorn they are spawned and their command line says nothing, by gunicorn and Granian they are forked and their
//! command line is their parent's.

use crate::discover::command::{self, Program};
use crate::discover::snapshot::{Seen, Snapshot};
use crate::discover::{Member, Proxy, Role, Scope};
use crate::os::proc::ProcessId;

/// Any program is a fork of its parent for an instant before it becomes itself, with its parent's command line. A
/// child this young, in clock ticks (100 a second on Linux), is believed to be a worker only of a server that forks.
const SETTLED_TICKS: u64 = 200;

/// Every LiteLLM of the snapshot, in the order of their tops' pids.
pub fn proxies(snapshot: &Snapshot) -> Vec<Proxy> {
    let tops: Vec<&Seen> = snapshot.all().filter(|seen| is_top(snapshot, seen)).collect();
    let mut claimed: Vec<ProcessId> = Vec::new();
    let mut found = Vec::new();
    for top in &tops {
        let mut members = below(snapshot, top);
        members.extend(companions(snapshot, top).filter(|member| !claimed.contains(&member.id)));
        members.sort_by_key(|member| member.id);
        members.insert(0, top_member(top, &members));
        claimed.extend(members.iter().map(|member| member.id));
        found.push(Proxy { members, looks_like_litellm: true, scope: Scope::Whole });
    }
    found
}

fn is_top(snapshot: &Snapshot, seen: &Seen) -> bool {
    let mut parent = snapshot.get(seen.parent_pid);
    // Anything between two proxies, such as a shell, would still make the inner one part of the outer.
    for _ in 0..MAX_DEPTH {
        match parent {
            Some(above) if above.program == Program::Proxy => return false,
            Some(above) => parent = snapshot.get(above.parent_pid),
            None => break,
        }
    }
    seen.program == Program::Proxy
}

/// More generations than any process tree has; a bound, since a snapshot that is not atomic may hold a ring.
const MAX_DEPTH: usize = 64;

fn below(snapshot: &Snapshot, top: &Seen) -> Vec<Member> {
    let descendants = snapshot.descendants(top.id.pid);
    // Asked only where the answer matters: a target's maps are not read for nothing.
    let spawns = descendants.iter().any(|seen| seen.program == Program::Spawned);
    let spawned = if spawns && serves_itself(snapshot, top) { Role::Other } else { Role::Worker };
    descendants.into_iter().map(|seen| descendant(snapshot, top, seen, spawned)).collect()
}

/// The role of one process below the top; `spawned` is what the children are that multiprocessing spawned.
fn descendant(snapshot: &Snapshot, top: &Seen, seen: &Seen, spawned: Role) -> Member {
    let parent = seen.parent_pid;
    let child = parent == top.id.pid;
    match seen.program {
        Program::ResourceTracker => seen.member(Role::ResourceTracker, "multiprocessing's resource tracker"),
        Program::QueryEngine => seen.member(Role::QueryEngine, format!("Prisma's query engine, child of {parent}")),
        Program::MetricsServer => seen.member(Role::MetricsServer, "runs LiteLLM's Prometheus metrics server"),
        Program::Collector => seen.member(Role::Collector, "runs LiteLLM's spend collector"),
        Program::HealthApp => seen.member(Role::HealthApp, "serves LiteLLM's separate health application"),
        Program::Spawned if child && spawned == Role::Worker => {
            seen.member(Role::Worker, format!("spawned by {parent} (multiprocessing) to serve"))
        }
        Program::Spawned => {
            seen.member(Role::Other, format!("spawned by {parent} (multiprocessing), but not to serve"))
        }
        Program::Proxy if child && is_fork(snapshot, top, seen) => {
            seen.member(Role::Worker, format!("forked by {parent} with the same command line"))
        }
        Program::Proxy => seen.member(Role::Other, format!("started by {parent}, which is part of a proxy already")),
        Program::OtherPython | Program::Foreign => seen.member(Role::Other, format!("a helper started by {parent}")),
    }
}

fn is_fork(snapshot: &Snapshot, top: &Seen, seen: &Seen) -> bool {
    let settled = snapshot.age_ticks(seen) >= SETTLED_TICKS;
    let titled = |seen: &Seen| seen.argv.first().is_some_and(|title| title.expose().starts_with("gunicorn: "));
    (seen.argv == top.argv || (titled(top) && titled(seen))) && (command::forks_workers(&top.argv) || settled)
}

/// Whether the top serves by itself, so that what it spawns is a pool of its own: uvicorn was asked for one worker, or
/// the command line is silent and the top has what only those that serve have.
fn serves_itself(snapshot: &Snapshot, top: &Seen) -> bool {
    match command::workers_option(&top.argv) {
        _ if command::forks_workers(&top.argv) => false,
        // A reloader watches files and spawns its one worker.
        _ if command::has_flag(&top.argv, "--reload") => false,
        Some(workers) => workers <= 1,
        None => snapshot.maps_uvloop(top.id.pid),
    }
}

fn top_member(top: &Seen, members: &[Member]) -> Member {
    let workers = members.iter().filter(|member| member.role == Role::Worker).count();
    let expects_workers = command::forks_workers(&top.argv)
        || command::has_flag(&top.argv, "--reload")
        || command::workers_option(&top.argv).is_some_and(|asked| asked > 1);
    if workers > 0 {
        return top.member(Role::Supervisor, format!("runs LiteLLM and has {workers} worker processes"));
    }
    if expects_workers {
        return top.member(Role::Supervisor, "runs LiteLLM and was asked for workers, but none runs now");
    }
    if members.is_empty() {
        top.member(Role::Worker, "the only process: supervisor and worker in one")
    } else {
        top.member(Role::Worker, "the only process that serves: supervisor and worker in one")
    }
}

/// What an external supervisor, such as supervisord, started beside the proxy.
fn companions<'a>(snapshot: &'a Snapshot, top: &'a Seen) -> impl Iterator<Item = Member> + 'a {
    let beside = snapshot.children(top.parent_pid).filter(|seen| seen.id != top.id && top.parent_pid > 0);
    beside.filter_map(|seen| match seen.program {
        Program::HealthApp => Some(seen.member(Role::HealthApp, "serves the health application beside the proxy")),
        Program::MetricsServer => Some(seen.member(Role::MetricsServer, "runs the metrics server beside the proxy")),
        Program::Collector => Some(seen.member(Role::Collector, "runs the spend collector beside the proxy")),
        _ => None,
    })
}
