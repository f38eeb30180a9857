//! What the native engine keeps of one worker in one slice: one line of the work folder.
//!
//! Frames and stacks are written once, when they are first seen, and go by their number from then on, over all slices
//! of a worker. So a line can only be read with those before it, and a capture that is killed loses its last slice.

use serde::{Deserialize, Serialize};

use crate::os::proc::ProcessId;
use crate::sample::profile::StackNode;

/// One worker over one slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeSlice {
    /// The worker.
    pub process: ProcessId,
    /// Samples a second asked for.
    pub rate_hz: u32,
    /// First reading, in microseconds since the capture began.
    pub from_us: u64,
    /// Last reading.
    pub to_us: u64,
    /// Growth of user and system time of the whole process over the same time, threads that ended included, as
    /// `/proc/PID/stat` counts it; none where the process was gone at the end.
    pub kernel_cpu_us: Option<u64>,
    /// Frames that were not seen in the slices before; they are numbered from the end of those.
    pub frames: Vec<FrameRecord>,
    /// Stacks that were not seen in the slices before, numbered alike; a parent stands before its children.
    pub stacks: Vec<StackNode>,
    /// The threads.
    pub threads: Vec<ThreadSamples>,
    /// How the reading went.
    pub counts: Counts,
    /// CPU time of our own thread spent on this worker in this slice.
    pub cost_us: u64,
}

/// A function at a line. The record stays in the work folder; the join makes its text raw again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FrameRecord {
    /// Qualified name of the function.
    pub function: String,
    /// Full path of its file.
    pub file: String,
    /// Line that was being executed; 0 where it is not known.
    pub line: u32,
}

/// One thread over one slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadSamples {
    /// The thread's id in our PID namespace.
    pub tid: i32,
    /// The thread's id in the target's own PID namespace, as the target's interpreter knows it.
    pub inner_tid: i32,
    /// The kernel's name for it.
    pub comm: String,
    /// Python's name for it; none where that is not known.
    pub name: Option<String>,
    /// Whether the interpreter knows the thread.
    pub python: bool,
    /// Its samples, by time.
    pub samples: Vec<NativeSample>,
}

/// A moment of one thread, and what it used since the moment before. Stored as a row of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub struct NativeSample {
    /// When, in microseconds since the capture began.
    pub at_us: u64,
    /// Since when the following two are counted, as the time until this sample: the clock's reading before.
    pub span_us: u64,
    /// CPU time that the thread used in that time.
    pub cpu_ns: u64,
    /// Time in which it was runnable but had no CPU.
    pub run_delay_ns: u64,
    /// The stack that it was in; none where it has none or it could not be read.
    pub stack: Option<u32>,
    /// What the thread was doing.
    pub state: State,
}

/// At, span, CPU, run delay, stack, state.
type Row = (u64, u64, u64, u64, Option<u32>, State);

impl From<Row> for NativeSample {
    fn from((at_us, span_us, cpu_ns, run_delay_ns, stack, state): Row) -> Self {
        Self { at_us, span_us, cpu_ns, run_delay_ns, stack, state }
    }
}

impl From<NativeSample> for Row {
    fn from(sample: NativeSample) -> Self {
        (sample.at_us, sample.span_us, sample.cpu_ns, sample.run_delay_ns, sample.stack, sample.state)
    }
}

/// What a thread was doing at the moment of a sample: flags, stored as one small number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct State(u8);

impl State {
    /// Nothing of the following.
    pub const NONE: Self = Self(0);
    /// It was on a CPU.
    pub const ON_CPU: Self = Self(1);
    /// It held the GIL.
    pub const GIL_HELD: Self = Self(2);
    /// It waited for the GIL.
    pub const GIL_WAITED: Self = Self(4);
    /// The interpreter was collecting garbage.
    pub const IN_GC: Self = Self(8);
    /// Its stack changed while it was read.
    pub const TORN: Self = Self(16);

    /// These flags too.
    #[must_use]
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// Whether all of these flags are set.
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// How the reading went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Readings of the worker.
    pub ticks: u64,
    /// Those that came later than one whole interval.
    pub late_ticks: u64,
    /// Stacks that were read.
    pub read: u64,
    /// Of these, those that changed while they were read.
    pub torn: u64,
    /// Stacks that could not be read.
    pub failed: u64,
    /// Readings that were tried again since the stack had changed.
    pub retries: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            ticks: self.ticks + other.ticks,
            late_ticks: self.late_ticks + other.late_ticks,
            read: self.read + other.read,
            torn: self.torn + other.torn,
            failed: self.failed + other.failed,
            retries: self.retries + other.retries,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sample_is_a_short_row_of_numbers() {
        let state = State::ON_CPU.with(State::GIL_HELD);
        let sample = NativeSample { at_us: 9, span_us: 8, cpu_ns: 7, run_delay_ns: 6, stack: Some(5), state };
        assert_eq!(serde_json::to_string(&sample).unwrap(), "[9,8,7,6,5,3]");
        let without = NativeSample { stack: None, state: State::NONE, ..sample };
        assert_eq!(serde_json::to_string(&without).unwrap(), "[9,8,7,6,null,0]");
    }

    #[test]
    fn flags_are_told_apart() {
        let state = State::IN_GC.with(State::GIL_HELD);
        assert!(state.has(State::IN_GC) && state.has(State::GIL_HELD) && state.has(State::NONE));
        assert!(!state.has(State::ON_CPU) && !state.has(State::IN_GC.with(State::TORN)));
    }

    proptest! {
        #[test]
        fn a_sample_comes_back_as_it_was(numbers in any::<(u64, u64, u64, u64, Option<u32>, u8)>()) {
            let (at_us, span_us, cpu_ns, run_delay_ns, stack, flags) = numbers;
            let sample = NativeSample { at_us, span_us, cpu_ns, run_delay_ns, stack, state: State(flags) };
            let back: NativeSample = serde_json::from_slice(&serde_json::to_vec(&sample).unwrap()).unwrap();
            prop_assert_eq!(back, sample);
        }

        #[test]
        fn no_line_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = serde_json::from_slice::<NativeSlice>(&bytes);
        }
    }
}
