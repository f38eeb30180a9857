//! What the kernel says of every thread's CPU time while stacks are sampled.
//!
//! All clocks are read at one rate and only the stretches in which a thread used CPU are kept, so an idle thread
//! costs a read and no memory. This record is one half of a profile; the stacks are the other.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::{Deserialize, Serialize};

use crate::os::proc::{Process, ProcessId, Procfs};
use crate::os::threads::{ClockSource, Reading, ThreadClock, tick_ns};

/// Most threads of a worker sleep most of the time. One that did so for `QUIET_US` is read only so often: what it uses
/// when it wakes is then placed to a tenth of a second at first.
const REST_US: u64 = 100_000;
/// Longer than the pauses of a thread that works now and then, which must be told from its work.
const QUIET_US: u64 = 300_000;
/// The part of the time between two readings below which a thread sleeps, as a divisor.
const SLEEPS_BELOW_ONE_IN: u64 = 20;

/// A stretch of time between two readings in which a thread used CPU or waited for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// First reading, in microseconds since the capture began.
    pub from_us: u64,
    /// Second reading.
    pub to_us: u64,
    /// CPU time between them.
    pub cpu_ns: u64,
    /// Run-queue time between them.
    pub run_delay_ns: u64,
}

/// One thread's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadRecord {
    /// The thread's id in our PID namespace.
    pub tid: i32,
    /// The thread's id in the target's own PID namespace, as the target's interpreter knows it.
    pub inner_tid: i32,
    /// The kernel's name for it. The record stays in the work folder; the join makes it raw text again.
    pub comm: String,
    /// Where it used CPU.
    pub stretches: Vec<Stretch>,
}

/// One worker's record over one stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// The worker.
    pub process: ProcessId,
    /// First reading of all.
    pub from_us: u64,
    /// Last reading.
    pub to_us: u64,
    /// Growth of user and system time of the whole process over the same time, threads that ended included, as
    /// `/proc/PID/stat` counts it; none where the process was gone at the end.
    pub kernel_cpu_us: Option<u64>,
    /// Its threads.
    pub threads: Vec<ThreadRecord>,
}

/// Reads and records the clocks of the workers.
#[derive(Debug)]
pub struct Clocks {
    procfs: Procfs,
    processes: BTreeMap<ProcessId, Watched>,
    source: Option<ClockSource>,
}

#[derive(Debug)]
struct Watched {
    process: Process,
    from_us: u64,
    to_us: u64,
    kernel_cpu_ticks: (u64, u64),
    gone: bool,
    threads: BTreeMap<i32, WatchedThread>,
    listed_us: u64,
}

#[derive(Debug)]
struct WatchedThread {
    clock: ThreadClock,
    last: Reading,
    last_us: u64,
    /// Not read before this time.
    due_us: u64,
    /// Last time it was found at work.
    awake_us: u64,
    record: ThreadRecord,
}

impl Clocks {
    /// No clocks yet.
    pub fn new(procfs: Procfs) -> Self {
        Self { procfs, processes: BTreeMap::new(), source: None }
    }

    /// Begins to record a worker; an error when it is gone or is no longer the process that was meant.
    pub fn watch(&mut self, id: ProcessId, now_us: u64) -> io::Result<()> {
        let process = self.procfs.same(id).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let ticks = cpu_ticks(&process)?;
        let mut watched = Watched {
            process,
            from_us: now_us,
            to_us: now_us,
            kernel_cpu_ticks: (ticks, ticks),
            gone: false,
            threads: BTreeMap::new(),
            listed_us: now_us,
        };
        watched.list_threads(now_us, Newcomer::CountsFromNow)?;
        self.source = self.source.or(watched.threads.values().next().map(|thread| thread.clock.source()));
        self.processes.insert(id, watched);
        Ok(())
    }

    /// True while the worker is recorded and alive.
    pub fn is_live(&self, id: ProcessId) -> bool {
        self.processes.get(&id).is_some_and(|watched| !watched.gone)
    }

    /// Where the clocks are read from; none before the first worker.
    pub fn source(&self) -> Option<ClockSource> {
        self.source
    }

    /// Reads the clock of every thread that is not at rest.
    pub fn read(&mut self, now_us: u64) {
        for watched in self.processes.values_mut().filter(|watched| !watched.gone) {
            watched.read(now_us, Readings::OfBusy);
        }
    }

    /// Reads every clock.
    pub fn read_all(&mut self, now_us: u64) {
        for watched in self.processes.values_mut().filter(|watched| !watched.gone) {
            watched.read(now_us, Readings::OfAll);
        }
    }

    /// Looks for threads that began since the last look; called now and then, since it lists folders.
    pub fn look_for_threads(&mut self, now_us: u64) {
        for watched in self.processes.values_mut().filter(|watched| !watched.gone) {
            if watched.list_threads(now_us, Newcomer::CountsSinceLastLook).is_err() {
                watched.gone = true;
            }
        }
    }

    /// Notes what the kernel counted for each process as a whole, at the moment of a reading.
    pub fn read_totals(&mut self) {
        for (id, watched) in &mut self.processes {
            if !watched.gone && self.procfs.same(*id).is_some() {
                match cpu_ticks(&watched.process) {
                    Ok(ticks) => watched.kernel_cpu_ticks.1 = ticks,
                    Err(_) => watched.gone = true,
                }
            } else {
                watched.gone = true;
            }
        }
    }

    /// Hands out what was recorded so far and goes on from there; workers that are gone leave the record.
    pub fn take(&mut self) -> Vec<ProcessRecord> {
        let records = self.processes.iter_mut().map(|(id, watched)| watched.take(*id)).collect();
        self.processes.retain(|_, watched| !watched.gone);
        records
    }
}

/// Which threads are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readings {
    /// Those that ran lately.
    OfBusy,
    /// All.
    OfAll,
}

/// How the first reading of a thread counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Newcomer {
    /// It ran before we looked; what it used until now is none of ours.
    CountsFromNow,
    /// It began after the last look, so all it used was used since then.
    CountsSinceLastLook,
}

impl Watched {
    fn list_threads(&mut self, now_us: u64, newcomer: Newcomer) -> io::Result<()> {
        let tids: BTreeSet<i32> = self.process.threads()?.into_iter().collect();
        for &tid in tids.iter().filter(|tid| !self.threads.contains_key(tid)).collect::<Vec<_>>() {
            // A thread may end between the listing and here: that is no fault.
            let Ok(clock) = ThreadClock::open(&self.process.dir().join(format!("task/{tid}"))) else { continue };
            let Ok(first) = clock.read() else { continue };
            let (last, last_us) = match newcomer {
                Newcomer::CountsFromNow => (first, now_us),
                Newcomer::CountsSinceLastLook => (Reading::default(), self.listed_us),
            };
            let comm = self.process.thread_comm(tid).map(|raw| raw.expose().to_owned()).unwrap_or_default();
            let inner_tid = self.process.inner_tid(tid).unwrap_or(tid);
            let record = ThreadRecord { tid, inner_tid, comm, stretches: Vec::new() };
            self.threads.insert(tid, WatchedThread { clock, last, last_us, due_us: now_us, awake_us: now_us, record });
        }
        self.listed_us = now_us;
        Ok(())
    }

    fn read(&mut self, now_us: u64, readings: Readings) {
        let mut read_any = false;
        for thread in self.threads.values_mut() {
            if readings == Readings::OfBusy && now_us < thread.due_us {
                read_any = true;
            } else if let Ok(reading) = thread.clock.read() {
                thread.note(reading, now_us);
                read_any = true;
            }
        }
        // With every clock gone the process is gone; its end is the last time that something could be read.
        if read_any {
            self.to_us = now_us;
        } else {
            self.gone = true;
        }
    }

    fn take(&mut self, process: ProcessId) -> ProcessRecord {
        let (before, after) = self.kernel_cpu_ticks;
        let record = ProcessRecord {
            process,
            from_us: self.from_us,
            to_us: self.to_us,
            kernel_cpu_us: (!self.gone).then(|| after.saturating_sub(before) * tick_ns() / 1_000),
            threads: self.threads.values_mut().map(WatchedThread::take).collect(),
        };
        self.from_us = self.to_us;
        self.kernel_cpu_ticks.0 = after;
        record
    }
}

impl WatchedThread {
    fn note(&mut self, reading: Reading, now_us: u64) {
        let cpu_ns = reading.cpu_ns.saturating_sub(self.last.cpu_ns);
        let run_delay_ns = reading.run_delay_ns.saturating_sub(self.last.run_delay_ns);
        let span_us = now_us.saturating_sub(self.last_us);
        if cpu_ns / 1_000 * SLEEPS_BELOW_ONE_IN >= span_us {
            self.awake_us = now_us;
        }
        self.due_us = if now_us > self.awake_us + QUIET_US { now_us + REST_US } else { now_us };
        if cpu_ns > 0 || run_delay_ns > 0 {
            self.record.stretches.push(Stretch { from_us: self.last_us, to_us: now_us, cpu_ns, run_delay_ns });
            self.last = reading;
        }
        self.last_us = now_us;
    }

    fn take(&mut self) -> ThreadRecord {
        ThreadRecord {
            stretches: std::mem::take(&mut self.record.stretches),
            comm: self.record.comm.clone(),
            ..self.record
        }
    }
}

fn cpu_ticks(process: &Process) -> io::Result<u64> {
    let stat = process.stat()?;
    Ok(stat.utime + stat.stime)
}
