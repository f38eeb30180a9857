//! No stacks: the CPU clocks of every thread, which the kernel shows to all, where no process may be read or none is to
//! be. Nothing is started and nothing attached.

use std::os::fd::BorrowedFd;

use crate::os::proc::{ProcessId, Procfs};
use crate::sample::clocks::Clocks;
use crate::sample::engine::{Engine, Look, Refused, Stage};
use crate::sample::record::Recorder;
use crate::sample::{Slice, What};

/// Charts show seconds, and there is no stack to be met at the right moment.
const READINGS_HZ: u32 = 10;

/// The clocks of the workers.
#[derive(Debug)]
pub struct ClocksAlone {
    clocks: Clocks,
    workers: Vec<ProcessId>,
    gone: Vec<ProcessId>,
    stage: Stage,
}

impl Default for ClocksAlone {
    fn default() -> Self {
        Self { clocks: Clocks::new(Procfs::default()), workers: Vec::new(), gone: Vec::new(), stage: Stage::Attaching }
    }
}

impl ClocksAlone {
    /// Notices who has ended; whoever cannot be read any longer has.
    fn take_leave(&mut self, now_us: u64, recorder: &mut Recorder<'_>) {
        for id in self.workers.clone() {
            if !self.clocks.is_live(id) && !self.gone.contains(&id) {
                self.gone.push(id);
                recorder.event(id, What::WorkerGone, now_us);
            }
        }
        if self.stage == Stage::Sampling && self.sampled_workers().is_empty() {
            self.stage = Stage::Ended;
        }
    }
}

impl Engine for ClocksAlone {
    fn add(&mut self, worker: ProcessId, now_us: u64, recorder: &mut Recorder<'_>) {
        self.workers.push(worker);
        // One that has ended already has no clocks.
        let _ = self.clocks.watch(worker, now_us);
        self.stage = Stage::Sampling;
        self.take_leave(now_us, recorder);
    }

    fn workers(&self) -> Vec<ProcessId> {
        self.workers.clone()
    }

    fn sampled_workers(&self) -> Vec<ProcessId> {
        self.workers.iter().copied().filter(|id| self.clocks.is_live(*id)).collect()
    }

    fn stage(&self) -> Stage {
        self.stage
    }

    fn fastest_hz(&self) -> u32 {
        READINGS_HZ
    }

    fn refused(&self) -> Option<Refused> {
        None
    }

    fn begin(&mut self, now_us: u64) {
        for id in self.sampled_workers() {
            let _ = self.clocks.watch(id, now_us);
        }
    }

    fn tick(&mut self, now_us: u64) {
        self.clocks.read(now_us);
    }

    fn pipes(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }

    fn pump(&mut self, _: u64, _: &mut Recorder<'_>) {}

    fn look_around(&mut self, look: Look, recorder: &mut Recorder<'_>) {
        self.clocks.look_for_threads(look.now_us);
        self.take_leave(look.now_us, recorder);
    }

    fn end_slice(&mut self, slice: Slice, recorder: &mut Recorder<'_>) {
        self.clocks.read_all(slice.to_us);
        self.clocks.read_totals();
        self.take_leave(slice.to_us, recorder);
        recorder.clocks(self.clocks.take());
    }

    fn hand_over(&mut self, _: &Recorder<'_>) {}

    fn stop(&mut self) {
        self.stage = Stage::Ended;
    }

    fn cost_here_us(&self) -> u64 {
        0
    }
}
