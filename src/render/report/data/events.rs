//! What happened, with its time: the rise of the CPU, what set the capture off, workers that came and went, samplers
//! that were slowed down, stalls, throttling.

use serde::Serialize;

use crate::analyse::facts::Facts;
use crate::analyse::onset::onset;
use crate::analyse::verdict::Verdict;
use crate::sample::What;
use crate::series::{column, table};

/// Stretches of throttling that are told; a cgroup may be held in every second one of a long capture.
const MOST_THROTTLED: usize = 500;

/// Something that happened.
#[derive(Debug, Serialize)]
pub struct Event {
    at_us: u64,
    /// Its end, where it lasted.
    until_us: Option<u64>,
    kind: Kind,
    text: String,
}

/// What kind of thing.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Trigger,
    Onset,
    Worker,
    Rate,
    Stall,
    Happening,
    Throttled,
}

/// All of it, by time.
pub fn events(facts: &Facts, verdict: &Verdict) -> Vec<Event> {
    let mut events = Vec::new();
    let mut add = |at_us, kind, text| events.push(Event { at_us, until_us: None, kind, text });
    if let Some(trigger) = &facts.evidence.trigger {
        add(trigger.at_us, Kind::Trigger, trigger.words.clone());
        for happening in &trigger.happenings {
            add(happening.at_us, Kind::Happening, happening.what.to_string());
        }
    }
    if let Some(rise) = onset(facts) {
        add(rise.at_us, Kind::Onset, rise.words());
    }
    for event in &facts.evidence.events {
        let (kind, text) = words(event.process.pid, &event.what);
        add(event.at_us, kind, text);
    }
    if let Some(stall) = &verdict.stall {
        let until_us = Some(stall.from_us.saturating_add((stall.seconds * 1e6) as u64));
        events.push(Event { at_us: stall.from_us, until_us, kind: Kind::Stall, text: stall.sentence.clone() });
    }
    events.extend(throttled(facts));
    events.sort_by_key(|event| event.at_us);
    events
}

fn words(pid: i32, what: &What) -> (Kind, String) {
    match what {
        What::WorkerJoined => (Kind::Worker, format!("worker {pid} was found")),
        What::WorkerGone => (Kind::Worker, format!("worker {pid} ended")),
        What::WorkerStopped => (Kind::Worker, format!("worker {pid} was found stopped, by SIGSTOP or a debugger")),
        What::RateSteppedDown { from_hz, to_hz, cost_percent } => (
            Kind::Rate,
            format!("worker {pid}: from {from_hz} to {to_hz} Hz, since sampling cost {cost_percent} % of a core"),
        ),
        What::SlowedForProxy { from_hz, to_hz } => {
            (Kind::Rate, format!("worker {pid}: from {from_hz} to {to_hz} Hz, since /health/liveliness answered late"))
        }
        What::Detached { cost_percent } => (
            Kind::Rate,
            format!("worker {pid} was let go, since sampling cost {cost_percent} % of a core at the lowest rate"),
        ),
        What::DetachedForProxy => {
            (Kind::Rate, format!("worker {pid} was let go, since /health/liveliness did not answer any longer"))
        }
        What::SamplerLost => (Kind::Rate, format!("the sampler of worker {pid} ended by itself")),
    }
}

/// Where the cgroup was held: rows one after the other are one stretch.
fn throttled(facts: &Facts) -> Vec<Event> {
    let Some(table) = facts.series.table(table::CGROUP) else { return Vec::new() };
    let held: Vec<(u64, f64)> = table.column(column::THROTTLED_S).collect();
    let mut stretches: Vec<(u64, u64, f64)> = Vec::new();
    for pair in held.windows(2) {
        let [(from_us, _), (to_us, seconds)] = [pair[0], pair[1]];
        if seconds <= 0.0 {
            continue;
        }
        match stretches.last_mut() {
            Some((_, end_us, sum)) if *end_us == from_us => (*end_us, *sum) = (to_us, *sum + seconds),
            _ => stretches.push((from_us, to_us, seconds)),
        }
    }
    let event = |(at_us, until_us, seconds): (u64, u64, f64)| Event {
        at_us,
        until_us: Some(until_us),
        kind: Kind::Throttled,
        text: format!("the cgroup was held for {seconds:.2} s: its CPU quota had run out"),
    };
    stretches.into_iter().take(MOST_THROTTLED).map(event).collect()
}
