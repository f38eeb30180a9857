//! Two captures held against each other: as text, and as a flamegraph in which red grew and blue shrank.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;

use crate::analyse::Facts;
use crate::analyse::compare::{Comparison, Per, scale};
use crate::analyse::load::Load;
use crate::render::figures::{counted, span, utc};
use crate::render::flamegraph::{Heading, draw_difference};
use crate::render::folded::{Detail, fold};
use crate::render::markdown::{Document, Table, code};
use crate::render::{growth, loads};

const FUNCTIONS_SHOWN: usize = 15;
const OWNERS_SHOWN: usize = 15;
const CHANGES_SHOWN: usize = 60;

/// What changed, as Markdown: loads side by side, what grew, what is different.
pub fn text(before: &Facts, after: &Facts, comparison: &Comparison) -> String {
    let mut document = Document::default();
    document.heading(1, "What changed between two captures");
    document.block(format!("**{}**", growth::headline(comparison)));
    document.table(&captures(before, after));
    document.heading(2, "Load");
    document.table(&loads::table(["before", "after"], Some(&comparison.before), &comparison.after));
    if comparison.stacks.are_taken() {
        stacks(&mut document, comparison);
    }
    document.heading(2, "Changes");
    let none = "None was found in version, config, environment, packages, workers, limits and machine.";
    or_none(&mut document, &growth::changes(&comparison.changes, CHANGES_SHOWN), none);
    document.into_string()
}

/// Functions and owners.
fn stacks(document: &mut Document, comparison: &Comparison) {
    let per = growth::per_words(comparison.per);
    document.heading(2, &format!("Functions, CPU {per}"));
    if comparison.per == Per::Second {
        document.block(
            "Requests were not counted on both sides, so that CPU is held against time: more traffic alone makes \
             everything grow.",
        );
    }
    document.block(in_milliseconds(per));
    or_none(document, &growth::functions(comparison, FUNCTIONS_SHOWN), "No function's own CPU changed as much.");
    document.heading(2, &format!("Whose work, CPU {per}"));
    document.block(in_milliseconds(per));
    or_none(document, &growth::owners(comparison, OWNERS_SHOWN), "Nobody's CPU changed as much.");
}

fn in_milliseconds(per: &str) -> String {
    format!("In CPU-milliseconds {per}; {}.", growth::LEFT_OUT)
}

/// Stacks of both captures in one flamegraph, the CPU of each divided as the comparison divides it, so that captures of
/// different lengths and loads can be compared. Threads and workers of the same stacks are one.
///
/// # Errors
/// When the picture cannot be drawn.
pub fn flamegraph(before: &Facts, after: &Facts, comparison: &Comparison) -> Result<String> {
    let per = growth::per_words(comparison.per);
    let sides = [(before, &comparison.before), (after, &comparison.after)];
    let [was, is] = sides.map(|(facts, load)| Side::of(facts, load, comparison.per));
    let mut both: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (stack, ns) in &was.stacks {
        both.entry(stack).or_default().0 = *ns;
    }
    for (stack, ns) in &is.stacks {
        both.entry(stack).or_default().1 = *ns;
    }
    let mut folded = String::new();
    for (stack, (was, is)) in &both {
        // Writing to a string cannot fail.
        let _ = writeln!(folded, "{stack} {was} {is}");
    }
    let gone: u64 = both.values().filter(|(_, is)| *is == 0).map(|(was, _)| was).sum();
    let gone =
        if gone == 0 { String::new() } else { format!("; no width has what is gone: {}", span(gone as f64 / 1e9)) };
    let heading = Heading {
        title: format!("CPU {per}: {} against {}", after.manifest.name, before.manifest.name),
        subtitle: format!("Widths: CPU {per} after, {}; before it was {}{gone}", span(is.seconds), span(was.seconds)),
    };
    Ok(draw_difference(&folded, &heading, per)?)
}

/// One capture's stacks, comparable with another's.
struct Side {
    /// Nanoseconds for each unit, by stack below the thread.
    stacks: BTreeMap<String, u64>,
    /// CPU for each unit.
    seconds: f64,
}

impl Side {
    fn of(facts: &Facts, load: &Load, per: Per) -> Self {
        let mut weights: BTreeMap<String, f64> = BTreeMap::new();
        for line in fold(&facts.profile, Detail::Functions).lines() {
            // `worker PID;thread;frames WEIGHT`
            let stack_and_weight = line.splitn(3, ';').nth(2).and_then(|rest| rest.rsplit_once(' '));
            if let Some((stack, cpu_us)) = stack_and_weight {
                *weights.entry(stack.to_owned()).or_default() += cpu_us.parse::<f64>().unwrap_or(0.0);
            }
        }
        let scale = scale(facts, load, per);
        let seconds = facts.profile.samples.iter().map(|sample| sample.cpu_ns).sum::<u64>() as f64 / 1e9 * scale;
        let scaled = |us: f64| (us * 1e3 * scale).round() as u64;
        Self { stacks: weights.into_iter().map(|(stack, us)| (stack, scaled(us))).collect(), seconds }
    }
}

fn captures(before: &Facts, after: &Facts) -> Table {
    let mut table = Table::new(&["", "capture", "began", "sampled for", "LiteLLM", "workers"]);
    for (side, facts) in [("before", before), ("after", after)] {
        let (from_us, to_us) = facts.sampled_us();
        table.row([
            side.to_owned(),
            code(&facts.manifest.name),
            utc(facts.began()),
            span((to_us - from_us) as f64 / 1e6),
            facts.litellm_version().map_or_else(|| "unknown version".to_owned(), code),
            counted(facts.evidence.workers.len(), "worker"),
        ]);
    }
    table
}

fn or_none(document: &mut Document, table: &Table, none: &str) {
    if table.is_empty() {
        document.block(none);
    } else {
        document.table(table);
    }
}
