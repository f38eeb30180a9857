//! What is read beside the sampling: counters of the kernel and of LiteLLM once a second or so, and its logs.
//!
//! Everything here runs on threads of its own, costs next to nothing, has a deadline, and never stands in the way of the
//! stacks: what cannot be had becomes a gap.

mod cgroup;
pub mod door;
mod exposition;
mod host;
mod http;
mod ledger;
mod lifetime;
pub mod listen;
pub mod liveliness;
pub mod metric_files;
pub mod metrics;
mod network;
pub mod observers;
mod open_files;
mod pace;
mod pressure;
pub mod readings;
mod reduce;
mod sample;
mod scrape;
pub mod spend;
mod threads;
mod words;
mod worker;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use crate::bundle::work::{self, Work};
use crate::collect::Gap;
use crate::observe::door::{Door, NoDoor};
pub use crate::observe::lifetime::lifetime;
pub use crate::observe::readings::Readings;
use crate::os::clock::monotonic_us;
use crate::os::proc::{ProcessId, Procfs};
use crate::redact::Gate;
use crate::series::Reading;
use crate::traffic::Tally;

/// Time zero of a capture, on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Epoch {
    /// `CLOCK_MONOTONIC` in microseconds.
    pub monotonic_us: u64,
    /// The same moment in UTC.
    pub utc: Timestamp,
}

impl Epoch {
    /// Now.
    pub fn now() -> Self {
        Self { monotonic_us: monotonic_us(), utc: Timestamp::now() }
    }

    /// Microseconds since then.
    pub fn elapsed_us(&self) -> u64 {
        monotonic_us().saturating_sub(self.monotonic_us)
    }
}

/// The workers of the moment, as the session knows them.
#[derive(Debug, Clone, Default)]
pub struct Roster(Arc<Mutex<Vec<ProcessId>>>);

impl Roster {
    /// Tells who the workers are.
    pub fn set(&self, workers: Vec<ProcessId>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = workers;
    }

    /// Who they are.
    pub fn get(&self) -> Vec<ProcessId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Tells the observers' threads that the capture has ended.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Ends every wait, now and from now on.
    pub fn set(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Waits until a moment; true when the capture ended by then.
    pub fn wait_until(&self, moment: Instant) -> bool {
        let mut ended = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = moment.saturating_duration_since(Instant::now());
            if *ended || left.is_zero() {
                return *ended;
            }
            ended = self.0.1.wait_timeout(ended, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Keeps what the observers read in the work folder, with every known secret masked. A record that cannot be written is
/// left out: the session writes to the same folder and tells of it.
#[derive(Debug)]
pub struct Keeper {
    work: Work,
    gate: Gate,
}

impl Keeper {
    /// A keeper for the work folder at a path.
    pub fn new(work: &Path, gate: Gate) -> Self {
        Self { work: Work::open(work), gate }
    }

    /// A row of a table.
    pub fn reading(&self, reading: &Reading) {
        self.keep(work::READINGS, reading);
    }

    /// A tally of requests.
    pub fn tally(&self, tally: &Tally<String>) {
        self.keep(work::TALLIES, tally);
    }

    /// Something that could not be had.
    pub fn gap(&self, gap: &Gap) {
        self.keep(work::GAPS, gap);
    }

    /// Any other record.
    pub fn keep(&self, file: &str, record: &impl Serialize) {
        // Text in JSON is escaped, and the gate knows secrets in that form too.
        let Ok(text) = serde_json::to_string(record) else { return };
        let masked = self.gate.masked(&text).unwrap_or(text);
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(&masked) {
            let _ = self.work.append(file, &value);
        }
    }
}

/// All that the observers of LiteLLM itself need: [`liveliness::watch`] and [`metrics::Watch`], each on a thread of its
/// own until the capture ends, and [`spend::ask`] once.
#[derive(Debug)]
pub struct LiteLlm {
    /// Where it is asked; metric files are read without it.
    pub door: Result<Door, NoDoor>,
    /// Where its workers are looked up.
    pub procfs: Procfs,
    /// Its workers.
    pub roster: Roster,
    /// Time zero.
    pub epoch: Epoch,
    /// How long the capture is meant to take.
    pub duration: Duration,
    /// Where everything read goes.
    pub keeper: Arc<Keeper>,
}
