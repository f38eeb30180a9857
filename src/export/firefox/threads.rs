//! The samples of each thread.
//!
//! A row says what the thread did until then: how much CPU it used since the row before, and in which stack. So a row
//! stands at the end of a sample, and where a thread's samples begin or leave a hole, a row without a stack ends the
//! time of which nothing is known.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::export::firefox::Clock;
use crate::export::firefox::markers::Markers;
use crate::export::firefox::tables::node;
use crate::os::proc::ProcessId;
use crate::redact::Clean;
use crate::sample::profile::Profile;

/// A thread with its samples and markers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Thread {
    name: String,
    #[serde(rename = "isMainThread")]
    is_main: bool,
    process_type: &'static str,
    process_name: String,
    process_startup_time: f64,
    process_shutdown_time: Option<f64>,
    register_time: f64,
    unregister_time: Option<f64>,
    paused_ranges: [(); 0],
    show_markers_in_timeline: bool,
    pid: String,
    tid: i32,
    samples: Samples,
    markers: Markers,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Samples {
    length: usize,
    weight_type: &'static str,
    /// Milliseconds of CPU: by these the reader sums stacks.
    weight: Vec<f64>,
    time: Vec<f64>,
    stack: Vec<Option<u32>>,
    /// Nanoseconds of CPU: by these the reader draws how busy a thread was.
    #[serde(rename = "threadCPUDelta")]
    thread_cpu_delta: Vec<u64>,
}

/// The threads in the order of the profile.
#[derive(Debug)]
pub struct Listed {
    /// Worker by worker.
    pub order: Vec<ListedThread>,
    /// The place of each worker's main thread in it, by which readers know a worker, with the worker's name.
    pub main_threads: BTreeMap<ProcessId, (usize, String)>,
}

/// A thread in its place.
#[derive(Debug)]
pub struct ListedThread {
    /// Index of the thread in the capture's profile.
    index: u32,
    /// Its worker.
    pub process: ProcessId,
    /// The worker's pid, as no other worker has it.
    pid: String,
    /// Whether it stands for its worker: the thread that the process began with, else the first one seen.
    pub is_main: bool,
}

/// The threads worker by worker, each worker's main thread first.
pub fn listed(profile: &Profile<Clean>) -> Listed {
    let mut order: Vec<ListedThread> = (0..)
        .zip(&profile.threads)
        .map(|(index, thread)| {
            let pid = name_of(thread.process, profile);
            ListedThread { index, process: thread.process, pid, is_main: thread.tid == thread.process.pid }
        })
        .collect();
    order.sort_by_key(|listed| (listed.process, Reverse(listed.is_main)));
    let mut main_threads = BTreeMap::new();
    for (place, listed) in order.iter_mut().enumerate() {
        listed.is_main = !main_threads.contains_key(&listed.process);
        main_threads.entry(listed.process).or_insert_with(|| (place, listed.pid.clone()));
    }
    Listed { order, main_threads }
}

/// The pid; with the start time where a pid was used twice.
fn name_of(process: ProcessId, profile: &Profile<Clean>) -> String {
    let same = profile.threads.iter().map(|thread| thread.process).filter(|other| other.pid == process.pid);
    let twice = same.collect::<BTreeSet<ProcessId>>().len() > 1;
    if twice { format!("{}-{}", process.pid, process.start_ticks) } else { process.pid.to_string() }
}

impl Thread {
    /// A thread's samples, and the markers that are to be shown with it.
    pub fn of(profile: &Profile<Clean>, clock: Clock, listed: &ListedThread, markers: Markers) -> Self {
        let thread = &profile.threads[listed.index as usize];
        let samples = Samples::of(profile, clock, listed.index);
        Self {
            name: thread.name.as_str().to_owned(),
            is_main: listed.is_main,
            process_type: "default",
            process_name: format!("worker {}", listed.pid),
            process_startup_time: 0.0,
            process_shutdown_time: None,
            register_time: samples.time.first().copied().unwrap_or(0.0),
            unregister_time: None,
            paused_ranges: [],
            show_markers_in_timeline: listed.is_main,
            pid: listed.pid.clone(),
            tid: thread.tid,
            samples,
            markers,
        }
    }
}

impl Samples {
    fn of(profile: &Profile<Clean>, clock: Clock, thread: u32) -> Self {
        let mut samples = Self { weight_type: "tracing-ms", ..Self::default() };
        let mut known_until_us = None;
        for sample in profile.samples.iter().filter(|sample| sample.thread == thread) {
            if known_until_us.is_none_or(|until_us| until_us < sample.at_us) {
                samples.add(clock.ms(sample.at_us), None, 0);
            }
            // A reading that was late overlaps the next; time goes on all the same.
            let end_us = sample.at_us.saturating_add(sample.span_us).max(known_until_us.unwrap_or(0));
            samples.add(clock.ms(end_us), Some(node(profile, sample.place)), sample.cpu_ns);
            known_until_us = Some(end_us);
        }
        samples
    }

    fn add(&mut self, at_ms: f64, stack: Option<u32>, cpu_ns: u64) {
        self.length += 1;
        self.weight.push(cpu_ns as f64 / 1e6);
        self.time.push(at_ms);
        self.stack.push(stack);
        self.thread_cpu_delta.push(cpu_ns);
    }
}
