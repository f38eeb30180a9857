//! The samplers of all workers: started, handed over, replaced, slowed down, stopped.
//!
//! Every worker has one sampler at a time. At the end of a slice a new sampler is started first and the old one
//! stopped once the new one samples, so that no time is lost between them; only a blocking sampler must go before
//! the next can come, since a process has one tracer at most.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::os::fd::BorrowedFd;

use procfs::process::ProcState;

use crate::os::proc::{ProcessId, Procfs};
use crate::os::threads::tick_ns;
use crate::sample::What;
use crate::sample::engine::{Look, Refused, Stage};
use crate::sample::governor::Advice;
use crate::sample::pyspy::{Phase, PySpy, PySpyChild, Sampling, SegmentOrder};
use crate::sample::record::Recorder;
use crate::sample::session::Orders;
use crate::sample::sparing::{Measure, Sampled, cost_percent, keep_budget, show_mercy};

/// A sampler that keeps dying is not started again and again.
const MOST_RESTARTS: u32 = 3;
/// How many of the new one's intervals two samplers overlap at a hand-over, so that it has a first stack of each thread,
const OVERLAP_INTERVALS: u64 = 5;
/// within these bounds.
const OVERLAP_US: RangeInclusive<u64> = 50_000..=1_000_000;

/// The samplers of all workers.
#[derive(Debug)]
pub struct Samplers<'a> {
    orders: &'a Orders,
    py_spy: &'a PySpy,
    procfs: Procfs,
    /// `CLOCK_MONOTONIC` at the capture's beginning.
    epoch_us: u64,
    watches: BTreeMap<ProcessId, Watch>,
    files: u32,
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

/// What an ended sampler had been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Asked to go.
    Replaced,
    /// Gone by itself.
    Lost,
}

/// When a new sampler may be left alone with its worker; none where it does not sample yet.
fn covered_from_us(successor: &PySpyChild) -> Option<u64> {
    let overlap_us = OVERLAP_INTERVALS * 1_000_000 / u64::from(successor.rate_hz().max(1));
    Some(successor.sampling_us()? + overlap_us.clamp(*OVERLAP_US.start(), *OVERLAP_US.end()))
}

impl<'a> Samplers<'a> {
    /// No samplers yet.
    pub fn new(orders: &'a Orders, py_spy: &'a PySpy, epoch_us: u64) -> Self {
        Self {
            orders,
            py_spy,
            procfs: Procfs::default(),
            epoch_us,
            watches: BTreeMap::new(),
            files: 0,
            sampled: false,
            refused: None,
        }
    }

    /// Every worker that has or had a sampler.
    pub fn workers(&self) -> Vec<ProcessId> {
        self.watches.keys().copied().collect()
    }

    /// The workers that have one.
    pub fn sampled_workers(&self) -> Vec<ProcessId> {
        let live = self.watches.iter().filter(|(_, watch)| !watch.over && watch.current.is_some());
        live.map(|(id, _)| *id).collect()
    }

    /// How far they are.
    pub fn stage(&self) -> Stage {
        let watches = || self.watches.values();
        if watches().any(|watch| !watch.over) {
            let attaching = |child: &PySpyChild| child.phase() == Phase::Attaching;
            let any = watches().any(|watch| watch.current.as_ref().is_some_and(attaching));
            if any { Stage::Attaching } else { Stage::Sampling }
        } else if watches().any(|watch| watch.current.is_some() || !watch.outgoing.is_empty()) {
            Stage::Ending
        } else {
            Stage::Ended
        }
    }

    /// The rate of the fastest one.
    pub fn fastest_hz(&self) -> u32 {
        let rates = self.watches.values().filter(|watch| !watch.over).map(|watch| watch.rate_hz);
        rates.max().unwrap_or(self.orders.rate_hz)
    }

    /// The first one that was not permitted to attach, where none ever sampled.
    pub fn refused(&self) -> Option<Refused> {
        self.refused.clone().filter(|_| !self.sampled)
    }

    /// What to poll for: all open output pipes.
    pub fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let children = self.watches.values().flat_map(|watch| watch.current.iter().chain(&watch.outgoing));
        children.flat_map(|child| child.child().pipes())
    }

    /// Starts one at the full rate for a worker that has none.
    pub fn add(&mut self, process: ProcessId, recorder: &Recorder<'_>) {
        self.start(process, self.orders.rate_hz, recorder);
    }

    /// Replaces every worker's sampler.
    pub fn hand_over(&mut self, recorder: &Recorder<'_>) {
        for process in self.sampled_workers() {
            let rate_hz = self.watches[&process].rate_hz;
            self.replace(process, rate_hz, recorder);
        }
    }

    /// Asks all of them to stop.
    pub fn stop(&mut self) {
        for watch in self.watches.values_mut() {
            watch.over = true;
            let is_covered = watch.outgoing.iter().any(|child| child.phase() == Phase::Sampling);
            for child in watch.current.iter_mut().filter(|child| is_covered && child.phase() == Phase::Attaching) {
                let _ = child.call_off();
            }
            for child in watch.current.iter_mut().chain(&mut watch.outgoing) {
                let _ = child.stop();
            }
        }
    }

    /// Takes in what they said, stops those that were replaced, records and replaces those that ended.
    pub fn pump(&mut self, now_us: u64, recorder: &mut Recorder<'_>) {
        let mut ended = Vec::new();
        for (id, watch) in &mut self.watches {
            let covered_from_us = watch.current.as_ref().and_then(covered_from_us);
            let mut kept = Vec::new();
            for mut child in watch.outgoing.drain(..) {
                if covered_from_us.is_some_and(|from_us| now_us >= from_us) {
                    let _ = child.stop();
                }
                let _ = child.pump();
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
            let sampled = child.sampling_us().is_some();
            self.record(id, child, recorder);
            self.succeed(id, sampled, role, now_us, recorder);
        }
    }

    /// Slows down or takes off the samplers that cost more than their budget, or all of them where the proxy asks for
    /// mercy.
    pub fn govern(&mut self, look: Look, recorder: &mut Recorder<'_>) {
        for id in self.sampled_workers() {
            let sampled = |rate_hz| Sampled { id, rate_hz, now_us: look.now_us };
            if let Some((advice, cost_percent)) = self.judge(id, look.now_us) {
                let rate_hz = self.watches[&id].rate_hz;
                self.take(id, keep_budget(sampled(rate_hz), advice, cost_percent, recorder), recorder);
            }
            if !self.watches[&id].over {
                let rate_hz = self.watches[&id].rate_hz;
                self.take(id, show_mercy(sampled(rate_hz), look.mercy, recorder), recorder);
            }
        }
    }

    fn take(&mut self, id: ProcessId, measure: Measure, recorder: &Recorder<'_>) {
        match measure {
            Measure::GoOn => {}
            Measure::SlowTo(rate_hz) => self.replace(id, rate_hz, recorder),
            Measure::TakeOff => self.take_off(id),
        }
    }

    fn take_off(&mut self, id: ProcessId) {
        if let Some(watch) = self.watches.get_mut(&id) {
            watch.over = true;
            let _ = watch.current.as_mut().map(PySpyChild::stop);
        }
    }

    /// The budget's word on a worker's sampler, and what it cost in percent of one core.
    fn judge(&mut self, id: ProcessId, now_us: u64) -> Option<(Advice, f64)> {
        let watch = self.watches.get_mut(&id)?;
        let child = watch.current.as_ref().filter(|child| child.phase() == Phase::Sampling)?;
        let stat = self.procfs.process(child.child().pid()).stat().ok()?;
        let ticks = stat.utime + stat.stime;
        if watch.cost.since_us == 0 {
            watch.cost = Cost { since_us: now_us, ticks };
            return None;
        }
        let cpu_us = (ticks - watch.cost.ticks) * tick_ns() / 1_000;
        let elapsed_us = now_us - watch.cost.since_us;
        Some((self.orders.budget.judge(watch.rate_hz, cpu_us, elapsed_us), cost_percent(cpu_us, elapsed_us)))
    }

    fn start(&mut self, process: ProcessId, rate_hz: u32, recorder: &Recorder<'_>) {
        self.files += 1;
        let order = SegmentOrder {
            process,
            rate_hz,
            sampling: self.orders.sampling,
            folder: recorder.work().dir(),
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
                recorder.notices.warn(format!("worker {}: py-spy cannot be started: {error}", process.pid));
            }
        }
    }

    fn replace(&mut self, process: ProcessId, rate_hz: u32, recorder: &Recorder<'_>) {
        match self.orders.sampling {
            Sampling::Nonblocking => self.start(process, rate_hz, recorder),
            Sampling::Blocking => {
                if let Some(watch) = self.watches.get_mut(&process)
                    && let Some(child) = &mut watch.current
                {
                    watch.rate_hz = rate_hz;
                    let _ = child.stop();
                }
            }
        }
    }

    fn record(&mut self, id: ProcessId, child: PySpyChild, recorder: &mut Recorder<'_>) {
        let sampled = child.sampling_us().is_some();
        self.sampled |= sampled;
        let mut segment = child.into_segment();
        if !sampled && self.is_gone(id) {
            // What it says of a worker that ended before it had attached is no fault of its own.
            segment.fault = None;
        }
        if let Some(fault) = &segment.fault {
            if segment.refused() && self.refused.is_none() {
                self.refused = Some(Refused { pid: id.pid, complaint: format!("py-spy {fault}") });
            }
            recorder.notices.say(format!("worker {}: py-spy {fault}", id.pid));
        }
        recorder.segment(segment);
    }

    /// Sees to the next sampler of a worker whose last one ended.
    fn succeed(&mut self, id: ProcessId, sampled: bool, role: Role, now_us: u64, recorder: &mut Recorder<'_>) {
        let gone = self.is_gone(id);
        let Some(watch) = self.watches.get_mut(&id) else { return };
        if watch.over || watch.current.is_some() {
            return;
        }
        let rate_hz = watch.rate_hz;
        if gone {
            watch.over = true;
            recorder.notices.say(format!("worker {} ended", id.pid));
            recorder.event(id, What::WorkerGone, now_us);
            return;
        }
        if role == Role::Replaced {
            self.start(id, rate_hz, recorder);
            return;
        }
        recorder.event(id, What::SamplerLost, now_us);
        if sampled && watch.restarts < MOST_RESTARTS {
            watch.restarts += 1;
            self.start(id, rate_hz, recorder);
        } else if let Some(predecessor) = watch.outgoing.pop_if(|child| child.phase() == Phase::Sampling) {
            // A successor that cannot attach: the one it was to replace goes on, and the next hand-over tries again.
            watch.current = Some(predecessor);
        } else {
            watch.over = true;
        }
    }

    /// Whether a worker has ended, whether or not its parent has taken note of it.
    fn is_gone(&self, id: ProcessId) -> bool {
        let state = self.procfs.same(id).and_then(|process| process.stat().ok()?.state().ok());
        matches!(state, None | Some(ProcState::Zombie | ProcState::Dead))
    }
}
