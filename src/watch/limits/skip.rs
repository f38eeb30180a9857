//! Why a spike is not captured: a code that does not change, the figures, and words.

use jiff::Timestamp;
use serde::Serialize;

use crate::analyse::figures::{counted, limit, span as rounded};
use crate::os::clock::utc;
use crate::render::figures::{percent, span};

/// Why not.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Skip {
    /// A capture is under way.
    Busy {
        /// Whose; none where it is not told.
        pid: Option<i32>,
        /// Since when.
        since_utc: Option<Timestamp>,
    },
    /// The last capture is not long enough ago.
    Cooldown {
        /// What is left of the cooldown.
        left_seconds: f64,
        /// This spike's peak as a share of what may be used.
        peak: f64,
        /// What it has to exceed to be captured all the same; none where the last one's peak is not known.
        mark: Option<f64>,
    },
    /// Too many captures began within the window.
    TooMany {
        /// How many may.
        max_captures: usize,
        /// The window.
        window_seconds: f64,
        /// Until the oldest of them is out of it.
        left_seconds: f64,
    },
    /// It would leave too little room.
    Disk {
        /// Where.
        folder: String,
        /// How much is free.
        free_bytes: u64,
        /// How much a capture has to leave.
        must_leave_bytes: u64,
        /// How much it is thought to take: as much as the last bundle.
        bundle_bytes: u64,
        /// The option that says so.
        option: &'static str,
    },
    /// How much room there is cannot be told.
    DiskUnknown {
        /// Where.
        folder: String,
        /// Why not.
        why: String,
    },
    /// It could not be remembered that there was a capture, and after a restart there would be the next at once.
    State {
        /// Where it is to be remembered.
        folder: String,
        /// Why not.
        why: String,
    },
}

impl Skip {
    /// Its name in metrics and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "busy",
            Self::Cooldown { .. } => "cooldown",
            Self::TooMany { .. } => "too_many",
            Self::Disk { .. } => "disk",
            Self::DiskUnknown { .. } => "disk_unknown",
            Self::State { .. } => "state",
        }
    }

    /// One line for a person, with what to do where something can be done.
    pub fn words(&self) -> String {
        match self {
            Self::Busy { pid, since_utc } => {
                let whose = pid.map_or_else(String::new, |pid| format!(" by process {pid}"));
                let since = since_utc.map_or_else(String::new, |since| format!(" since {}", utc(since)));
                format!("another capture is under way{whose}{since}")
            }
            Self::Cooldown { left_seconds, peak, mark } => {
                let peak = percent(peak * 100.0);
                let unless = match mark {
                    Some(mark) => format!("or for a peak above {}, and this one is {peak}", percent(mark * 100.0)),
                    None => "and how high the last peak was is not known".to_owned(),
                };
                format!("the cooldown lets the next capture begin in {}, {unless}", span(*left_seconds))
            }
            Self::TooMany { max_captures, window_seconds, left_seconds } => format!(
                "{} within {} are enough (--max-captures, --window): the next may begin in {}",
                counted(*max_captures as u64, "capture"),
                rounded(*window_seconds),
                span(*left_seconds)
            ),
            Self::Disk { folder, free_bytes, must_leave_bytes, bundle_bytes, option } => {
                let bundle = match bundle_bytes {
                    0 => String::new(),
                    bytes => format!(" beside its bundle of about {}", size(*bytes)),
                };
                format!(
                    "only {} are free in {folder}, and a capture must leave {}{bundle} ({option}): make room, or lower \
                     {option}",
                    size(*free_bytes),
                    size(*must_leave_bytes)
                )
            }
            Self::DiskUnknown { folder, why } => format!("how much room there is in {folder} cannot be told: {why}"),
            Self::State { folder, why } => format!(
                "{folder} cannot remember that there was a capture: {why}; make it writable, or name another folder \
                 with --state-dir"
            ),
        }
    }
}

/// A size in the decimal units that the options are given in: `9.8 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    // As large as it will be once it is rounded.
    let unit = UNITS.iter().find(|(each, _)| bytes as f64 * 1.0005 >= *each);
    let (each, name) = unit.copied().unwrap_or((1.0, "bytes"));
    let value = bytes as f64 / each;
    let decimals = if value < 99.95 { 10.0 } else { 1.0 };
    format!("{} {name}", limit((value * decimals).round() / decimals))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_is_told_in_words_with_its_figures() {
        let disk = |bundle_bytes| Skip::Disk {
            folder: "/bundles".to_owned(),
            free_bytes: 9_800_000,
            must_leave_bytes: 100_000_000,
            bundle_bytes,
            option: "--min-free",
        };
        let cooldown = |mark| Skip::Cooldown { left_seconds: 200.0, peak: 0.97, mark };
        let cases = [
            (Skip::Busy { pid: None, since_utc: None }, "another capture is under way"),
            (
                Skip::Busy { pid: Some(7), since_utc: "2026-11-24T06:00:00Z".parse().ok() },
                "another capture is under way by process 7 since 2026-11-24T06:00:00Z",
            ),
            (
                cooldown(Some(1.1)),
                "the cooldown lets the next capture begin in 3 min 20 s, or for a peak above 110.0 %, and this one is \
                 97.0 %",
            ),
            (
                cooldown(None),
                "the cooldown lets the next capture begin in 3 min 20 s, and how high the last peak was is not known",
            ),
            (
                Skip::TooMany { max_captures: 10, window_seconds: 86_400.0, left_seconds: 7_500.0 },
                "10 captures within 1 day are enough (--max-captures, --window): the next may begin in 2 h 5 min",
            ),
            (
                disk(0),
                "only 9.8 MB are free in /bundles, and a capture must leave 100 MB (--min-free): make room, or lower \
                 --min-free",
            ),
            (
                disk(1_234_567),
                "only 9.8 MB are free in /bundles, and a capture must leave 100 MB beside its bundle of about 1.2 MB \
                 (--min-free): make room, or lower --min-free",
            ),
        ];
        for (skip, words) in cases {
            assert_eq!(skip.words(), words);
        }
    }

    #[test]
    fn the_code_is_the_same_in_json() {
        let skip = Skip::TooMany { max_captures: 1, window_seconds: 60.0, left_seconds: 5.0 };
        let told = json!({"code": "too_many", "max_captures": 1, "window_seconds": 60.0, "left_seconds": 5.0});
        assert_eq!(serde_json::to_value(&skip).unwrap(), told);
        let state = Skip::State { folder: String::new(), why: String::new() };
        let unknown = Skip::DiskUnknown { folder: String::new(), why: String::new() };
        let cooldown = Skip::Cooldown { left_seconds: 1.0, peak: 1.0, mark: None };
        for skip in [skip, state, unknown, cooldown, Skip::Busy { pid: None, since_utc: None }] {
            assert_eq!(serde_json::to_value(&skip).unwrap()["code"], skip.code());
        }
    }

    #[test]
    fn sizes_are_decimal() {
        let cases = [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1 kB"),
            (9_840_000, "9.8 MB"),
            (99_960_000, "100 MB"),
            (999_999_999, "1 GB"),
            (1_500_000_000, "1.5 GB"),
        ];
        for (bytes, words) in cases {
            assert_eq!(size(bytes), words);
        }
    }
}
