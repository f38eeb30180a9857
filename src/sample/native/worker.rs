//! One worker as the native engine reads it.

use std::fmt;

use crate::os::proc::{ProcessId, Procfs};
use crate::sample::Slice;
use crate::sample::native::record::NativeSlice;

/// Why a worker cannot be read natively.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A worker whose interpreter was found. None can be yet: nothing here reads one.
#[derive(Debug)]
pub enum NativeWorker {}

impl NativeWorker {
    /// Finds the interpreter, and begins to count from `now_us` on.
    ///
    /// # Errors
    /// With the reason, where it cannot be read.
    pub fn attach(_procfs: &Procfs, _id: ProcessId, _now_us: u64) -> Result<Self, Refusal> {
        Err(Refusal("this build has no reader of interpreters".to_owned()))
    }

    /// Holds what is read against what must be so.
    ///
    /// # Errors
    /// With what is not so.
    pub fn self_check(&mut self) -> Result<(), Refusal> {
        match *self {}
    }

    /// Reads the clocks, and the stacks of threads that ran.
    pub fn tick(&mut self, _now_us: u64) {
        match *self {}
    }

    /// Looks for threads that began since the last look.
    pub fn look_for_threads(&mut self, _now_us: u64) {
        match *self {}
    }

    /// Hands out what was read since the last slice.
    pub fn take_slice(&mut self, _slice: Slice) -> NativeSlice {
        match *self {}
    }

    /// Whether the process has ended.
    pub fn is_gone(&self) -> bool {
        match *self {}
    }

    /// CPU time of our own thread spent on it so far.
    pub fn cost_us(&self) -> u64 {
        match *self {}
    }
}
