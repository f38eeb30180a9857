//! Looks after the logs while the capture runs: opens them at its start, notes their sizes once a second, and reads what
//! came at its end. A watch of weeks looks after them all the time, and forks off what a capture needs.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::collect::Gap;
use crate::discover::{Proxy, Role};
use crate::logs::count::Timeline;
use crate::logs::follow::{Counted, Followed};
use crate::logs::lines;
use crate::logs::place::{self, Opened};
use crate::logs::stdin::{Intake, Limits};
use crate::logs::stretch::{Part, Piece, Stretch};
use crate::observe::{Epoch, Stop};
use crate::os::proc::Procfs;
use crate::redact::Raw;

/// What is kept of a log: a ticket needs the lines around the spike, and the bundle has an upper size.
const LIMITS: Limits = Limits { before: 1024 * 1024, during: 4 * 1024 * 1024 };

/// Of the time before a capture, requests are counted in steps of this length.
const PAST_MOMENTS_US: u64 = 10_000_000;

/// Time between two looks.
const TICK: Duration = Duration::from_secs(1);

/// What a gap says is missing where there is no log at all.
pub const NO_LOGS: &str = "the logs";

/// Where the log comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogSource {
    /// Stdout and stderr of the proxy, where they are files.
    Found,
    /// The file given with `--log FILE`.
    File(PathBuf),
    /// Our own stdin: `--log -`.
    Stdin,
}

/// The logs while the capture runs.
#[derive(Debug)]
pub struct LogWatch {
    epoch: Epoch,
    logs: Logs,
    /// Lines before the capture, as they were when it began.
    before: Stretch,
    /// The moments at which sizes were noted.
    moments: Vec<u64>,
    /// When the capture began on this clock: before it only where the logs were looked after before.
    began_us: u64,
    /// Pids of supervisor and workers as they know themselves.
    pids: Vec<i32>,
    gaps: Vec<Gap>,
}

#[derive(Debug)]
enum Logs {
    Files(Vec<Followed>),
    Stdin(Option<Intake>),
}

/// What the watch brings home; nothing of it is clean.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Lines before the capture, where they could not be had at its beginning (stdin).
    pub late_before: Option<Stretch>,
    /// Lines during the capture.
    pub during: Stretch,
    /// Requests over time; none where they could not be counted without a loss.
    pub timeline: Option<Timeline>,
    /// When the capture began on the timeline's clock. Moments up to then tell of the time before.
    pub began_us: u64,
    /// What could not be had.
    pub gaps: Vec<Gap>,
}

impl Gathered {
    /// What a log says whose lines bear their times and all came at once: before and during a capture that began at
    /// `epoch` and took so many seconds.
    pub fn of_text(text: &Raw, epoch: Timestamp, seconds: u64) -> Self {
        let intake = Intake::of_text(text, Epoch { utc: epoch, monotonic_us: 0 }, LIMITS);
        let moments: Vec<u64> = (0..=seconds).map(|second| second * 1_000_000).collect();
        let mut gaps = Vec::new();
        let (before, during, timeline) = intake.finish(&moments, &mut gaps);
        Self { late_before: Some(before), during, timeline, began_us: 0, gaps }
    }
}

impl LogWatch {
    /// Opens the logs. What cannot be had becomes a gap.
    pub fn open(procfs: &Procfs, proxy: &Proxy, source: &LogSource, epoch: Epoch) -> Self {
        let mut gaps = Vec::new();
        let opened = match source {
            LogSource::Found => place::found(procfs, proxy, &mut gaps),
            LogSource::File(path) => place::named(path, &mut gaps),
            LogSource::Stdin => {
                let intake = Intake::begin(epoch, LIMITS);
                if let Err(error) = &intake {
                    gaps.push(Gap::new(NO_LOGS, format!("no thread to read them: {error}"), "capture again"));
                }
                return Self::with(epoch, Logs::Stdin(intake.ok()), pids(procfs, proxy), gaps);
            }
        };
        let mut follow = |opened: Opened| {
            let title = opened.title.clone();
            Followed::from_end(opened).map_err(|error| {
                gaps.push(Gap::new(NO_LOGS, format!("{title} cannot be read: {}", error.kind()), "capture again"));
            })
        };
        let files: Vec<Followed> = opened.into_iter().filter_map(|opened| follow(opened).ok()).collect();
        let mut watch = Self::with(epoch, Logs::Files(Vec::new()), pids(procfs, proxy), gaps);
        watch.before = stretch(&files, |file| file.before(LIMITS.before / files.len() as u64));
        watch.logs = Logs::Files(files);
        watch
    }

    fn with(epoch: Epoch, logs: Logs, pids: Vec<i32>, gaps: Vec<Gap>) -> Self {
        Self { epoch, logs, before: Stretch::default(), moments: Vec::new(), began_us: 0, pids, gaps }
    }

    /// What a capture needs that begins at `now_us` on this clock, and whose own clock is `epoch`.
    #[must_use]
    pub fn fork(&self, epoch: Epoch, now_us: u64) -> Self {
        let mut gaps = self.gaps.clone();
        let Logs::Files(files) = &self.logs else {
            return Self::with(epoch, Logs::Files(Vec::new()), self.pids.clone(), gaps);
        };
        let zero_us = epoch.monotonic_us.saturating_sub(self.epoch.monotonic_us);
        let mut fork = |file: &Followed| {
            let forked = file.fork(zero_us, now_us);
            forked.map_err(|error| {
                let why = format!("{} cannot be read: {}", file.title, error.kind());
                gaps.push(Gap::new(NO_LOGS, why, "capture again"));
            })
        };
        // What was lost makes all that came before it uncountable.
        let lost_until_us = files.iter().filter_map(Followed::lost_at_us).max().map_or(0, |lost_us| lost_us + 1);
        let whole = files.iter().filter(|file| file.lost_at_us().is_none());
        let files: Vec<Followed> = whole.filter_map(|file| fork(file).ok()).collect();
        let counted_from_us = files.iter().map(Followed::counted_from_us).max().unwrap_or(0);
        let from_us = counted_from_us.max(lost_until_us.saturating_sub(zero_us));
        let mut watch = Self::with(epoch, Logs::Files(Vec::new()), self.pids.clone(), gaps);
        watch.began_us = now_us.saturating_sub(zero_us);
        for at_us in self.moments.iter().map(|at_us| at_us.saturating_sub(zero_us)).filter(|at_us| *at_us >= from_us) {
            if watch.moments.last().is_none_or(|last_us| at_us >= last_us + PAST_MOMENTS_US) {
                watch.moments.push(at_us);
            }
        }
        watch.before = stretch(&files, |file| file.before(LIMITS.before / files.len() as u64));
        watch.logs = Logs::Files(files);
        watch
    }

    /// The same without the lines from before.
    #[must_use]
    pub fn without_past(self) -> Self {
        Self { before: Stretch::default(), ..self }
    }

    /// Forgets what is older than a capture may want it.
    pub fn forget(&mut self, before_us: u64) {
        let kept = self.moments.partition_point(|at_us| *at_us < before_us);
        self.moments.drain(..kept);
        if let Logs::Files(files) = &mut self.logs {
            files.retain_mut(|file| file.forget(before_us));
        }
    }

    /// The last lines before the capture. Of stdin there are none yet.
    pub fn before(&self) -> &Stretch {
        &self.before
    }

    /// What could not be had so far.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Notes the logs' sizes, in microseconds since the capture began; costs a system call or two for each file.
    pub fn tick(&mut self, at_us: u64) {
        self.moments.push(at_us);
        if let Logs::Files(files) = &mut self.logs {
            let new: Vec<Followed> = files.iter_mut().filter_map(|file| file.tick(at_us)).collect();
            files.extend(new);
        }
    }

    /// Notes the sizes once a second until the capture ends.
    #[must_use]
    pub fn run(mut self, stop: &Stop) -> Self {
        let mut next = Instant::now();
        loop {
            self.tick(self.epoch.elapsed_us());
            next += TICK;
            if stop.wait_until(next) {
                return self;
            }
        }
    }

    /// Notes the sizes once a second until told to stop, and forgets those that lie further back than `reach`.
    pub fn look_after(shared: &Mutex<Self>, reach: Duration, stop: &Stop) {
        let mut next = Instant::now();
        loop {
            {
                let mut watch = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let now_us = watch.epoch.elapsed_us();
                watch.tick(now_us);
                watch.forget(now_us.saturating_sub(reach.as_micros() as u64));
            }
            next += TICK;
            if stop.wait_until(next) {
                return;
            }
        }
    }

    /// Reads what came, and counts its requests.
    pub fn finish(mut self) -> Gathered {
        self.tick(self.epoch.elapsed_us());
        let mut gaps = self.gaps;
        match &self.logs {
            Logs::Stdin(None) => Gathered { gaps, ..Gathered::default() },
            Logs::Stdin(Some(intake)) => {
                let (before, during, timeline) = intake.finish(&self.moments, &mut gaps);
                Gathered { late_before: Some(before), during, timeline, began_us: 0, gaps }
            }
            Logs::Files(files) => {
                let during = stretch(files, |file| file.during(LIMITS.during / files.len() as u64));
                let timeline = timeline(files, &self.moments, &self.pids, &mut gaps);
                let timeline = timeline.map(|timeline| match self.moments.first() {
                    Some(first_us) if self.began_us > 0 => timeline.since(*first_us),
                    _ => timeline,
                });
                Gathered { late_before: None, during, timeline, began_us: self.began_us, gaps }
            }
        }
    }
}

fn stretch(files: &[Followed], pieces: impl Fn(&Followed) -> Vec<Piece>) -> Stretch {
    Stretch(files.iter().map(|file| Part { title: file.title.clone(), pieces: pieces(file) }).collect())
}

/// The requests of all files over time. One that could not be read to its end would make all figures too low.
fn timeline(files: &[Followed], moments: &[u64], pids: &[i32], gaps: &mut Vec<Gap>) -> Option<Timeline> {
    if files.is_empty() {
        return None;
    }
    let mut timeline = Timeline::default();
    for moment in moments {
        timeline.moments.entry(*moment).or_default();
    }
    let parts = files.iter().filter(|file| file.count(&mut timeline) == Counted::Part).count();
    if parts > 0 {
        let lost: u64 = files.iter().map(Followed::lost_bytes).sum();
        let why = match lost {
            0 => "the log grew by more than is read".to_owned(),
            lost => format!("the log was cut while it was followed, and {} bytes went with it", lines::grouped(lost)),
        };
        gaps.push(Gap::note("requests by the access log", why, "capture again, between two rotations"));
        return None;
    }
    // One file whose past is not known makes the whole past unknown.
    let earlier: Option<Vec<_>> = files.iter().map(|file| file.earlier(pids)).collect();
    earlier.unwrap_or_default().iter().for_each(|counts| timeline.earlier.add_all(counts));
    Some(timeline)
}

/// The pid that the first lines of a log tell: the supervisor's, else that of the one process there is. A worker's would
/// not do, since a worker that was replaced logs its start too.
fn pids(procfs: &Procfs, proxy: &Proxy) -> Vec<i32> {
    let members = || proxy.members.iter();
    let supervisors: Vec<i32> =
        members().filter(|member| member.role == Role::Supervisor).map(|member| member.id.pid).collect();
    let first =
        if supervisors.is_empty() { proxy.workers().map(|member| member.id.pid).collect() } else { supervisors };
    first.into_iter().filter_map(|pid| procfs.process(pid).inner_tid(pid).ok()).collect()
}
