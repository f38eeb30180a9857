//! What was read lately, in little memory: rows of tables and tallies of requests, the oldest forgotten as new ones come.
//!
//! Rows are kept as bare figures beside their table's columns: an hour of a proxy with four workers is three megabytes,
//! a tenth of what the same rows are as [`Reading`]s. Tallies are larger, and of older ones a few tell as much.

use std::collections::{BTreeMap, VecDeque};
use std::mem::take;
use std::time::Duration;

use crate::collect::Gap;
use crate::series::Reading;
use crate::traffic::Tally;

/// Of the last minutes every tally is kept.
const EVERY_TALLY_US: u64 = 300_000_000;
/// Of the time before that one in so long.
const OLDER_TALLIES_US: u64 = 60_000_000;
/// All tallies together hold so many counts at most, some hundred bytes each.
const MOST_COUNTS: usize = 20_000;
/// A worker that ends again and again has a new table each time.
const MOST_TABLES: usize = 100;
/// What cannot be had is told once each.
const MOST_GAPS: usize = 50;

/// The last readings.
#[derive(Debug, Clone)]
pub struct Past {
    reach_us: u64,
    tables: BTreeMap<String, Rows>,
    /// By time.
    tallies: VecDeque<Tally<String>>,
    gaps: Vec<Gap>,
}

/// The rows of a table.
#[derive(Debug, Clone, Default)]
struct Rows {
    columns: Vec<String>,
    /// By time. A figure that could not be read is no number; a row may be shorter than there are columns.
    rows: VecDeque<(u64, Box<[f64]>)>,
}

impl Past {
    /// Of so long; nothing yet.
    pub fn new(reach: Duration) -> Self {
        Self { reach_us: reach.as_micros() as u64, tables: BTreeMap::new(), tallies: VecDeque::new(), gaps: Vec::new() }
    }

    /// Keeps a row, and forgets what has grown too old by then.
    pub fn row(&mut self, reading: &Reading) {
        let oldest_us = reading.at_us.saturating_sub(self.reach_us);
        if !self.tables.contains_key(&reading.table) {
            // The tables of workers that ended long ago go when a new one comes.
            self.tables.retain(|_, rows| {
                rows.forget(oldest_us);
                !rows.rows.is_empty()
            });
            if self.tables.len() >= MOST_TABLES {
                let stale = self.tables.iter().min_by_key(|(_, rows)| rows.rows.back().map(|(at_us, _)| *at_us));
                if let Some(name) = stale.map(|(name, _)| name.clone()) {
                    self.tables.remove(&name);
                }
            }
            self.tables.insert(reading.table.clone(), Rows::default());
        }
        if let Some(rows) = self.tables.get_mut(&reading.table) {
            rows.forget(oldest_us);
            rows.keep(reading);
        }
    }

    /// Keeps a tally.
    pub fn tally(&mut self, tally: &Tally<String>) {
        self.tallies.push_back(tally.clone());
        let now_us = tally.at_us;
        let oldest_us = now_us.saturating_sub(self.reach_us);
        let mut kept_us = None;
        let thinned = take(&mut self.tallies).into_iter().filter(|tally| {
            let is_recent = tally.at_us + EVERY_TALLY_US >= now_us;
            let is_apart = kept_us.is_none_or(|kept_us| tally.at_us >= kept_us + OLDER_TALLIES_US);
            let keep = tally.at_us >= oldest_us && (is_recent || is_apart);
            if keep {
                kept_us = Some(tally.at_us);
            }
            keep
        });
        self.tallies = thinned.collect();
        let mut counts: usize = self.tallies.iter().map(|tally| tally.counts.len()).sum();
        while counts > MOST_COUNTS && self.tallies.len() > 1 {
            counts -= self.tallies.pop_front().map_or(0, |tally| tally.counts.len());
        }
    }

    /// Keeps what cannot be had, and tells whether it was not known yet.
    pub fn gap(&mut self, gap: &Gap) -> bool {
        let is_new = !self.gaps.contains(gap);
        if is_new && self.gaps.len() < MOST_GAPS {
            self.gaps.push(gap.clone());
        }
        is_new
    }

    /// What could not be had belongs to a proxy; another one may have it.
    pub fn forget_gaps(&mut self) {
        self.gaps.clear();
    }

    /// All rows of the time from a moment on, table by table.
    pub fn rows_since(&self, from_us: u64) -> impl Iterator<Item = Reading> {
        self.tables.iter().flat_map(move |(table, rows)| {
            let since = rows.rows.iter().filter(move |(at_us, _)| *at_us >= from_us);
            since.map(|(at_us, figures)| Reading { table: table.clone(), at_us: *at_us, values: rows.values(figures) })
        })
    }

    /// All tallies of that time.
    pub fn tallies_since(&self, from_us: u64) -> impl Iterator<Item = &Tally<String>> {
        self.tallies.iter().filter(move |tally| tally.at_us >= from_us)
    }

    /// What could not be had.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// When the oldest row was read; none where there is none.
    pub fn begins_us(&self) -> Option<u64> {
        self.tables.values().filter_map(|rows| rows.rows.front().map(|(at_us, _)| *at_us)).min()
    }
}

impl Rows {
    fn keep(&mut self, reading: &Reading) {
        let mut figures = vec![f64::NAN; self.columns.len().max(reading.values.len())];
        for (place, (column, value)) in reading.values.iter().enumerate() {
            // The columns of a table stand in the same order in every row, as a rule.
            let place = if self.columns.get(place) == Some(column) { place } else { self.place(column) };
            if place >= figures.len() {
                figures.resize(place + 1, f64::NAN);
            }
            figures[place] = value.unwrap_or(f64::NAN);
        }
        self.rows.push_back((reading.at_us, figures.into_boxed_slice()));
    }

    fn place(&mut self, column: &str) -> usize {
        self.columns.iter().position(|known| known == column).unwrap_or_else(|| {
            self.columns.push(column.to_owned());
            self.columns.len() - 1
        })
    }

    fn values(&self, figures: &[f64]) -> Vec<(String, Option<f64>)> {
        let figure = |place: usize| figures.get(place).copied().filter(|figure| !figure.is_nan());
        self.columns.iter().enumerate().map(|(place, column)| (column.clone(), figure(place))).collect()
    }

    fn forget(&mut self, before_us: u64) {
        while self.rows.front().is_some_and(|(at_us, _)| *at_us < before_us) {
            self.rows.pop_front();
        }
        // What a burst of rows needed is given back.
        if self.rows.capacity() > 2 * self.rows.len().max(64) {
            self.rows.shrink_to(self.rows.len() * 3 / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::traffic::{Count, Source};

    const SECOND_US: u64 = 1_000_000;

    fn reading(table: &str, second: u64, values: &[(&str, Option<f64>)]) -> Reading {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Reading { table: table.to_owned(), at_us: second * SECOND_US, values }
    }

    fn tally(second: u64, kinds: usize) -> Tally<String> {
        let count = |kind: usize| Count { route: Some(format!("/{kind}")), status: None, model: None, requests: 1.0 };
        Tally {
            source: Source::MetricFiles,
            at_us: second * SECOND_US,
            took_us: 0,
            counts: (0..kinds).map(count).collect(),
            latencies: BTreeMap::new(),
            in_flight: None,
            prompt_tokens: None,
            completion_tokens: None,
        }
    }

    #[test]
    fn rows_come_back_as_they_were_and_the_oldest_are_forgotten() {
        let mut past = Past::new(Duration::from_secs(2));
        for second in 0..5 {
            past.row(&reading("host", second, &[("load_1m", Some(second as f64)), ("busy_s", None)]));
        }
        let rows: Vec<_> = past.rows_since(0).collect();
        let expected: Vec<_> = (2..5)
            .map(|second| reading("host", second, &[("load_1m", Some(second as f64)), ("busy_s", None)]))
            .collect();
        assert_eq!(rows, expected);
        assert_eq!(past.begins_us(), Some(2 * SECOND_US));
        assert_eq!(past.rows_since(4 * SECOND_US).count(), 1);
    }

    #[test]
    fn a_column_that_comes_later_or_elsewhere_finds_its_place() {
        let mut past = Past::new(Duration::from_secs(9));
        past.row(&reading("worker-7", 1, &[("user_s", Some(0.5))]));
        past.row(&reading("worker-7", 2, &[("threads", Some(4.0)), ("user_s", Some(0.25))]));
        let rows: Vec<_> = past.rows_since(0).map(|row| row.values).collect();
        let named = |user, threads| vec![("user_s".to_owned(), user), ("threads".to_owned(), threads)];
        assert_eq!(rows, [named(Some(0.5), None), named(Some(0.25), Some(4.0))]);
    }

    #[test]
    fn a_worker_that_ends_again_and_again_does_not_fill_the_memory() {
        let mut past = Past::new(Duration::from_hours(1));
        for second in 0..3_000 {
            past.row(&reading(&format!("worker-{second}"), second, &[("user_s", Some(1.0))]));
        }
        assert_eq!(past.tables.len(), MOST_TABLES);
        assert!(past.tables.contains_key("worker-2999") && !past.tables.contains_key("worker-0"));
    }

    #[test]
    fn of_older_tallies_one_a_minute_is_kept() {
        let mut past = Past::new(Duration::from_hours(1));
        (0..3_600).step_by(10).for_each(|second| past.tally(&tally(second, 3)));
        let kept: Vec<u64> = past.tallies_since(0).map(|tally| tally.at_us / SECOND_US).collect();
        let recent = kept.iter().filter(|second| **second >= 3_290).count();
        assert_eq!(recent, 31, "every one of the last five minutes");
        let older: Vec<u64> = kept.iter().copied().filter(|second| *second < 3_290).collect();
        assert!(older.windows(2).all(|pair| pair[1] - pair[0] >= 60), "{older:?}");
        assert_eq!(older.len(), 55);
    }

    #[test]
    fn tallies_of_many_routes_are_fewer() {
        let mut past = Past::new(Duration::from_hours(1));
        (0..300).step_by(10).for_each(|second| past.tally(&tally(second, 5_000)));
        assert_eq!(past.tallies_since(0).count(), MOST_COUNTS / 5_000);
    }

    proptest! {
        #[test]
        fn nothing_older_than_the_reach_is_kept_and_nothing_younger_lost(
            reach in 1_u64..100,
            seconds in prop::collection::btree_set(0_u64..1_000, 1..100),
        ) {
            let mut past = Past::new(Duration::from_secs(reach));
            for second in &seconds {
                past.row(&reading("host", *second, &[("load_1m", Some(1.0))]));
            }
            let last = *seconds.last().unwrap();
            let expected: Vec<u64> = seconds.iter().copied().filter(|second| second + reach >= last).collect();
            let kept: Vec<u64> = past.rows_since(0).map(|row| row.at_us / SECOND_US).collect();
            prop_assert_eq!(kept, expected);
        }
    }
}
