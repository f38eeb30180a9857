//! How figures are written in sentences: with a unit, and to three digits, which is more than any of them is worth.

use jiff::Timestamp;

/// One figure over another; none where that is no number.
pub fn ratio(part: f64, whole: f64) -> Option<f64> {
    finite(part / whole).filter(|_| whole > 0.0)
}

/// A figure that a reader can do sums with. A sum over nothing is a negative zero, and stops being one here.
pub fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value + 0.0)
}

/// The figure in the middle; of two there, what is between them.
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

/// Three digits that count, but no more than six behind the point.
pub fn number(value: f64) -> String {
    // As large as it will be once it is rounded: 0.09996 is written as 0.100.
    let magnitude = (value.abs() * 1.0005).max(1e-6).log10().floor();
    let decimals = (2.0 - magnitude).clamp(0.0, 6.0) as usize;
    if value == 0.0 { "0".to_owned() } else { format!("{value:.decimals$}") }
}

/// At most two decimals, and none that say nothing: a limit as it was set.
pub fn limit(value: f64) -> String {
    ((value * 100.0).round() / 100.0).to_string()
}

/// `4 workers`.
pub fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A length of time, or CPU time, in the unit that suits it: `320 µs`, `41.0 ms`, `1.20 s`.
pub fn duration(seconds: f64) -> String {
    // As large as it will be once it is rounded: 0.9996 s is written as 1.00 s.
    match seconds.abs() * 1.0005 {
        0.0 => "0 s".to_owned(),
        size if size < 1e-3 => format!("{} µs", number(seconds * 1e6)),
        size if size < 1.0 => format!("{} ms", number(seconds * 1e3)),
        _ => format!("{} s", number(seconds)),
    }
}

/// A moment of the capture, microseconds after it began, as a time of day: `06:15:00 UTC`.
pub fn clock(epoch: Timestamp, at_us: u64) -> String {
    let at = Timestamp::from_microsecond(epoch.as_microsecond().saturating_add_unsigned(at_us)).unwrap_or(epoch);
    at.strftime("%H:%M:%S UTC").to_string()
}

/// A length of time in its largest unit: `3 days`.
pub fn span(seconds: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute")];
    let largest = UNITS.iter().find(|(length, _)| seconds >= *length);
    let (length, unit) = largest.copied().unwrap_or((1.0, "second"));
    counted((seconds / length).round().max(0.0) as u64, unit)
}

/// `23.5 GiB`, and `4 GiB` where that is all.
pub fn gib(bytes: u64) -> String {
    let written = number(bytes as f64 / f64::from(1 << 30));
    let short = if written.contains('.') { written.trim_end_matches('0').trim_end_matches('.') } else { &written };
    format!("{short} GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_a_person_would_write_them() {
        let numbers = [
            (0.0, "0"),
            (1_234.4, "1234"),
            (50.0, "50.0"),
            (4.1, "4.10"),
            (0.3, "0.300"),
            (0.099_96, "0.100"),
            (9.996, "10.0"),
            (0.000_04, "0.000040"),
        ];
        for (value, written) in numbers {
            assert_eq!(number(value), written);
        }
        assert_eq!((limit(0.3), limit(2.0)), ("0.3".to_owned(), "2".to_owned()));
        assert_eq!(
            (counted(1_u32, "worker"), counted(4_u32, "worker")),
            ("1 worker".to_owned(), "4 workers".to_owned())
        );
        let durations = [
            (0.0, "0 s"),
            (0.000_32, "320 µs"),
            (0.041, "41.0 ms"),
            (0.9996, "1.00 s"),
            (1.2, "1.20 s"),
            (-0.5, "-500 ms"),
        ];
        for (seconds, words) in durations {
            assert_eq!(duration(seconds), words);
        }
        let spans = [(42.0, "42 seconds"), (60.0, "1 minute"), (7_200.0, "2 hours"), (259_200.0, "3 days")];
        for (seconds, words) in spans {
            assert_eq!(span(seconds), words);
        }
        assert_eq!(
            (gib(4 << 30), gib(25_275_723_000), gib(1 << 29)),
            ("4 GiB".to_owned(), "23.5 GiB".to_owned(), "0.5 GiB".to_owned())
        );
        let epoch = "2026-11-24T23:59:59.7Z".parse().unwrap();
        assert_eq!(clock(epoch, 1_500_000), "00:00:01 UTC");
    }

    #[test]
    fn a_ratio_is_a_number_or_none() {
        assert_eq!(ratio(6.0, 3.0), Some(2.0));
        for (part, whole) in
            [(1.0, 0.0), (0.0, 0.0), (1.0, -1.0), (f64::INFINITY, 1.0), (1.0, f64::NAN), (1e308, 1e-308)]
        {
            assert_eq!(ratio(part, whole), None);
        }
    }
}
