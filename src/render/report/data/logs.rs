//! The logs' parts, and when their lines were written, as far as they say it.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::Time;
use regex::Regex;
use serde::Serialize;

use crate::analyse::facts::Facts;

/// A day in microseconds.
const DAY_US: i64 = 86_400_000_000;
/// Zones are apart by quarters of an hour.
const ZONE_STEP_US: i64 = 900_000_000;

/// The logs' parts.
#[derive(Debug, Serialize)]
pub struct Logs<'a> {
    before: Option<&'a str>,
    during: Option<&'a str>,
    /// For each line of the one, then of the other: when it was written, in microseconds since time zero.
    lines_at: Vec<Option<i64>>,
}

/// The logs of a capture.
pub fn logs(facts: &Facts) -> Logs<'_> {
    let (before, during) = (facts.logs.before.as_deref(), facts.logs.during.as_deref());
    let zero_us = facts.epoch().as_microsecond();
    let stretch = (facts.began().as_microsecond(), zero_us.saturating_add_unsigned(facts.sampled_us().1));
    let zone_us = zone_us(during.unwrap_or_default(), stretch);
    let lines = before.into_iter().chain(during).flat_map(str::lines);
    let at = |line| Some(written(line)?.utc_us(zone_us, stretch.1)? - zero_us);
    Logs { before, during, lines_at: lines.map(at).collect() }
}

/// What a line says of its time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Written {
    /// Microseconds since the epoch.
    Moment(i64),
    /// The same by a clock whose zone is not told.
    Local(i64),
    /// Microseconds since midnight by such a clock.
    OfDay(i64),
}

impl Written {
    /// The moment, by a clock so far ahead of UTC. Of a time of day it is the last one before an end.
    fn utc_us(self, zone_us: Option<i64>, end_us: i64) -> Option<i64> {
        Some(match self {
            Self::Moment(us) => us,
            Self::Local(us) => us - zone_us?,
            // A line is written in whole seconds, and the last one may be that of the end.
            Self::OfDay(us) => end_us - (end_us + zone_us? - us).rem_euclid(DAY_US),
        })
    }
}

/// How far a log's clock is ahead of UTC, where it does not say it itself: not at all where that puts its last line
/// into the stretch in which it was written, else by the nearest zone that does.
fn zone_us(during: &str, (from_us, to_us): (i64, i64)) -> Option<i64> {
    let last = during.lines().rev().filter_map(written).find(|written| !matches!(written, Written::Moment(_)))?;
    // Some clocks tell whole seconds.
    let fits = |zone_us: &i64| {
        let at = last.utc_us(Some(*zone_us), to_us);
        at.is_some_and(|us| (from_us - 1_000_000..=to_us).contains(&us))
    };
    let mut zones: Vec<i64> = (-48..=56).map(|step| step * ZONE_STEP_US).collect();
    zones.sort_by_key(|zone_us| zone_us.abs());
    zones.into_iter().find(fits)
}

fn written(line: &str) -> Option<Written> {
    static TIME: LazyLock<Regex> = LazyLock::new(|| {
        const DATE: &str = r"^\[?(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[ T]";
        const TIME: &str = r"(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)";
        const ZONE: &str = r"(?P<zone>Z|(?: ?[+-][0-9]{2}:?[0-9]{2}))?";
        const CLOCK: &str = r"^(?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2}) - ";
        Regex::new(&format!("{DATE}{TIME}{ZONE}|{CLOCK}")).expect("a constant")
    });
    let found = TIME.captures(line)?;
    if let Some(clock) = found.name("clock") {
        let time: Time = clock.as_str().parse().ok()?;
        let seconds = i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second());
        return Some(Written::OfDay(seconds * 1_000_000));
    }
    let as_utc: Timestamp = format!("{}T{}Z", &found["date"], &found["time"]).parse().ok()?;
    let us = as_utc.as_microsecond();
    match found.name("zone") {
        Some(zone) => Some(Written::Moment(us - ahead_us(zone.as_str().trim())?)),
        None => Some(Written::Local(us)),
    }
}

/// `+0530`, `+05:30` and `Z` in microseconds.
fn ahead_us(zone: &str) -> Option<i64> {
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() {
        return Some(0);
    }
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    Some(if zone.starts_with('-') { -minutes } else { minutes } * 60_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24 11:17:00 UTC.
    const FROM_US: i64 = 1_795_519_020_000_000;
    const SECOND_US: i64 = 1_000_000;

    #[test]
    fn every_form_of_a_time_is_read() {
        for (line, expected) in [
            ("[2026-11-24 11:17:03 +0000] [7] [INFO] x", Some(Written::Moment(FROM_US + 3 * SECOND_US))),
            ("[2026-11-24 16:47:03 +0530] [7] [INFO] x", Some(Written::Moment(FROM_US + 3 * SECOND_US))),
            ("2026-11-24T06:17:03.5-05:00 - x", Some(Written::Moment(FROM_US + 3_500_000))),
            ("2026-11-24T11:17:03Z - x", Some(Written::Moment(FROM_US + 3 * SECOND_US))),
            ("2026-11-24T11:17:03.5 - x", Some(Written::Local(FROM_US + 3_500_000))),
            ("00:00:03 - LiteLLM:INFO: a.py:1 - x", Some(Written::OfDay(3 * SECOND_US))),
            ("INFO:     \"POST /v1/chat/completions\" 200", None),
            ("2026-99-24T11:17:03Z - x", None),
        ] {
            assert_eq!(written(line), expected, "{line}");
        }
    }

    #[test]
    fn a_clock_without_a_zone_is_that_of_the_zone_in_which_its_last_line_was_written_during_the_capture() {
        let stretch = (FROM_US, FROM_US + 30 * SECOND_US);
        let zone = |line: &str| zone_us(line, stretch).map(|us| us / 60_000_000);
        assert_eq!(zone("11:17:29 - x"), Some(0));
        assert_eq!(zone("16:47:03 - x\nno time"), Some(330));
        assert_eq!(zone("2026-11-24T03:17:00 - x"), Some(-480));
        assert_eq!(zone("11:11:11 - x"), None, "in no zone was it written then");
        assert_eq!(zone("no time"), None);
        let midnight = Written::OfDay(86_399 * SECOND_US).utc_us(Some(0), FROM_US);
        assert_eq!(midnight, Some(FROM_US - 40_621 * SECOND_US), "the evening before");
    }
}
