//! The same proxy over time, at a cost that does not grow with the number of processes on the machine.

use std::collections::BTreeSet;

use crate::discover::{Proxy, refresh};
use crate::os::proc::Procfs;

/// A new process is looked at this often: a fork may not have become what it will be when it is first seen.
const LOOKS_UNTIL_SETTLED: u32 = 5;

/// Follows a proxy whose workers come and go.
#[derive(Debug)]
pub struct Follower {
    procfs: Procfs,
    proxy: Proxy,
    known: BTreeSet<i32>,
    looks_left: u32,
}

impl Follower {
    /// Follows from here on.
    pub fn new(procfs: Procfs, proxy: Proxy) -> Self {
        let known = procfs.pids().unwrap_or_default().into_iter().collect();
        // Whatever began since the proxy was found is looked at once.
        Self { procfs, proxy, known, looks_left: 1 }
    }

    /// The proxy as it was when it was last looked at.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Looks again. All processes are read only when a member ended or a new process has a member for its parent.
    pub fn look(&mut self) {
        let Ok(pids) = self.procfs.pids() else { return };
        let pids: BTreeSet<i32> = pids.into_iter().collect();
        if self.proxy.members.iter().any(|member| !pids.contains(&member.id.pid)) {
            self.looks_left = self.looks_left.max(1);
        }
        if pids.difference(&self.known).any(|&pid| self.is_child(pid)) {
            self.looks_left = LOOKS_UNTIL_SETTLED;
        }
        self.known = pids;
        if self.looks_left > 0 {
            self.looks_left -= 1;
            let members = refresh(&self.procfs, &self.proxy);
            // With all of it gone, what it was is still what is asked about.
            if !members.is_empty() {
                self.proxy.members = members;
            }
        }
    }

    fn is_child(&self, pid: i32) -> bool {
        let parent = self.procfs.process(pid).stat().map(|stat| stat.ppid);
        parent.is_ok_and(|parent| self.proxy.members.iter().any(|member| member.id.pid == parent))
    }
}
