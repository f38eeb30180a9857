//! The capture while it runs: one loop on one thread, woken by clocks, children and signals.
//!
//! Every worker has one sampler at a time. At the end of a slice a new sampler is started first and the old one
//! stopped once the new one samples, so that no time is lost between them; only a blocking sampler must go before
//! the next can come, since a process has one tracer at most.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use procfs::process::ProcState;

use crate::bundle::work::{self, Work};
use crate::discover::{Follower, Proxy};
use crate::notice::Notices;
use crate::os::clock::monotonic_us;
use crate::os::proc::{ProcessId, Procfs};
use crate::os::signals::{Interrupt, Interrupts};
use crate::os::usage::{own_cpu_us, peak_rss_bytes};
use crate::sample::clocks::Clocks;
use crate::sample::governor::{Advice, Budget};
use crate::sample::pyspy::{Phase, PySpy, PySpyChild, Sampling, SegmentOrder};
use crate::sample::{Event, OwnCost, Slice, What};

/// How often workers, threads and costs are looked at.
const LOOK_EVERY_US: u64 = 1_000_000;
/// How often samplers are seen to that say nothing: deadlines for attaching and stopping, hand-overs.
const PUMP_EVERY_US: u64 = 50_000;
/// A sampler that keeps dying is not started again and again.
const MOST_RESTARTS: u32 = 3;
/// How long two samplers overlap at a hand-over, so that the new one has a first stack of each thread.
const OVERLAP_US: u64 = 50_000;

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
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of the time was sampled.
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

/// A sampler that was not permitted to attach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The worker.
    pub pid: i32,
    /// What the sampler said.
    pub complaint: String,
}

/// Samples the workers of a proxy until the time is over, a signal comes or no worker is left.
#[derive(Debug)]
pub struct Session<'a> {
    orders: &'a Orders,
    py_spy: &'a PySpy,
    procfs: Procfs,
    work: &'a Work,
    notices: &'a Notices,
    epoch_us: u64,
    follower: Follower,
    clocks: Clocks,
    watches: BTreeMap<ProcessId, Watch>,
    files: u32,
    readings: u64,
    late_readings: u64,
    last_reading_us: u64,
    write_fault: Option<String>,
    sampled: bool,
    refused: Option<Refused>,
}

/// One worker's samplers.
#[derive(Debug)]
struct Watch {
    current: Option<PySpyChild>,
    outgoing: Vec<PySpyChild>,
    rate_hz: u32,
    restarts: u32,
    cost: Cost,
    /// Set once there will be no further sampler for this worker.
    over: bool,
}

/// The running sampler's CPU ticks when it began to sample.
#[derive(Debug, Default, Clone, Copy)]
struct Cost {
    since_us: u64,
    ticks: u64,
}

impl<'a> Session<'a> {
    /// A session that has not begun.
    pub fn new(orders: &'a Orders, py_spy: &'a PySpy, proxy: &Proxy, work: &'a Work, notices: &'a Notices) -> Self {
        Self {
            orders,
            py_spy,
            procfs: Procfs::default(),
            work,
            notices,
            epoch_us: monotonic_us(),
            follower: Follower::new(Procfs::default(), proxy.clone()),
            clocks: Clocks::new(Procfs::default()),
            watches: BTreeMap::new(),
            files: 0,
            readings: 0,
            late_readings: 0,
            last_reading_us: 0,
            write_fault: None,
            sampled: false,
            refused: None,
        }
    }

    /// Runs it to its end.
    pub fn run(mut self, interrupts: &Interrupts) -> Ended {
        for worker in self.follower.proxy().workers().map(|worker| worker.id).collect::<Vec<_>>() {
            self.start_sampler(worker, self.orders.rate_hz);
        }
        self.wait_until_sampling(interrupts);
        let begin_us = self.now_us();
        for id in self.watches.keys().copied().collect::<Vec<_>>() {
            let _ = self.clocks.watch(id, begin_us);
        }
        let own_before_us = own_cpu_us();
        let end = self.sample_slices(begin_us, interrupts);
        let last_sample_us = monotonic_us();
        let own = OwnCost {
            cpu_us: own_cpu_us() - own_before_us,
            elapsed_us: self.now_us() - begin_us,
            peak_rss_bytes: peak_rss_bytes().unwrap_or(0),
            late_readings: self.late_readings,
            readings: self.readings,
        };
        self.stop_samplers();
        let refused = self.refused.filter(|_| !self.sampled);
        Ended { end, write_fault: self.write_fault, refused, own, last_sample_us }
    }

    fn sample_slices(&mut self, begin_us: u64, interrupts: &Interrupts) -> End {
        let end_us = begin_us + self.orders.duration.as_micros() as u64;
        let slice_us = self.orders.slice.as_micros() as u64;
        let mut slice = Slice { from_us: begin_us, to_us: begin_us };
        let mut next_look_us = begin_us + LOOK_EVERY_US;
        let mut next_pump_us = begin_us;
        let end = loop {
            let woken = self.wait_for_tick();
            let now_us = self.now_us();
            self.read_clocks(now_us);
            if woken == Woken::ByChild || now_us >= next_pump_us {
                next_pump_us = now_us + PUMP_EVERY_US;
                self.pump_samplers(now_us);
            }
            if let Some(interrupt) = interrupts.requested() {
                break End::Interrupted(interrupt);
            }
            if now_us >= end_us {
                break End::TimeOver;
            }
            if self.watches.values().all(|watch| watch.over) {
                break End::NobodyLeft;
            }
            if self.write_fault.is_some() {
                break End::CannotWrite;
            }
            if now_us >= next_look_us {
                next_look_us = now_us + LOOK_EVERY_US;
                self.look_around(now_us);
                self.tell_progress(now_us - begin_us);
            }
            // A last slice shorter than half of one is not worth a hand-over.
            if now_us >= slice.from_us + slice_us && end_us - now_us > slice_us / 2 {
                slice.to_us = now_us;
                self.end_slice(slice);
                slice = Slice { from_us: now_us, to_us: now_us };
                self.hand_over(now_us);
            }
        };
        slice.to_us = self.now_us();
        self.end_slice(slice);
        self.notices.progress_done();
        end
    }

    /// Waits for the next reading of the clocks, or until a child says something or a signal comes.
    ///
    /// The waits vary by half around their mean, so that readings cannot march in step with the worker's own timers;
    /// a late reading is not made up for by a burst.
    fn wait_for_tick(&self) -> Woken {
        let mean_us = self.interval_us();
        self.wait(mean_us / 2 + fastrand::u64(0..=mean_us))
    }

    /// Clocks are read as often as the fastest sampler takes stacks: more often would cost and say no more.
    fn interval_us(&self) -> u64 {
        let rates = self.watches.values().filter(|watch| !watch.over).map(|watch| watch.rate_hz);
        1_000_000 / u64::from(rates.max().unwrap_or(self.orders.rate_hz).max(1))
    }

    fn read_clocks(&mut self, now_us: u64) {
        let interval_us = self.interval_us();
        self.readings += 1;
        // Waits last one and a half intervals at most.
        self.late_readings += u64::from(self.readings > 1 && now_us > self.last_reading_us + 5 * interval_us / 2);
        self.last_reading_us = now_us;
        self.clocks.read(now_us);
    }

    fn wait(&self, us: u64) -> Woken {
        let children = self.watches.values().flat_map(|watch| watch.current.iter().chain(&watch.outgoing));
        let mut pipes: Vec<PollFd<'_>> =
            children.flat_map(|child| child.child().pipes()).map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)).collect();
        // An interrupted wait is what we want on a signal.
        match ppoll(&mut pipes, Some(TimeSpec::from_duration(Duration::from_micros(us))), None) {
            Ok(ready) if ready > 0 => Woken::ByChild,
            _ => Woken::ByTime,
        }
    }

    fn wait_until_sampling(&mut self, interrupts: &Interrupts) {
        let attaching = |watch: &Watch| watch.current.as_ref().is_some_and(|child| child.phase() == Phase::Attaching);
        while interrupts.requested().is_none() && self.watches.values().any(attaching) {
            self.wait(20_000);
            let now_us = self.now_us();
            self.pump_samplers(now_us);
        }
    }

    fn start_sampler(&mut self, process: ProcessId, rate_hz: u32) {
        self.files += 1;
        let order = SegmentOrder {
            process,
            rate_hz,
            sampling: self.orders.sampling,
            folder: self.work.dir(),
            file: format!("trace-{}-{:03}.json", process.pid, self.files),
            epoch_us: self.epoch_us,
        };
        let watch = self.watches.entry(process).or_insert_with(|| Watch {
            current: None,
            outgoing: Vec::new(),
            rate_hz,
            restarts: 0,
            cost: Cost::default(),
            over: false,
        });
        watch.rate_hz = rate_hz;
        watch.cost = Cost::default();
        match PySpyChild::start(self.py_spy, &order) {
            Ok(child) => watch.outgoing.extend(watch.current.replace(child)),
            Err(error) => {
                watch.over = true;
                self.notices.warn(format!("worker {}: py-spy cannot be started: {error}", process.pid));
            }
        }
    }

    /// Replaces every worker's sampler.
    fn hand_over(&mut self, now_us: u64) {
        for (process, rate_hz) in self.sampled_workers() {
            self.replace_sampler(process, rate_hz, now_us);
        }
    }

    fn replace_sampler(&mut self, process: ProcessId, rate_hz: u32, now_us: u64) {
        match self.orders.sampling {
            Sampling::Nonblocking => self.start_sampler(process, rate_hz),
            Sampling::Blocking => {
                if let Some(watch) = self.watches.get_mut(&process)
                    && let Some(child) = &mut watch.current
                {
                    watch.rate_hz = rate_hz;
                    let _ = child.stop();
                }
            }
        }
        self.pump_samplers(now_us);
    }

    fn sampled_workers(&self) -> Vec<(ProcessId, u32)> {
        let live = self.watches.iter().filter(|(_, watch)| !watch.over && watch.current.is_some());
        live.map(|(id, watch)| (*id, watch.rate_hz)).collect()
    }

    /// Takes in what the samplers said, stops those that were replaced, records and replaces those that ended.
    fn pump_samplers(&mut self, now_us: u64) {
        let mut ended = Vec::new();
        for (id, watch) in &mut self.watches {
            let successor_since = watch.current.as_ref().and_then(PySpyChild::sampling_us);
            for child in &mut watch.outgoing {
                if successor_since.is_some_and(|since_us| now_us >= since_us + OVERLAP_US) {
                    let _ = child.stop();
                }
                let _ = child.pump();
            }
            let mut kept = Vec::new();
            for child in watch.outgoing.drain(..) {
                if child.phase() == Phase::Ended { ended.push((*id, child, Role::Replaced)) } else { kept.push(child) }
            }
            watch.outgoing = kept;
            if let Some(child) = &mut watch.current {
                let asked = child.phase() == Phase::Stopping;
                let _ = child.pump();
                if child.phase() == Phase::Ended {
                    let role = if asked { Role::Replaced } else { Role::Lost };
                    ended.extend(watch.current.take().map(|child| (*id, child, role)));
                }
            }
        }
        for (id, child, role) in ended {
            self.record_ended(id, child, role, now_us);
        }
    }

    fn record_ended(&mut self, id: ProcessId, child: PySpyChild, role: Role, now_us: u64) {
        let sampled = child.sampling_us().is_some();
        self.sampled |= sampled;
        let gone = self.is_gone(id);
        let mut segment = child.into_segment();
        if gone && !sampled {
            // What it says of a worker that ended before it had attached is no fault of its own.
            segment.fault = None;
        }
        if let Some(fault) = &segment.fault {
            if segment.refused() && self.refused.is_none() {
                self.refused = Some(Refused { pid: id.pid, complaint: fault.clone() });
            }
            self.notices.say(format!("worker {}: py-spy {fault}", id.pid));
        }
        self.append(work::SEGMENTS, &segment);
        let Some(watch) = self.watches.get_mut(&id) else { return };
        if watch.over || watch.current.is_some() {
            return;
        }
        if gone {
            watch.over = true;
            self.notices.say(format!("worker {} ended", id.pid));
            self.event(id, What::WorkerGone, now_us);
        } else if role == Role::Replaced {
            let rate_hz = watch.rate_hz;
            self.start_sampler(id, rate_hz);
        } else if sampled && watch.restarts < MOST_RESTARTS {
            watch.restarts += 1;
            let rate_hz = watch.rate_hz;
            self.event(id, What::SamplerLost, now_us);
            self.start_sampler(id, rate_hz);
        } else if let Some(predecessor) = watch.outgoing.pop_if(|child| child.phase() == Phase::Sampling) {
            // A successor that cannot attach: the one it was to replace goes on, and the next hand-over tries again.
            watch.current = Some(predecessor);
            self.event(id, What::SamplerLost, now_us);
        } else {
            watch.over = true;
            self.event(id, What::SamplerLost, now_us);
        }
    }

    /// Whether a worker has ended, whether or not its parent has taken note of it.
    fn is_gone(&self, id: ProcessId) -> bool {
        let state = self.procfs.same(id).and_then(|process| process.stat().ok()?.state().ok());
        matches!(state, None | Some(ProcState::Zombie | ProcState::Dead))
    }

    /// What is looked at once a second: new workers, new threads, the samplers' cost.
    fn look_around(&mut self, now_us: u64) {
        self.clocks.look_for_threads(now_us);
        self.follower.look();
        let newcomers: Vec<ProcessId> = self
            .follower
            .proxy()
            .workers()
            .map(|worker| worker.id)
            .filter(|id| !self.watches.contains_key(id))
            .collect();
        for id in newcomers {
            self.notices.say(format!("worker {} appeared and is sampled from now on", id.pid));
            self.event(id, What::WorkerJoined, now_us);
            let _ = self.clocks.watch(id, now_us);
            self.start_sampler(id, self.orders.rate_hz);
        }
        for (id, _) in self.sampled_workers() {
            self.govern(id, now_us);
        }
    }

    fn govern(&mut self, id: ProcessId, now_us: u64) {
        let budget = self.orders.budget;
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let Some(child) = watch.current.as_ref().filter(|child| child.phase() == Phase::Sampling) else { return };
        let Ok(stat) = self.procfs.process(child.child().pid()).stat() else { return };
        let ticks = stat.utime + stat.stime;
        if watch.cost.since_us == 0 {
            watch.cost = Cost { since_us: now_us, ticks };
            return;
        }
        let cpu_us = (ticks - watch.cost.ticks) * crate::os::threads::tick_ns() / 1_000;
        let elapsed_us = now_us - watch.cost.since_us;
        let cost_percent = (cpu_us as f64 / elapsed_us.max(1) as f64 * 1_000.0).round() / 10.0;
        let from_hz = watch.rate_hz;
        match budget.judge(from_hz, cpu_us, elapsed_us) {
            Advice::GoOn => {}
            Advice::StepDownTo(to_hz) => {
                self.notices.say(format!(
                    "worker {}: sampling cost {cost_percent} % of a core, so the rate goes from {from_hz} to {to_hz} Hz",
                    id.pid
                ));
                self.event(id, What::RateSteppedDown { from_hz, to_hz, cost_percent }, now_us);
                self.replace_sampler(id, to_hz, now_us);
            }
            Advice::Detach => {
                self.notices.warn(format!(
                    "worker {}: even {from_hz} Hz cost {cost_percent} % of a core; the sampler was taken off",
                    id.pid
                ));
                self.event(id, What::Detached { cost_percent }, now_us);
                if let Some(watch) = self.watches.get_mut(&id) {
                    watch.over = true;
                    let _ = watch.current.as_mut().map(PySpyChild::stop);
                }
            }
        }
    }

    /// Brings what the clocks recorded to safety, and looks whether a worker was left stopped.
    fn end_slice(&mut self, slice: Slice) {
        self.clocks.read_all(slice.to_us);
        self.clocks.read_totals();
        for record in self.clocks.take() {
            self.append(work::CLOCKS, &record);
        }
        self.append(work::SLICES, &slice);
        self.notices.detail(format!("slice of {:.1} s ended", (slice.to_us - slice.from_us) as f64 / 1e6));
        let stopped = self.watches.keys().filter(|id| {
            let state = self.procfs.same(**id).and_then(|process| process.stat().ok()?.state().ok());
            matches!(state, Some(ProcState::Stopped))
                || (state == Some(ProcState::Tracing) && self.orders.sampling == Sampling::Nonblocking)
        });
        for id in stopped.copied().collect::<Vec<_>>() {
            self.notices.warn(format!("worker {} is stopped; if nobody meant that: kill -CONT {}", id.pid, id.pid));
            self.event(id, What::WorkerStopped, slice.to_us);
        }
    }

    fn stop_samplers(&mut self) {
        for watch in self.watches.values_mut() {
            watch.over = true;
            for child in watch.current.iter_mut().chain(&mut watch.outgoing) {
                let _ = child.stop();
            }
        }
        let running = |watch: &Watch| watch.current.is_some() || !watch.outgoing.is_empty();
        while self.watches.values().any(running) {
            self.wait(20_000);
            let now_us = self.now_us();
            self.pump_samplers(now_us);
        }
    }

    fn tell_progress(&self, elapsed_us: u64) {
        let elapsed = Duration::from_micros(elapsed_us);
        let total = self.orders.duration;
        let workers = self.sampled_workers().len();
        let plural = if workers == 1 { "worker" } else { "workers" };
        let label = format!("{}/{} s, {workers} {plural}", elapsed.as_secs(), total.as_secs());
        self.notices.progress(elapsed.as_secs_f64() / total.as_secs_f64(), &label);
        if elapsed.as_secs() > 0 && elapsed.as_secs().is_multiple_of(10) {
            self.notices.milestone(&format!("sampled {label}"));
        }
    }

    fn event(&mut self, process: ProcessId, what: What, at_us: u64) {
        self.append(work::EVENTS, &Event { at_us, process, what });
    }

    fn append(&mut self, file: &str, record: &impl serde::Serialize) {
        if let Err(error) = self.work.append(file, record) {
            self.note_write_fault(&error);
        }
    }

    fn note_write_fault(&mut self, error: &io::Error) {
        if self.write_fault.is_none() {
            self.notices.warn(format!("cannot write to {}: {error}", self.work.dir().display()));
            self.write_fault = Some(error.to_string());
        }
    }

    fn now_us(&self) -> u64 {
        monotonic_us().saturating_sub(self.epoch_us)
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

/// What an ended sampler had been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Asked to go.
    Replaced,
    /// Gone by itself.
    Lost,
}
