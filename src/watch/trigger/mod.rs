//! When to capture: rows of readings go in, and once a second comes out whether a spike is on, and why.
//!
//! There is no clock in here; every moment is given, in microseconds since time zero. So a watch that runs for weeks
//! and a rehearsal over stored series judge by the same rules at the same moments.
//!
//! A condition is met when all its readings of the last `--for` reached the limit; a reading or two may be missing, and
//! a longer hole is neither a spike nor calm. Any condition is enough; of several, the first of [`Condition::ALL`] is
//! the reason. What is remembered is bounded: for each worker and condition the readings of `--for`, and one
//! distribution.

pub mod capacity;
pub mod hold;
pub mod latency;
pub mod past;
pub mod plan;
pub mod reason;
pub mod workers;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::series::{Reading, column, table};
use crate::traffic::Tally;
use crate::watch::trigger::capacity::{Capacity, Scope};
use crate::watch::trigger::hold::{Held, Hold, Kind, Measure};
use crate::watch::trigger::latency::Latencies;
use crate::watch::trigger::past::Past;
use crate::watch::trigger::plan::RulesPlan;
use crate::watch::trigger::reason::{Condition, Reason, Whole, Whom};
use crate::watch::trigger::workers::{Growth, Round, Workers};

/// Rows that are not further apart are of one round of readings, which takes some milliseconds.
const ROUND_US: u64 = 300_000;
/// Rows that wait to be judged; more are taken in at once, so that nothing grows where nobody judges.
const MOST_WAITING: usize = 4096;
/// What was hot and is not read any more is waited for so long before the others may say that all is calm.
const WAITED_FOR_US: u64 = 60_000_000;

/// A moment at which is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub now_us: u64,
    /// When the probe of `/health/liveliness` was sent that has no answer yet; none where none is under way.
    pub probe_sent_us: Option<u64>,
}

/// Whether a spike is on.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// No condition is met.
    Calm,
    /// At least one is.
    Hot {
        /// The first.
        reason: Reason,
        /// The others that are met as well.
        others: Vec<Reason>,
    },
    /// Nothing was read for so long that neither can be said, or not yet.
    Unknown,
}

/// How one condition stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Which.
    pub condition: Condition,
    /// Whom its figures are of; of several workers, the one that comes nearest.
    pub whom: Whom,
    /// What a share of CPU is of.
    pub of: Option<Whole>,
    /// What the figures are held against.
    pub limit: f64,
    /// What the recorded past had at most.
    pub usual: Option<f64>,
    /// The last reading's figure; infinite for a failed probe, none where none speaks for this moment.
    pub latest: Option<f64>,
    /// What held for all of the time asked for; none where not so much is known.
    pub held: Option<Held>,
}

/// The rules at work.
#[derive(Debug)]
pub struct Trigger {
    rules: RulesPlan,
    capacity: Capacity,
    waiting: Vec<(u64, Row)>,
    last_round_us: Option<u64>,
    workers: Workers,
    cgroup: Cgroup,
    whole: Hold,
    throttled: Hold,
    probes: Hold,
    latencies: Latencies,
    past: Option<Past>,
    hot_lately: BTreeMap<Condition, u64>,
    calm_since_us: Option<u64>,
    peak: Peak,
}

/// What is taken from a row of the kernel's counters.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Row {
    Worker { pid: i32, cpu_s: Option<f64> },
    Cgroup { cpu_s: Option<f64>, periods: Option<f64>, throttled_periods: Option<f64> },
    Host,
}

/// The counters of the cgroup.
#[derive(Debug, Default)]
struct Cgroup {
    cpu: Growth,
    periods: Growth,
    throttled_periods: Growth,
    counts_cpu: bool,
    counts_periods: bool,
}

/// The highest share in a spike.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Peak {
    /// None is on.
    Calm,
    /// One is; none where the CPU was not read.
    Of(Option<f64>),
}

impl Trigger {
    /// Nothing seen yet.
    pub fn new(rules: RulesPlan, capacity: Capacity) -> Self {
        let hold_us = rules.hold.as_micros() as u64;
        Self {
            capacity,
            waiting: Vec::new(),
            last_round_us: None,
            workers: Workers::new(hold_us),
            cgroup: Cgroup::default(),
            whole: Hold::new(Kind::Average, hold_us),
            throttled: Hold::new(Kind::Average, hold_us),
            probes: Hold::new(Kind::Wait, hold_us),
            latencies: Latencies::default(),
            past: rules.adaptive.map(Past::new),
            hot_lately: BTreeMap::new(),
            calm_since_us: None,
            peak: Peak::Calm,
            rules,
        }
    }

    /// What may be used from now on.
    pub fn may_use(&mut self, capacity: Capacity) {
        self.capacity = capacity;
    }

    /// When a worker began, in microseconds since time zero; see [`workers`] for what follows from it. Best told before
    /// its first row.
    pub fn began(&mut self, pid: i32, began_us: i64) {
        self.workers.began(pid, began_us);
    }

    /// A row. Those of one round may come in any order, all before the next [`judge`](Self::judge); tables that no rule
    /// looks at are left out.
    pub fn see(&mut self, reading: &Reading) {
        let value = |name: &str| {
            let value = reading.values.iter().find(|(column, _)| column == name).and_then(|(_, value)| *value);
            value.filter(|value| value.is_finite() && *value >= 0.0)
        };
        let row = match reading.table.as_str() {
            table::LIVELINESS => return self.see_probe(reading.at_us, value(column::LATENCY_S), value(column::FAILED)),
            table::HOST => Row::Host,
            table::CGROUP => Row::Cgroup {
                cpu_s: value(column::CPU_S),
                periods: value(column::PERIODS),
                throttled_periods: value(column::THROTTLED_PERIODS),
            },
            other => match other.strip_prefix(table::WORKER).and_then(|rest| rest.strip_prefix('-')?.parse().ok()) {
                Some(pid) => {
                    let cpu_s = value(column::USER_S).zip(value(column::SYSTEM_S)).map(|(user, system)| user + system);
                    Row::Worker { pid, cpu_s }
                }
                None => return,
            },
        };
        self.waiting.push((reading.at_us, row));
        if self.waiting.len() > MOST_WAITING {
            self.take_in();
        }
    }

    /// A reading of LiteLLM's own counters, of any source.
    pub fn see_tally<T>(&mut self, tally: &Tally<T>) {
        self.latencies.see(tally);
    }

    /// Whether a spike is on: to be asked once a second, after the rows of that second.
    pub fn judge(&mut self, moment: Moment) -> Judgement {
        let standings = self.standings(moment);
        for standing in &standings {
            match standing.latest {
                Some(figure) if figure >= standing.limit => {
                    self.hot_lately.insert(standing.condition, moment.now_us);
                }
                Some(_) => drop(self.hot_lately.remove(&standing.condition)),
                None => {}
            }
        }
        self.hot_lately.retain(|_, last_us| moment.now_us <= last_us.saturating_add(WAITED_FOR_US));
        let is_known = standings.iter().any(|standing| standing.latest.is_some());
        let is_calm = is_known && self.hot_lately.is_empty();
        self.calm_since_us = is_calm.then(|| self.calm_since_us.unwrap_or(moment.now_us));

        let mut reasons = standings.iter().filter_map(Standing::reason);
        match reasons.next() {
            Some(reason) => {
                let others = reasons.collect();
                if self.peak == Peak::Calm {
                    self.peak = Peak::Of(self.highest());
                }
                Judgement::Hot { reason, others }
            }
            None if is_known && standings.iter().all(|standing| !self.is_missed(standing)) => Judgement::Calm,
            None => Judgement::Unknown,
        }
    }

    /// How each condition that is in force and of which anything can be said stands.
    pub fn standings(&mut self, moment: Moment) -> Vec<Standing> {
        self.take_in();
        let conditions = self.rules.conditions();
        conditions.into_iter().filter_map(|condition| self.standing(condition, moment)).collect()
    }

    /// Since when the last reading of every condition was below its limit, without waiting for `--for`, by the last
    /// judgement. None where one was not, or what was hot is not read any more: a gap is no calm.
    pub fn calm_since_us(&self) -> Option<u64> {
        self.calm_since_us
    }

    /// The highest share of CPU in one reading since a spike began, of what may be used by the scope: 1.0 is all of it,
    /// whichever condition was met. None where there is no spike, or its CPU was not read.
    pub fn peak(&self) -> Option<f64> {
        match self.peak {
            Peak::Calm => None,
            Peak::Of(highest) => highest,
        }
    }

    /// The spike is over: the next one has a peak of its own.
    pub fn end_spike(&mut self) {
        self.peak = Peak::Calm;
    }

    fn scope(&self) -> Scope {
        Scope::of(self.rules.scope, self.capacity)
    }

    /// Whether it was hot and is not read any more.
    fn is_missed(&self, standing: &Standing) -> bool {
        standing.latest.is_none() && self.hot_lately.contains_key(&standing.condition)
    }

    /// A failed probe took longer than any limit. Where it did not tell how long it waited, it was at least a moment.
    fn see_probe(&mut self, sent_us: u64, latency_s: Option<f64>, failed: Option<f64>) {
        let Some(failed) = failed else { return };
        let to_us = sent_us.saturating_add((latency_s.unwrap_or_default() * 1e6) as u64);
        let value = match latency_s {
            Some(latency_s) if failed == 0.0 => latency_s,
            _ => f64::INFINITY,
        };
        self.probes.push(Measure { from_us: sent_us, to_us, value });
    }

    /// Takes in the rows that wait, round by round. What is older than the last round is left out: its time is judged.
    fn take_in(&mut self) {
        let mut rows = std::mem::take(&mut self.waiting);
        rows.retain(|(at_us, _)| self.last_round_us.is_none_or(|last_us| *at_us >= last_us));
        rows.sort_by_key(|(at_us, _)| *at_us);
        for round in rounds(&rows) {
            self.round(round);
        }
        rows.clear();
        self.waiting = rows;
    }

    fn round(&mut self, rows: &[(u64, Row)]) {
        let Some(at_us) = rows.first().map(|(at_us, _)| *at_us) else { return };
        let mut workers = BTreeMap::new();
        let mut cgroup = None;
        for (row_us, row) in rows {
            match *row {
                Row::Worker { pid, cpu_s } => drop(workers.insert(pid, (*row_us, cpu_s))),
                Row::Cgroup { cpu_s, periods, throttled_periods } => {
                    self.cgroup.counts_cpu |= cpu_s.is_some();
                    self.cgroup.counts_periods |= periods.is_some_and(|periods| periods > 0.0);
                    let held = self.cgroup.throttled_periods.row(*row_us, throttled_periods);
                    if let Some((periods, held)) = self.cgroup.periods.row(*row_us, periods).zip(held)
                        && self.cgroup.counts_periods
                    {
                        // A cgroup that did nothing has no periods, and was not held. One without a quota never has
                        // any.
                        let value = if periods.value > 0.0 { held.value / periods.value } else { 0.0 };
                        self.throttled.push(Measure { value, ..held });
                    }
                    cgroup = self.cgroup.cpu.row(*row_us, cpu_s);
                }
                Row::Host => {}
            }
        }
        let round = Round { at_us, is_first: self.last_round_us.is_none(), capacity: self.capacity };
        self.last_round_us = Some(at_us);
        let used = self.workers.round(round, &workers);
        let whole = if self.counts_by_cgroup() {
            // What starts is no spike, and where it cannot be told nothing can.
            let up = |(cores, starting): (Measure, f64)| Measure { value: (cores.value - starting).max(0.0), ..cores };
            cgroup.zip(used.starting_cores).map(up)
        } else {
            used.up
        };
        let whole = whole.zip(self.capacity.of_all()).map(|(cores, all)| Measure { value: cores.value / all, ..cores });
        if let Some(whole) = whole {
            self.whole.push(whole);
        }
        let share = match self.scope() {
            Scope::Worker => used.busiest,
            Scope::Total => whole,
        };
        if let (Some(share), Some(past)) = (share, &mut self.past) {
            past.add(share.value, share.seconds().min(hold::LONGEST_HOLE_US as f64 / 1e6));
        }
        if let (Some(share), Peak::Of(highest)) = (share, &mut self.peak) {
            *highest = Some(highest.map_or(share.value, |highest| highest.max(share.value)));
        }
    }

    /// Where there is a quota, everything in the cgroup spends it; without one the cgroup may be the whole machine's.
    fn counts_by_cgroup(&self) -> bool {
        self.capacity.quota_cores.is_some() && self.cgroup.counts_cpu
    }

    /// The highest share among the readings that are held.
    fn highest(&self) -> Option<f64> {
        match self.scope() {
            Scope::Worker => self.workers.shares().filter_map(|(_, hold)| hold.highest()).max_by(f64::total_cmp),
            Scope::Total => self.whole.highest(),
        }
    }

    fn standing(&self, condition: Condition, moment: Moment) -> Option<Standing> {
        let now_us = moment.now_us;
        let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64());
        let plain = Standing {
            condition,
            whom: Whom::Proxy,
            of: None,
            limit: f64::INFINITY,
            usual: None,
            latest: None,
            held: None,
        };
        Some(match condition {
            Condition::Cpu => Standing { limit: self.rules.cpu?, ..self.cpu(plain, now_us) },
            Condition::Adaptive => {
                let past = self.past.as_ref()?;
                Standing { limit: past.limit()?, usual: past.usual(), ..self.cpu(plain, now_us) }
            }
            Condition::Throttled => Standing {
                whom: Whom::Cgroup,
                limit: self.rules.throttled?,
                latest: self.throttled.latest(now_us),
                held: self.throttled.held(now_us),
                ..plain
            },
            Condition::Liveliness => {
                let limit = seconds(self.rules.liveliness)?;
                self.liveliness(Standing { limit, ..plain }, moment)
            }
            Condition::P99 => {
                let measure = self.latencies.p99(now_us);
                let whole = |measure: Measure| {
                    let Measure { from_us, to_us, value } = measure;
                    Held { from_us, to_us, lowest: value, mean: value }
                };
                Standing {
                    limit: seconds(self.rules.p99)?,
                    latest: measure.map(|measure| measure.value),
                    held: measure.map(whole),
                    ..plain
                }
            }
        })
    }

    /// CPU by the scope.
    fn cpu(&self, plain: Standing, now_us: u64) -> Standing {
        let scope = self.scope();
        let of = Some(self.capacity.whole(scope));
        match scope {
            Scope::Total => Standing {
                whom: if self.counts_by_cgroup() { Whom::Cgroup } else { Whom::Workers },
                of,
                latest: self.whole.latest(now_us),
                held: self.whole.held(now_us),
                ..plain
            },
            Scope::Worker => {
                let held = self.workers.shares().filter_map(|(pid, hold)| Some((pid, hold.held(now_us)?)));
                let nearest = held.max_by(|(_, a), (_, b)| a.lowest.total_cmp(&b.lowest));
                let latest = self.workers.shares().filter_map(|(pid, hold)| Some((pid, hold.latest(now_us)?)));
                let highest = latest.max_by(|(_, a), (_, b)| a.total_cmp(b));
                let pid = nearest.map(|(pid, _)| pid).or(highest.map(|(pid, _)| pid));
                Standing {
                    whom: pid.map_or(Whom::Workers, |pid| Whom::Worker { pid }),
                    of,
                    latest: highest.map(|(_, latest)| latest),
                    held: nearest.map(|(_, held)| held),
                    ..plain
                }
            }
        }
    }

    /// Answers, and a probe under way once it has waited longer than an answer may.
    fn liveliness(&self, plain: Standing, moment: Moment) -> Standing {
        let now_us = moment.now_us;
        let under_way = moment.probe_sent_us.map(|from_us| {
            let measure = Measure { from_us, to_us: now_us, value: 0.0 };
            Measure { value: measure.seconds(), ..measure }
        });
        match under_way.filter(|probe| probe.value >= plain.limit) {
            None => Standing { latest: self.probes.latest(now_us), held: self.probes.held(now_us), ..plain },
            Some(probe) => {
                let mut probes = self.probes.clone();
                probes.push(probe);
                Standing { latest: probes.latest(now_us), held: probes.held(now_us), ..plain }
            }
        }
    }
}

impl Standing {
    /// Why it is a spike; none where it is not.
    pub fn reason(&self) -> Option<Reason> {
        let held = self.held.filter(|held| held.lowest >= self.limit)?;
        Some(Reason {
            condition: self.condition,
            whom: self.whom,
            of: self.of,
            value: Some(held.mean).filter(|mean| mean.is_finite()),
            limit: self.limit,
            usual: self.usual,
            from_us: held.from_us,
            to_us: held.to_us,
        })
    }
}

/// Sorted rows, one round after another: what is near enough in time, and no table twice.
fn rounds(rows: &[(u64, Row)]) -> impl Iterator<Item = &[(u64, Row)]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let (begin_us, _) = *rest.first()?;
        let is_another = |index: usize| {
            let (at_us, row) = rest[index];
            at_us > begin_us.saturating_add(ROUND_US) || rest[..index].iter().any(|(_, known)| known.is_of_table(row))
        };
        let end = (1..rest.len()).find(|index| is_another(*index)).unwrap_or(rest.len());
        let (round, later) = rest.split_at(end);
        rest = later;
        Some(round)
    })
}

impl Row {
    fn is_of_table(self, other: Self) -> bool {
        match (self, other) {
            (Self::Worker { pid, .. }, Self::Worker { pid: other, .. }) => pid == other,
            (Self::Cgroup { .. }, Self::Cgroup { .. }) | (Self::Host, Self::Host) => true,
            _ => false,
        }
    }
}
