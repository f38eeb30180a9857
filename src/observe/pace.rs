//! How often the metrics are read: every few seconds, and never so often that reading them costs the proxy something.

use std::time::{Duration, Instant};

/// The shortest interval. A curve of five-second steps shows a spike, and a scrape is some milliseconds of CPU.
const SHORTEST: Duration = Duration::from_secs(5);

/// No capture needs more points than a chart has room for.
const MOST_READINGS: u32 = 120;

/// A reading is followed by a pause of so many times its length: readings take less than 1 % of the time.
const PAUSE_PER_READING: u32 = 100;

/// When to read next.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    interval: Duration,
}

impl Pace {
    /// For a capture of this length.
    pub fn of(duration: Duration) -> Self {
        Self { interval: SHORTEST.max(duration / MOST_READINGS) }
    }

    /// After the first reading, which the budget does not count: it can make LiteLLM build all its routes, once.
    pub fn after_first(&self, begun: Instant) -> Instant {
        begun + self.interval
    }

    /// After any other that was answered.
    pub fn after(&self, begun: Instant, took: Duration) -> Instant {
        begun + self.interval.max(took.saturating_mul(PAUSE_PER_READING))
    }

    /// After one that was not: the time was spent waiting for a busy event loop. How often that may happen is limited.
    pub fn after_missed(&self, begun: Instant) -> Instant {
        begun + self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_capture_is_read_less_often() {
        let begun = Instant::now();
        let interval = |seconds| Pace::of(Duration::from_secs(seconds)).after_first(begun) - begun;
        assert_eq!(interval(30), Duration::from_secs(5));
        assert_eq!(interval(600), Duration::from_secs(5));
        assert_eq!(interval(3600), Duration::from_secs(30));
    }

    #[test]
    fn a_slow_reading_is_followed_by_a_long_pause() {
        let begun = Instant::now();
        let pause = |ms| Pace::of(Duration::from_secs(30)).after(begun, Duration::from_millis(ms)) - begun;
        assert_eq!(pause(8), Duration::from_secs(5));
        assert_eq!(pause(200), Duration::from_secs(20));
    }
}
