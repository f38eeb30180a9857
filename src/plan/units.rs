//! Figures as people type them, with their units.

use std::time::Duration;

use jiff::SignedDuration;

use super::usage;
use crate::error::Failure;

/// Times have units: `30s`, `2m`, `1m30s`.
pub fn time(option: &str, text: &str) -> Result<Duration, Failure> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    parsed
        .filter(|time| !time.is_zero())
        .ok_or_else(|| usage(format!("{option} {text}: not a time"), "give a number with its unit, such as 30s or 2m"))
}

/// `5%` or `5`: from 0.1 to 100.
pub fn percent(option: &str, text: &str) -> Result<f64, Failure> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>().ok();
    number
        .filter(|number| (0.1..=100.0).contains(number))
        .ok_or_else(|| usage(format!("{option} {text}: not a percentage"), "give one from 0.1% to 100%"))
}

/// Sizes in bytes have units, decimal (`100MB`, `1.5GB`) or binary (`64MiB`).
pub fn size(option: &str, text: &str) -> Result<u64, Failure> {
    const UNITS: [(&str, f64); 9] = [
        ("KiB", 1024.0),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
        ("TiB", 1_099_511_627_776.0),
        ("kB", 1e3),
        ("KB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
    ];
    let bytes = UNITS.iter().find_map(|(unit, each)| Some(text.strip_suffix(unit)?.trim().parse::<f64>().ok()? * each));
    bytes.filter(|bytes| (1.0..1e15).contains(bytes)).map(|bytes| bytes as u64).ok_or_else(|| {
        usage(format!("{option} {text}: not a size"), "give a number with its unit, such as 100MB or 64MiB")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(time("--duration", "30s").unwrap(), Duration::from_secs(30));
        assert_eq!(time("--duration", "1m30s").unwrap(), Duration::from_secs(90));
        for wrong in ["30", "0s", "-5s", "soon", ""] {
            assert!(time("--duration", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_are_percentages() {
        assert!((percent("--max-overhead", "5%").unwrap() - 5.0).abs() < f64::EPSILON);
        for wrong in ["0", "101%", "much"] {
            assert!(percent("--max-overhead", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("--min-free", "100MB").unwrap(), 100_000_000);
        assert_eq!(size("--min-free", "1.5 KiB").unwrap(), 1536);
        for wrong in ["100", "MB", "-1MB", "0MB", "nanMB", ""] {
            assert!(size("--min-free", wrong).is_err(), "{wrong}");
        }
    }
}
