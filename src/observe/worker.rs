//! What the kernel counts for one worker: CPU time, waits for a CPU, memory, threads, open files.

use procfs::FromRead;
use procfs::process::Stat;

use crate::observe::ledger::{Figures, KernelFile, counter, level};
use crate::observe::open_files::OpenFiles;
use crate::observe::threads::Threads;
use crate::os::proc::{ProcessId, Procfs};
use crate::series::column;

const NANOSECONDS: u64 = 1_000_000_000;

/// One worker under observation.
#[derive(Debug)]
pub struct Worker {
    id: ProcessId,
    stat: KernelFile,
    threads: Threads,
    files: OpenFiles,
}

impl Worker {
    /// The worker, if it is still the one that was meant; nothing is counted yet.
    pub fn open(procfs: &Procfs, id: ProcessId) -> Option<Self> {
        let process = procfs.process(id.pid);
        // The file stays that of the process it was opened for, so it is opened first and the process checked after.
        let stat = KernelFile::open(&process.dir().join("stat")).ok()?;
        procfs.same(id)?;
        let files = OpenFiles::of(&process);
        Some(Self { id, stat, threads: Threads::of(process), files })
    }

    /// Its figures now; none once it has ended or its pid is another process's.
    pub fn figures(&mut self, at_us: u64) -> Option<Figures> {
        let stat = self.stat.tells(|text| Stat::from_read(text.as_bytes()).ok())?;
        // A zombie has neither memory nor files, and would show zeros for them.
        if stat.starttime != self.id.start_ticks || matches!(stat.state, 'Z' | 'X') {
            return None;
        }
        let threads = self.threads.look(at_us);
        let ticks = procfs::ticks_per_second();
        Some(vec![
            (column::USER_S, counter(Some(stat.utime), ticks)),
            (column::SYSTEM_S, counter(Some(stat.stime), ticks)),
            (column::RUN_QUEUE_WAIT_S, counter(threads.run_queue_wait_ns, NANOSECONDS)),
            (column::INVOLUNTARY_SWITCHES, counter(threads.involuntary_switches, 1)),
            (column::RSS_BYTES, level(Some(stat.rss.saturating_mul(procfs::page_size())))),
            (column::THREADS, level(u64::try_from(stat.num_threads).ok())),
            (column::OPEN_FILES, level(self.files.count())),
        ])
    }
}
