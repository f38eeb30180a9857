//! Waits for a CPU and preemptions of a process. The kernel counts them for each thread alone, so they are summed up
//! here over the threads that live; what one did between its last reading and its end is not in the sums.
//!
//! The threads' files are not kept open: a worker may have hundreds of threads, and the sampling needs those
//! descriptors more.

use std::collections::BTreeMap;
use std::path::Path;

use crate::observe::ledger::KernelFile;
use crate::os::proc::Process;
use crate::os::threads::{ClockSource, Reading, ThreadClock};

/// The threads of one process, and what they did since the first look.
#[derive(Debug)]
pub struct Threads {
    process: Process,
    known: BTreeMap<i32, Thread>,
    looked_us: Option<u64>,
    run_queue_wait_ns: u64,
    involuntary_switches: u64,
}

/// Sums over the threads since the first look; none where the kernel does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Time spent runnable without a CPU.
    pub run_queue_wait_ns: Option<u64>,
    /// Times that a CPU was taken from a thread.
    pub involuntary_switches: Option<u64>,
}

/// How far a thread's counters had come; none for those that were never read.
#[derive(Debug, Clone, Copy, Default)]
struct Thread {
    cpu_ns: Option<u64>,
    run_queue_wait_ns: Option<u64>,
    involuntary_switches: Option<u64>,
}

impl Threads {
    /// The threads of a process; none is known yet.
    pub fn of(process: Process) -> Self {
        Self { process, known: BTreeMap::new(), looked_us: None, run_queue_wait_ns: 0, involuntary_switches: 0 }
    }

    /// Adds what every thread's counters grew by since the last look.
    pub fn look(&mut self, at_us: u64) -> Sums {
        let mut sums = Sums::default();
        let Ok(tids) = self.process.threads() else { return sums };
        self.known.retain(|tid, _| tids.binary_search(tid).is_ok());
        let since_last_ns = self.looked_us.map(|looked_us| at_us.saturating_sub(looked_us) * 1_000);
        for tid in tids {
            let task = self.process.dir().join("task").join(tid.to_string());
            let clock = ThreadClock::open(&task).and_then(|clock| Ok((clock.source(), clock.read()?)));
            let Ok((source, now)) = clock else {
                // It may have ended meanwhile. Should it be there yet, it is no newcomer in the next look.
                self.known.entry(tid).or_default();
                continue;
            };
            let thread = self.known.entry(tid).or_insert_with(|| Thread::found(now, since_last_ns));
            if source == ClockSource::Schedstat {
                self.run_queue_wait_ns += grown(&mut thread.run_queue_wait_ns, now.run_delay_ns);
                sums.run_queue_wait_ns = Some(self.run_queue_wait_ns);
            }
            // To read a thread's status costs several times as much as its clock, and a CPU can be taken only from a
            // thread that ran. Ticks are too coarse to tell that.
            let ran = thread.cpu_ns.replace(now.cpu_ns) != Some(now.cpu_ns) || source == ClockSource::Ticks;
            if ran && let Some(switches) = involuntary_switches(&task) {
                self.involuntary_switches += grown(&mut thread.involuntary_switches, switches);
            }
            if thread.involuntary_switches.is_some() {
                sums.involuntary_switches = Some(self.involuntary_switches);
            }
        }
        self.looked_us = Some(at_us);
        sums
    }
}

impl Thread {
    /// One that was not known before. If it began after the last look, all that it counts is growth; if it ran and
    /// waited for longer than that, or there was no look, it was there already.
    fn found(now: Reading, since_last_ns: Option<u64>) -> Self {
        let began_since = since_last_ns.is_some_and(|since| now.cpu_ns.saturating_add(now.run_delay_ns) <= since);
        let nothing = began_since.then_some(0);
        Self { cpu_ns: None, run_queue_wait_ns: nothing, involuntary_switches: nothing }
    }
}

/// Growth since the last time, if there was one.
fn grown(last: &mut Option<u64>, now: u64) -> u64 {
    last.replace(now).map_or(0, |last| now.saturating_sub(last))
}

/// The involuntary switches of `/proc/PID/task/TID`.
fn involuntary_switches(task: &Path) -> Option<u64> {
    KernelFile::open(&task.join("status")).ok()?.tells(parse_switches)
}

/// The line `nonvoluntary_ctxt_switches` of a thread's `status`, which is near its end.
fn parse_switches(status: &str) -> Option<u64> {
    let number = status.lines().rev().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"))?;
    number.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn involuntary_switches_are_not_the_voluntary_ones() {
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(parse_switches(status), Some(3));
        assert_eq!(parse_switches("Name:\tx\nvoluntary_ctxt_switches:\t7\n"), None);
    }

    proptest! {
        #[test]
        fn the_line_is_found_below_whatever_stands_there(above in ".{0,200}", count: u64) {
            let status = format!("{above}\nnonvoluntary_ctxt_switches:\t{count}\n");
            prop_assert_eq!(parse_switches(&status), Some(count));
        }

        #[test]
        fn no_status_is_too_strange(status in "(nonvoluntary_ctxt_switches:|[ \n\t0-9a-z-]){0,40}") {
            let _ = parse_switches(&status);
        }
    }
}
