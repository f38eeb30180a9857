//! What others put around a line of LiteLLM's, and the time that a line bears: `kubectl logs --timestamps`, the log
//! files of containerd and CRI-O, those of Docker.

use std::borrow::Cow;
use std::sync::LazyLock;

use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;

/// A line out of its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened<'a> {
    /// When the line was written, by the envelope, else by the line itself; none where neither tells the date.
    pub at: Option<Timestamp>,
    /// The envelope's time as it stands.
    pub stamp: Option<String>,
    /// The line.
    pub text: Cow<'a, str>,
}

/// Takes a line out of its envelope, if it has one.
pub fn open(line: &str) -> Opened<'_> {
    static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^([0-9]{4}-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9](?:\.[0-9]{1,9})?(?:Z|[+-][0-9][0-9]:[0-9][0-9])) (?:(?:stdout|stderr) [FP] )?")
            .expect("a constant")
    });
    if let Some(found) = PREFIX.captures(line) {
        let stamp = found[1].to_owned();
        let text = Cow::Borrowed(&line[found[0].len()..]);
        return Opened { at: stamp.parse().ok(), stamp: Some(stamp), text };
    }
    if let Some((stamp, text)) = docker(line) {
        let stamp = stamp.parse::<Timestamp>().ok().map(|at| (at, at.to_string()));
        let (at, stamp) = stamp.unzip();
        return Opened { at, stamp, text: Cow::Owned(text) };
    }
    Opened { at: own_time(line), stamp: None, text: Cow::Borrowed(line) }
}

/// `{"log":"…\n","stream":"stdout","time":"…"}`
fn docker(line: &str) -> Option<(String, String)> {
    if !line.starts_with(r#"{"log":""#) {
        return None;
    }
    let Value::Object(mut fields) = serde_json::from_str(line).ok()? else { return None };
    match (fields.remove("time")?, fields.remove("log")?) {
        (Value::String(time), Value::String(text)) => Some((time, text.trim_end_matches(['\r', '\n']).to_owned())),
        _ => None,
    }
}

/// The time of gunicorn's lines, and of LiteLLM's JSON logs, which is without a zone and taken for UTC, as containers
/// have it.
fn own_time(line: &str) -> Option<Timestamp> {
    static GUNICORN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"^\[([0-9]{4}-[0-9][0-9]-[0-9][0-9]) ([0-9][0-9]:[0-9][0-9]:[0-9][0-9]) ([+-][0-9][0-9])([0-9][0-9])\]",
        )
        .expect("a constant")
    });
    static JSON: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#""timestamp": ?"([0-9]{4}-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9](?:\.[0-9]{1,9})?)(Z|[+-][0-9][0-9]:[0-9][0-9])?""#)
            .expect("a constant")
    });
    if line.starts_with('{') {
        let found = JSON.captures(line)?;
        return format!("{}{}", &found[1], found.get(2).map_or("Z", |zone| zone.as_str())).parse().ok();
    }
    let found = GUNICORN.captures(line)?;
    format!("{}T{}{}:{}", &found[1], &found[2], &found[3], &found[4]).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_out_of_its_envelope_and_dated() {
        let at = "2026-11-24T05:59:47Z";
        for (line, text, utc) in [
            ("2026-11-24T05:59:47.000000000Z INFO:     x", "INFO:     x", Some(at)),
            ("2026-11-24T06:59:47+01:00 stderr F x", "x", Some(at)),
            (r#"{"log":"INFO: \"x\"\n","stream":"stdout","time":"2026-11-24T05:59:47Z"}"#, r#"INFO: "x""#, Some(at)),
            ("[2026-11-24 05:59:47 +0000] [7] [INFO] x", "[2026-11-24 05:59:47 +0000] [7] [INFO] x", Some(at)),
            (
                r#"{"message": "a", "timestamp": "2026-11-24T05:59:47"}"#,
                r#"{"message": "a", "timestamp": "2026-11-24T05:59:47"}"#,
                Some(at),
            ),
            (
                r#"{"message": "\"timestamp\": \"2026-11-24T05:59:47\""}"#,
                r#"{"message": "\"timestamp\": \"2026-11-24T05:59:47\""}"#,
                None,
            ),
            ("05:59:47 - LiteLLM:INFO: x.py:1 - x", "05:59:47 - LiteLLM:INFO: x.py:1 - x", None),
            ("2026-99-99T05:59:47Z x", "x", None),
        ] {
            let opened = open(line);
            assert_eq!((opened.text.as_ref(), opened.at), (text, utc.map(|utc| utc.parse().unwrap())), "{line}");
        }
    }
}
