//! What is read beside the sampling: counters of the kernel and of LiteLLM once a second or so, and its logs.
//!
//! Everything here runs on threads of its own, costs next to nothing, has a deadline, and never stands in the way of the
//! stacks: what cannot be had becomes a gap.

mod cgroup;
pub mod door;
pub mod exposition;
mod host;
mod http;
mod keeper;
mod ledger;
mod lifetime;
pub mod listen;
pub mod liveliness;
pub mod logbook;
pub mod metric_files;
pub mod metrics;
mod network;
pub mod observers;
mod open_files;
pub mod pace;
mod past;
mod pressure;
pub mod readings;
mod reduce;
mod sample;
mod scrape;
pub mod spend;
mod threads;
mod words;
mod worker;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use crate::observe::door::{Door, NoDoor};
pub use crate::observe::keeper::{Fresh, Keeper, Remembered};
pub use crate::observe::lifetime::lifetime;
use crate::observe::pace::Tempo;
pub use crate::observe::readings::Readings;
use crate::os::clock::monotonic_us;
use crate::os::proc::{ProcessId, Procfs};

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

/// Tells the observers' threads that they are to end, or that a reading is wanted at once.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<(Mutex<Signal>, Condvar)>);

#[derive(Debug, Default)]
struct Signal {
    ended: bool,
    /// How often a reading was wanted.
    nudges: u64,
}

impl Stop {
    /// Ends every wait, now and from now on.
    pub fn set(&self) {
        self.signal().ended = true;
        self.0.1.notify_all();
    }

    /// Ends the present wait of those who heed it, once.
    pub fn nudge(&self) {
        self.signal().nudges += 1;
        self.0.1.notify_all();
    }

    /// Waits until a moment; true when the end came by then.
    pub fn wait_until(&self, moment: Instant) -> bool {
        let mut signal = self.signal();
        loop {
            let left = moment.saturating_duration_since(Instant::now());
            if signal.ended || left.is_zero() {
                return signal.ended;
            }
            signal = self.0.1.wait_timeout(signal, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The same, and no longer than until the next nudge after so many; how many there were is noted.
    pub fn wait_until_or_nudged(&self, moment: Instant, heard: &mut u64) -> bool {
        let mut signal = self.signal();
        loop {
            let left = moment.saturating_duration_since(Instant::now());
            if signal.ended || left.is_zero() || signal.nudges > *heard {
                *heard = signal.nudges;
                return signal.ended;
            }
            signal = self.0.1.wait_timeout(signal, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn signal(&self) -> MutexGuard<'_, Signal> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// How often.
    pub tempo: Tempo,
    /// Where everything read goes.
    pub keeper: Arc<Keeper>,
    /// How often its counters were read so far, or tried to.
    pub readings: AtomicU64,
}
