//! How a record of a log begins, by the program that writes it: time, logger, level and place, then the message.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

use crate::logs::known::WITHHELD;
use crate::logs::lines;

/// How grave a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For developers: holds whole requests.
    Debug,
    /// As it goes.
    Info,
    /// May go wrong.
    Warning,
    /// Went wrong.
    Error,
    /// Went wrong for all.
    Critical,
}

impl Level {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "DEBUG" | "TRACE" => Self::Debug,
            "INFO" => Self::Info,
            "WARNING" | "WARN" => Self::Warning,
            "ERROR" => Self::Error,
            "CRITICAL" | "FATAL" => Self::Critical,
            _ => return None,
        })
    }
}

/// The beginning of a record, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<'a> {
    /// What stands before the message, as it may be shown.
    pub shown: String,
    /// How grave.
    pub level: Level,
    /// `file.py:line`, where it tells.
    pub place: Option<String>,
    /// The message; of a record in JSON, all its lines.
    pub message: Cow<'a, str>,
    /// The traceback of a record in JSON.
    pub stack: Option<String>,
}

/// Loggers whose names are shown.
const LOGGERS: &[&str] = &[
    "LiteLLM",
    "LiteLLM Proxy",
    "LiteLLM Router",
    "_granian",
    "apscheduler.executors.default",
    "apscheduler.scheduler",
    "asyncio",
    "granian.access",
    "gunicorn.access",
    "gunicorn.error",
    "httpx",
    "openai",
    "uvicorn",
    "uvicorn.access",
    "uvicorn.asgi",
    "uvicorn.error",
];

/// Forms of plain text, each with the names of its groups. In ASCII and without upper bounds: `\w{1,60}` of all of Unicode
/// would take megabytes, and lines are bounded already.
static FORMS: LazyLock<[Regex; 5]> = LazyLock::new(|| {
    const LEVEL: &str = "(?P<level>TRACE|DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)";
    [
        // LiteLLM
        format!(
            r"^(?P<time>[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}) - (?P<logger>[0-9A-Za-z_. -]+):{LEVEL}: (?P<place>[0-9A-Za-z_]+(?:\.pyx?)?:[0-9]+) - "
        ),
        // gunicorn, and the uvicorn workers in it
        format!(
            r"^(?P<time>\[[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} [0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}} [+-][0-9]{{4}}\] \[[0-9]+\]) \[{LEVEL}\] "
        ),
        // granian
        format!(r"^\[{LEVEL}\] "),
        // uvicorn
        format!(r"^{LEVEL}:[ \t]+"),
        // Python's basicConfig
        format!(r"^{LEVEL}:(?P<logger>[0-9A-Za-z_.]+):"),
    ]
    .map(|form| Regex::new(&form).expect("constants"))
});

/// The head of a record in plain text; none where a line is no beginning of one.
pub fn of_text(text: &str) -> Option<Head<'_>> {
    let (form, found) = FORMS.iter().enumerate().find_map(|(form, pattern)| Some((form, pattern.captures(text)?)))?;
    let group = |name| found.name(name).map(|found| found.as_str());
    let level = Level::of(&found["level"])?;
    let place = group("place").filter(|place| is_place(place)).map(str::to_owned);
    Some(Head {
        shown: shown(form, &found, place.as_deref()),
        level,
        place,
        message: Cow::Borrowed(&text[found[0].len()..]),
        stack: None,
    })
}

fn shown(form: usize, found: &Captures<'_>, place: Option<&str>) -> String {
    let level = &found["level"];
    let group = |name| found.name(name).map_or("", |found| found.as_str());
    match form {
        0 => format!("{} - {}:{level}: {} - ", group("time"), logger(group("logger")), place.unwrap_or(WITHHELD)),
        1 => format!("{} [{level}] ", group("time")),
        2 => format!("[{level}] "),
        3 => format!("{:<10}", format!("{level}:")),
        _ => format!("{level}:{}:", logger(group("logger"))),
    }
}

/// The head of a record in JSON, as LiteLLM writes them. None where the line is no such record.
pub fn of_json(text: &str) -> Option<Head<'static>> {
    static TIME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[0-9]{4}-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9](?:\.[0-9]{1,9})?(?:Z|[+-][0-9][0-9]:[0-9][0-9])?$").expect("a constant")
    });
    let Value::Object(fields) = serde_json::from_str(text).ok()? else { return None };
    let field = |name: &str| fields.get(name).and_then(Value::as_str);
    let word = field("level")?;
    let level = Level::of(word)?;
    let time = field("timestamp").filter(|time| TIME.is_match(time))?;
    let place = field("logger").filter(|place| is_place(place)).map(str::to_owned);
    let mut shown = format!("{time} - {}:{word}: ", logger(field("component").unwrap_or_default()));
    if let Some(place) = &place {
        let _ = write!(shown, "{place} - ");
    }
    let stack = field("stacktrace").or_else(|| field("exception")).map(|stack| lines::plain(stack).into_owned());
    Some(Head { shown, level, place, message: Cow::Owned(lines::plain(field("message")?).into_owned()), stack })
}

fn logger(name: &str) -> &str {
    if LOGGERS.contains(&name) { name } else { WITHHELD }
}

/// A Python file and a line in it, in lower case as modules are.
fn is_place(text: &str) -> bool {
    static PLACE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[a-z0-9_]{1,60}(?:\.pyx?)?:[0-9]{1,7}$").expect("a constant"));
    PLACE.is_match(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_every_program_is_read() {
        for (line, shown, level, message) in [
            (
                "11:17:03 - LiteLLM Proxy:ERROR: utils.py:8722 - hello",
                "11:17:03 - LiteLLM Proxy:ERROR: utils.py:8722 - ",
                Level::Error,
                "hello",
            ),
            ("11:17:03 - hunter2:INFO: HUNTER.py:1 - x", "11:17:03 - […]:INFO: […] - ", Level::Info, "x"),
            (
                "[2026-11-24 05:58:48 +0000] [16302] [INFO] x",
                "[2026-11-24 05:58:48 +0000] [16302] [INFO] ",
                Level::Info,
                "x",
            ),
            ("[WARNING] x", "[WARNING] ", Level::Warning, "x"),
            ("INFO:     Started", "INFO:     ", Level::Info, "Started"),
            ("ERROR:asyncio:Task", "ERROR:asyncio:", Level::Error, "Task"),
            ("WARNING:hunter2:x", "WARNING:[…]:", Level::Warning, "x"),
        ] {
            let head = of_text(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((head.shown.as_str(), head.level, head.message.as_ref()), (shown, level, message), "{line}");
        }
        assert_eq!(of_text("he said INFO: x"), None);
        assert_eq!(of_text("11:17:03 - x"), None);
    }

    #[test]
    fn a_record_in_json_tells_the_same() {
        let line = r#"{"message": "\u001b[32mhello\u001b[0m", "level": "ERROR", "timestamp": "2026-11-24T11:17:45.305606", "requester_ip": "127.0.0.1", "component": "LiteLLM Proxy", "logger": "utils.py:197", "stacktrace": "Traceback"}"#;
        let head = of_json(line).unwrap();
        assert_eq!(head.shown, "2026-11-24T11:17:45.305606 - LiteLLM Proxy:ERROR: utils.py:197 - ");
        assert_eq!((head.message.as_ref(), head.stack.as_deref()), ("hello", Some("Traceback")));
        for other in [r#"{"model": "gpt", "messages": []}"#, r#"{"message": "a", "level": "loud"}"#, "[]", "{"] {
            assert_eq!(of_json(other), None, "{other}");
        }
    }
}
