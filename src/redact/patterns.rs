//! Applies the table of [`rules`](super::rules) to a text: finds what to mask, or masks it.
//!
//! One set decides whether anything matches at all, since nearly every text holds no secret; only rules that the set
//! names are then run one by one.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex, RegexSet};

use super::allow;
use super::names::{Secrecy, secrecy};
use super::rules::RULES;

/// A mask can join what it touches into a new shape, so masking is repeated until nothing changes, at most so often.
const PASSES: usize = 4;

/// A value under a harmless name can hold a secret's name and value: `next=/login?key=abc`. So many levels are looked
/// into, each once.
const DEEPEST_VALUE: usize = 4;

/// Words in place of a value: a type, an absence.
const NO_VALUES: &[&str] = &["none", "null", "true", "false", "str", "optional", "undefined", "self", "missing"];

/// The compiled table.
pub struct Patterns {
    any: RegexSet,
    each: Vec<Regex>,
}

/// A part of a text that a rule takes for a secret.
pub struct Span {
    /// The rule's name.
    pub rule: &'static str,
    /// Where, in bytes.
    pub range: Range<usize>,
}

impl Patterns {
    /// The table, compiled on first use.
    pub fn get() -> &'static Self {
        static PATTERNS: LazyLock<Patterns> = LazyLock::new(Patterns::compile);
        &PATTERNS
    }

    fn compile() -> Self {
        let ascii = |pattern: &str| pattern.replace(r"\b", r"(?-u:\b)").replace(r"\w", r"[0-9A-Za-z_]");
        // `\w` stands inside brackets too, where a nested class means the same.
        let sources: Vec<String> = RULES.iter().map(|rule| ascii(rule.pattern)).collect();
        let each = sources.iter().map(|source| Regex::new(source).expect("the table is tested")).collect();
        Self { any: RegexSet::new(&sources).expect("the table is tested"), each }
    }

    /// Everything that looks like a secret, rule by rule; spans of different rules may overlap.
    pub fn spans(&self, text: &str) -> Vec<Span> {
        self.any.matches(text).into_iter().flat_map(|rule| self.spans_of(rule, text)).collect()
    }

    /// Masks everything that looks like a secret, or returns none where there is nothing. `count` hears of each
    /// rule that masked and how often.
    pub fn scrub(&self, text: &str, mut count: impl FnMut(&'static str, u64)) -> Option<String> {
        let mut scrubbed: Option<String> = None;
        for _ in 0..PASSES {
            let mut changed = false;
            let matches = self.any.matches(scrubbed.as_deref().unwrap_or(text));
            for rule in matches {
                let current = scrubbed.as_deref().unwrap_or(text);
                let spans = self.spans_of(rule, current);
                if spans.is_empty() {
                    continue;
                }
                count(RULES[rule].name, spans.len() as u64);
                let mask = mask(RULES[rule].name);
                scrubbed = Some(replaced(current, spans.iter().map(|span| span.range.clone()), &mask));
                changed = true;
            }
            if !changed {
                break;
            }
        }
        scrubbed
    }

    fn spans_of(&self, rule: usize, text: &str) -> Vec<Span> {
        let mut spans = Vec::new();
        self.gather(rule, text, 0, DEEPEST_VALUE, &mut spans);
        spans
    }

    fn gather(&self, rule: usize, text: &str, from: usize, levels: usize, spans: &mut Vec<Span>) {
        let mut at = from;
        while let Some(found) = self.each[rule].captures_at(text, at) {
            at = found.get_match().end();
            match target(&found) {
                Some(range) if is_mask(&text[range.clone()]) => {}
                Some(range) => spans.push(Span { rule: RULES[rule].name, range }),
                None => {
                    if let (Some(_), Some(value), 1..) = (found.name("name"), found.name("s"), levels) {
                        self.gather(rule, &text[..value.end()], value.start(), levels - 1, spans);
                    }
                }
            }
        }
    }
}

/// The part of a match to mask, if any.
fn target(found: &Captures<'_>) -> Option<Range<usize>> {
    if found.name("keep").or_else(|| found.name("spare")).is_some() {
        return None;
    }
    let part = ["s", "q", "e", "a"].iter().find_map(|group| found.name(group)).or_else(|| found.get(0))?;
    if let Some(name) = found.name("name") {
        let value = part.as_str();
        let secrecy = secrecy(name.as_str())?;
        let is_line_number = value.len() < 8 && value.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b':');
        if NO_VALUES.contains(&value.to_ascii_lowercase().as_str())
            || allow::is_reference(value)
            // Source lines in a traceback pass arguments on: `api_key=api_key`.
            || value.trim_end_matches(',') == name.as_str()
            || (secrecy == Secrecy::Likely && is_line_number)
        {
            return None;
        }
    }
    Some(part.range())
}

/// What stands in place of a secret.
pub fn mask(rule: &str) -> String {
    format!("***{rule}***")
}

/// Whether a text is a mask and nothing more.
pub fn is_mask(text: &str) -> bool {
    text.strip_prefix("***").and_then(|rest| rest.strip_suffix("***")).is_some_and(|rule| {
        !rule.is_empty() && rule.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

/// The text with each range, in order and apart, replaced by the mask.
pub fn replaced(text: &str, ranges: impl IntoIterator<Item = Range<usize>>, mask: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for range in ranges {
        out.push_str(&text[done..range.start]);
        out.push_str(mask);
        done = range.end;
    }
    out.push_str(&text[done..]);
    out
}
