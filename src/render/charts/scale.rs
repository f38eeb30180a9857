//! From figures and moments to places on the paper, with ticks at round ones.

use jiff::Timestamp;

/// What a panel's figures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// CPU-seconds a second.
    Cores,
    /// Memory.
    Bytes,
    /// Events a second.
    PerSecond,
    /// A number of things.
    Count,
    /// Time.
    Seconds,
}

const KIB: f64 = 1024.0;
const MIB: f64 = KIB * 1024.0;
const GIB: f64 = MIB * 1024.0;

impl Unit {
    /// A figure with three digits, for a legend or a label.
    pub fn figure(self, value: f64) -> String {
        match self {
            Self::Cores | Self::PerSecond | Self::Count => three_digits(value),
            Self::Bytes if value >= GIB => format!("{} GiB", three_digits(value / GIB)),
            Self::Bytes => format!("{} MiB", three_digits(value / MIB)),
            Self::Seconds if value >= 1.0 => format!("{} s", three_digits(value)),
            Self::Seconds => format!("{} ms", three_digits(value * 1e3)),
        }
    }

    /// A round figure, for an axis.
    pub fn tick(self, value: f64) -> String {
        match self {
            Self::Bytes | Self::Seconds if value == 0.0 => "0".to_owned(),
            Self::Cores | Self::PerSecond | Self::Count => trimmed(value),
            Self::Bytes if value >= GIB => format!("{} GiB", trimmed(value / GIB)),
            Self::Bytes => format!("{} MiB", trimmed(value / MIB)),
            Self::Seconds if value >= 1.0 => format!("{} s", trimmed(value)),
            Self::Seconds => format!("{} ms", trimmed(value * 1e3)),
        }
    }

    /// Above an axis; empty where the ticks say it already.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Cores => "cores",
            Self::PerSecond => "per second",
            Self::Count | Self::Bytes | Self::Seconds => "",
        }
    }
}

fn three_digits(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    }
}

/// Up to six decimals, without noughts at the end.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// From so many decades on, ticks in between would stand too close.
const MANY_DECADES: f64 = 2.9;
/// The edges are by so much beyond the figures, so that no line lies upon them.
const HEADROOM: f64 = 1.06;
/// Spans of more than this many decades are drawn on a logarithmic scale.
const LINEAR_DECADES: f64 = 2.0;

/// The vertical scale of a panel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// From nought to the top.
    Linear {
        /// At the panel's upper edge.
        top: f64,
        /// Between ticks.
        tick: f64,
    },
    /// Each decade as high as the next.
    Logarithmic {
        /// At the panel's lower edge, above nought.
        bottom: f64,
        /// At its upper edge.
        top: f64,
    },
}

impl Scale {
    /// A scale that reaches from nought to a figure, with about so many ticks.
    pub fn linear(unit: Unit, largest: f64, ticks: u32) -> Self {
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let raw = largest * HEADROOM / f64::from(ticks.max(1));
        let tick = match unit {
            Unit::Bytes => 2.0_f64.powf(raw.max(1.0).log2().ceil()),
            Unit::Count => round_step(raw).max(1.0),
            Unit::Cores | Unit::PerSecond | Unit::Seconds => round_step(raw),
        };
        let top = ((largest * HEADROOM / tick * 2.0).ceil() / 2.0).max(1.0) * tick;
        Self::Linear { top, tick }
    }

    /// A logarithmic scale where the figures span more than two decades, else one from nought.
    pub fn spanning(unit: Unit, values: impl Iterator<Item = f64> + Clone, ticks: u32) -> Self {
        let largest = values.clone().fold(0.0, f64::max);
        let smallest = values.filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        if smallest.is_finite() && (largest / smallest).log10() > LINEAR_DECADES {
            return Self::Logarithmic { bottom: round_below(smallest / HEADROOM), top: round_step(largest * HEADROOM) };
        }
        Self::linear(unit, largest, ticks)
    }

    /// Where a figure stands, from 0 at the lower edge to 1 at the upper.
    pub fn share(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { top, .. } => value / top,
            Self::Logarithmic { bottom, top } => {
                (value.max(f64::MIN_POSITIVE) / bottom).log10() / (top / bottom).log10()
            }
        };
        share.clamp(0.0, 1.0)
    }

    /// Figures that get a line across the panel.
    pub fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { top, tick } => {
                let last = (top / tick * 1.000_001) as u32;
                (0..=last).map(|n| f64::from(n) * tick).collect()
            }
            Self::Logarithmic { bottom, top } => {
                let decades = bottom.log10().floor() as i32..=top.log10().ceil() as i32;
                let is_short = (top / bottom).log10() < MANY_DECADES;
                let steps: &[f64] = if is_short { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let ticks = decades.flat_map(|exponent| steps.iter().map(move |step| step * 10_f64.powi(exponent)));
                ticks.filter(|tick| (bottom * 0.999_999..=top * 1.000_001).contains(tick)).collect()
            }
        }
    }
}

/// The next of 1, 2, 5, 10 … that is not smaller.
fn round_step(raw: f64) -> f64 {
    let decade = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().find(|step| step * decade >= raw * 0.999_999).unwrap_or(10.0);
    step * decade
}

/// The next of 1, 2, 5, 10 … that is not larger.
fn round_below(raw: f64) -> f64 {
    let decade = 10_f64.powf(raw.log10().floor());
    let step = [5.0, 2.0].into_iter().find(|step| step * decade <= raw * 1.000_001).unwrap_or(1.0);
    step * decade
}

/// Distances between ticks of time, in seconds.
const TIME_STEPS: [i64; 20] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
];

/// Round moments of a stretch in UTC, at most so many, each in microseconds since the epoch and as `HH:MM:SS`.
pub fn time_ticks(epoch: Timestamp, (from_us, to_us): (u64, u64), most: i64) -> Vec<(u64, String)> {
    let epoch_us = epoch.as_microsecond();
    let moment = |us: u64| epoch_us.saturating_add_unsigned(us);
    let seconds = (to_us.saturating_sub(from_us) / 1_000_000).cast_signed();
    let step = TIME_STEPS.into_iter().find(|step| seconds / step < most).unwrap_or(2_592_000) * 1_000_000;
    let mut ticks = Vec::new();
    let mut at = moment(from_us).div_euclid(step) * step;
    while at <= moment(to_us) {
        if let Ok(since_us) = u64::try_from(at - epoch_us)
            && since_us >= from_us
            && let Ok(time) = Timestamp::from_microsecond(at)
        {
            ticks.push((since_us, time.strftime("%H:%M:%S").to_string()));
        }
        at += step;
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn axes_have_round_ticks() {
        assert_eq!(Scale::linear(Unit::Cores, 1.9, 5).ticks(), [0.0, 0.5, 1.0, 1.5, 2.0]);
        assert_eq!(Scale::linear(Unit::Bytes, 3.0 * GIB, 4).ticks(), [0.0, GIB, 2.0 * GIB, 3.0 * GIB]);
        assert_eq!(Scale::linear(Unit::Count, 1.0, 4).ticks(), [0.0, 1.0]);
        assert!(Scale::linear(Unit::Cores, 0.0, 5).share(0.0).abs() < f64::EPSILON);
    }

    #[test]
    fn more_than_two_decades_are_logarithmic() {
        let spanning = |values: &[f64]| Scale::spanning(Unit::Seconds, values.iter().copied(), 4);
        let near = |value: f64, expected: f64| assert!((value / expected - 1.0).abs() < 1e-9, "{value} {expected}");
        for (values, edges, ticks) in
            [([0.003, 0.984], (0.002, 2.0), 3), ([0.03, 3.9], (0.02, 5.0), 8), ([0.001, 1.0], (0.0005, 2.0), 4)]
        {
            let scale = spanning(&values);
            let Scale::Logarithmic { bottom, top } = scale else { panic!("{scale:?}") };
            near(bottom, edges.0);
            near(top, edges.1);
            assert_eq!(scale.ticks().len(), ticks, "{scale:?}");
            assert!(scale.share(values[0]) > 0.0 && scale.share(values[1]) < 1.0, "no line lies on an edge");
        }
        assert!(matches!(spanning(&[0.2, 3.0]), Scale::Linear { .. }));
        assert!(matches!(spanning(&[0.0]), Scale::Linear { .. }));
    }

    #[test]
    fn figures_carry_their_unit() {
        let cases = [
            (Unit::Seconds, 0.0042, "4.20 ms"),
            (Unit::Seconds, 12.0, "12.0 s"),
            (Unit::Bytes, 1.5 * GIB, "1.50 GiB"),
            (Unit::Bytes, 700.0 * MIB, "700 MiB"),
            (Unit::Cores, 0.004, "0.004"),
            (Unit::Cores, 0.2342, "0.234"),
            (Unit::PerSecond, 0.0, "0"),
        ];
        for (unit, value, figure) in cases {
            assert_eq!(unit.figure(value), figure);
        }
        assert_eq!(Unit::Seconds.tick(0.05), "50 ms");
    }

    #[test]
    fn time_is_told_at_round_moments() {
        let epoch: Timestamp = "2026-11-24T06:15:03.25Z".parse().unwrap();
        let ticks = time_ticks(epoch, (0, 60_000_000), 7);
        let words: Vec<&str> = ticks.iter().map(|(_, words)| words.as_str()).collect();
        assert_eq!(words, ["06:15:10", "06:15:20", "06:15:30", "06:15:40", "06:15:50", "06:16:00"]);
        assert_eq!(ticks[0].0, 6_750_000);
    }

    proptest! {
        #[test]
        fn every_figure_is_on_the_paper_and_ticks_are_few(largest in 0.0..1e15_f64) {
            for unit in [Unit::Cores, Unit::Bytes, Unit::PerSecond, Unit::Count, Unit::Seconds] {
                let scale = Scale::linear(unit, largest, 5);
                prop_assert!((2..=8).contains(&scale.ticks().len()), "{scale:?}");
                prop_assert!(scale.share(largest) <= 0.96);
            }
        }

        #[test]
        fn ticks_of_time_are_few_and_within(from_us in 0_u64..1_000_000_000_000, length_us in 0_u64..30_000_000_000_000) {
            let ticks = time_ticks(Timestamp::UNIX_EPOCH, (from_us, from_us + length_us), 7);
            prop_assert!(ticks.len() <= 14);
            prop_assert!(ticks.iter().all(|(us, _)| (from_us..=from_us + length_us).contains(us)));
        }
    }
}
