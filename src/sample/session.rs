//! The capture while it runs: one loop on one thread, woken by clocks, children and signals.
//!
//! It keeps the time. What is done when the time has come is told by the [`engine`](super::engine) and
//! [`record`](super::record).

use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use procfs::process::ProcState;

use crate::discover::{Follower, Proxy};
use crate::observe::liveliness::Pulse;
use crate::observe::{Epoch, Roster};
use crate::os::clock::monotonic_us;
use crate::os::proc::{ProcessId, Procfs};
use crate::os::signals::{Interrupt, Interrupts};
use crate::os::usage::{own_cpu_us, peak_rss_bytes};
use crate::sample::engine::{Engine, Look, Refused, Stage};
use crate::sample::governor::{Budget, Mercy};
use crate::sample::pyspy::Sampling;
use crate::sample::record::Recorder;
use crate::sample::{OwnCost, Slice, What};

/// How often workers, threads and costs are looked at.
const LOOK_EVERY_US: u64 = 1_000_000;
/// How often the engine is seen to when nothing says that it should be: deadlines, hand-overs, workers that ended.
const PUMP_EVERY_US: u64 = 50_000;
/// How to sample.
#[derive(Debug, Clone)]
pub struct Orders {
    /// How long.
    pub duration: Duration,
    /// How long a slice is.
    pub slice: Duration,
    /// Samples a second, at most.
    pub rate_hz: u32,
    /// Whether workers are stopped for a sample.
    pub sampling: Sampling,
    /// What each worker's sampler may cost.
    pub budget: Budget,
    /// Whether stacks are to be taken at all.
    pub stacks: StacksWanted,
}

/// Whether stacks are to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StacksWanted {
    /// They are what a capture is for.
    #[default]
    Yes,
    /// Everything else is: no sampler is started, and no process is read by the right to trace it.
    No,
}

/// What tells a session that it has seen enough.
pub trait Until: std::fmt::Debug {
    /// Asked once a second.
    fn course(&mut self) -> Course;
}

/// How a session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// As it is.
    On,
    /// With one slice more, for what comes after.
    LastSlice,
    /// Not at all: what it was for is over.
    Over,
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of the time was sampled, or all that was wanted.
    TimeOver,
    /// A signal came.
    Interrupted(Interrupt),
    /// Every worker has ended, or none could be sampled any longer.
    NobodyLeft,
    /// The work folder takes no more records, so that further samples would be lost.
    CannotWrite,
}

/// How it ended, and what is needed beside the work folder's records.
#[derive(Debug)]
pub struct Ended {
    /// Why it ended.
    pub end: End,
    /// Why records could not be written to the work folder, if so.
    pub write_fault: Option<String>,
    /// The first sampler that was not permitted to attach, where none ever sampled.
    pub refused: Option<Refused>,
    /// What it took from the machine.
    pub own: OwnCost,
    /// `CLOCK_MONOTONIC` when the last sample was taken.
    pub last_sample_us: u64,
}

/// Samples the workers of a proxy until the time is over, a signal comes or no worker is left.
#[derive(Debug)]
pub struct Session<'a> {
    orders: &'a Orders,
    engine: Box<dyn Engine + 'a>,
    recorder: Recorder<'a>,
    follower: Follower,
    procfs: Procfs,
    epoch: Epoch,
    roster: Roster,
    pulse: Arc<Pulse>,
    until: Option<Box<dyn Until + 'a>>,
    /// Whether the proxy answered before it was sampled.
    answered_before: bool,
    readings: Readings,
}

/// How punctual the readings of the clocks are.
#[derive(Debug, Default)]
struct Readings {
    all: u64,
    late: u64,
    last_us: u64,
    /// When the next one is due.
    due_us: u64,
}

/// What a session works on.
#[derive(Debug)]
pub struct Subject<'a> {
    /// How to sample.
    pub orders: &'a Orders,
    /// With what.
    pub engine: Box<dyn Engine + 'a>,
    /// Whose workers.
    pub proxy: &'a Proxy,
    /// Time zero.
    pub epoch: Epoch,
    /// Where the workers of the moment are told to those who look at them too.
    pub roster: Roster,
    /// How the proxy answers.
    pub pulse: Arc<Pulse>,
    /// What ends it before its time, if anything does.
    pub until: Option<Box<dyn Until + 'a>>,
}

impl<'a> Session<'a> {
    /// A session that has not begun.
    pub fn new(subject: Subject<'a>, recorder: Recorder<'a>) -> Self {
        let Subject { orders, engine, proxy, epoch, roster, pulse, until } = subject;
        Self {
            orders,
            engine,
            recorder,
            follower: Follower::new(Procfs::default(), proxy.clone()),
            procfs: Procfs::default(),
            epoch,
            roster,
            pulse,
            until,
            answered_before: false,
            readings: Readings::default(),
        }
    }

    /// Runs it to its end.
    pub fn run(mut self, interrupts: &Interrupts) -> Ended {
        self.answered_before = self.pulse.health().answered > 0;
        for worker in self.follower.proxy().workers() {
            self.engine.add(worker.id, self.epoch.elapsed_us(), &mut self.recorder);
        }
        self.wait_until_sampling(interrupts);
        let begin_us = self.now_us();
        self.engine.begin(begin_us);
        self.readings.due_us = begin_us;
        let own_before_us = own_cpu_us() - self.engine.cost_here_us();
        let end = self.sample_slices(begin_us, interrupts);
        let last_sample_us = monotonic_us();
        let own = OwnCost {
            cpu_us: (own_cpu_us() - own_before_us).saturating_sub(self.engine.cost_here_us()),
            elapsed_us: self.now_us() - begin_us,
            peak_rss_bytes: peak_rss_bytes(),
            late_readings: self.readings.late,
            readings: self.readings.all,
            observers_cpu_us: None,
        };
        self.stop_engine();
        let write_fault = self.recorder.fault().map(str::to_owned);
        Ended { end, write_fault, refused: self.engine.refused(), own, last_sample_us }
    }

    fn sample_slices(&mut self, begin_us: u64, interrupts: &Interrupts) -> End {
        let mut end_us = begin_us + self.orders.duration.as_micros() as u64;
        let slice_us = self.orders.slice.as_micros() as u64;
        let mut slice = Slice { from_us: begin_us, to_us: begin_us };
        let mut next_look_us = begin_us + LOOK_EVERY_US;
        let mut next_pump_us = begin_us;
        let mut next_course_us = begin_us + LOOK_EVERY_US;
        let end = loop {
            let woken = self.wait_for_tick();
            let now_us = self.now_us();
            self.tick(now_us);
            if woken == Woken::ByChild || now_us >= next_pump_us {
                next_pump_us = now_us + PUMP_EVERY_US;
                self.engine.pump(now_us, &mut self.recorder);
            }
            if let Some(end) = self.end(now_us >= end_us, interrupts) {
                break end;
            }
            if now_us >= next_look_us {
                next_look_us = now_us + LOOK_EVERY_US;
                self.look_around(now_us);
                self.tell_progress(now_us - begin_us);
            }
            let course = if now_us >= next_course_us { self.course(&mut next_course_us, now_us) } else { Course::On };
            match course {
                Course::On => {}
                Course::LastSlice => end_us = end_us.min(now_us + slice_us),
                Course::Over => break End::TimeOver,
            }
            // A last slice shorter than half of one is not worth a hand-over, unless it is what comes after a spike.
            let is_due = now_us >= slice.from_us + slice_us && end_us.saturating_sub(now_us) > slice_us / 2;
            if is_due || course == Course::LastSlice {
                slice.to_us = now_us;
                self.end_slice(slice);
                slice = Slice { from_us: now_us, to_us: now_us };
                self.engine.hand_over(&self.recorder);
            }
        };
        slice.to_us = self.now_us();
        self.end_slice(slice);
        self.recorder.notices.progress_done();
        end
    }

    /// Asks whoever waits for the end of something, once a second, and not any more when that has come.
    fn course(&mut self, next_us: &mut u64, now_us: u64) -> Course {
        *next_us = now_us + LOOK_EVERY_US;
        let course = self.until.as_mut().map_or(Course::On, |until| until.course());
        if course != Course::On {
            self.until = None;
        }
        course
    }

    /// Whether to end here, and why.
    fn end(&self, time_is_over: bool, interrupts: &Interrupts) -> Option<End> {
        if let Some(interrupt) = interrupts.requested() {
            Some(End::Interrupted(interrupt))
        } else if time_is_over {
            Some(End::TimeOver)
        } else if matches!(self.engine.stage(), Stage::Ending | Stage::Ended) {
            Some(End::NobodyLeft)
        } else {
            self.recorder.fault().map(|_| End::CannotWrite)
        }
    }

    /// Waits for the next tick, or until a child says something or a signal comes.
    ///
    /// The distances between ticks vary by half around their mean, so that ticks cannot march in step with the worker's
    /// own timers; what a tick itself takes is part of the distance. One that is too late is skipped and not made up for
    /// by a burst.
    fn wait_for_tick(&mut self) -> Woken {
        let mean_us = self.interval_us();
        let distance_us = mean_us / 2 + fastrand::u64(0..=mean_us);
        let now_us = self.now_us();
        let due_us = self.readings.due_us + distance_us;
        self.readings.due_us = if due_us > now_us { due_us } else { now_us + distance_us };
        self.wait(self.readings.due_us - now_us)
    }

    fn interval_us(&self) -> u64 {
        1_000_000 / u64::from(self.engine.fastest_hz().max(1))
    }

    fn tick(&mut self, now_us: u64) {
        let interval_us = self.interval_us();
        let readings = &mut self.readings;
        readings.all += 1;
        // Waits last one and a half intervals at most.
        readings.late += u64::from(readings.all > 1 && now_us > readings.last_us + 5 * interval_us / 2);
        readings.last_us = now_us;
        self.engine.tick(now_us);
    }

    fn wait(&self, us: u64) -> Woken {
        let mut pipes: Vec<PollFd<'_>> =
            self.engine.pipes().into_iter().map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)).collect();
        // An interrupted wait is what we want on a signal.
        match ppoll(&mut pipes, Some(TimeSpec::from_duration(Duration::from_micros(us))), None) {
            Ok(ready) if ready > 0 => Woken::ByChild,
            _ => Woken::ByTime,
        }
    }

    fn wait_until_sampling(&mut self, interrupts: &Interrupts) {
        while interrupts.requested().is_none() && self.engine.stage() == Stage::Attaching {
            self.wait_and_pump();
        }
    }

    fn stop_engine(&mut self) {
        self.engine.stop();
        while self.engine.stage() != Stage::Ended {
            self.wait_and_pump();
        }
    }

    fn wait_and_pump(&mut self) {
        self.wait(PUMP_EVERY_US);
        let now_us = self.now_us();
        self.engine.pump(now_us, &mut self.recorder);
    }

    /// What is looked at once a second: new workers, new threads, the cost of sampling.
    fn look_around(&mut self, now_us: u64) {
        self.follower.look();
        let known = self.engine.workers();
        let workers = self.follower.proxy().workers().map(|worker| worker.id);
        for id in workers.filter(|id| !known.contains(id)) {
            self.recorder.notices.say(format!("worker {} appeared and is sampled from now on", id.pid));
            self.recorder.event(id, What::WorkerJoined, now_us);
            self.engine.add(id, now_us, &mut self.recorder);
        }
        self.roster.set(self.follower.proxy().workers().map(|worker| worker.id).collect());
        let mercy = Mercy::for_proxy(self.answered_before, self.pulse.health());
        self.engine.look_around(Look { now_us, mercy }, &mut self.recorder);
    }

    /// Brings what was read to safety, and looks whether a worker was left stopped.
    fn end_slice(&mut self, slice: Slice) {
        self.engine.end_slice(slice, &mut self.recorder);
        self.recorder.slice(slice);
        self.recorder.notices.detail(format!("slice of {:.1} s ended", (slice.to_us - slice.from_us) as f64 / 1e6));
        let stopped: Vec<ProcessId> = self.engine.workers().into_iter().filter(|id| self.is_stopped(*id)).collect();
        for id in stopped {
            let pid = id.pid;
            self.recorder.notices.warn(format!("worker {pid} is stopped; if nobody meant that: kill -CONT {pid}"));
            self.recorder.event(id, What::WorkerStopped, slice.to_us);
        }
    }

    /// A blocking sampler stops its worker for moments; anything else that stops it is to be told.
    fn is_stopped(&self, id: ProcessId) -> bool {
        let state = self.procfs.same(id).and_then(|process| process.stat().ok()?.state().ok());
        match state {
            Some(ProcState::Stopped) => true,
            Some(ProcState::Tracing) => self.orders.sampling == Sampling::Nonblocking,
            _ => false,
        }
    }

    fn tell_progress(&self, elapsed_us: u64) {
        let elapsed = Duration::from_micros(elapsed_us);
        let total = self.orders.duration;
        let workers = self.engine.sampled_workers().len();
        let plural = if workers == 1 { "worker" } else { "workers" };
        let label = format!("{}/{} s, {workers} {plural}", elapsed.as_secs(), total.as_secs());
        self.recorder.notices.progress(elapsed.as_secs_f64() / total.as_secs_f64(), &label);
        if elapsed.as_secs() > 0 && elapsed.as_secs().is_multiple_of(10) {
            self.recorder.notices.milestone(&format!("sampled {label}"));
        }
    }

    fn now_us(&self) -> u64 {
        self.epoch.elapsed_us()
    }
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// A child wrote or ended.
    ByChild,
    /// The time was over, or a signal came.
    ByTime,
}
