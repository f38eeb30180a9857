//! How long the event loop stood still, and what it did instead.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::analyse::facts::Facts;
use crate::analyse::figures::{clock, duration};
use crate::analyse::frames::drawn;
use crate::analyse::taxonomy::is_boilerplate;
use crate::os::proc::ProcessId;
use crate::redact::Clean;
use crate::sample::What;
use crate::sample::profile::{Place, Profile, Sample};
use crate::series::{column, table, utc_us};

/// A question to `/health/liveliness` is given up after so long.
pub const LIVELINESS_DEADLINE_SECONDS: f64 = 5.0;
/// An answer that takes longer was held up: a loop that is merely busy answers in some tens of milliseconds.
const SHORTEST_WAIT_SECONDS: f64 = 0.2;
/// Stacks that stay below one function for less are work like any other.
const SHORTEST_RUN_SECONDS: f64 = 0.5;
/// A main thread that ran, or waited for a CPU, for less of a sample's time had nothing to do in between.
const BUSY_SHARE: f64 = 0.8;
/// Samples of one thread follow each other; a larger hole between two is a pause.
const LARGEST_HOLE_US: u64 = 50_000;
/// Of a wait's length, the part for which a main thread must have run, or waited for a CPU, to be its reason.
const LEAST_REASON_SHARE: f64 = 0.1;
/// Python's name for the thread that runs the event loop.
const MAIN_THREAD: &str = "MainThread";

/// By what a stall was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasuredBy {
    /// `/health/liveliness` did not answer for so long; it runs on the event loop.
    Liveliness,
    /// The main thread's stacks stayed below one function, with hardly a pause.
    Samples,
}

/// The longest stall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// Its length.
    pub seconds: f64,
    /// Its beginning, in UTC.
    pub from_utc: String,
    /// Its beginning, in microseconds since the capture began.
    pub from_us: u64,
    /// How it was measured.
    pub measured_by: MeasuredBy,
    /// The worker whose main thread was busiest then.
    pub pid: Option<i32>,
    /// The calls in which the worker's main thread spent at least half of that, the caller first, as `function (file)`;
    /// empty where it spent half of it in none.
    pub stack: Vec<String>,
    /// One sentence with the figures.
    pub sentence: String,
}

/// The longest stall: by the answers of the event loop, else by the stacks.
pub fn stall(facts: &Facts) -> Option<Stall> {
    match facts.series.table(table::LIVELINESS).filter(|table| !table.rows.is_empty()) {
        Some(_) => by_liveliness(facts),
        None => by_samples(facts),
    }
}

fn by_liveliness(facts: &Facts) -> Option<Stall> {
    let asked = facts.series.table(table::LIVELINESS)?;
    let from_us = facts.spike_from_us();
    let answered = asked.column(column::LATENCY_S).filter(|(at_us, _)| *at_us >= from_us);
    let latencies: BTreeMap<u64, f64> = answered.filter(|(_, latency)| latency.is_finite()).collect();
    let given_up = |at_us: &u64| !latencies.contains_key(at_us) && waited_in_vain(facts, *at_us);
    let failed = asked.column(column::FAILED).filter(|(at_us, failed)| *failed > 0.0 && *at_us >= from_us);
    let failed = failed.map(|(at_us, _)| at_us);
    let failed = failed.filter(given_up).map(|at_us| (at_us, LIVELINESS_DEADLINE_SECONDS));
    let (from_us, seconds) = failed
        .chain(latencies.iter().map(|(at_us, latency)| (*at_us, *latency)))
        .filter(|(_, seconds)| *seconds >= SHORTEST_WAIT_SECONDS)
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
    let answered = latencies.contains_key(&from_us);
    let to_us = from_us.saturating_add((seconds * 1e6) as u64);
    let reason = busiest(&facts.profile, main_thread_samples(&facts.profile), (from_us, to_us))
        .filter(|reason| (reason.ran_ns + reason.waited_ns) as f64 / 1e9 >= LEAST_REASON_SHARE * seconds);
    let took = if answered { "was answered after" } else { "was not answered within" };
    let because = match &reason {
        Some(reason) => {
            format!("meanwhile the main thread of worker {} {}, {}", reason.process.pid, reason.did(), reason.mostly())
        }
        None if is_mostly_sampled(facts, (from_us, to_us)) => {
            format!("no worker's main thread ran or waited for a CPU for a tenth of that, {}", idle(facts))
        }
        None => "the stacks were not sampled then, so that the reason is not known".to_owned(),
    };
    Some(Stall {
        seconds,
        from_utc: utc_us(facts.epoch(), from_us),
        from_us,
        measured_by: MeasuredBy::Liveliness,
        pid: reason.as_ref().map(|reason| reason.process.pid),
        stack: reason.map_or_else(Vec::new, |reason| reason.path),
        sentence: format!(
            "/health/liveliness, asked at {}, {took} {}; {because}.",
            clock(facts.epoch(), from_us),
            duration(seconds),
        ),
    })
}

/// Whether stacks were sampled for at least half of a stretch.
fn is_mostly_sampled(facts: &Facts, (from_us, to_us): (u64, u64)) -> bool {
    if !facts.evidence.stacks.are_taken() {
        return false;
    }
    let sampled_us = facts.sampled_us();
    let inside_us = to_us.min(sampled_us.1).saturating_sub(from_us.max(sampled_us.0));
    inside_us * 2 >= to_us - from_us
}

/// What a proxy does that neither answers nor runs.
fn idle(facts: &Facts) -> String {
    let events = facts.evidence.events.iter();
    let stopped: BTreeSet<i32> =
        events.filter(|event| event.what == What::WorkerStopped).map(|event| event.process.pid).collect();
    let pids: Vec<String> = stopped.iter().map(i32::to_string).collect();
    match pids.as_slice() {
        [] => "so that it waited for something else".to_owned(),
        [pid] => format!("and worker {pid} was found stopped, by SIGSTOP or a debugger"),
        pids => format!("and workers {} were found stopped, by SIGSTOP or a debugger", pids.join(", ")),
    }
}

/// Whether a question without an answer was one that timed out. One that was refused is followed by the next after the
/// usual second.
fn waited_in_vain(facts: &Facts, at_us: u64) -> bool {
    let deadline_us = (LIVELINESS_DEADLINE_SECONDS * 1e6) as u64;
    let rows = facts.series.table(table::LIVELINESS).map_or(&[][..], |table| &table.rows);
    let next_us = rows.iter().map(|row| row.at_us).find(|next| *next > at_us).unwrap_or(facts.sampled_us().1);
    next_us.saturating_sub(at_us) >= deadline_us
}

/// The thread that held a loop up, and with what. A thread that waits for a CPU holds it up as one that runs does.
struct Reason {
    process: ProcessId,
    ran_ns: u64,
    waited_ns: u64,
    /// The calls that at least half of it has in common.
    path: Vec<String>,
}

impl Reason {
    fn did(&self) -> String {
        let ran = format!("ran for {}", duration(self.ran_ns as f64 / 1e9));
        match self.waited_ns {
            0 => ran,
            waited_ns => format!("{ran} and waited for a CPU for {}", duration(waited_ns as f64 / 1e9)),
        }
    }

    fn mostly(&self) -> String {
        self.path.last().map_or_else(|| "not mostly in any function".to_owned(), |last| format!("mostly in {last}"))
    }
}

/// The thread that ran or would have run for most of a stretch of these samples' time, and the calls in which it did.
fn busiest<'a>(
    profile: &Profile<Clean>,
    samples: impl Iterator<Item = &'a Sample>,
    stretch: (u64, u64),
) -> Option<Reason> {
    let mut threads: BTreeMap<u32, BTreeMap<Place, (u64, u64)>> = BTreeMap::new();
    for sample in samples {
        let inside = |ns| within(sample, ns, stretch);
        let place = threads.entry(sample.thread).or_default().entry(sample.place).or_default();
        *place = (place.0 + inside(sample.cpu_ns), place.1 + inside(sample.run_delay_ns));
    }
    let sums = |places: &BTreeMap<Place, (u64, u64)>| {
        places.values().fold((0, 0), |(ran, waited), place| (ran + place.0, waited + place.1))
    };
    let both = |(ran, waited): (u64, u64)| ran + waited;
    let (thread, places) = threads.into_iter().max_by_key(|(_, places)| both(sums(places)))?;
    let (ran_ns, waited_ns) = sums(&places);
    // The same functions at other lines are the same stack.
    let mut stacks: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    for (place, spent) in places {
        if let Place::Stack(stack) = place {
            *stacks.entry(below_server(profile, stack)).or_default() += both(spent);
        }
    }
    let path = common_path(&stacks, both((ran_ns, waited_ns)));
    Some(Reason { process: profile.threads[thread as usize].process, ran_ns, waited_ns, path })
}

/// From the caller on, the calls below each of which at least half of all was spent. The most frequent whole stack would
/// say little: a loop that does the same work again and again is in it with many stacks, each of them rare.
fn common_path(stacks: &BTreeMap<Vec<String>, u64>, all_ns: u64) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    loop {
        let mut next: BTreeMap<&String, u64> = BTreeMap::new();
        for (stack, ns) in stacks.iter().filter(|(stack, _)| stack.starts_with(&path)) {
            if let Some(frame) = stack.get(path.len()) {
                *next.entry(frame).or_default() += ns;
            }
        }
        let Some((frame, _)) = next.into_iter().find(|(_, ns)| *ns > 0 && *ns * 2 >= all_ns) else { return path };
        path.push(frame.clone());
    }
}

/// The part of a sample's time on a CPU, or waiting for one, that lies in a stretch.
fn within(sample: &Sample, ns: u64, (from_us, to_us): (u64, u64)) -> u64 {
    let end_us = sample.at_us.saturating_add(sample.span_us);
    let inside_us = end_us.min(to_us).saturating_sub(sample.at_us.max(from_us));
    if inside_us == 0 { 0 } else { (ns as f64 * inside_us as f64 / sample.span_us as f64) as u64 }
}

fn main_thread_samples(profile: &Profile<Clean>) -> impl Iterator<Item = &Sample> {
    let is_main = |sample: &&Sample| profile.threads[sample.thread as usize].name.as_str() == MAIN_THREAD;
    profile.samples.iter().filter(is_main)
}

/// A stack from the first frame that is not the server's own to its leaf; nothing where every frame is.
fn below_server(profile: &Profile<Clean>, stack: u32) -> Vec<String> {
    let mut frames: Vec<_> = profile.leaf_to_root(stack).collect();
    frames.reverse();
    frames.iter().skip_while(|frame| is_boilerplate(frame)).map(|frame| drawn(frame)).collect()
}

/// A stretch in which one function was always on a busy main thread's stack.
#[derive(Clone)]
struct Run {
    function: String,
    thread: u32,
    from_us: u64,
    to_us: u64,
    /// How deep in the last stack the function stood: of two that were there equally long the inner one says more.
    depth: usize,
}

fn by_samples(facts: &Facts) -> Option<Stall> {
    let profile = &facts.profile;
    let longest = longest_run(profile)?;
    let seconds = longest.to_us.saturating_sub(longest.from_us) as f64 / 1e6;
    if seconds < SHORTEST_RUN_SECONDS {
        return None;
    }
    let process = profile.threads[longest.thread as usize].process;
    let its_samples = main_thread_samples(profile).filter(|sample| sample.thread == longest.thread);
    let reason = busiest(profile, its_samples, (longest.from_us, longest.to_us));
    Some(Stall {
        seconds,
        from_utc: utc_us(facts.epoch(), longest.from_us),
        from_us: longest.from_us,
        measured_by: MeasuredBy::Samples,
        pid: Some(process.pid),
        stack: reason.map_or_else(Vec::new, |reason| reason.path),
        sentence: format!(
            "By its stacks, the main thread of worker {} stayed below {} for {} from {} on, running or waiting for a \
             CPU for at least {:.0} % of each sample.",
            process.pid,
            longest.function,
            duration(seconds),
            clock(facts.epoch(), longest.from_us),
            BUSY_SHARE * 100.0,
        ),
    })
}

fn longest_run(profile: &Profile<Clean>) -> Option<Run> {
    let mut frames_of: HashMap<u32, Vec<String>> = HashMap::new();
    let mut running: BTreeMap<u32, (u64, Vec<Run>)> = BTreeMap::new();
    let mut longest: Option<Run> = None;
    for sample in main_thread_samples(profile) {
        let thread = sample.thread;
        let (last_us, runs) = running.entry(thread).or_default();
        let busy = (sample.cpu_ns + sample.run_delay_ns) as f64 >= BUSY_SHARE * sample.span_us as f64 * 1e3
            && sample.span_us > 0;
        let (Place::Stack(stack), true) = (sample.place, busy) else {
            runs.clear();
            continue;
        };
        if sample.at_us.saturating_sub(*last_us) > LARGEST_HOLE_US {
            runs.clear();
        }
        let to_us = sample.at_us.saturating_add(sample.span_us);
        *last_us = to_us;
        let frames = frames_of.entry(stack).or_insert_with(|| below_server(profile, stack));
        let goes_on = frames.iter().enumerate().map(|(depth, function)| {
            let known = runs.iter().find(|run| run.function == *function);
            let from_us = known.map_or(sample.at_us, |run| run.from_us);
            Run { function: function.clone(), thread, from_us, to_us, depth }
        });
        *runs = goes_on.collect();
        let best = runs.iter().max_by_key(|run| (run.to_us.saturating_sub(run.from_us), run.depth));
        let length = |run: &Run| run.to_us.saturating_sub(run.from_us);
        if let Some(best) = best.filter(|best| longest.as_ref().is_none_or(|known| length(best) > length(known))) {
            longest = Some(best.clone());
        }
    }
    longest
}
