//! Lines of the access log, as uvicorn, gunicorn and granian write them, and as JSON.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::logs::{envelope, lines};
use crate::workload::route;

/// A request as its line tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// `POST`.
    pub method: &'static str,
    /// Path without query and identifiers.
    pub route: String,
    /// Whether there was a query.
    pub has_query: bool,
    /// HTTP status.
    pub status: u16,
}

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

impl Access {
    /// Reads a line in any of its envelopes. None for every other line, which costs one search.
    pub fn of_line(line: &str) -> Option<Self> {
        if !line.contains("HTTP/") {
            return None;
        }
        let opened = envelope::open(line);
        if !opened.text.starts_with('{') {
            return Self::of_text(&lines::plain(&opened.text));
        }
        let fields: Value = serde_json::from_str(&opened.text).ok()?;
        let is_access = fields.get("component")?.as_str()?.ends_with(".access");
        let message = fields.get("message")?.as_str()?;
        is_access.then(|| Self::of_text(&lines::plain(message))).flatten()
    }

    /// Reads the text of such a line.
    pub fn of_text(text: &str) -> Option<Self> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
            // A prefix of a server's, the client, perhaps a user and a date, then the request and the status.
            let pattern = concat!(
                r"^(?:INFO:[ \t]+|\[[0-9: +-]+\] )?\S* - (?:\S+ \[[^\]]+\] )?",
                r#""([A-Z]{3,7}) (\S+) HTTP/[0-9.]{1,3}" ([1-5][0-9]{2})(?: .*)?$"#
            );
            Regex::new(pattern).expect("a constant")
        });
        let found = PATTERN.captures(text)?;
        let path = &found[2];
        Some(Self {
            method: METHODS.into_iter().find(|method| *method == &found[1])?,
            route: route(path),
            has_query: path.contains('?'),
            status: found[3].parse().ok()?,
        })
    }

    /// Whether it is a probe's or a scrape's request: our own, the kubelet's, Prometheus'. They are no load, and only
    /// their number would show.
    pub fn is_probe(&self) -> bool {
        let mut segments = self.route.split('/').skip(1);
        matches!(segments.next(), Some("health" | "metrics")) || self.route == "/spend/logs/v2"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_servers_line_is_read() {
        for line in [
            r#"INFO:     127.0.0.1:50374 - "POST /v1/chat/completions?key=1 HTTP/1.1" 200 OK"#,
            "\x1b[32mINFO\x1b[0m:     [::1]:5 - \"\x1b[1mPOST /v1/chat/completions?a HTTP/1.1\x1b[0m\" \x1b[32m200 OK\x1b[0m",
            r#"10.0.0.7:37180 - "POST /v1/chat/completions?a=b HTTP/1.1" 200"#,
            r#"10.0.0.7 - - [24/Nov/2026:05:58:48 +0000] "POST /v1/chat/completions?x HTTP/1.1" 200 12 "-" "curl""#,
            r#"[2026-11-24 05:58:48 +0000] 10.0.0.7 - "POST /v1/chat/completions?x HTTP/1.1" 200 1.234"#,
            r#"{"message": "127.0.0.1:52006 - \"POST /v1/chat/completions?REDACTED HTTP/1.1\" 200", "level": "INFO", "component": "uvicorn.access"}"#,
            r#"2026-11-24T05:59:47Z INFO:     127.0.0.1:50374 - "POST /v1/chat/completions?key=1 HTTP/1.1" 200 OK"#,
        ] {
            let expected =
                Access { method: "POST", route: "/v1/chat/completions".to_owned(), has_query: true, status: 200 };
            assert_eq!(Access::of_line(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn no_other_line_is_taken_for_one() {
        for line in [
            "INFO:     Application startup complete.",
            r#"11:17:03 - LiteLLM:DEBUG: utils.py:5 - he said: 1.2.3.4 - "GET / HTTP/1.1" 200 OK"#,
            r#"{"message": "1.2.3.4:5 - \"GET /x HTTP/1.1\" 200", "component": "LiteLLM"}"#,
            r#"INFO:     1.2.3.4:5 - "EVIL /x HTTP/1.1" 200"#,
            r#"INFO:     1.2.3.4:5 - "GET /x HTTP/1.1" 999"#,
            r#"INFO:     1.2.3.4:5 - "WebSocket /v1/realtime" [accepted]"#,
        ] {
            assert_eq!(Access::of_line(line), None, "{line}");
        }
    }

    #[test]
    fn probes_and_scrapes_are_known() {
        for (path, expected) in
            [("/health/liveliness", true), ("/metrics/", true), ("/healthy", false), ("/v1/models", false)]
        {
            let line = format!(r#"1.2.3.4:5 - "GET {path} HTTP/1.1" 200"#);
            assert_eq!(Access::of_line(&line).unwrap().is_probe(), expected, "{path}");
        }
    }
}
