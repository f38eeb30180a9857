//! From a log to what of it may be shown, line by line. The policy is told in [`logs`](crate::logs).
//!
//! A line is freed of secrets first, so that what its form keeps is clean already, and the whole once more at the end:
//! what a form puts together could be a secret again.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;

use crate::logs::access::Access;
use crate::logs::head::{self, Head, Level};
use crate::logs::known::{self, WITHHELD};
use crate::logs::{Kind, envelope, lines};
use crate::redact::{Clean, Raw, Redactor};

/// A line that is not shown at all.
const LINE: &str = "log-line";
/// The part of a line that is not shown.
const MESSAGE: &str = "log-message";
/// The address of a client.
const CLIENT: &str = "client-address";
/// What follows the question mark in a path.
const QUERY: &str = "query-string";
/// The line of source below a frame.
const SOURCE: &str = "source-line";

const TRACEBACK: &str = "Traceback (most recent call last):";
const CHAINS: [&str; 2] = [
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
];

/// A line that matters, as it may be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// What it means.
    pub kind: Kind,
    /// What it is about.
    pub about: Option<String>,
    /// The line.
    pub example: String,
    /// The delay that it tells.
    pub seconds: Option<f64>,
}

/// What a line continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Context {
    /// A record that may be shown, or nothing.
    Open,
    /// A record of level DEBUG.
    Debug,
    /// A traceback whose exception has not come yet.
    Frames,
}

/// Cleans lines one after the other.
pub struct Cleaner<'a> {
    redactor: &'a mut Redactor,
    file: &'static str,
    shown: String,
    context: Context,
    /// Lines in a row that are not shown.
    withheld: u64,
    /// An error of which it is not yet known whether a traceback follows.
    pending: Option<Hit>,
    hits: Vec<Hit>,
}

impl<'a> Cleaner<'a> {
    /// A cleaner for a file of the bundle.
    pub fn new(redactor: &'a mut Redactor, file: &'static str) -> Self {
        Self {
            redactor,
            file,
            shown: String::new(),
            context: Context::Open,
            withheld: 0,
            pending: None,
            hits: Vec::new(),
        }
    }

    /// Text from a line's beginning to a line's end. What it continues is not known.
    pub fn stretch(&mut self, text: &Raw) {
        self.context = Context::Open;
        for line in lines::Lines::new(text.expose().as_bytes()).map_while(Result::ok) {
            self.line(&line.text, line.length);
        }
        self.close();
    }

    /// A line of our own.
    pub fn note(&mut self, note: &str) {
        self.close();
        self.shown += note;
        self.shown.push('\n');
    }

    /// What may be shown, and the lines that matter.
    pub fn finish(mut self) -> (Clean, Vec<Hit>) {
        self.close();
        let clean = self.redactor.text(self.file, &Raw::new(self.shown));
        (clean, self.hits)
    }

    /// Ends what is not yet told: lines in a row, an error without a traceback.
    fn close(&mut self) {
        if self.withheld > 0 {
            let lines = if self.withheld == 1 { "line" } else { "lines" };
            let _ = writeln!(self.shown, "[{} {lines} withheld: not of a known form]", lines::grouped(self.withheld));
            self.withheld = 0;
        }
        self.hits.extend(self.pending.take());
    }

    fn line(&mut self, text: &str, length: u64) {
        let opened = envelope::open(text);
        let stamp = opened.stamp.map(|stamp| stamp + " ").unwrap_or_default();
        let plain = lines::plain(&opened.text);
        if plain.trim().is_empty() {
            return;
        }
        let (short, cut) = lines::shown(&plain);
        // What was read of a line may be less than all of it.
        let unread = length.saturating_sub(text.len() as u64) as usize;
        let json = if plain.starts_with('{') { head::of_json(&plain) } else { None };
        if let Some(head) = json {
            return self.json(&stamp, &head);
        }
        let mark = match cut + unread {
            0 => String::new(),
            cut => format!("… [{} characters cut]", lines::grouped(cut as u64)),
        };
        // A debug log is the longest of all, and nothing of its lines is shown: only their heads are worth a look.
        match head::of_text(short) {
            Some(head) if head.level == Level::Debug => self.debug(&format!("{stamp}{}", head.shown)),
            None if self.context == Context::Debug && !short.contains("HTTP/") => self.withhold(),
            None if self.is_source(short) => self.removed(SOURCE, 1),
            _ => {
                let masked = self.masked(short);
                self.text(&stamp, &masked, &mark);
            }
        }
    }

    /// A line of plain text.
    fn text(&mut self, stamp: &str, text: &str, mark: &str) {
        if let Some(access) = Access::of_text(text) {
            let prefix = if text.starts_with("INFO:") { "INFO:     " } else { "" };
            return self.access(&format!("{stamp}{prefix}"), &access);
        }
        match head::of_text(text) {
            Some(head) => {
                let shown = format!("{stamp}{}", head.shown);
                self.record(&shown, &head, mark);
            }
            None => self.body(stamp, text, mark),
        }
    }

    fn json(&mut self, stamp: &str, head: &Head<'_>) {
        let shown = format!("{stamp}{}", head.shown);
        if head.level == Level::Debug {
            return self.debug(&shown);
        }
        let message = self.masked(&head.message);
        if let Some(access) = Access::of_text(message.lines().next().unwrap_or_default()) {
            return self.access(&shown, &access);
        }
        let mut all = message.lines();
        let first = all.next().unwrap_or_default().to_owned();
        self.record(&shown, &Head { message: first.into(), ..head.clone() }, "");
        for line in all.filter(|line| !line.trim().is_empty()) {
            self.body("", line, "");
        }
        if let Some(stack) = &head.stack {
            let stack = self.masked(stack);
            for line in stack.lines().filter(|line| !line.trim().is_empty()) {
                self.body("", line, "");
            }
        }
    }

    fn debug(&mut self, shown: &str) {
        self.close();
        self.context = Context::Debug;
        self.removed(MESSAGE, 1);
        self.show(&format!("{shown}{WITHHELD}"));
    }

    fn access(&mut self, prefix: &str, access: &Access) {
        self.close();
        self.context = Context::Open;
        self.removed(CLIENT, 1);
        let query = if access.has_query { "?[…]" } else { "" };
        self.removed(QUERY, u64::from(access.has_query));
        let Access { method, route, status, .. } = access;
        self.show(&format!("{prefix}[client] - \"{method} {route}{query}\" {status}"));
    }

    fn record(&mut self, shown: &str, head: &Head<'_>, mark: &str) {
        self.close();
        self.context = Context::Open;
        let (caller, message) = caller(&head.message);
        let known = known::message(message);
        let text = self.message(message, known.as_ref());
        let line = format!("{shown}{caller}{text}{mark}");
        match known.filter(|known| known.kind.is_some()) {
            Some(known) => self.hit(&known, &line),
            None if head.level >= Level::Error => {
                let about = head.place.clone().unwrap_or(text);
                self.pending =
                    Some(Hit { kind: Kind::Error, about: Some(about), example: line.clone(), seconds: None });
            }
            None => {}
        }
        self.show(&line);
    }

    /// A line that is not the beginning of a record.
    fn body(&mut self, stamp: &str, text: &str, mark: &str) {
        if self.context == Context::Debug {
            return self.withhold();
        }
        // Exception groups draw a tree at the margin.
        let text = text.trim_start_matches("  ").strip_prefix("| ").map_or(text, |inner| inner);
        if text.trim_start_matches([' ', '+', '|']) == TRACEBACK {
            if self.pending.as_ref().is_some_and(|hit| hit.kind == Kind::Traceback) {
                self.close();
            }
            self.context = Context::Frames;
            return self.show(&format!("{stamp}{TRACEBACK}"));
        }
        if let Some(chain) = CHAINS.iter().find(|chain| text == **chain) {
            // What was raised in its wake is what the traceback ends in.
            self.pending.take_if(|hit| hit.kind == Kind::Traceback);
            return self.show(&format!("{stamp}{chain}"));
        }
        if let Some(frame) = frame(text) {
            self.context = Context::Frames;
            return self.show(&format!("{stamp}{frame}"));
        }
        if self.context == Context::Frames {
            if let Some(cut) = cut_by_litellm(text) {
                return self.show(&format!("{stamp}  [{cut} characters cut by LiteLLM]"));
            }
            if self.is_source(text) {
                return self.removed(SOURCE, 1);
            }
            if let Some((kind, message)) = exception(text) {
                self.context = Context::Open;
                let message = message.map(|message| {
                    let known = known::message(message);
                    format!(": {}", self.message(message, known.as_ref()))
                });
                let line = format!("{stamp}{kind}{}{mark}", message.unwrap_or_default());
                let about = Some(kind.to_owned());
                self.pending = Some(Hit { kind: Kind::Traceback, about, example: line.clone(), seconds: None });
                return self.show(&line);
            }
        }
        match known::message(text).filter(|known| known.anchored) {
            Some(known) => {
                let line = format!("{stamp}{}{mark}", self.message(text, Some(&known)));
                if known.kind.is_some() {
                    self.hit(&known, &line);
                }
                self.show(&line);
            }
            None => self.withhold(),
        }
    }

    /// Whether it is the source below a frame, or what underlines a part of it: most lines of a traceback.
    fn is_source(&self, text: &str) -> bool {
        self.context == Context::Frames
            && text.starts_with("   ")
            && frame(text).is_none()
            && cut_by_litellm(text).is_none()
    }

    /// What of a message is shown: its template, and the exceptions that the rest names.
    fn message(&mut self, message: &str, known: Option<&known::Known>) -> String {
        if message.is_empty() {
            return String::new();
        }
        let withheld = known.map_or(1, |known| known.withheld);
        let mut text = known.map_or(WITHHELD, |known| &known.text).to_owned();
        if withheld > 0 {
            self.removed(MESSAGE, withheld);
            let names = known::exceptions(message);
            if !names.is_empty() {
                let _ = write!(text, " ({})", names.join(", "));
            }
        }
        text
    }

    fn hit(&mut self, known: &known::Known, line: &str) {
        let Some(kind) = known.kind else { return };
        self.hits.push(Hit { kind, about: known.job.clone(), example: line.to_owned(), seconds: known.seconds });
    }

    fn show(&mut self, line: &str) {
        if self.withheld > 0 {
            // The pending error stays so: its traceback may follow.
            let pending = self.pending.take();
            self.close();
            self.pending = pending;
        }
        self.shown += line.trim_end();
        self.shown.push('\n');
    }

    fn withhold(&mut self) {
        self.withheld += 1;
        self.removed(LINE, 1);
    }

    fn removed(&mut self, rule: &'static str, times: u64) {
        if times > 0 {
            self.redactor.count(self.file, rule, times);
        }
    }

    fn masked(&mut self, text: &str) -> String {
        self.redactor.text(self.file, &Raw::new(text)).to_string()
    }
}

/// The function that a message of LiteLLM's names first, with its colon, and the rest.
fn caller(message: &str) -> (&str, &str) {
    static CALLER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^litellm(?:\.[a-z_]+)+\(\): ").expect("a constant"));
    CALLER.find(message).map_or(("", message), |found| message.split_at(found.end()))
}

/// A longer name of a function is no name.
const LONGEST_NAME_BYTES: usize = 100;

/// A frame of a traceback, its path cut to what is the same on every machine.
fn frame(text: &str) -> Option<String> {
    static FRAME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"^[ \t]*File "([^"]+)", line ([0-9]+)(?:, in ([\w.<>]+))?$"#).expect("a constant")
    });
    let found = FRAME.captures(text)?;
    if found.get(3).is_some_and(|name| name.len() > LONGEST_NAME_BYTES) {
        return None;
    }
    let name = found.get(3).map_or(String::new(), |name| format!(", in {}", name.as_str()));
    Some(format!("  File \"{}\", line {}{name}", short_path(&found[1]), &found[2]))
}

/// The path below `site-packages` or Python's own library; of any other file, the name.
fn short_path(path: &str) -> &str {
    static LIBRARY: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^.*/(?:site-packages|dist-packages|lib/python3\.[0-9]+)/([\w./*-]+)$").expect("a constant")
    });
    match LIBRARY.captures(path) {
        Some(found) => found.get(1).map_or(WITHHELD, |found| found.as_str()),
        None => path.rsplit('/').next().filter(|name| is_file_name(name)).unwrap_or(WITHHELD),
    }
}

fn is_file_name(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "_.<>*-".contains(c);
    name.len() <= 100 && name.chars().all(plain) && (name.starts_with('<') || name.contains(".py"))
}

/// How many characters LiteLLM left out of a long traceback.
fn cut_by_litellm(text: &str) -> Option<&str> {
    static CUT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\(litellm_truncated skipped ([0-9]{1,12}) chars").expect("a constant"));
    CUT.captures(text)?.get(1).map(|found| found.as_str())
}

/// How the name of an exception ends; what ends otherwise may be a word of somebody's message.
const ENDINGS: [&str; 11] =
    ["Error", "error", "Exception", "Exit", "Full", "Empty", "Group", "Interrupt", "Timeout", "timeout", "Warning"];

/// The line that ends a traceback: the exception's type, and its message.
fn exception(text: &str) -> Option<(&str, Option<&str>)> {
    let (kind, message) = text.split_once(": ").map_or((text, None), |(kind, message)| (kind, Some(message)));
    let kind = kind.strip_suffix(':').unwrap_or(kind);
    let last = kind.rsplit('.').next().unwrap_or_default();
    let is_class = ENDINGS.iter().any(|ending| last.ends_with(ending));
    let is_name = kind.len() <= 100 && kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    (is_class && is_name).then_some((kind, message))
}
