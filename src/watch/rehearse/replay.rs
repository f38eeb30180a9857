//! A bundle's facts through the rules, second by second: each row comes when it was known, and it is judged after each
//! round of readings, as a watch does. Only what a watch leaves to its limits is not looked at.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::analyse::facts::Facts;
use crate::collect::fingerprint::Fingerprint;
use crate::discover::Role;
use crate::redact::Clean;
use crate::series::{Reading, Row, Table, column, table};
use crate::traffic::Tally;
use crate::watch::trigger::capacity::Capacity;
use crate::watch::trigger::plan::RulesPlan;
use crate::watch::trigger::reason::{Condition, Reason};
use crate::watch::trigger::{Judgement, Moment, Standing, Trigger};

/// A watch judges once a second.
const EVERY_US: u64 = 1_000_000;
/// Rows of one round of readings are not further apart.
const ROUND_US: u64 = 300_000;
/// In a hole that is longer than this nothing changes any more.
const LONGEST_HOLE_US: u64 = 120_000_000;
/// A probe without an answer was given up by then.
const LONGEST_PROBE_US: u64 = 5_000_000;
/// A spike is over when nothing fired for so long: what `--calm` is where nothing else is said.
const CALM_US: u64 = 10_000_000;

/// What the rules made of a bundle's series.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsal {
    /// Time zero.
    pub epoch: Timestamp,
    /// The first reading, in microseconds since then.
    pub from_us: u64,
    /// The last one.
    pub to_us: u64,
    /// Each spike.
    pub fired: Vec<Fired>,
    /// Each condition that was never met, with the moment at which it came nearest; none where nothing was known of it.
    pub near: BTreeMap<Condition, Option<Standing>>,
}

/// A spike.
#[derive(Debug, Clone, PartialEq)]
pub struct Fired {
    /// When the rules fired, in microseconds since time zero.
    pub at_us: u64,
    /// Why.
    pub reason: Reason,
    /// What else was met until it was calm, as it was first.
    pub others: Vec<Reason>,
    /// When it was calm again; none where it was not before the series end.
    pub until_us: Option<u64>,
    /// The highest share of CPU, of what may be used.
    pub peak: Option<f64>,
}

/// Something that a watch would have come to know.
enum Event<'a> {
    Row(&'a Table, &'a Row),
    Tally(&'a Tally<Clean>),
}

/// Runs the rules over the series; none where there are none that a rule looks at.
pub fn replay(facts: &Facts, rules: &RulesPlan) -> Option<Rehearsal> {
    let probes = probes(facts.series.table(table::LIVELINESS));
    let events = events(facts, &probes);
    let (from_us, to_us) = (events.first()?.0, events.last()?.0);
    let moments = moments(facts, (from_us, to_us));
    let mut trigger = Trigger::new(rules.clone(), capacity(facts.fingerprint.as_ref()));
    tell_of_starts(&mut trigger, facts);

    let near = rules.conditions().into_iter().map(|condition| (condition, None)).collect();
    let mut stage = Stage { trigger, near, fired: Vec::new(), spike: None };
    let mut events = events.into_iter().peekable();
    for now_us in moments {
        while let Some((_, event)) = events.next_if(|(known_us, _)| *known_us <= now_us) {
            match event {
                Event::Row(table, row) => stage.trigger.see(&reading(table, row)),
                Event::Tally(tally) => stage.trigger.see_tally(tally),
            }
        }
        let under_way = probes.iter().find(|(sent_us, ended_us)| *sent_us <= now_us && now_us < *ended_us);
        stage.judge(Moment { now_us, probe_sent_us: under_way.map(|(sent_us, _)| *sent_us) });
    }
    Some(stage.end(facts.epoch(), (from_us, to_us)))
}

/// The rules at work, and what came of them so far.
struct Stage {
    trigger: Trigger,
    near: BTreeMap<Condition, Option<Standing>>,
    fired: Vec<Fired>,
    spike: Option<Fired>,
}

impl Stage {
    fn judge(&mut self, moment: Moment) {
        for standing in self.trigger.standings(moment) {
            if let Some(nearest) = self.near.get_mut(&standing.condition) {
                let is_nearer = nearest.as_ref().is_none_or(|known| share_of_limit(known) < share_of_limit(&standing));
                if standing.held.is_some() && is_nearer {
                    *nearest = Some(standing);
                }
            }
        }
        if let Judgement::Hot { reason, others } = self.trigger.judge(moment) {
            for met in std::iter::once(&reason).chain(&others) {
                self.near.remove(&met.condition);
            }
            match &mut self.spike {
                None => {
                    let at_us = reason.to_us.min(moment.now_us);
                    self.spike = Some(Fired { at_us, reason, others, until_us: None, peak: None });
                }
                Some(spike) => spike.add(std::iter::once(reason).chain(others)),
            }
        }
        let calm_since_us = self.trigger.calm_since_us();
        if calm_since_us.is_some_and(|since_us| moment.now_us.saturating_sub(since_us) >= CALM_US) {
            self.end_spike();
        }
    }

    fn end_spike(&mut self) {
        if let Some(spike) = self.spike.take() {
            self.fired.push(Fired { until_us: self.trigger.calm_since_us(), peak: self.trigger.peak(), ..spike });
        }
        self.trigger.end_spike();
    }

    fn end(mut self, epoch: Timestamp, (from_us, to_us): (u64, u64)) -> Rehearsal {
        self.end_spike();
        Rehearsal { epoch, from_us, to_us, fired: self.fired, near: self.near }
    }
}

impl Fired {
    /// What is met later in the same spike, each condition once.
    fn add(&mut self, reasons: impl Iterator<Item = Reason>) {
        for reason in reasons {
            let is_known = |known: &Reason| known.condition == reason.condition;
            if !is_known(&self.reason) && !self.others.iter().any(is_known) {
                self.others.push(reason);
            }
        }
    }
}

/// How near it came: limits may change.
fn share_of_limit(standing: &Standing) -> f64 {
    standing.held.map_or(0.0, |held| held.lowest / standing.limit)
}

/// What the proxy could use, as it was when the capture began.
fn capacity(print: Option<&Fingerprint<Clean>>) -> Capacity {
    Capacity {
        quota_cores: print.and_then(|print| print.cgroup.cpu_quota_cores),
        cpus: print.and_then(|print| print.host.cpus_allowed.or(print.host.cpus_online)),
    }
}

/// Workers that are known by name; others that come later began with their first row.
fn tell_of_starts(trigger: &mut Trigger, facts: &Facts) {
    let processes = facts.fingerprint.iter().flat_map(|print| &print.processes);
    for process in processes.filter(|process| process.role == Role::Worker) {
        if let Some(began) = process.started_utc.as_ref().and_then(|utc| utc.parse::<Timestamp>().ok()) {
            trigger.began(process.id.pid, began.as_microsecond().saturating_sub(facts.epoch().as_microsecond()));
        }
    }
}

/// Each probe's beginning and end. One that told no time was given up, or had ended when the next one was sent.
fn probes(table: Option<&Table>) -> Vec<(u64, u64)> {
    let Some(table) = table else { return Vec::new() };
    let latencies: BTreeMap<u64, f64> = table.column(column::LATENCY_S).collect();
    let ends = |(index, row): (usize, &Row)| {
        let next_us = table.rows.get(index + 1).map_or(u64::MAX, |next| next.at_us);
        let given_up_us = row.at_us.saturating_add(LONGEST_PROBE_US).min(next_us);
        let answered = latencies.get(&row.at_us).map(|latency_s| row.at_us.saturating_add((latency_s * 1e6) as u64));
        (row.at_us, answered.unwrap_or(given_up_us))
    };
    table.rows.iter().enumerate().map(ends).collect()
}

/// Everything by the moment at which it was known.
fn events<'a>(facts: &'a Facts, probes: &[(u64, u64)]) -> Vec<(u64, Event<'a>)> {
    let ends: BTreeMap<u64, u64> = probes.iter().copied().collect();
    let mut events = Vec::new();
    for table in facts.series.0.values() {
        let is_probes = table.name == table::LIVELINESS;
        if !is_probes && !is_of_the_kernel(table) {
            continue;
        }
        for row in &table.rows {
            let known_us = if is_probes { ends.get(&row.at_us).copied() } else { None };
            events.push((known_us.unwrap_or(row.at_us), Event::Row(table, row)));
        }
    }
    let read_us = |tally: &Tally<Clean>| tally.at_us.saturating_add(tally.took_us / 2);
    events.extend(facts.evidence.tallies.iter().map(|tally| (read_us(tally), Event::Tally(tally))));
    events.sort_by_key(|(known_us, _)| *known_us);
    events
}

/// A row as it was read.
fn reading(table: &Table, row: &Row) -> Reading {
    let values = table.columns.iter().cloned().zip(row.values.iter().copied()).collect();
    Reading { table: table.name.clone(), at_us: row.at_us, values }
}

/// Whether its rows are read by the rounds after which is judged.
fn is_of_the_kernel(table: &Table) -> bool {
    let is_worker = table.name.strip_prefix(table::WORKER).is_some_and(|rest| rest.starts_with('-'));
    is_worker || matches!(table.name.as_str(), table::CGROUP | table::HOST)
}

/// When it is judged: after each round of readings, and once a second where there is none.
fn moments(facts: &Facts, (from_us, to_us): (u64, u64)) -> Vec<u64> {
    let kernel = facts.series.0.values().filter(|table| is_of_the_kernel(table));
    let mut times: Vec<u64> = kernel.flat_map(|table| table.rows.iter().map(|row| row.at_us)).collect();
    times.extend([from_us, to_us]);
    times.sort_unstable();
    times.dedup();
    let rounds = times.chunk_by(|a, b| b - a <= ROUND_US).filter_map(|round| round.last().copied());

    let mut moments: Vec<u64> = Vec::new();
    for round_us in rounds {
        if let Some(&last_us) = moments.last() {
            let until_us = round_us.min(last_us.saturating_add(LONGEST_HOLE_US)).saturating_sub(EVERY_US / 2);
            moments.extend((last_us..until_us).step_by(EVERY_US as usize).skip(1));
        }
        moments.push(round_us);
    }
    moments
}
