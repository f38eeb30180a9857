//! When the CPU rose: the moment that divides it best into low and high, around the beginning of a spike.

use crate::analyse::facts::Facts;
use crate::analyse::figures::number;
use crate::analyse::spent;
use crate::series::column;

/// CPU is looked at in stretches of this length, about a row of each worker's table.
const STRETCH_US: u64 = 1_000_000;
/// So much of what was recorded before a spike is looked at; earlier spikes are no part of this one.
const LOOK_BACK_US: u64 = 300_000_000;
/// No capture is longer, and a bundle that says so is not believed.
const LONGEST_US: u64 = 86_400_000_000;
/// Low and high last for so many stretches at least: whatever attaches or is loaded once takes less.
const LEAST_STRETCHES: usize = 4;
/// What is high is so many times what is low.
const LEAST_RISE: f64 = 1.5;
/// So much of all that the CPU varied is explained by the rise; the rest is what it varies by from second to second.
const LEAST_EXPLAINED: f64 = 0.5;

/// A rise of the CPU of all workers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Onset {
    /// When.
    pub at_us: u64,
    /// Cores busy on average until then.
    pub low_cores: f64,
    /// Cores busy on average from then on.
    pub high_cores: f64,
}

impl Onset {
    /// As a sentence without its end.
    pub fn words(&self) -> String {
        format!("CPU rose from {} to {} cores", number(self.low_cores), number(self.high_cores))
    }
}

/// The rise with which a spike began: no later than what set a watch off, or anywhere in a capture that nothing did. None
/// where the CPU kept its height, fell, or varied more than it rose.
pub fn onset(facts: &Facts) -> Option<Onset> {
    let (from_us, to_us) = facts.sampled_us();
    let fired_us = facts.evidence.trigger.as_ref().map(|trigger| trigger.since_us);
    let first_us = fired_us.unwrap_or(from_us).saturating_sub(LOOK_BACK_US);
    let range = (first_us, to_us.min(first_us.saturating_add(LONGEST_US)));
    let cores = spent::by_stretch(&facts.series, &[column::USER_S, column::SYSTEM_S], range, STRETCH_US);
    rise(&cores, fired_us.unwrap_or(to_us))
}

/// The best rise that is not later than a moment, of stretches by their beginning.
fn rise(cores: &[(u64, f64)], latest_us: u64) -> Option<Onset> {
    let (count, sum) = (cores.len(), cores.iter().map(|(_, cores)| cores).sum::<f64>());
    let mean = sum / count as f64;
    let varied: f64 = cores.iter().map(|(_, cores)| (cores - mean).powi(2)).sum();
    let mut below = 0.0;
    let mut best: Option<(f64, Onset)> = None;
    for (before, &(at_us, here)) in cores.iter().enumerate() {
        let after = count - before;
        if before >= LEAST_STRETCHES && after >= LEAST_STRETCHES && at_us <= latest_us {
            let (low_cores, high_cores) = (below / before as f64, (sum - below) / after as f64);
            let explained = (before * after) as f64 / count as f64 * (high_cores - low_cores).powi(2);
            let is_rise = high_cores >= LEAST_RISE * low_cores && explained >= LEAST_EXPLAINED * varied;
            if is_rise && best.is_none_or(|(most, _)| explained > most) {
                best = Some((explained, Onset { at_us, low_cores, high_cores }));
            }
        }
        below += here;
    }
    best.map(|(_, onset)| onset)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of so many cores, by a tenth of a core up and down.
    fn seconds(heights: &[(f64, usize)]) -> Vec<(u64, f64)> {
        let cores = heights.iter().flat_map(|&(cores, count)| (0..count).map(move |_| cores));
        (0..).zip(cores).map(|(second, cores)| (second * 1_000_000, cores + [0.1, -0.1][second as usize % 2])).collect()
    }

    #[test]
    fn a_rise_is_found_at_its_second_with_what_was_before_and_after() {
        let onset = rise(&seconds(&[(0.3, 10), (1.5, 12)]), u64::MAX).unwrap();
        assert_eq!(onset.at_us, 10_000_000);
        assert!((onset.low_cores - 0.3).abs() < 0.02 && (onset.high_cores - 1.5).abs() < 0.02, "{onset:?}");
    }

    #[test]
    fn a_rise_that_is_over_again_is_one() {
        assert_eq!(rise(&seconds(&[(0.3, 10), (1.5, 20), (0.3, 4)]), u64::MAX).unwrap().at_us, 10_000_000);
    }

    #[test]
    fn no_rise_is_later_than_what_set_the_capture_off() {
        assert_eq!(rise(&seconds(&[(0.3, 10), (1.5, 12)]), 6_000_000), None);
    }

    #[test]
    fn cpu_that_is_level_or_falls_or_peaks_for_a_moment_did_not_rise() {
        for heights in [&[(0.3, 30)][..], &[(1.5, 10), (0.3, 12)], &[(0.3, 12), (1.5, 2), (0.3, 12)], &[]] {
            assert_eq!(rise(&seconds(heights), u64::MAX), None, "{heights:?}");
        }
    }
}
