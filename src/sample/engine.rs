//! What takes the samples: one trait, so that the [`session`](super::session) keeps the time for any engine alike.
//!
//! An engine knows its workers, reads what it reads at every tick, and brings it to safety at the end of each slice.

use std::fmt::Debug;
use std::os::fd::BorrowedFd;

use crate::os::proc::ProcessId;
use crate::sample::Slice;
use crate::sample::governor::Mercy;
use crate::sample::record::Recorder;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The native engine where it can read every worker, else py-spy.
    Auto,
    /// The native engine.
    Native,
    /// py-spy.
    PySpy,
}

/// What is meant where nothing is asked for.
pub const DEFAULT: Asked = Asked::PySpy;

/// An engine that was not permitted to attach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The worker.
    pub pid: i32,
    /// What the engine said.
    pub complaint: String,
}

/// How far an engine is with its workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// At least one worker cannot be sampled yet.
    Attaching,
    /// At least one worker is sampled.
    Sampling,
    /// No worker will be sampled any longer, but something is still at work.
    Ending,
    /// Nothing is left.
    Ended,
}

/// The state of things once a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// When, in microseconds since the capture began.
    pub now_us: u64,
    /// What the proxy's answers ask for.
    pub mercy: Mercy,
}

/// Samples stacks and CPU clocks of workers.
pub trait Engine: Debug {
    /// Takes on a worker.
    fn add(&mut self, worker: ProcessId, now_us: u64, recorder: &mut Recorder<'_>);

    /// Every worker that it samples or sampled.
    fn workers(&self) -> Vec<ProcessId>;

    /// The workers that it samples.
    fn sampled_workers(&self) -> Vec<ProcessId>;

    /// How far it is.
    fn stage(&self) -> Stage;

    /// The rate of the worker that is sampled fastest: so often it wants a tick.
    fn fastest_hz(&self) -> u32;

    /// The first worker that it was not permitted to attach to, where it never sampled any.
    fn refused(&self) -> Option<Refused>;

    /// The capture begins: what was used before, while it attached, is no part of it.
    fn begin(&mut self, now_us: u64);

    /// Reads what is read at every tick.
    fn tick(&mut self, now_us: u64);

    /// What tells by being readable that [`Engine::pump`] is due.
    fn pipes(&self) -> Vec<BorrowedFd<'_>>;

    /// Sees to what goes on beside the ticks: children, deadlines, workers that ended.
    fn pump(&mut self, now_us: u64, recorder: &mut Recorder<'_>);

    /// Looks for new threads, and keeps to the budget and out of the proxy's way.
    fn look_around(&mut self, look: Look, recorder: &mut Recorder<'_>);

    /// Brings what was read in a slice to safety.
    fn end_slice(&mut self, slice: Slice, recorder: &mut Recorder<'_>);

    /// Another slice follows.
    fn hand_over(&mut self, recorder: &Recorder<'_>);

    /// There will be no further tick.
    fn stop(&mut self);

    /// CPU time that it took from this very process, which is the samplers' cost and not the program's own.
    fn cost_here_us(&self) -> u64;
}
