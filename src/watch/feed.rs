//! From what the observers read to whether a spike is on: their rows and tallies go to the rules, once a second.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::trigger::capacity::Capacity;
use super::trigger::{Judgement, Moment, Trigger};
use crate::observe::liveliness::Pulse;
use crate::observe::{Epoch, Keeper, Roster};
use crate::os::clock::boot_seconds;
use crate::os::proc::ProcessId;
use crate::sample::session::{Course, Until};

/// The rules, fed.
#[derive(Debug)]
pub struct Feed {
    trigger: Trigger,
    keeper: Arc<Keeper>,
    epoch: Epoch,
    told: BTreeSet<ProcessId>,
    /// The proxy of the moment.
    roster: Roster,
    pulse: Arc<Pulse>,
}

impl Feed {
    /// Of a watch, with no proxy yet.
    pub fn new(trigger: Trigger, keeper: Arc<Keeper>, epoch: Epoch) -> Self {
        Self {
            trigger,
            keeper,
            epoch,
            told: BTreeSet::new(),
            roster: Roster::default(),
            pulse: Arc::new(Pulse::default()),
        }
    }

    /// Whose rows come from now on, and what it may use.
    pub fn turn_to(&mut self, roster: Roster, pulse: Arc<Pulse>, capacity: Capacity) {
        self.trigger.may_use(capacity);
        self.roster = roster;
        self.pulse = pulse;
    }

    /// Takes in what came, and judges.
    pub fn judge(&mut self) -> Judgement {
        self.judge_at(self.epoch.elapsed_us())
    }

    /// The same at a moment on the watch's clock, so that a day can pass in seconds.
    pub fn judge_at(&mut self, now_us: u64) -> Judgement {
        self.tell_of_workers(now_us);
        let fresh = self.keeper.fresh();
        fresh.rows.iter().for_each(|row| self.trigger.see(row));
        fresh.tallies.iter().for_each(|tally| self.trigger.see_tally(tally));
        let waiting_us = self.pulse.health().waiting.as_micros() as u64;
        let probe_sent_us = (waiting_us > 0).then(|| now_us.saturating_sub(waiting_us));
        self.trigger.judge(Moment { now_us, probe_sent_us })
    }

    /// For how long no rule has been broken; none where one is, or where it is not known.
    pub fn calm_for(&self) -> Option<Duration> {
        let since_us = self.trigger.calm_since_us()?;
        Some(Duration::from_micros(self.epoch.elapsed_us().saturating_sub(since_us)))
    }

    /// The highest share of CPU in the spike so far; none where it was not read.
    pub fn peak(&self) -> Option<f64> {
        self.trigger.peak()
    }

    /// The spike is over.
    pub fn end_spike(&mut self) {
        self.trigger.end_spike();
    }

    /// A worker that has just begun is busy with that, which is no spike.
    fn tell_of_workers(&mut self, now_us: u64) {
        let workers = self.roster.get();
        self.told.retain(|id| workers.contains(id));
        let Some(boot_s) = boot_seconds() else { return };
        for id in workers {
            if self.told.insert(id) {
                let age_s = boot_s - id.start_ticks as f64 / procfs::ticks_per_second() as f64;
                self.trigger.began(id.pid, now_us.cast_signed() - (age_s * 1e6) as i64);
            }
        }
    }
}

/// A spike is followed until it has been calm for so long.
#[derive(Debug)]
pub struct UntilCalm<'a> {
    /// The rules.
    pub feed: &'a mut Feed,
    /// For so long.
    pub calm: Duration,
}

impl Until for UntilCalm<'_> {
    fn course(&mut self) -> Course {
        self.feed.judge();
        let is_over = self.feed.calm_for().is_some_and(|calm| calm >= self.calm);
        if is_over { Course::LastSlice } else { Course::On }
    }
}

/// A calm moment is of no use any more when it is none.
#[derive(Debug)]
pub struct WhileCalm<'a> {
    /// The rules.
    pub feed: &'a mut Feed,
    /// Whether it has stayed calm.
    pub stayed: &'a Cell<bool>,
}

impl Until for WhileCalm<'_> {
    fn course(&mut self) -> Course {
        self.feed.judge();
        if self.feed.calm_for().is_some() {
            return Course::On;
        }
        self.stayed.set(false);
        Course::Over
    }
}
