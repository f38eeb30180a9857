//! Requests counted in access lines: by route and status, and over time.

use std::collections::BTreeMap;

use crate::logs::access::Access;
use crate::series::{Reading, column, table};
use crate::traffic::{Count, Source, Tally};
use crate::workload::{Origin, Shape, When};

/// So many routes are told apart; a scan for weaknesses makes up new ones without end.
const MOST_KINDS: usize = 500;
const OTHER_ROUTES: &str = "{other}";

/// Requests by route and status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<(String, u16), u64>);

impl Counts {
    /// Counts a request that is no probe.
    pub fn add(&mut self, access: Access) {
        if !access.is_probe() {
            self.add_many(access.route, access.status, 1);
        }
    }

    /// Adds what another has counted.
    pub fn add_all(&mut self, other: &Self) {
        for ((route, status), requests) in &other.0 {
            self.add_many(route.clone(), *status, *requests);
        }
    }

    fn add_many(&mut self, route: String, status: u16, requests: u64) {
        let mut key = (route, status);
        if self.0.len() >= MOST_KINDS && !self.0.contains_key(&key) {
            OTHER_ROUTES.clone_into(&mut key.0);
        }
        *self.0.entry(key).or_default() += requests;
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn sum(&self, of: impl Fn(u16) -> bool) -> f64 {
        self.0.iter().filter(|((_, status), _)| of(*status)).map(|(_, requests)| *requests).sum::<u64>() as f64
    }

    /// As shapes of requests.
    pub fn shapes(&self, when: When) -> Vec<Shape<String>> {
        let shape = |((route, status), requests): (&(String, u16), &u64)| Shape {
            when,
            from: Origin::AccessLog,
            route: Some(route.clone()),
            model: None,
            stream: None,
            status: Some(*status),
            prompt_tokens: None,
            completion_tokens: None,
            body_bytes: None,
            messages: None,
            duration_seconds: None,
            requests: *requests as f64,
            fields: Vec::new(),
        };
        self.0.iter().map(shape).collect()
    }

    fn tally(&self, at_us: u64) -> Tally<String> {
        let count = |((route, status), requests): (&(String, u16), &u64)| Count {
            route: Some(route.clone()),
            status: Some(*status),
            model: None,
            requests: *requests as f64,
        };
        Tally {
            source: Source::AccessLog,
            at_us,
            took_us: 0,
            counts: self.0.iter().map(count).collect(),
            latencies: BTreeMap::new(),
            in_flight: None,
            prompt_tokens: None,
            completion_tokens: None,
        }
    }
}

/// Requests at moments: each moment with what came since the one before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    /// What was counted before the first moment; nothing where that is not known.
    pub earlier: Counts,
    /// By time, in microseconds since the capture began.
    pub moments: BTreeMap<u64, Counts>,
}

impl Timeline {
    /// The same from a moment on, of whose earlier ones not all is known; nor is what came before them.
    pub fn since(mut self, from_us: u64) -> Self {
        Self { earlier: Counts::default(), moments: self.moments.split_off(&from_us) }
    }

    /// Requests up to a moment, which is the beginning of a capture, and after it.
    pub fn before_and_after(&self, began_us: u64) -> (Counts, Counts) {
        let (mut before, mut after) = (Counts::default(), Counts::default());
        for (at_us, counts) in &self.moments {
            let side = if *at_us <= began_us { &mut before } else { &mut after };
            side.add_all(counts);
        }
        (before, after)
    }

    /// Rows of the table, one for each moment but the first.
    pub fn readings(&self) -> Vec<Reading> {
        let row = |(at_us, counts): (&u64, &Counts)| Reading {
            table: table::ACCESS_LOG.to_owned(),
            at_us: *at_us,
            values: vec![
                (column::REQUESTS.to_owned(), Some(counts.sum(|_| true))),
                (column::ERRORS.to_owned(), Some(counts.sum(|status| status >= 400))),
            ],
        };
        self.moments.iter().skip(1).map(row).collect()
    }

    /// What had been counted by each moment.
    pub fn tallies(&self) -> Vec<Tally<String>> {
        let mut all = self.earlier.clone();
        let tally = |(at_us, counts): (&u64, &Counts)| {
            all.add_all(counts);
            all.tally(*at_us)
        };
        self.moments.iter().map(tally).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(route: &str, status: u16) -> Access {
        Access { method: "GET", route: route.to_owned(), has_query: false, status }
    }

    fn counts(all: &[(&str, u16)]) -> Counts {
        let mut counts = Counts::default();
        for (route, status) in all {
            counts.add(access(route, *status));
        }
        counts
    }

    #[test]
    fn rows_tell_growth_and_tallies_all_there_was() {
        let timeline = Timeline {
            earlier: counts(&[("/a", 200); 7]),
            moments: BTreeMap::from([
                (5, counts(&[("/a", 200)])),
                (10, counts(&[("/a", 200), ("/b", 500), ("/health/liveliness", 200), ("/metrics", 200)])),
                (20, Counts::default()),
            ]),
        };
        let rows: Vec<_> =
            timeline.readings().iter().map(|row| (row.at_us, row.values[0].1, row.values[1].1)).collect();
        assert_eq!(rows, [(10, Some(2.0), Some(1.0)), (20, Some(0.0), Some(0.0))]);
        let sums: Vec<f64> =
            timeline.tallies().iter().map(|tally| tally.counts.iter().map(|count| count.requests).sum()).collect();
        assert_eq!(sums, [8.0, 10.0, 10.0]);
    }

    #[test]
    fn routes_without_end_become_one() {
        let mut counts = Counts::default();
        (0..2000).for_each(|n| counts.add(access(&format!("/{n}"), 404)));
        assert_eq!(counts.0.len(), MOST_KINDS + 1);
        assert!((counts.sum(|_| true) - 2000.0).abs() < 0.1);
    }
}
