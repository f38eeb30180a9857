//! Each worker's memory and CPU over time, by its table of one row a second.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analyse::Facts;
use crate::export::firefox::Clock;
use crate::os::proc::ProcessId;
use crate::series::{Table, column};

/// A figure over time. The reader knows how to draw one of the category `Memory`: as the sum of its changes, in bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counter {
    name: &'static str,
    category: &'static str,
    description: &'static str,
    pid: String,
    main_thread_index: usize,
    samples: Samples,
}

#[derive(Debug, Serialize)]
struct Samples {
    length: usize,
    time: Vec<f64>,
    /// The change since the row before.
    count: Vec<f64>,
}

/// The counters of all workers that are in the profile, each beside its worker's main thread.
pub fn of(facts: &Facts, clock: Clock, main_threads: &BTreeMap<ProcessId, (usize, String)>) -> Vec<Counter> {
    let mut counters = Vec::new();
    for (pid, table) in facts.series.workers() {
        // A table is a pid's, whoever had it last.
        let owner = main_threads.iter().rev().find(|(process, _)| process.pid == pid);
        let Some((_, (main_thread_index, pid))) = owner else { continue };
        let mut add = |name, category, description, rows: Vec<(u64, f64)>| {
            if !rows.is_empty() {
                let samples = Samples {
                    length: rows.len(),
                    time: rows.iter().map(|(at_us, _)| clock.ms(*at_us)).collect(),
                    count: rows.iter().map(|(_, change)| *change).collect(),
                };
                let (pid, main_thread_index) = (pid.clone(), *main_thread_index);
                counters.push(Counter { name, category, description, pid, main_thread_index, samples });
            }
        };
        add(
            "RSS",
            "Memory",
            "Resident memory",
            changes(table.column(column::RSS_BYTES).filter(|row| clock.has(row.0))),
        );
        add("CPU-ms", "CPU", "CPU time that the kernel counted, in milliseconds", cpu_ms(table, clock));
    }
    counters
}

/// From values to changes; the first one begins at nothing.
fn changes(rows: impl Iterator<Item = (u64, f64)>) -> Vec<(u64, f64)> {
    let mut before = 0.0;
    rows.map(|(at_us, value)| (at_us, value - std::mem::replace(&mut before, value))).collect()
}

/// User and system time of the rows that have both.
fn cpu_ms(table: &Table, clock: Clock) -> Vec<(u64, f64)> {
    let system: BTreeMap<u64, f64> = table.column(column::SYSTEM_S).collect();
    let user = table.column(column::USER_S).filter(|(at_us, _)| clock.has(*at_us));
    user.filter_map(|(at_us, user_s)| Some((at_us, (user_s + system.get(&at_us)?) * 1e3))).collect()
}
