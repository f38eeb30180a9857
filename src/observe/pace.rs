//! How often LiteLLM is asked: every few seconds, and never so often that the answers cost the proxy something.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The shortest interval between two readings of the metrics. A curve of five-second steps shows a spike, and a scrape
/// is some milliseconds of CPU.
const SHORTEST: Duration = Duration::from_secs(5);

/// No capture needs more points than a chart has room for.
const MOST_READINGS: u32 = 120;

/// A reading is followed by a pause of so many times its length: readings take less than 1 % of the time.
const PAUSE_PER_READING: u32 = 100;

/// Who watches for weeks reads half as often, and takes less than one thousandth of the time.
const WATCHING_INTERVAL: Duration = Duration::from_secs(10);
const WATCHING_PAUSE_PER_READING: u32 = 1_000;

/// From one probe of `/health/liveliness` to the next, during a capture; one that takes longer delays the next.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// While a watch has no rule about it. An answer costs the worker a fraction of a millisecond.
const CALM_PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// What cannot be had is asked for again after so long by who watches for weeks, and never by a capture.
const SECOND_CHANCE: Duration = Duration::from_mins(5);

/// How often LiteLLM is asked. A watch changes it when a spike begins and when it is over.
#[derive(Debug)]
pub struct Tempo {
    capture: Pace,
    watch: Option<Probes>,
    is_capturing: AtomicBool,
}

/// How often a watch looks whether LiteLLM answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probes {
    /// As often as a capture does, since there is a rule about it.
    Close,
    /// Now and then.
    Wide,
}

impl Tempo {
    /// Of a capture of this length.
    pub fn capture(duration: Duration) -> Self {
        Self { capture: Pace::of(duration), watch: None, is_capturing: AtomicBool::new(true) }
    }

    /// Of a watch, whose captures take so long at most. It is calm at first.
    pub fn watch(probes: Probes, longest: Duration) -> Self {
        Self { capture: Pace::of(longest), watch: Some(probes), is_capturing: AtomicBool::new(false) }
    }

    /// A spike began, or is over.
    pub fn set_capturing(&self, is_capturing: bool) {
        self.is_capturing.store(is_capturing, Ordering::Relaxed);
    }

    /// For the metrics.
    pub fn metrics(&self) -> Pace {
        if self.is_capturing.load(Ordering::Relaxed) { self.capture } else { Pace::WATCHING }
    }

    /// Between two probes.
    pub fn probes(&self) -> Duration {
        let is_calm = !self.is_capturing.load(Ordering::Relaxed);
        if is_calm && self.watch == Some(Probes::Wide) { CALM_PROBE_INTERVAL } else { PROBE_INTERVAL }
    }

    /// After how long something is asked for again that could not be had; none for a capture.
    pub fn second_chance(&self) -> Option<Duration> {
        self.watch.map(|_| SECOND_CHANCE)
    }
}

/// When to read the metrics next.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    interval: Duration,
    pause_per_reading: u32,
}

impl Pace {
    const WATCHING: Self = Self { interval: WATCHING_INTERVAL, pause_per_reading: WATCHING_PAUSE_PER_READING };

    /// For a capture of this length.
    fn of(duration: Duration) -> Self {
        Self { interval: SHORTEST.max(duration / MOST_READINGS), pause_per_reading: PAUSE_PER_READING }
    }

    /// After the first reading, which the budget does not count: it can make LiteLLM build all its routes, once.
    pub fn after_first(&self, begun: Instant) -> Instant {
        begun + self.interval
    }

    /// After any other that was answered.
    pub fn after(&self, begun: Instant, took: Duration) -> Instant {
        begun + self.interval.max(took.saturating_mul(self.pause_per_reading))
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

    #[test]
    fn a_watch_asks_seldom_until_a_spike_begins() {
        let begun = Instant::now();
        let tempo = Tempo::watch(Probes::Wide, Duration::from_mins(2));
        let told = |tempo: &Tempo| (tempo.probes(), tempo.metrics().after(begun, Duration::from_millis(8)) - begun);
        assert_eq!(told(&tempo), (Duration::from_secs(5), Duration::from_secs(10)));
        tempo.set_capturing(true);
        assert_eq!(told(&tempo), (Duration::from_secs(1), Duration::from_secs(5)));
        tempo.set_capturing(false);
        assert_eq!(told(&tempo), (Duration::from_secs(5), Duration::from_secs(10)));
        assert_eq!(Tempo::watch(Probes::Close, Duration::from_mins(2)).probes(), Duration::from_secs(1));
    }
}
