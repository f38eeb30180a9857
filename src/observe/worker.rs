//! What the kernel counts for one worker: CPU time, waits for a CPU, memory, threads, open files.
//!
//! `/proc/PID/stat` counts for the process, threads that ended included. Waits and preemptions it keeps for each thread
//! alone, so they are summed up here over the threads that live; what one did between its last reading and its end is
//! not in them. Files of threads are not kept open: a worker may have hundreds of threads, and the sampling needs those
//! descriptors more.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use nix::sys::statfs::{PROC_SUPER_MAGIC, statfs};
use procfs::FromRead;
use procfs::process::Stat;

use crate::observe::ledger::{Figures, KernelFile, counter, level};
use crate::os::proc::{Process, ProcessId, Procfs};
use crate::os::threads::{ClockSource, ThreadClock};
use crate::series::column;

/// One worker under observation.
#[derive(Debug)]
pub struct Worker {
    id: ProcessId,
    process: Process,
    stat: KernelFile,
    threads: BTreeMap<i32, Thread>,
    looked_us: Option<u64>,
    /// Sums over the threads since the first look.
    run_queue_wait_ns: u64,
    involuntary_switches: u64,
    files: OpenFiles,
}

/// How far a thread's counters had come; none for those that were never read.
#[derive(Debug, Clone, Copy, Default)]
struct Thread {
    cpu_ns: Option<u64>,
    run_queue_wait_ns: Option<u64>,
    involuntary_switches: Option<u64>,
}

/// Which sums could be had in one look at the threads.
struct Look {
    run_queue_wait: bool,
    involuntary_switches: bool,
}

impl Worker {
    /// The worker, if it is still the one that was meant; nothing is counted yet.
    pub fn open(procfs: &Procfs, id: ProcessId) -> Option<Self> {
        let process = procfs.process(id.pid);
        // The file stays that of the process it was opened for, so it is opened first and the process checked after.
        let stat = KernelFile::open(&process.dir().join("stat")).ok()?;
        procfs.same(id)?;
        let files = OpenFiles::of(&process);
        Some(Self {
            id,
            process,
            stat,
            threads: BTreeMap::new(),
            looked_us: None,
            run_queue_wait_ns: 0,
            involuntary_switches: 0,
            files,
        })
    }

    /// Its figures now; none once it has ended or its pid is another process's.
    pub fn figures(&mut self, at_us: u64) -> Option<Figures> {
        let stat = self.stat.tells(|text| Stat::from_read(text.as_bytes()).ok())?;
        // A zombie has neither memory nor files, and would show zeros for them.
        if stat.starttime != self.id.start_ticks || matches!(stat.state, 'Z' | 'X') {
            return None;
        }
        let look = self.look_at_threads(at_us);
        let ticks_per_second = procfs::ticks_per_second();
        Some(vec![
            (column::USER_S, counter(Some(stat.utime), ticks_per_second)),
            (column::SYSTEM_S, counter(Some(stat.stime), ticks_per_second)),
            (column::RUN_QUEUE_WAIT_S, counter(look.run_queue_wait.then_some(self.run_queue_wait_ns), 1_000_000_000)),
            (column::INVOLUNTARY_SWITCHES, counter(look.involuntary_switches.then_some(self.involuntary_switches), 1)),
            (column::RSS_BYTES, level(Some(stat.rss.saturating_mul(procfs::page_size())))),
            (column::THREADS, level(u64::try_from(stat.num_threads).ok())),
            (column::OPEN_FILES, level(self.files.count())),
        ])
    }

    /// Adds what the threads' counters grew by since the last look.
    fn look_at_threads(&mut self, at_us: u64) -> Look {
        let mut look = Look { run_queue_wait: false, involuntary_switches: false };
        let Ok(tids) = self.process.threads() else { return look };
        self.threads.retain(|tid, _| tids.binary_search(tid).is_ok());
        let since_last_look_ns = self.looked_us.map(|looked_us| at_us.saturating_sub(looked_us) * 1_000);
        for tid in tids {
            let task = self.process.dir().join("task").join(tid.to_string());
            let Ok((source, now)) = ThreadClock::open(&task).and_then(|clock| Ok((clock.source(), clock.read()?)))
            else {
                // It may have ended meanwhile. Should it be there yet, it is no newcomer in the next look.
                self.threads.entry(tid).or_default();
                continue;
            };
            let thread = self.threads.entry(tid).or_insert_with(|| {
                // All that a thread counts is growth, if it began after the last look. One that ran and waited for
                // longer than that was only overlooked then.
                let began_since = since_last_look_ns.is_some_and(|since| now.cpu_ns + now.run_delay_ns <= since);
                let nothing = began_since.then_some(0);
                Thread { cpu_ns: None, run_queue_wait_ns: nothing, involuntary_switches: nothing }
            });
            if source == ClockSource::Schedstat {
                look.run_queue_wait = true;
                self.run_queue_wait_ns += grown(&mut thread.run_queue_wait_ns, now.run_delay_ns);
            }
            // To read a thread's status costs ten times as much as its clock, and a CPU can be taken only from a thread
            // that ran. Ticks are too coarse to tell that.
            let ran = source == ClockSource::Ticks || thread.cpu_ns != Some(now.cpu_ns);
            if !ran {
                look.involuntary_switches |= thread.involuntary_switches.is_some();
            } else if let Some(switches) = involuntary_switches(task) {
                look.involuntary_switches = true;
                self.involuntary_switches += grown(&mut thread.involuntary_switches, switches);
            }
            thread.cpu_ns = Some(now.cpu_ns);
        }
        self.looked_us = Some(at_us);
        look
    }
}

/// Growth since the last time, of which there may have been none.
fn grown(last: &mut Option<u64>, now: u64) -> u64 {
    last.replace(now).map_or(0, |last| now.saturating_sub(last))
}

/// `nonvoluntary_ctxt_switches` of `/proc/PID/task/TID/status`.
fn involuntary_switches(task: PathBuf) -> Option<u64> {
    let status = KernelFile::open(&task.join("status")).ok()?;
    status.tells(parse_switches)
}

fn parse_switches(status: &str) -> Option<u64> {
    let line = status.lines().rev().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}

/// The number of a process's open files.
#[derive(Debug)]
struct OpenFiles {
    folder: PathBuf,
    /// Whether the folder is the kernel's, so that its size may be that number.
    in_proc: bool,
    until_listed: u32,
}

/// Where the files must be listed, that is done in one of so many readings: it takes a microsecond or two for each, and
/// a busy worker has thousands.
const LISTED_ONE_IN: u32 = 10;

impl OpenFiles {
    fn of(process: &Process) -> Self {
        let folder = process.dir().join("fd");
        let in_proc = statfs(&folder).is_ok_and(|about| about.filesystem_type() == PROC_SUPER_MAGIC);
        Self { folder, in_proc, until_listed: 0 }
    }

    /// None where we may not look, and in the readings between two listings.
    fn count(&mut self) -> Option<u64> {
        // Since Linux 6.2 the folder's size is the number of files (fs/proc/fd.c, proc_fd_getattr); before it is 0.
        if self.in_proc
            && let Some(size @ 1..) = fs::metadata(&self.folder).ok().map(|about| about.len())
        {
            return Some(size);
        }
        let due = self.until_listed == 0;
        self.until_listed = if due { LISTED_ONE_IN - 1 } else { self.until_listed - 1 };
        if due { listed(&self.folder).ok() } else { None }
    }
}

fn listed(folder: &PathBuf) -> io::Result<u64> {
    Ok(fs::read_dir(folder)?.filter(Result::is_ok).count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn involuntary_switches_are_not_the_voluntary_ones() {
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(parse_switches(status), Some(3));
        assert_eq!(parse_switches("Name:\tx\n"), None);
    }

    #[test]
    fn our_own_open_files_are_counted_as_they_are_listed() {
        let folder = PathBuf::from("/proc/self/fd");
        let mut files = OpenFiles { folder: folder.clone(), in_proc: true, until_listed: 0 };
        // Other tests open and close files beside this one, and a listing holds one itself.
        let agree = || {
            let before = listed(&folder).ok()?;
            let counted = OpenFiles { folder: folder.clone(), in_proc: true, until_listed: 0 }.count()?;
            (before == counted + 1 || before == counted).then_some(())
        };
        assert!((0..1000).find_map(|_| agree()).is_some());
        assert!(files.count().is_some_and(|count| count >= 3));
    }

    proptest! {
        #[test]
        fn no_status_is_too_strange(status in ".{0,200}", count: u64) {
            let _ = parse_switches(&status);
            let status = format!("{}\nnonvoluntary_ctxt_switches:\t{count}\n", status.replace("nonvol", ""));
            prop_assert_eq!(parse_switches(&status), Some(count));
        }
    }
}
