//! The link that opens LiteLLM's bug form filled in.
//!
//! A link holds about 8,000 characters. What does not fit is cut at the ends of lines, the least important field first,
//! and the ticket in the bundle has it whole.

use std::fmt::Write as _;

use crate::analyse::{Facts, Verdict};
use crate::render::markdown::{Document, fenced, text};
use crate::render::ticket::{class, cpu, head, logs, reproduction, request};

/// The form: `bug_report.yml` of LiteLLM's repository. Its fields, by id: `what-happened`, `steps-to-reproduce`, `logs`,
/// `component`, `version`.
const FORM: &str = "https://github.com/BerriAI/litellm/issues/new?template=bug_report.yml";
/// The part of LiteLLM that it is about, as the form's list has it.
const COMPONENT: &str = "Proxy";
/// GitHub answers longer addresses with an error.
const LONGEST: usize = 8_000;
/// A heading longer than this is cut in lists of issues.
const TITLE_CHARACTERS: usize = 120;
/// What stands where a field was cut.
const POINTER: &str = "\n(shortened: the attached TICKET.md has all of it)";
/// Enough to see where the CPU goes.
const FUNCTIONS_SHOWN: usize = 5;

/// A link and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The address, percent-encoded, at most 8,000 characters.
    pub url: String,
    /// Fields whose text is not all in it, by their ids.
    pub dropped: Vec<&'static str>,
}

/// One field of the form.
#[derive(Debug, Clone)]
struct Field {
    id: &'static str,
    text: String,
}

/// The form for a ticket.
pub fn form_link(facts: &Facts, verdict: &Verdict) -> Link {
    let version = facts.litellm_version().unwrap_or("unknown");
    let title: String = format!("[Bug]: {}", head::title(verdict)).chars().take(TITLE_CHARACTERS).collect();
    let field = |id, text| Field { id, text };
    let fixed = [
        field("title", title),
        field("version", version.chars().take(40).collect()),
        field("component", COMPONENT.to_owned()),
    ];
    let long = vec![
        field("what-happened", what_happened(verdict)),
        field("steps-to-reproduce", steps(facts, verdict)),
        field("logs", log_lines(facts)),
    ];
    link(&fixed, long)
}

/// The longer fields come with the most important first, and are shortened from the last.
fn link(fixed: &[Field], mut long: Vec<Field>) -> Link {
    let length = |field: &Field| field.id.len() + "&=".len() + encoded(&field.text).len();
    let mut over = (FORM.len() + fixed.iter().chain(&long).map(length).sum::<usize>()).saturating_sub(LONGEST);
    let mut dropped = Vec::new();
    for field in long.iter_mut().rev().filter(|field| !field.text.is_empty()) {
        if over == 0 {
            break;
        }
        let before = length(field);
        field.text = shortened(&field.text, encoded(&field.text).len().saturating_sub(over));
        over = over.saturating_sub(before.saturating_sub(length(field)));
        dropped.insert(0, field.id);
    }
    let mut url = FORM.to_owned();
    for field in fixed.iter().chain(&long).filter(|field| !field.text.is_empty()) {
        url.extend(["&", field.id, "=", &encoded(&field.text)]);
    }
    Link { url, dropped }
}

/// As many whole lines as have room when they are encoded, and the pointer; nothing where not even that has room.
fn shortened(text: &str, room: usize) -> String {
    let Some(room) = room.checked_sub(encoded(POINTER).len()) else { return String::new() };
    let mut kept = 0;
    let mut used = 0;
    for line in text.split_inclusive('\n') {
        used += encoded(line).len();
        if used > room {
            break;
        }
        kept += line.len();
    }
    format!("{}{POINTER}", &text[..kept])
}

/// As RFC 3986 has it: everything but unreserved characters as bytes in hexadecimal.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn what_happened(verdict: &Verdict) -> String {
    let mut document = Document::default();
    document.block(head::sentence(verdict));
    document.block(class::checklist(verdict.classification.as_ref()));
    document.table(&class::load_table(verdict));
    document.table(&cpu::functions(verdict, FUNCTIONS_SHOWN));
    let sizing = verdict.sizing.as_ref().map(|sizing| &sizing.sentence);
    let heat = verdict.heat.as_ref().map(|heat| &heat.sentence);
    let stall = verdict.stall.as_ref().map(|stall| &stall.sentence);
    document.bullets([sizing, heat, stall].into_iter().flatten().map(|sentence| text(sentence)));
    let pictures = if verdict.stacks.are_taken() { "Flamegraphs, profile, charts" } else { "Charts" };
    document.block(format!(
        "{pictures}, configuration, logs and environment are in the attached bundle; TICKET.md in it tells all.",
    ));
    document.into_string()
}

fn steps(facts: &Facts, verdict: &Verdict) -> String {
    let start = reproduction::command(facts)
        .unwrap_or_else(|| "not readable: add the command or the container's arguments".to_owned());
    let mut document = Document::default();
    document
        .block("1. Start the proxy with the configuration `environment/config.redacted.yaml` of the attached bundle:");
    document.block(fenced("sh", &start));
    document.block("2. Send requests like this one, as often as the table above says:");
    document.block(fenced("sh", &request::curl(facts, verdict)));
    match &facts.evidence.reporter.repro_steps {
        Some(steps) => {
            document.block("3. Further steps:");
            document.block(fenced("text", steps.as_str()));
        }
        None => document.block("3. (Add what else is needed.)"),
    }
    document.into_string()
}

/// The form shows this field as shell output, so that it takes no markup.
fn log_lines(facts: &Facts) -> String {
    let findings = facts.evidence.findings.iter().map(|finding| {
        let kind = logs::kind_words(finding.kind);
        format!("{kind}: {} before, {} during; {}\n", finding.before, finding.during, finding.example)
    });
    let tail = facts.logs.during.as_deref().map(logs::tail).unwrap_or_default();
    findings.collect::<String>() + &tail
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            if *first == b'%' {
                let hex = str::from_utf8(&tail[..2]).expect("two digits");
                bytes.push(u8::from_str_radix(hex, 16).expect("hexadecimal"));
                rest = &tail[2..];
            } else {
                bytes.push(*first);
                rest = tail;
            }
        }
        String::from_utf8(bytes).expect("whole characters")
    }

    /// The fields of a link, as the form would see them.
    fn fields(url: &str) -> Vec<(String, String)> {
        let parameters = url.strip_prefix(FORM).expect("the form").split('&').skip(1);
        let field = |parameter: &str| parameter.split_once('=').map(|(id, text)| (id.to_owned(), decoded(text)));
        parameters.map(|parameter| field(parameter).expect("a field")).collect()
    }

    fn lines() -> impl Strategy<Value = String> {
        prop::collection::vec("[ -~é漢🐤]{0,300}", 0..40).prop_map(|lines| lines.join("\n"))
    }

    #[test]
    fn what_fits_is_left_whole() {
        let link = link(
            &[Field { id: "title", text: "a & b = 50 %".to_owned() }],
            vec![Field { id: "logs", text: "x\ny".to_owned() }],
        );
        assert_eq!(link.url, format!("{FORM}&title=a%20%26%20b%20%3D%2050%20%25&logs=x%0Ay"));
        assert!(link.dropped.is_empty());
    }

    #[test]
    fn the_least_important_gives_way_first() {
        let long = |id| Field { id, text: "a line of text\n".repeat(200) };
        let link = link(&[], vec![long("what-happened"), long("steps-to-reproduce"), long("logs")]);
        assert_eq!(link.dropped, ["steps-to-reproduce", "logs"]);
        assert_eq!(fields(&link.url)[0].1, long("what-happened").text);
    }

    proptest! {
        #[test]
        fn a_link_is_never_too_long_and_reads_as_the_beginning_of_its_fields(what in lines(), steps in lines(), logs in lines()) {
            let long: Vec<Field> = [("what-happened", what), ("steps-to-reproduce", steps), ("logs", logs)]
                .map(|(id, text)| Field { id, text })
                .into();
            let link = link(&[Field { id: "title", text: "t".to_owned() }], long.clone());
            prop_assert!(link.url.len() <= LONGEST, "{}", link.url.len());
            prop_assert!(link.url.bytes().all(|byte| byte.is_ascii_graphic()));
            for (id, read) in fields(&link.url).into_iter().skip(1) {
                let whole = &long.iter().find(|field| field.id == id).expect("a field of ours").text;
                if let Some(kept) = read.strip_suffix(POINTER) {
                    prop_assert!(whole.starts_with(kept) && (kept.is_empty() || kept.ends_with('\n') || kept == whole));
                    prop_assert!(link.dropped.contains(&id.as_str()));
                } else {
                    prop_assert_eq!(&read, whole);
                }
            }
        }
    }
}
