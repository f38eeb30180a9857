//! The CPU clocks of a process's threads, read through files kept open.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::unistd::{SysconfVar, sysconf};

/// Where a thread's CPU time is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockSource {
    /// `/proc/PID/task/TID/schedstat`: nanoseconds on a CPU and in the run queue (kernel/sched/core.c, `CONFIG_SCHED_INFO`).
    Schedstat,
    /// `/proc/PID/task/TID/stat`: user and system time in clock ticks, usually of 10 ms; no run-queue time.
    Ticks,
}

/// One reading of a thread's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Time on a CPU since the thread began.
    pub cpu_ns: u64,
    /// Time spent runnable but waiting for a CPU.
    pub run_delay_ns: u64,
    /// How often it was given a CPU; zero where the clock is in ticks. The kernel counts this at once, and the time on
    /// a CPU only at the end of it or at the next timer interrupt.
    pub runs: u64,
}

/// A thread's clock. A read costs about a microsecond.
#[derive(Debug)]
pub struct ThreadClock {
    file: File,
    source: ClockSource,
}

impl ThreadClock {
    /// Opens the best clock there is in `/proc/PID/task/TID`.
    pub fn open(task: &Path) -> io::Result<Self> {
        match File::open(task.join("schedstat")) {
            Ok(file) => Ok(Self { file, source: ClockSource::Schedstat }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { file: File::open(task.join("stat"))?, source: ClockSource::Ticks })
            }
            Err(error) => Err(error),
        }
    }

    /// Where the readings come from.
    pub fn source(&self) -> ClockSource {
        self.source
    }

    /// The clock now; an error once the thread is gone.
    pub fn read(&self) -> io::Result<Reading> {
        // stat is the longer one, under 400 bytes with 52 fields.
        let mut buffer = [0_u8; 512];
        let length = self.file.read_at(&mut buffer, 0)?;
        let text = &buffer[..length];
        let reading = match self.source {
            ClockSource::Schedstat => parse_schedstat(text),
            ClockSource::Ticks => parse_stat(text),
        };
        reading.ok_or_else(|| io::Error::other("the thread's clock has an unknown form"))
    }
}

/// Whether a thread has or wants a CPU, at any moment. A look costs some three microseconds; its file is opened at the
/// first one, since most threads are never looked at.
#[derive(Debug)]
pub struct ThreadActivity {
    path: PathBuf,
    stat: Option<File>,
}

impl ThreadActivity {
    /// Of the thread in `/proc/PID/task/TID`.
    pub fn new(task: &Path) -> Self {
        Self { path: task.join("stat"), stat: None }
    }

    /// Whether it is running or ready to; an error once the thread is gone.
    pub fn is_running(&mut self) -> io::Result<bool> {
        let stat = match self.stat.take() {
            Some(stat) => stat,
            None => File::open(&self.path)?,
        };
        // The state is the first field after the name, which has 15 bytes at most.
        let mut buffer = [0_u8; 64];
        let length = self.stat.insert(stat).read_at(&mut buffer, 0)?;
        let text = &buffer[..length];
        let state = text.iter().rposition(|&byte| byte == b')').and_then(|end| text.get(end + 2));
        state.map(|&state| state == b'R').ok_or_else(|| io::Error::other("the thread's state has an unknown form"))
    }
}

fn parse_schedstat(text: &[u8]) -> Option<Reading> {
    let mut numbers = text.split(u8::is_ascii_whitespace).map(parse_number);
    Some(Reading { cpu_ns: numbers.next()??, run_delay_ns: numbers.next()??, runs: numbers.next()?? })
}

fn parse_stat(text: &[u8]) -> Option<Reading> {
    // The name in parentheses may hold anything, so fields are counted from the last parenthesis: state is field 3,
    // utime 14 and stime 15 (man 5 proc).
    let after_name = &text[text.iter().rposition(|&byte| byte == b')')? + 2..];
    let mut fields = after_name.split(|&byte| byte == b' ').skip(11).map(parse_number);
    let ticks = fields.next()?? + fields.next()??;
    Some(Reading { cpu_ns: ticks * tick_ns(), run_delay_ns: 0, runs: 0 })
}

fn parse_number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The length of the clock tick that `/proc` counts CPU time in.
pub fn tick_ns() -> u64 {
    // 100 Hz is what every Linux port reports to user space.
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().and_then(|hz| u64::try_from(hz).ok()).unwrap_or(100);
    1_000_000_000 / per_second.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_gives_cpu_and_run_queue_time() {
        assert_eq!(
            parse_schedstat(b"81234567 4321 99\n"),
            Some(Reading { cpu_ns: 81_234_567, run_delay_ns: 4_321, runs: 99 })
        );
        assert_eq!(parse_schedstat(b""), None);
    }

    #[test]
    fn stat_is_read_past_a_name_with_spaces_and_parentheses() {
        let stat = b"7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 12 34 0 0 20 0 1 0 500 1000 10";
        assert_eq!(parse_stat(stat), Some(Reading { cpu_ns: 46 * tick_ns(), run_delay_ns: 0, runs: 0 }));
    }

    #[test]
    fn our_own_clock_runs() {
        let clock =
            ThreadClock::open(Path::new("/proc/self/task").join(nix::unistd::gettid().to_string()).as_path()).unwrap();
        let before = clock.read().unwrap();
        let mut value = 1_u64;
        while clock.read().unwrap().cpu_ns <= before.cpu_ns {
            value = std::hint::black_box(value.wrapping_mul(3));
        }
    }

    #[test]
    fn without_schedstat_the_ticks_of_stat_serve() {
        let task = tempfile::tempdir().unwrap();
        std::fs::write(task.path().join("stat"), "7 (x) S 1 7 7 0 -1 0 0 0 0 0 3 4 0 0 20 0 1 0 5 1 1").unwrap();
        let clock = ThreadClock::open(task.path()).unwrap();
        assert_eq!(clock.source(), ClockSource::Ticks);
        assert_eq!(clock.read().unwrap().cpu_ns, 7 * tick_ns());
    }
}
