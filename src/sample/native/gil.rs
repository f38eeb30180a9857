//! How long each worker's threads held the GIL, waited for it and collected garbage, by the samples.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::os::proc::ProcessId;
use crate::sample::native::record::{NativeSlice, State};

/// One worker and its GIL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerGil {
    /// The worker.
    pub process: ProcessId,
    /// What was seen of it.
    pub times: GilTimes,
}

/// Times that were estimated: each sample stands for the mean distance between the readings of its slice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct GilTimes {
    /// How long the worker was read.
    pub read_seconds: f64,
    /// A thread held the GIL.
    pub held_seconds: f64,
    /// Threads waited for it, the times of all threads together.
    pub waited_seconds: f64,
    /// The thread that held it collected garbage.
    pub collecting_seconds: f64,
}

/// Each worker's times over all slices.
pub fn gil_times(slices: &[NativeSlice]) -> Vec<WorkerGil> {
    let mut workers: BTreeMap<ProcessId, GilTimes> = BTreeMap::new();
    for slice in slices.iter().filter(|slice| slice.counts.ticks > 0) {
        let read_seconds = slice.to_us.saturating_sub(slice.from_us) as f64 / 1e6;
        let count = |flags: State| {
            let samples = slice.threads.iter().flat_map(|thread| &thread.samples);
            samples.filter(|sample| sample.state.has(flags)).count() as f64
        };
        let seconds = |flags| count(flags) / slice.counts.ticks as f64 * read_seconds;
        let times = workers.entry(slice.process).or_default();
        times.read_seconds += read_seconds;
        times.held_seconds += seconds(State::GIL_HELD);
        times.waited_seconds += seconds(State::GIL_WAITED);
        times.collecting_seconds += seconds(State::GIL_HELD.with(State::IN_GC));
    }
    let rounded = |seconds: f64| (seconds * 1e3).round() / 1e3;
    let worker = |(process, times): (ProcessId, GilTimes)| WorkerGil {
        process,
        times: GilTimes {
            read_seconds: rounded(times.read_seconds),
            held_seconds: rounded(times.held_seconds),
            waited_seconds: rounded(times.waited_seconds),
            collecting_seconds: rounded(times.collecting_seconds),
        },
    };
    workers.into_iter().map(worker).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::native::record::{Counts, NativeSample, ThreadSamples};

    fn slice(pid: i32, ticks: u64, states: &[State]) -> NativeSlice {
        let sample = |state| NativeSample { at_us: 0, span_us: 0, cpu_ns: 0, run_delay_ns: 0, stack: None, state };
        let samples = states.iter().map(|&state| sample(state)).collect();
        NativeSlice {
            process: ProcessId { pid, start_ticks: 1 },
            rate_hz: 100,
            from_us: 1_000_000,
            to_us: 3_000_000,
            kernel_cpu_us: None,
            frames: Vec::new(),
            stacks: Vec::new(),
            threads: vec![ThreadSamples { tid: 1, inner_tid: 1, comm: "x".into(), name: None, python: true, samples }],
            counts: Counts { ticks, ..Counts::default() },
            cost_us: 0,
        }
    }

    #[test]
    fn a_sample_stands_for_its_part_of_the_slice() {
        let collecting = State::GIL_HELD.with(State::IN_GC);
        let states = [State::GIL_HELD, collecting, State::GIL_WAITED, State::IN_GC, State::ON_CPU];
        let workers = gil_times(&[slice(7, 20, &states), slice(7, 10, &[State::GIL_HELD]), slice(8, 0, &[collecting])]);
        let times = GilTimes { read_seconds: 4.0, held_seconds: 0.4, waited_seconds: 0.1, collecting_seconds: 0.1 };
        assert_eq!(workers, [WorkerGil { process: ProcessId { pid: 7, start_ticks: 1 }, times }]);
    }
}
