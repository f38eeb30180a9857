//! py-spy as an engine: its children know where each thread was, the kernel's clocks how much CPU it used.

use std::os::fd::BorrowedFd;

use crate::os::proc::{ProcessId, Procfs};
use crate::sample::Slice;
use crate::sample::clocks::Clocks;
use crate::sample::engine::{Engine, Look, Refused, Stage};
use crate::sample::pyspy::PySpy;
use crate::sample::pyspy::samplers::Samplers;
use crate::sample::record::Recorder;
use crate::sample::session::Orders;

/// Children and clocks.
#[derive(Debug)]
pub struct PySpyEngine<'a> {
    samplers: Samplers<'a>,
    clocks: Clocks,
}

impl<'a> PySpyEngine<'a> {
    /// No workers yet; `epoch_us` is `CLOCK_MONOTONIC` at the capture's beginning.
    pub fn new(orders: &'a Orders, py_spy: &'a PySpy, epoch_us: u64) -> Self {
        Self { samplers: Samplers::new(orders, py_spy, epoch_us), clocks: Clocks::new(Procfs::default()) }
    }
}

impl Engine for PySpyEngine<'_> {
    fn add(&mut self, worker: ProcessId, now_us: u64, recorder: &mut Recorder<'_>) {
        // One that has ended already is noticed by its sampler.
        let _ = self.clocks.watch(worker, now_us);
        self.samplers.add(worker, recorder);
    }

    fn workers(&self) -> Vec<ProcessId> {
        self.samplers.workers()
    }

    fn sampled_workers(&self) -> Vec<ProcessId> {
        self.samplers.sampled_workers()
    }

    fn stage(&self) -> Stage {
        self.samplers.stage()
    }

    fn fastest_hz(&self) -> u32 {
        self.samplers.fastest_hz()
    }

    fn refused(&self) -> Option<Refused> {
        self.samplers.refused()
    }

    fn begin(&mut self, now_us: u64) {
        for id in self.samplers.workers() {
            let _ = self.clocks.watch(id, now_us);
        }
    }

    /// Clocks are read as often as the fastest sampler takes stacks: more often would cost and say no more.
    fn tick(&mut self, now_us: u64) {
        self.clocks.read(now_us);
    }

    fn pipes(&self) -> Vec<BorrowedFd<'_>> {
        self.samplers.pipes().collect()
    }

    fn pump(&mut self, now_us: u64, recorder: &mut Recorder<'_>) {
        self.samplers.pump(now_us, recorder);
    }

    fn look_around(&mut self, look: Look, recorder: &mut Recorder<'_>) {
        self.clocks.look_for_threads(look.now_us);
        self.samplers.govern(look, recorder);
    }

    fn end_slice(&mut self, slice: Slice, recorder: &mut Recorder<'_>) {
        self.clocks.read_all(slice.to_us);
        self.clocks.read_totals();
        recorder.clocks(self.clocks.take());
    }

    fn hand_over(&mut self, recorder: &Recorder<'_>) {
        self.samplers.hand_over(recorder);
    }

    fn stop(&mut self) {
        self.samplers.stop();
    }

    fn cost_here_us(&self) -> u64 {
        0
    }
}
