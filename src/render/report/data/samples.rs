//! Who was sampled, and every sample: each thread's together, by time, so that a stretch of time is a stretch of each.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analyse::facts::Facts;
use crate::os::proc::ProcessId;
use crate::redact::Clean;
use crate::render::report::data::block::{Column, Columns};
use crate::sample::profile::{Place, Profile, Sample};

/// In the column of stacks: a thread that runs no Python.
const NATIVE: i64 = -1;
/// In the column of stacks: no sampler was attached.
const NOT_SAMPLED: i64 = -2;

/// A worker.
#[derive(Debug, Serialize)]
pub struct Worker {
    pid: i32,
    start_ticks: u64,
    label: String,
}

/// A thread.
#[derive(Debug, Serialize)]
pub struct Thread<'a> {
    /// The number of its worker.
    worker: usize,
    tid: i32,
    name: &'a Clean,
}

/// Samples in columns, by thread, then by time.
#[derive(Debug, Serialize)]
pub struct Samples {
    /// How many samples each thread has.
    per_thread: Column,
    /// When they began: microseconds since the sample before, of the first since time zero.
    at: Column,
    /// The number of the stack less that of the sample before, of the first the number itself.
    stack: Column,
    /// CPU in microseconds, rounded so that a thread's sum up to any sample is exact to one.
    cpu: Column,
}

/// CPU of each stack of a profile of which no time is asked.
#[derive(Debug, Serialize)]
pub struct Weights {
    stack: Column,
    /// In microseconds.
    cpu: Column,
    /// In threads that run no Python, in microseconds.
    native_us: u64,
    /// Without a sampler, in microseconds.
    not_sampled_us: u64,
}

/// All workers, those without a thread in the profile too.
pub fn workers(facts: &Facts) -> Vec<Worker> {
    let processes = processes(facts);
    let twice = |pid| processes.iter().filter(|process| process.pid == pid).count() > 1;
    let worker = |&ProcessId { pid, start_ticks }: &ProcessId| {
        let since = if twice(pid) { format!(", started at tick {start_ticks}") } else { String::new() };
        Worker { pid, start_ticks, label: format!("worker {pid}{since}") }
    };
    processes.iter().map(worker).collect()
}

/// The profile's threads.
pub fn threads(facts: &Facts) -> Vec<Thread<'_>> {
    let processes = processes(facts);
    let number = |process| processes.iter().position(|known| *known == process).unwrap_or_default();
    let threads = facts.profile.threads.iter();
    threads.map(|thread| Thread { worker: number(thread.process), tid: thread.tid, name: &thread.name }).collect()
}

fn processes(facts: &Facts) -> Vec<ProcessId> {
    let mut processes: Vec<ProcessId> = facts.evidence.workers.iter().map(|worker| worker.process).collect();
    for thread in &facts.profile.threads {
        if !processes.contains(&thread.process) {
            processes.push(thread.process);
        }
    }
    processes
}

/// All samples of a profile.
pub fn samples(profile: &Profile<Clean>, columns: &mut Columns) -> Samples {
    let mut per_thread: Vec<Vec<&Sample>> = vec![Vec::new(); profile.threads.len()];
    for sample in &profile.samples {
        per_thread[sample.thread as usize].push(sample);
    }
    for samples in &mut per_thread {
        samples.sort_by_key(|sample| sample.at_us);
    }
    let at = per_thread.iter().flat_map(|samples| {
        let before = std::iter::once(0).chain(samples.iter().map(|sample| sample.at_us));
        samples.iter().zip(before).map(|(sample, before_us)| sample.at_us - before_us)
    });
    let stack = per_thread.iter().flat_map(|samples| {
        let before = std::iter::once(0).chain(samples.iter().map(|sample| number_of(sample.place)));
        samples.iter().zip(before).map(|(sample, before)| number_of(sample.place) - before)
    });
    let cpu = per_thread.iter().flat_map(|samples| {
        let mut sum = Sum::default();
        samples.iter().map(move |sample| sum.add(sample.cpu_ns))
    });
    Samples {
        per_thread: columns.varints(per_thread.iter().map(|samples| samples.len() as u64)),
        at: columns.varints(at),
        stack: columns.zigzags(stack),
        cpu: columns.varints(cpu),
    }
}

/// The CPU of each stack of a profile, whose stacks have these numbers in the page's table.
pub fn weights(profile: &Profile<Clean>, numbers: &[u32], columns: &mut Columns) -> Weights {
    let mut places: BTreeMap<Place, u64> = BTreeMap::new();
    for sample in profile.samples.iter().filter(|sample| sample.cpu_ns > 0) {
        let place = match sample.place {
            Place::Stack(stack) => Place::Stack(numbers[stack as usize]),
            place => place,
        };
        *places.entry(place).or_default() += sample.cpu_ns;
    }
    let of = |place| (places.get(&place).copied().unwrap_or(0) + 500) / 1_000;
    let (native_us, not_sampled_us) = (of(Place::Native), of(Place::NotSampled));
    let mut sum = Sum::default();
    let (stacks, cpu): (Vec<u64>, Vec<u64>) = places
        .iter()
        .filter_map(|(place, cpu_ns)| match place {
            Place::Stack(stack) => Some((u64::from(*stack), sum.add(*cpu_ns))),
            Place::Native | Place::NotSampled => None,
        })
        .unzip();
    Weights { stack: columns.varints(stacks), cpu: columns.varints(cpu), native_us, not_sampled_us }
}

/// The usual distance of two samples of one thread in microseconds; none where no thread has two.
pub fn interval_us(profile: &Profile<Clean>) -> Option<u64> {
    let mut last: Vec<Option<u64>> = vec![None; profile.threads.len()];
    let mut distances: Vec<u64> = Vec::new();
    for sample in profile.samples.iter().filter(|sample| sample.cpu_ns > 0) {
        let before = last[sample.thread as usize].replace(sample.at_us);
        distances.extend(before.map(|before_us| sample.at_us.saturating_sub(before_us)));
    }
    let middle = distances.len() / 2;
    (!distances.is_empty()).then(|| *distances.select_nth_unstable(middle).1)
}

fn number_of(place: Place) -> i64 {
    match place {
        Place::Stack(stack) => i64::from(stack),
        Place::Native => NATIVE,
        Place::NotSampled => NOT_SAMPLED,
    }
}

/// Nanoseconds that become microseconds one after the other, without their rest being lost.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    ns: u64,
}

impl Sum {
    fn add(&mut self, more_ns: u64) -> u64 {
        let before_us = self.us();
        self.ns += more_ns;
        self.us() - before_us
    }

    fn us(self) -> u64 {
        (self.ns + 500) / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rest_of_a_nanosecond_is_lost() {
        let mut sum = Sum::default();
        let told: Vec<u64> = (0..10).map(|_| sum.add(333)).collect();
        assert_eq!(told, [0, 1, 0, 0, 1, 0, 0, 1, 0, 0]);
        assert_eq!(told.iter().sum::<u64>(), 3);
    }
}
