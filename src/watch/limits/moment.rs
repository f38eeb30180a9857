//! When something was, so that it can be told how long ago that is, whatever became of the clocks.
//!
//! Within one boot the kernel's clock since the boot decides, which nobody can set and which goes on in sleep. Across
//! boots there is only the wall clock, and a time that it puts into the future is taken as now.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::os::clock::{boot_id, boot_seconds};

/// A moment by all clocks that there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// By the machine's own clock; none where it is not told.
    pub boot: Option<Boot>,
    /// By the wall clock.
    pub utc: Timestamp,
}

/// A moment within one boot of a machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// Which boot: `/proc/sys/kernel/random/boot_id`.
    pub id: String,
    /// Seconds since then.
    pub seconds: f64,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let boot = boot_id().zip(boot_seconds()).map(|(id, seconds)| Boot { id, seconds });
        Self { boot, utc: Timestamp::now() }
    }

    /// Seconds from an earlier moment until this one; 0 where that one is not earlier.
    pub fn seconds_since(&self, earlier: &Self) -> f64 {
        let elapsed = match (&self.boot, &earlier.boot) {
            (Some(now), Some(then)) if now.id == then.id => now.seconds - then.seconds,
            _ => self.seconds_since_utc(earlier.utc),
        };
        elapsed.max(0.0)
    }

    /// The same of a moment of which only the wall clock is known, such as a file's time.
    pub fn seconds_since_utc(&self, earlier: Timestamp) -> f64 {
        self.utc.duration_since(earlier).as_secs_f64().max(0.0)
    }

    /// So many seconds before this moment.
    #[must_use]
    pub fn before(&self, seconds: f64) -> Self {
        let boot = self.boot.as_ref().map(|boot| Boot { id: boot.id.clone(), seconds: boot.seconds - seconds });
        let back = SignedDuration::try_from_secs_f64(seconds).ok();
        let utc = back.and_then(|back| self.utc.checked_sub(back).ok()).unwrap_or(Timestamp::MIN);
        Self { boot, utc }
    }

    /// The same moment as the clocks of `now` can be held against, once and for all: one of another boot moves into
    /// this one, and one that lies in the future becomes now. Else a wall clock that was wrong once would be wrong for
    /// ever.
    #[must_use]
    pub fn settled(&self, now: &Self) -> Self {
        let sound = match (&now.boot, &self.boot) {
            (Some(now), Some(then)) if now.id == then.id => then.seconds <= now.seconds,
            (None, _) => self.utc <= now.utc,
            (Some(_), _) => false,
        };
        if sound { self.clone() } else { now.before(now.seconds_since(self)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(boot: &str, seconds: f64, utc: &str) -> Moment {
        Moment { boot: Some(Boot { id: boot.to_owned(), seconds }), utc: utc.parse().unwrap() }
    }

    fn assert_seconds(measured: f64, expected: f64) {
        assert!((measured - expected).abs() < 1e-6, "{measured} s, not {expected} s");
    }

    #[test]
    fn within_a_boot_the_wall_clock_may_step_as_it_likes() {
        let then = moment("a", 100.0, "2026-11-24T06:00:00Z");
        for utc in ["2026-11-24T06:01:00Z", "2020-01-01T00:00:00Z", "2036-01-01T00:00:00Z"] {
            assert_seconds(moment("a", 160.0, utc).seconds_since(&then), 60.0);
        }
    }

    #[test]
    fn across_boots_the_wall_clock_decides_and_the_future_is_now() {
        let then = moment("a", 9_000.0, "2026-11-24T06:00:00Z");
        assert_seconds(moment("b", 5.0, "2026-11-24T06:10:00Z").seconds_since(&then), 600.0);
        assert_seconds(moment("b", 5.0, "2026-11-24T05:00:00Z").seconds_since(&then), 0.0);
    }

    #[test]
    fn a_moment_that_is_settled_grows_old_even_when_the_wall_clock_was_years_ahead_of_it() {
        let ahead = moment("a", 9_000.0, "2036-11-24T06:00:00Z");
        let now = moment("b", 5.0, "2026-11-24T06:00:00Z");
        let settled = ahead.settled(&now);
        assert_eq!(settled, now);
        assert_seconds(moment("b", 65.0, "2026-11-24T06:01:00Z").seconds_since(&settled), 60.0);
        assert_eq!(settled.settled(&now), settled, "once and for all");

        let past = moment("a", 9_000.0, "2026-11-24T05:00:00Z").settled(&now);
        assert_seconds(moment("b", 10.0, "1999-01-01T00:00:00Z").seconds_since(&past), 3_605.0);
    }

    #[test]
    fn absurd_times_are_held_as_well() {
        let now = moment("a", 5.0, "2026-11-24T06:00:00Z");
        for seconds in [-1e300, 1e300] {
            let settled = moment("a", seconds, "2026-11-24T06:00:00Z").settled(&now);
            assert!(now.seconds_since(&settled) >= 0.0);
        }
        assert_eq!(now.before(1e300).utc, Timestamp::MIN);
    }
}
