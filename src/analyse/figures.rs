//! How figures are written in sentences: with a unit, and to three digits, which is more than any of them is worth.

/// One figure over another; none where that is no number.
pub fn ratio(part: f64, whole: f64) -> Option<f64> {
    finite(part / whole).filter(|_| whole > 0.0)
}

/// A figure that a reader can do sums with. A sum over nothing is a negative zero, and stops being one here.
pub fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value + 0.0)
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
pub fn counted(count: impl Into<u64>, noun: &str) -> String {
    let count = count.into();
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// CPU for one request: `41.0 ms` or `1.20 s`.
pub fn cost(seconds: f64) -> String {
    if seconds.abs() < 1.0 { format!("{} ms", number(seconds * 1e3)) } else { format!("{} s", number(seconds)) }
}

/// A length of time in its largest unit: `3 days`.
pub fn span(seconds: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute")];
    let largest = UNITS.iter().find(|(length, _)| seconds >= *length);
    let (length, unit) = largest.copied().unwrap_or((1.0, "second"));
    counted((seconds / length).round().max(0.0) as u64, unit)
}

/// `4.0 GiB`.
pub fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
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
        assert_eq!((cost(0.041), cost(1.2)), ("41.0 ms".to_owned(), "1.20 s".to_owned()));
        let spans = [(42.0, "42 seconds"), (60.0, "1 minute"), (7_200.0, "2 hours"), (259_200.0, "3 days")];
        for (seconds, words) in spans {
            assert_eq!(span(seconds), words);
        }
        assert_eq!(gib(4 << 30), "4.0 GiB");
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
