//! The native engine: every worker read from this process, one after the other at each tick.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use crate::collect::Gap;
use crate::os::proc::{ProcessId, Procfs};
use crate::sample::clocks::Clocks;
use crate::sample::engine::{Engine, Look, Refused, Stage};
use crate::sample::native::refusal::Refusal;
use crate::sample::native::worker::NativeWorker;
use crate::sample::record::Recorder;
use crate::sample::session::Orders;
use crate::sample::sparing::{Measure, Sampled, cost_percent, keep_budget, show_mercy};
use crate::sample::{Slice, What};

/// Reads stacks and clocks of the workers.
#[derive(Debug)]
pub struct NativeEngine<'a> {
    orders: &'a Orders,
    procfs: Procfs,
    watches: BTreeMap<ProcessId, Watch>,
    /// Workers whose stacks are not read: their CPU is counted all the same.
    clocks: Clocks,
    refused: Option<Refused>,
    sampled: bool,
    /// CPU time spent on workers that are no longer read.
    spent_us: u64,
}

/// One worker that is or was read.
#[derive(Debug)]
struct Watch {
    /// None once it is read no longer.
    worker: Option<NativeWorker>,
    pace: Pace,
    /// What it had cost, and when, as it began to be read at this rate.
    cost: Cost,
    /// The end of the last record.
    kept_us: u64,
}

#[derive(Debug, Clone, Copy)]
struct Cost {
    since_us: u64,
    cpu_us: u64,
}

/// Takes part in so many of the engine's ticks that its own rate comes of it.
#[derive(Debug)]
struct Pace {
    rate_hz: u32,
    /// Hertz saved up; a tick costs as many as the engine's rate.
    credit_hz: u32,
    last_us: u64,
    late: u64,
}

impl Pace {
    fn new(rate_hz: u32, now_us: u64) -> Self {
        // Not behind those that began before it.
        Self { rate_hz, credit_hz: rate_hz, last_us: now_us, late: 0 }
    }

    /// Whether it takes part in this tick.
    fn takes_part(&mut self, engine_hz: u32, now_us: u64) -> bool {
        self.credit_hz += self.rate_hz;
        if self.credit_hz < engine_hz {
            return false;
        }
        // What is missed is not made up for by a burst.
        self.credit_hz = (self.credit_hz - engine_hz).min(engine_hz);
        // The engine's own waits last one and a half of its intervals at most.
        let interval_us = 1_000_000 / u64::from(self.rate_hz.max(1));
        self.late += u64::from(now_us > self.last_us + 5 * interval_us / 2);
        self.last_us = now_us;
        true
    }
}

impl<'a> NativeEngine<'a> {
    /// No workers yet.
    pub fn new(orders: &'a Orders) -> Self {
        Self {
            orders,
            procfs: Procfs::default(),
            watches: BTreeMap::new(),
            clocks: Clocks::new(Procfs::default()),
            refused: None,
            sampled: false,
            spent_us: 0,
        }
    }

    fn read(&self) -> impl Iterator<Item = (ProcessId, &Watch, &NativeWorker)> {
        self.watches.iter().filter_map(|(id, watch)| Some((*id, watch, watch.worker.as_ref()?)))
    }

    /// Ends the reading of a worker; what it has read is kept.
    fn let_go(&mut self, id: ProcessId, now_us: u64, recorder: &mut Recorder<'_>) {
        self.keep_slice(id, now_us, recorder);
        if let Some(worker) = self.watches.get_mut(&id).and_then(|watch| watch.worker.take()) {
            self.spent_us += worker.cost_us();
        }
    }

    fn keep_slice(&mut self, id: ProcessId, to_us: u64, recorder: &mut Recorder<'_>) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let Some(worker) = &mut watch.worker else { return };
        let slice = Slice { from_us: std::mem::replace(&mut watch.kept_us, to_us), to_us };
        let mut record = worker.take_slice(slice);
        record.rate_hz = watch.pace.rate_hz;
        record.counts.late_ticks = std::mem::take(&mut watch.pace.late);
        recorder.native(record);
    }

    fn take(&mut self, id: ProcessId, measure: Measure, now_us: u64, recorder: &mut Recorder<'_>) {
        match measure {
            Measure::GoOn => {}
            Measure::SlowTo(rate_hz) => {
                // A record has one rate.
                self.keep_slice(id, now_us, recorder);
                if let Some(watch) = self.watches.get_mut(&id) {
                    watch.pace = Pace::new(rate_hz, now_us);
                    let cpu_us = watch.worker.as_ref().map_or(0, NativeWorker::cost_us);
                    watch.cost = Cost { since_us: now_us, cpu_us };
                }
            }
            Measure::TakeOff => {
                self.let_go(id, now_us, recorder);
                let _ = self.clocks.watch(id, now_us);
            }
        }
    }

    /// Attaches again to a worker that runs another program.
    fn begin_anew(&mut self, id: ProcessId, now_us: u64, recorder: &mut Recorder<'_>) {
        recorder.notices.say(format!("worker {} runs another program now: attaching to it anew", id.pid));
        recorder.gap(Gap::new(
            format!("the stacks of worker {} about second {}", id.pid, now_us / 1_000_000),
            "its process was given another program (execve); what ran just before and after that is not told apart",
            "look at the slices before and after that second by themselves",
        ));
        self.keep_slice(id, now_us, recorder);
        let worker = self.watches.get_mut(&id).and_then(|watch| watch.worker.as_mut());
        if let Some(Err(refusal)) = worker.map(|worker| worker.begin_anew(now_us)) {
            self.let_go(id, now_us, recorder);
            // One that ended meanwhile is no matter of ours.
            if self.procfs.same(id).is_some() {
                self.refuse(id, &refusal, now_us, recorder);
            }
        }
    }

    /// Tells why a worker's stacks are not read; its CPU is counted all the same.
    fn refuse(&mut self, id: ProcessId, refusal: &Refusal, now_us: u64, recorder: &mut Recorder<'_>) {
        let complaint = refusal.to_string();
        recorder.notices.warn(format!("worker {}: its stacks cannot be read: {complaint}", id.pid));
        recorder.gap(Gap::new(
            format!("stacks of worker {}", id.pid),
            format!("the native engine cannot read it: {complaint}"),
            "capture with --engine py-spy",
        ));
        let complaint = format!("the native engine: {complaint}");
        self.refused.get_or_insert(Refused { pid: id.pid, complaint });
        let _ = self.clocks.watch(id, now_us);
    }

    /// Keeps to the budget and out of the proxy's way.
    fn govern(&mut self, id: ProcessId, look: Look, recorder: &mut Recorder<'_>) {
        let now_us = look.now_us;
        if let Some((watch, worker)) = self.watches.get(&id).and_then(|watch| Some((watch, watch.worker.as_ref()?))) {
            let elapsed_us = now_us.saturating_sub(watch.cost.since_us);
            let cpu_us = worker.cost_us().saturating_sub(watch.cost.cpu_us);
            let advice = self.orders.budget.judge(watch.pace.rate_hz, cpu_us, elapsed_us);
            let sampled = Sampled { id, rate_hz: watch.pace.rate_hz, now_us };
            let measure = keep_budget(sampled, advice, cost_percent(cpu_us, elapsed_us), recorder);
            self.take(id, measure, now_us, recorder);
        }
        if let Some(watch) = self.watches.get(&id).filter(|watch| watch.worker.is_some()) {
            let sampled = Sampled { id, rate_hz: watch.pace.rate_hz, now_us };
            let measure = show_mercy(sampled, look.mercy, recorder);
            self.take(id, measure, now_us, recorder);
        }
    }
}

impl Engine for NativeEngine<'_> {
    fn add(&mut self, id: ProcessId, now_us: u64, recorder: &mut Recorder<'_>) {
        let worker = match NativeWorker::attach(&self.procfs, id, now_us) {
            Ok(worker) => Some(worker),
            // One that ended meanwhile is no matter of ours.
            Err(_) if self.procfs.same(id).is_none() => None,
            Err(refusal) => {
                self.refuse(id, &refusal, now_us, recorder);
                None
            }
        };
        self.sampled |= worker.is_some();
        let cost = Cost { since_us: now_us, cpu_us: worker.as_ref().map_or(0, NativeWorker::cost_us) };
        let pace = Pace::new(self.orders.rate_hz, now_us);
        self.watches.insert(id, Watch { worker, pace, cost, kept_us: now_us });
    }

    fn workers(&self) -> Vec<ProcessId> {
        self.watches.keys().copied().collect()
    }

    fn sampled_workers(&self) -> Vec<ProcessId> {
        self.read().map(|(id, ..)| id).collect()
    }

    /// A worker is attached as soon as it is added, and let go at once.
    fn stage(&self) -> Stage {
        if self.read().next().is_some() { Stage::Sampling } else { Stage::Ended }
    }

    fn fastest_hz(&self) -> u32 {
        self.read().map(|(_, watch, _)| watch.pace.rate_hz).max().unwrap_or(self.orders.rate_hz)
    }

    fn refused(&self) -> Option<Refused> {
        self.refused.clone().filter(|_| !self.sampled)
    }

    /// It is attached to a worker as soon as that is added: nothing was used before.
    fn begin(&mut self, _now_us: u64) {}

    fn tick(&mut self, now_us: u64) {
        let engine_hz = self.fastest_hz();
        for watch in self.watches.values_mut() {
            if let Some(worker) = &mut watch.worker
                && watch.pace.takes_part(engine_hz, now_us)
            {
                worker.tick(now_us);
            }
        }
        self.clocks.read(now_us);
    }

    fn pipes(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }

    fn pump(&mut self, now_us: u64, recorder: &mut Recorder<'_>) {
        let gone: Vec<ProcessId> = self.read().filter(|(_, _, worker)| worker.is_gone()).map(|(id, ..)| id).collect();
        for id in gone {
            recorder.notices.say(format!("worker {} ended", id.pid));
            recorder.event(id, What::WorkerGone, now_us);
            self.let_go(id, now_us, recorder);
        }
    }

    fn look_around(&mut self, look: Look, recorder: &mut Recorder<'_>) {
        for worker in self.watches.values_mut().filter_map(|watch| watch.worker.as_mut()) {
            worker.look_for_threads(look.now_us);
        }
        let changed = |worker: &NativeWorker| worker.became_another() && !worker.is_gone();
        for id in self.read().filter(|(.., worker)| changed(worker)).map(|(id, ..)| id).collect::<Vec<_>>() {
            self.begin_anew(id, look.now_us, recorder);
        }
        self.clocks.look_for_threads(look.now_us);
        for id in self.sampled_workers() {
            self.govern(id, look, recorder);
        }
    }

    fn end_slice(&mut self, slice: Slice, recorder: &mut Recorder<'_>) {
        for id in self.sampled_workers() {
            self.keep_slice(id, slice.to_us, recorder);
        }
        self.clocks.read_all(slice.to_us);
        self.clocks.read_totals();
        recorder.clocks(self.clocks.take());
    }

    /// It reads on.
    fn hand_over(&mut self, _recorder: &Recorder<'_>) {}

    fn stop(&mut self) {
        for watch in self.watches.values_mut() {
            self.spent_us += watch.worker.take().map_or(0, |worker| worker.cost_us());
        }
    }

    fn cost_here_us(&self) -> u64 {
        self.spent_us + self.read().map(|(_, _, worker)| worker.cost_us()).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rate_hz: u32, engine_hz: u32, ticks: u64) -> usize {
        let mut pace = Pace::new(rate_hz, 0);
        (1..=ticks).filter(|tick| pace.takes_part(engine_hz, tick * 1_000_000 / u64::from(engine_hz))).count()
    }

    #[test]
    fn a_worker_takes_part_in_as_many_ticks_as_its_rate_asks_for() {
        assert_eq!(taken(100, 100, 100), 100);
        assert!((24..=26).contains(&taken(25, 100, 100)), "{}", taken(25, 100, 100));
        assert!((39..=41).contains(&taken(40, 100, 100)), "{}", taken(40, 100, 100));
    }

    #[test]
    fn a_late_tick_is_counted_once_and_not_made_up_for() {
        let mut pace = Pace::new(10, 0);
        assert!(pace.takes_part(10, 100_000));
        assert_eq!(pace.late, 0);
        assert!(pace.takes_part(10, 900_000));
        assert_eq!(pace.late, 1);
        assert!(pace.takes_part(10, 1_000_000));
        assert_eq!(pace.late, 1);
    }
}
