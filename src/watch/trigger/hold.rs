//! A figure for as far back as `--for` reaches: has it been high for all of that time?

use std::collections::VecDeque;

/// Two readings in a row may be missing: what is read once a second then covers three, and comes a little late.
pub const LONGEST_HOLE_US: u64 = 3_500_000;
/// A probe is given up after five seconds and then tells no time, so that a row may be silent for so much longer.
const LONGEST_PROBE_US: u64 = 5_000_000;
/// Five readings a second apart are five seconds, though each comes some milliseconds early or late.
const JITTER_US: u64 = 500_000;

/// A figure and the stretch of time that it is of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// Its beginning, in microseconds since time zero.
    pub from_us: u64,
    /// Its end.
    pub to_us: u64,
    /// The figure, in the unit of its condition's limit.
    pub value: f64,
}

impl Measure {
    /// The length of its stretch.
    pub fn seconds(&self) -> f64 {
        self.to_us.saturating_sub(self.from_us) as f64 / 1e6
    }
}

/// What a stretch's figure says of each moment in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is an average: over a long stretch it says nothing of each second, which makes that stretch a hole.
    Average,
    /// It is a wait, which lasted for all of its stretch.
    Wait,
}

impl Kind {
    /// How long there may be nothing from one reading to the next, and how long the last one speaks for the present.
    fn hole_us(self) -> u64 {
        match self {
            Self::Average => LONGEST_HOLE_US,
            Self::Wait => LONGEST_HOLE_US + LONGEST_PROBE_US,
        }
    }
}

/// The last readings without a hole, no more of them than it takes to cover the time asked for.
#[derive(Debug, Clone)]
pub struct Hold {
    kind: Kind,
    length_us: u64,
    readings: VecDeque<Measure>,
    latest: Option<Measure>,
}

/// What was so for all of the time asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// The beginning of that time.
    pub from_us: u64,
    /// Its end, that of the last reading.
    pub to_us: u64,
    /// The figure that every reading reached.
    pub lowest: f64,
    /// Their mean over time; infinite where a reading was.
    pub mean: f64,
}

impl Hold {
    /// Nothing read yet.
    pub fn new(kind: Kind, length_us: u64) -> Self {
        Self { kind, length_us, readings: VecDeque::new(), latest: None }
    }

    /// The next reading; one that is not later than the last is left out.
    pub fn push(&mut self, measure: Measure) {
        if self.latest.is_some_and(|last| measure.to_us <= last.to_us) || measure.from_us > measure.to_us {
            return;
        }
        let hole_us = self.kind.hole_us();
        if self.readings.back().is_some_and(|last| measure.from_us > last.to_us.saturating_add(hole_us)) {
            self.readings.clear();
        }
        self.latest = Some(measure);
        if self.kind == Kind::Average && measure.to_us - measure.from_us > hole_us {
            return self.readings.clear();
        }
        self.readings.push_back(measure);
        while self.readings.get(1).is_some_and(|second| self.covers(second.from_us, measure.to_us)) {
            self.readings.pop_front();
        }
    }

    /// The last reading's figure; none where that is too long ago to speak for this moment.
    pub fn latest(&self, now_us: u64) -> Option<f64> {
        let speaks = |last: &Measure| now_us <= last.to_us.saturating_add(self.kind.hole_us());
        self.latest.filter(speaks).map(|last| last.value)
    }

    /// What has been so for all of the time asked for; none where less is known, or the last reading is too long ago.
    pub fn held(&self, now_us: u64) -> Option<Held> {
        self.latest(now_us)?;
        let (from_us, to_us) = (self.readings.front()?.from_us, self.readings.back()?.to_us);
        if !self.covers(from_us, to_us) || !self.is_dense() {
            return None;
        }
        let lowest = self.readings.iter().map(|reading| reading.value).fold(f64::INFINITY, f64::min);
        // A reading that took no time counts as a moment.
        let weight = |reading: &Measure| reading.seconds().max(1e-6);
        let seconds: f64 = self.readings.iter().map(weight).sum();
        let sum: f64 = self.readings.iter().map(|reading| reading.value * weight(reading)).sum();
        Some(Held { from_us, to_us, lowest, mean: sum / seconds })
    }

    /// The highest of the readings.
    pub fn highest(&self) -> Option<f64> {
        self.readings.iter().map(|reading| reading.value).max_by(f64::total_cmp)
    }

    fn covers(&self, from_us: u64, to_us: u64) -> bool {
        to_us.saturating_sub(from_us).saturating_add(JITTER_US) >= self.length_us
    }

    /// Averages must be at least half as many as there are seconds.
    fn is_dense(&self) -> bool {
        self.kind == Kind::Wait || self.readings.len() as u64 * 2_000_000 >= self.length_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    /// Readings that end at these seconds, each reaching back to the one before.
    fn hold(seconds: &[u64], values: &[f64]) -> Hold {
        let mut hold = Hold::new(Kind::Average, 5 * S);
        for (stretch, value) in seconds.windows(2).zip(values) {
            hold.push(Measure { from_us: stretch[0] * S, to_us: stretch[1] * S, value: *value });
        }
        hold
    }

    fn lowest(hold: &Hold, now_s: u64) -> Option<f64> {
        hold.held(now_s * S).map(|held| held.lowest)
    }

    #[test]
    fn what_held_is_what_every_reading_of_the_time_reached() {
        let all = [9.0, 0.7, 0.9, 0.8, 0.9, 0.9];
        assert_eq!(lowest(&hold(&[0, 1, 2, 3, 4], &all), 4), None, "four seconds are not five");
        let held = hold(&[0, 1, 2, 3, 4, 5, 6], &all).held(6 * S).unwrap();
        assert_eq!((held.from_us, held.to_us, held.lowest), (S, 6 * S, 0.7));
        assert!((held.mean - 0.84).abs() < 1e-9, "the first one is older than that");
    }

    #[test]
    fn a_reading_missing_now_and_then_does_not_break_it_and_a_long_hole_does() {
        let hot = [0.9; 8];
        assert_eq!(lowest(&hold(&[0, 1, 3, 4, 5], &hot), 5), Some(0.9));
        assert_eq!(lowest(&hold(&[0, 1, 4, 5], &hot), 5), Some(0.9));
        assert_eq!(lowest(&hold(&[0, 3, 6], &hot), 6), None, "two readings do not speak for six seconds");
        assert_eq!(lowest(&hold(&[0, 1, 5, 6], &hot), 6), None, "an average of four seconds says nothing of each");
        let mut apart = hold(&[0, 1, 2, 3], &hot);
        for second in [7, 8] {
            apart.push(Measure { from_us: second * S, to_us: (second + 1) * S, value: 0.9 });
        }
        assert_eq!(lowest(&apart, 9), None);
    }

    #[test]
    fn the_last_reading_does_not_speak_for_ever() {
        let hold = hold(&[0, 1, 2, 3, 4, 5], &[0.9; 5]);
        assert_eq!((lowest(&hold, 8), lowest(&hold, 9)), (Some(0.9), None));
        assert_eq!((hold.latest(8 * S), hold.latest(9 * S)), (Some(0.9), None));
    }

    #[test]
    fn what_comes_out_of_order_is_left_out() {
        let mut hold = hold(&[0, 1, 2, 3, 4, 5], &[0.9; 5]);
        hold.push(Measure { from_us: 2 * S, to_us: 3 * S, value: 0.0 });
        hold.push(Measure { from_us: 9 * S, to_us: 6 * S, value: 0.0 });
        assert_eq!(lowest(&hold, 5), Some(0.9));
    }
}
