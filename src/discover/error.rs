//! Why a proxy could not be made out, and what to do about it.

use std::io;

use thiserror::Error;

/// A pid that cannot be captured.
#[derive(Debug, Error)]
pub enum DiscoverError {
    /// Nothing runs under this pid, or it is a zombie.
    #[error(
        "no process {pid} is running here; pids differ between a container and its host, so look it up where \
         capture runs, or leave --pid out to have LiteLLM found"
    )]
    NoSuchProcess {
        /// The pid asked for.
        pid: i32,
    },
    /// It runs, but there is no interpreter in it.
    #[error("process {pid} is not a Python interpreter; {}", instead(below))]
    NotPython {
        /// The pid asked for.
        pid: i32,
        /// Top processes of the proxies that run below it.
        below: Vec<i32>,
    },
    /// It shows neither its command line nor its executable to us.
    #[error(
        "process {pid} belongs to user {uid} and shows nothing of itself to us; run capture as that user or as root"
    )]
    NotOurs {
        /// The pid asked for.
        pid: i32,
        /// Its owner.
        uid: u32,
    },
    /// `/proc` itself cannot be listed.
    #[error("the processes cannot be listed: {source}; is /proc mounted here?")]
    NoProcesses {
        /// What the system said.
        source: io::Error,
    },
}

fn instead(below: &[i32]) -> String {
    let pids: Vec<String> = below.iter().map(|pid| format!("--pid {pid}")).collect();
    match pids.as_slice() {
        [] => "leave --pid out to have LiteLLM found".to_owned(),
        pids => format!("LiteLLM runs below it: use {}", pids.join(" or ")),
    }
}
