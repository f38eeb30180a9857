//! What two captures differ in, as sentences and tables: functions, owners, changes.

use crate::analyse::changes::{Area, Change};
use crate::analyse::compare::{Comparison, Growth, Per};
use crate::render::figures::{factor, span};
use crate::render::markdown::{Table, code, text};

/// Less than this for each request or second is a matter of chance, in seconds.
const LEAST_SECONDS: f64 = 1e-6;

/// `per request`, `per second`.
pub fn per_words(per: Per) -> &'static str {
    match per {
        Per::Request => "per request",
        Per::Second => "per second",
    }
}

/// Which function's own CPU grew most, and by how much.
pub fn headline(comparison: &Comparison) -> String {
    let per = per_words(comparison.per);
    let grown = comparison.functions.iter().max_by(|a, b| growth(a).total_cmp(&growth(b)));
    match grown.filter(|function| growth(function) >= LEAST_SECONDS) {
        None => format!("No function's own CPU {per} grew."),
        Some(function) => {
            let (before, after) = (function.self_before, function.self_after);
            let times = factor(before, after).unwrap_or_else(|| "it used none before".to_owned());
            format!(
                "{} in {} grew most: its own CPU {per} went from {} to {} ({times}).",
                code(&function.name),
                code(&function.file),
                span(before),
                span(after),
            )
        }
    }
}

/// Functions whose own CPU grew, then those whose own CPU shrank, so many of each.
pub fn functions(comparison: &Comparison, most: usize) -> Table {
    let mut table =
        Table::new(&["function", "file", "own before ", "own after ", "grew by ", "with callees before ", "after "]);
    let mut sorted: Vec<&Growth> = comparison.functions.iter().collect();
    sorted.sort_by(|a, b| growth(b).total_cmp(&growth(a)));
    let grown = sorted.iter().filter(|function| growth(function) >= LEAST_SECONDS).take(most);
    let shrunk = sorted.iter().rev().filter(|function| growth(function) <= -LEAST_SECONDS).take(most);
    for function in grown.chain(shrunk) {
        table.row([
            code(&function.name),
            code(&function.file),
            span(function.self_before),
            span(function.self_after),
            signed(growth(function)),
            span(function.total_before),
            span(function.total_after),
        ]);
    }
    table
}

/// Owners by growth, so many of them.
pub fn owners(comparison: &Comparison, most: usize) -> Table {
    let mut table = Table::new(&["owner", "before ", "after ", "grew by "]);
    for owner in comparison.owners.iter().take(most) {
        table.row([text(&owner.owner), span(owner.before), span(owner.after), signed(owner.after - owner.before)]);
    }
    table
}

/// Changes, so many of them, in their order.
pub fn changes(changes: &[Change], most: usize) -> Table {
    let mut table = Table::new(&["area", "what", "before", "after", "note"]);
    let value = |value: &Option<String>| value.as_ref().map_or_else(|| "not there".to_owned(), |value| code(value));
    for change in changes.iter().take(most) {
        let note = change.note.as_deref().map(text).unwrap_or_default();
        let (before, after) = (value(&change.before), value(&change.after));
        table.row([area_words(change.area).to_owned(), code(&change.what), before, after, note]);
    }
    if let Some(more) = changes.len().checked_sub(most).filter(|more| *more > 0) {
        table.row([String::new(), format!("… and {more} more in `summary.json`")]);
    }
    table
}

fn area_words(area: Area) -> &'static str {
    match area {
        Area::LiteLlm => "LiteLLM",
        Area::Config => "config",
        Area::Environment => "environment",
        Area::Package => "package",
        Area::Workers => "workers",
        Area::Limits => "limits",
        Area::Host => "host",
    }
}

fn growth(function: &Growth) -> f64 {
    function.self_after - function.self_before
}

fn signed(seconds: f64) -> String {
    if seconds < 0.0 { format!("−{}", span(-seconds)) } else { format!("+{}", span(seconds)) }
}
