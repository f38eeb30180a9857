//! Figures as people read them: with a unit, and with no more digits than they are worth.

use jiff::Timestamp;

pub use crate::analyse::figures::counted;
use crate::analyse::figures::{duration, gib, number};

/// A length of time in seconds: `320 µs`, `12.3 ms`, `4.56 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub fn span(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 119.5 => duration(s),
        s if s < 7_199.5 => format!("{} min {} s", whole / 60, whole % 60),
        s if s < 172_799.5 => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

/// Three digits that count, and none behind the point of a figure above a hundred, whose thousands are apart.
pub fn digits(value: f64) -> String {
    if value.abs() < 99.95 { number(value) } else { grouped(value.round()) }
}

/// A count: whole where it is whole or large, with its thousands apart.
pub fn count(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 100.0 { grouped(value.round()) } else { digits(value) }
}

/// A share: `94.4 %`.
pub fn percent(value: f64) -> String {
    format!("{value:.1} %")
}

/// By how much two figures for the same differ: `+0.3 %`; what rounds to nothing has no sign.
pub fn difference(percent: f64) -> String {
    let rounded = (percent * 10.0).round() / 10.0;
    if rounded == 0.0 { "0.0 %".to_owned() } else { format!("{rounded:+.1} %") }
}

/// Memory in binary units, as Kubernetes counts it.
pub fn bytes(value: f64) -> String {
    const MIB: f64 = 1_048_576.0;
    match value {
        size if size >= 1_023.5 * MIB => gib(size as u64),
        size if size >= MIB => format!("{:.0} MiB", size / MIB),
        size if size >= 1_024.0 => format!("{:.0} KiB", size / 1_024.0),
        size => format!("{size:.0} B"),
    }
}

/// What became of a figure: `× 2.31`.
pub fn factor(before: f64, after: f64) -> Option<String> {
    (before > 0.0).then(|| format!("× {}", digits(after / before)))
}

/// `1 core`, `1.50 cores`.
pub fn cores(cores: f64) -> String {
    let number = count(cores);
    if number == "1" { "1 core".to_owned() } else { format!("{number} cores") }
}

/// A moment: `2026-11-24 06:15:00 UTC`.
pub fn utc(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn grouped(whole: f64) -> String {
    let digits = format!("{:.0}", whole.abs());
    let mut out = String::from(if whole < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_unit_that_fits() {
        let cases = [
            (0.0, "0 s"),
            (0.000_32, "320 µs"),
            (0.012_34, "12.3 ms"),
            (0.9999, "1.00 s"),
            (4.5678, "4.57 s"),
            (30.0, "30.0 s"),
            (200.0, "3 min 20 s"),
            (7_500.0, "2 h 5 min"),
            (273_600.0, "3 d 4 h"),
        ];
        for (seconds, words) in cases {
            assert_eq!(span(seconds), words);
        }
    }

    #[test]
    fn digits_that_say_nothing_are_left_out() {
        let cases = [
            (0.0, "0"),
            (0.2346, "0.235"),
            (1.234, "1.23"),
            (9.999, "10.0"),
            (56.78, "56.8"),
            (99.97, "100"),
            (1_234_567.0, "1,234,567"),
        ];
        for (value, words) in cases {
            assert_eq!(digits(value), words);
        }
        assert_eq!((count(3.0).as_str(), count(2.5).as_str(), count(1234.4).as_str()), ("3", "2.50", "1,234"));
        assert_eq!((bytes(4_294_967_296.0).as_str(), bytes(5e6).as_str()), ("4 GiB", "5 MiB"));
        assert_eq!([-0.04, 0.26, -1.0].map(difference), ["0.0 %", "+0.3 %", "-1.0 %"]);
        assert_eq!((factor(2.0, 5.0).as_deref(), factor(0.0, 5.0)), (Some("× 2.50"), None));
    }
}
