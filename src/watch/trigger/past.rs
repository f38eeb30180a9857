//! How much CPU the recorded past had: a distribution that forgets, in a few kilobytes.

/// Shares are told apart by one percent, up to twice what may be used.
const BUCKETS: usize = 200;
const BUCKETS_PER_SHARE: f64 = 100.0;
/// A reading counts half as much an hour later.
const HALF_LIFE_S: f64 = 3600.0;
/// What is less than this is no past to hold anything against.
const LEAST_S: f64 = 300.0;
/// The share of the past that was not higher.
const MOST: f64 = 0.99;
/// What is above the limit counts for so little. A spike does not become the usual while it is looked at, and a level
/// that stays does within an hour or so: that long it takes to be one percent of what is remembered.
const ABOVE_WEIGHT: f64 = 1.0 / 60.0;
/// Below this share nothing is a spike: an idle proxy that goes from 1 % to 2 % has not doubled anything.
const FLOOR: f64 = 0.2;

/// The distribution of the shares that were read.
#[derive(Debug, Clone)]
pub struct Past {
    margin: f64,
    /// Seconds by share, faded.
    weights: Vec<f64>,
    seconds: f64,
    usual: Option<f64>,
}

impl Past {
    /// Nothing read yet; a spike is what is above the usual by so much of it.
    pub fn new(margin: f64) -> Self {
        Self { margin, weights: vec![0.0; BUCKETS], seconds: 0.0, usual: None }
    }

    /// A share of what may be used, and for how long.
    pub fn add(&mut self, share: f64, seconds: f64) {
        let is_above = self.limit().is_some_and(|limit| share >= limit);
        let weight = if is_above { seconds * ABOVE_WEIGHT } else { seconds };
        let fading = 0.5_f64.powf(seconds / HALF_LIFE_S);
        self.weights.iter_mut().for_each(|held| *held *= fading);
        self.weights[((share * BUCKETS_PER_SHARE) as usize).min(BUCKETS - 1)] += weight;
        self.seconds += weight;
        self.usual = (self.seconds >= LEAST_S).then(|| self.quantile());
    }

    /// The share that was exceeded in one percent of the time only; none before there were minutes of it.
    pub fn usual(&self) -> Option<f64> {
        self.usual
    }

    /// The share from which on it is a spike.
    pub fn limit(&self) -> Option<f64> {
        self.usual.map(|usual| (usual * (1.0 + self.margin)).max(FLOOR))
    }

    /// The upper end of the bucket that it lies in.
    fn quantile(&self) -> f64 {
        let rank = MOST * self.weights.iter().sum::<f64>();
        let mut below = 0.0;
        let reaches = |weight: &f64| {
            below += weight;
            below >= rank
        };
        let bucket = self.weights.iter().position(reaches).unwrap_or(BUCKETS - 1);
        (bucket + 1) as f64 / BUCKETS_PER_SHARE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(levels: &[(f64, u32)]) -> Past {
        let mut past = Past::new(0.5);
        for (share, seconds) in levels {
            (0..*seconds).for_each(|_| past.add(*share, 1.0));
        }
        past
    }

    fn limit_percent(past: &Past) -> Option<f64> {
        past.limit().map(|limit| (limit * 100.0).round())
    }

    #[test]
    fn the_limit_is_above_what_was_usual_and_not_known_before_there_was_a_past() {
        assert_eq!(limit_percent(&after(&[(0.395, 299)])), None);
        assert_eq!(limit_percent(&after(&[(0.395, 300)])), Some(60.0));
    }

    #[test]
    fn an_idle_proxy_may_double() {
        assert_eq!(limit_percent(&after(&[(0.01, 3600)])), Some(20.0));
    }

    #[test]
    fn a_spike_does_not_become_the_usual_and_a_level_that_stays_does() {
        assert_eq!(limit_percent(&after(&[(0.295, 3600), (0.9, 600)])), Some(45.0));
        assert_eq!(limit_percent(&after(&[(0.295, 3600), (0.695, 3 * 3600)])), Some(105.0));
    }

    #[test]
    fn what_was_is_forgotten() {
        assert_eq!(limit_percent(&after(&[(0.695, 3600), (0.295, 3600)])), Some(105.0));
        assert_eq!(limit_percent(&after(&[(0.695, 3600), (0.295, 10 * 3600)])), Some(45.0));
    }
}
