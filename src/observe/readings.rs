//! The kernel's counters once a second: of each worker, their cgroup, the machine and their network.
//!
//! [`Readings`] keeps the time, [`Tables`] reads. What each table holds is told by `worker`,
//! `cgroup`, `host` and `network`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::collect::Gap;
use crate::observe::cgroup::Cgroup;
use crate::observe::host::Host;
use crate::observe::ledger::{Figures, Ledger};
use crate::observe::network;
use crate::observe::worker::Worker;
use crate::observe::{Epoch, Keeper, Roster, Stop};
use crate::os::cgroup::CgroupRoot;
use crate::os::proc::{ProcessId, Procfs};
use crate::series::{Reading, table};

/// How often everything is read.
const EVERY: Duration = Duration::from_secs(1);

/// The observer that reads the kernel, to be run on a thread of its own.
#[derive(Debug)]
pub struct Readings {
    /// Where processes are read.
    pub procfs: Procfs,
    /// Where cgroups are read.
    pub cgroups: CgroupRoot,
    /// Whose counters.
    pub roster: Roster,
    /// Time zero of the rows.
    pub epoch: Epoch,
    /// Where rows and gaps go.
    pub keeper: Arc<Keeper>,
}

impl Readings {
    /// Reads at once, then every second, and a last time when it is stopped. A reading that comes too late for the next
    /// one leaves that out; none is made up for.
    pub fn run(&self, stop: &Stop) {
        let mut tables = Tables::new(self.procfs.clone(), self.cgroups.clone());
        let mut due = Instant::now();
        loop {
            self.keep(&tables.read(&self.roster.get(), self.epoch.elapsed_us()));
            due = next(due, Instant::now());
            if stop.wait_until(due) {
                self.keep(&tables.read(&self.roster.get(), self.epoch.elapsed_us()));
                return;
            }
        }
    }

    fn keep(&self, round: &Round) {
        round.rows.iter().for_each(|row| self.keeper.reading(row));
        round.gaps.iter().for_each(|gap| self.keeper.gap(gap));
    }
}

/// The first moment of the schedule that is still to come.
fn next(due: Instant, now: Instant) -> Instant {
    let passed = now.saturating_duration_since(due).as_nanos() / EVERY.as_nanos();
    due + EVERY * u32::try_from(passed + 1).unwrap_or(u32::MAX)
}

/// What one round of readings gave.
#[derive(Debug, Default)]
pub struct Round {
    /// One row for each table that has something to tell.
    pub rows: Vec<Reading>,
    /// What could not be read, each told once in all rounds.
    pub gaps: Vec<Gap>,
}

/// Everything that is read, from one round to the next.
#[derive(Debug)]
pub struct Tables {
    procfs: Procfs,
    mounts: CgroupRoot,
    workers: BTreeMap<ProcessId, (Worker, Ledger)>,
    cgroup: Option<Cgroup>,
    host: Host,
    cgroup_rows: Ledger,
    host_rows: Ledger,
    network_rows: Ledger,
    /// Tables of which it is known what they lack.
    judged: BTreeSet<&'static str>,
}

impl Tables {
    /// Tables without rows.
    pub fn new(procfs: Procfs, mounts: CgroupRoot) -> Self {
        Self {
            host: Host::of(&procfs),
            procfs,
            mounts,
            workers: BTreeMap::new(),
            cgroup: None,
            cgroup_rows: Ledger::new(table::CGROUP),
            host_rows: Ledger::new(table::HOST),
            network_rows: Ledger::new(table::NETWORK),
            judged: BTreeSet::new(),
        }
    }

    /// Reads everything, for those who are the workers now. A worker's first row tells no growth, since what it had
    /// counted before is not known to belong to the capture; one that has ended has no row. Cgroup and network are
    /// those of the workers, and have no rows before the first of them is found.
    pub fn read(&mut self, workers: &[ProcessId], at_us: u64) -> Round {
        let mut round = Round::default();
        self.workers.retain(|id, _| workers.contains(id));
        for &id in workers {
            self.read_worker(id, at_us, &mut round);
        }

        let living = self.workers.keys().next().map(|id| self.procfs.process(id.pid));
        if let Some(worker) = &living
            && self.cgroup.is_none()
        {
            self.cgroup = Cgroup::of(&self.procfs, &self.mounts, worker);
        }
        if let Some(cgroup) = &self.cgroup {
            let figures = cgroup.figures();
            round.rows.push(self.cgroup_rows.row(at_us, &figures));
            self.judge(&CGROUP_GAP, &figures, &mut round);
        }
        if let Some(worker) = &living {
            let figures = network::figures(worker);
            round.rows.push(self.network_rows.row(at_us, &figures));
            self.judge(&NETWORK_GAP, &figures, &mut round);
        }
        let mut figures = self.host.figures();
        if !self.cgroup.as_ref().is_some_and(Cgroup::tells_pressure) {
            figures.extend(self.host.pressure());
        }
        round.rows.push(self.host_rows.row(at_us, &figures));
        self.judge(&HOST_GAP, &figures, &mut round);
        round
    }

    fn read_worker(&mut self, id: ProcessId, at_us: u64, round: &mut Round) {
        if !self.workers.contains_key(&id) {
            let Some(worker) = Worker::open(&self.procfs, id) else { return };
            self.workers.insert(id, (worker, Ledger::new(format!("{}-{}", table::WORKER, id.pid))));
        }
        let Some((worker, ledger)) = self.workers.get_mut(&id) else { return };
        match worker.figures(at_us) {
            Some(figures) => {
                round.rows.push(ledger.row(at_us, &figures));
                self.judge(&WORKER_GAP, &figures, round);
            }
            None => drop(self.workers.remove(&id)),
        }
    }

    /// Tells what the first row of a table lacks. A figure that is missing later only is an empty field.
    fn judge(&mut self, lack: &Lack, figures: &Figures, round: &mut Round) {
        let missing: Vec<&str> =
            figures.iter().filter(|(_, value)| value.is_none()).map(|(column, _)| *column).collect();
        if self.judged.insert(lack.of) && !missing.is_empty() {
            let what = format!("readings of {}: {}", lack.of, missing.join(", "));
            round.gaps.push(Gap::note(what, lack.why, lack.cure));
        }
    }
}

/// How it is told that a table lacks figures.
struct Lack {
    of: &'static str,
    why: &'static str,
    cure: &'static str,
}

const WORKER_GAP: Lack = Lack {
    of: "the workers",
    why: "this kernel does not count them, or they are closed to this user",
    cure: "run capture as the user that owns the workers, or as root",
};
const CGROUP_GAP: Lack = Lack {
    of: "the workers' cgroup",
    why: "the controllers are not enabled for it, it is the root one, or its files are not to be seen from here",
    cure: "nothing to do unless the workers do have limits; then run capture inside their container",
};
const NETWORK_GAP: Lack = Lack {
    of: "the workers' network",
    why: "net/snmp of the workers in /proc does not tell them",
    cure: "run capture as the user that owns the workers, or as root",
};
const HOST_GAP: Lack = Lack {
    of: "the machine",
    why: "/proc does not tell them here; pressure needs a kernel that counts it (CONFIG_PSI, psi=1)",
    cure: "nothing to do inside the container; note in the ticket what the platform's own monitoring shows",
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_next_reading_is_on_the_beat_and_within_one_beat(late_ns in 0_u64..100_000_000_000) {
            let begin = Instant::now();
            let now = begin + Duration::from_nanos(late_ns);
            let due = next(begin, now);
            prop_assert!(due > now && due <= now + EVERY);
            prop_assert_eq!((due - begin).as_nanos() % EVERY.as_nanos(), 0);
        }
    }
}
