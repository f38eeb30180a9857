//! Each worker's CPU from its rows, and which of them are only starting.
//!
//! A worker that starts keeps a core busy for many seconds to import LiteLLM, and is no spike. It is told from one by
//! its age: what it uses before it is as old as [`Capacity::startup_us`] is left out, so that a worker's first second
//! that can count begins then. When it began is told by whoever knows it ([`Workers::began`]); else a worker whose
//! first row is not among the first rows of all began with that row, and one whose row is began long ago.

use std::collections::BTreeMap;

use crate::watch::trigger::capacity::Capacity;
use crate::watch::trigger::hold::{Hold, Kind, Measure};

/// What covers less than this is not judged by itself: the clocks behind it tick a hundred times a second.
const SHORTEST_US: u64 = 500_000;
/// A worker without a row in so many rounds of readings has ended.
const MOST_MISSED: u32 = 2;
/// Workers of which it was told when they began and that never had a row; more are forgotten together.
const MOST_TOLD: usize = 1000;

/// A counter that is told by its growth from row to row.
#[derive(Debug, Clone, Default)]
pub struct Growth {
    state: State,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    /// No row yet.
    #[default]
    New,
    /// What it grew by since a moment is still to be told.
    Since { from_us: u64, sum: f64 },
    /// It was not read for a while. The next row tells growth of a stretch that may have begun anywhere in between.
    Unsure,
}

impl Growth {
    /// The next row: its growth for each second since the one before. None where that is not known, or where the
    /// stretch is too short yet; it is then told with the next row.
    pub fn row(&mut self, at_us: u64, grown: Option<f64>) -> Option<Measure> {
        let begin = State::Since { from_us: at_us, sum: 0.0 };
        let (from_us, sum) = match (self.state, grown) {
            (State::Since { from_us, sum }, Some(grown)) => (from_us, sum + grown),
            (State::New, _) | (State::Unsure, Some(_)) => {
                self.state = begin;
                return None;
            }
            (State::Since { .. } | State::Unsure, None) => {
                self.state = State::Unsure;
                return None;
            }
        };
        if at_us.saturating_sub(from_us) < SHORTEST_US {
            self.state = State::Since { from_us, sum };
            return None;
        }
        self.state = begin;
        let measure = Measure { from_us, to_us: at_us, value: 0.0 };
        Some(Measure { value: sum / measure.seconds(), ..measure })
    }
}

/// One worker.
#[derive(Debug, Clone)]
struct Worker {
    growth: Growth,
    /// Its CPU in cores by the last round.
    cores: Option<Measure>,
    shares: Hold,
    /// When it began; none where that is long ago.
    began_us: Option<i64>,
    missed: u32,
}

/// All workers.
#[derive(Debug, Clone)]
pub struct Workers {
    hold_us: u64,
    all: BTreeMap<i32, Worker>,
    /// When those began that had no row yet.
    began: BTreeMap<i32, i64>,
}

/// A round of readings of all workers.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    /// When.
    pub at_us: u64,
    /// Whether any round was before it.
    pub is_first: bool,
    /// What may be used.
    pub capacity: Capacity,
}

/// What the workers used in a round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Used {
    /// The share of the busiest one, of what a single one may use.
    pub busiest: Option<Measure>,
    /// Those that are up, together, in cores; none where one of them was not read.
    pub up: Option<Measure>,
    /// Those that start, together, in cores; none where one of them was not read.
    pub starting_cores: Option<f64>,
}

impl Workers {
    /// None seen yet; what they use is to hold for so long.
    pub fn new(hold_us: u64) -> Self {
        Self { hold_us, all: BTreeMap::new(), began: BTreeMap::new() }
    }

    /// When a worker began, in microseconds since time zero, which may be long before that.
    pub fn began(&mut self, pid: i32, began_us: i64) {
        if let Some(worker) = self.all.get_mut(&pid) {
            worker.began_us = Some(began_us);
            return;
        }
        if self.began.len() >= MOST_TOLD {
            self.began.clear();
        }
        self.began.insert(pid, began_us);
    }

    /// The rows of one round: by pid when each was read, and the growth of its CPU time in seconds.
    pub fn round(&mut self, round: Round, rows: &BTreeMap<i32, (u64, Option<f64>)>) -> Used {
        let Round { at_us, is_first, capacity } = round;
        for (pid, (row_us, grown)) in rows {
            let worker = self.all.entry(*pid).or_insert_with(|| Worker {
                growth: Growth::default(),
                cores: None,
                shares: Hold::new(Kind::Average, self.hold_us),
                began_us: self.began.remove(pid).or((!is_first).then_some(at_us.cast_signed())),
                missed: 0,
            });
            worker.cores = worker.growth.row(*row_us, *grown);
            worker.missed = 0;
        }
        for worker in self.all.iter_mut().filter(|(pid, _)| !rows.contains_key(pid)).map(|(_, worker)| worker) {
            worker.cores = None;
            worker.missed += 1;
        }
        self.all.retain(|_, worker| worker.missed <= MOST_MISSED);

        let startup_us = capacity.startup_us(self.all.len());
        let is_starting = |worker: &Worker| {
            let from_us = worker.cores.map_or(at_us, |cores| cores.from_us);
            worker.began_us.is_some_and(|began_us| from_us.cast_signed() < began_us.saturating_add(startup_us))
        };
        let mut used = Used { busiest: None, up: None, starting_cores: Some(0.0) };
        let mut are_all_read = true;
        for worker in self.all.values_mut() {
            if is_starting(worker) {
                used.starting_cores = used.starting_cores.zip(worker.cores).map(|(sum, cores)| sum + cores.value);
                continue;
            }
            let Some(cores) = worker.cores else {
                are_all_read = false;
                continue;
            };
            let share = Measure { value: cores.value / capacity.of_a_worker(), ..cores };
            worker.shares.push(share);
            used.busiest = used.busiest.filter(|busiest| busiest.value >= share.value).or(Some(share));
            let up = used.up.unwrap_or(Measure { value: 0.0, ..cores });
            used.up = Some(Measure { from_us: up.from_us.min(cores.from_us), value: up.value + cores.value, ..up });
        }
        used.up = used.up.filter(|_| are_all_read);
        used
    }

    /// Each worker's share over time.
    pub fn shares(&self) -> impl Iterator<Item = (i32, &Hold)> {
        self.all.iter().map(|(pid, worker)| (*pid, &worker.shares))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates<const N: usize>(rows: [(u64, Option<f64>); N]) -> [Option<f64>; N] {
        let mut growth = Growth::default();
        rows.map(|(at_ms, grown)| growth.row(at_ms * 1000, grown).map(|measure| measure.value))
    }

    #[test]
    fn cpu_is_the_growth_over_the_time_since_the_row_before() {
        assert_eq!(rates([(0, None), (1000, Some(0.5)), (4000, Some(1.5))]), [None, Some(0.5), Some(0.5)]);
        assert_eq!(rates([(0, Some(7.0)), (1000, Some(0.5))]), [None, Some(0.5)], "what was before it is not known");
    }

    #[test]
    fn what_covers_next_to_no_time_is_told_with_the_next_row() {
        let rows = [(0, None), (1000, Some(0.5)), (1060, Some(0.06)), (2000, Some(0.44))];
        assert_eq!(rates(rows), [None, Some(0.5), None, Some(0.5)]);
    }

    #[test]
    fn growth_that_may_be_of_a_longer_stretch_is_not_told() {
        let rows = [(0, None), (1000, Some(0.5)), (2000, None), (3000, Some(1.6)), (4000, Some(0.5))];
        assert_eq!(rates(rows), [None, Some(0.5), None, None, Some(0.5)]);
    }
}
