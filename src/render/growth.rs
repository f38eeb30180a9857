//! What two captures differ in, as sentences and tables: functions, owners, changes.

use crate::analyse::changes::{Area, Change};
use crate::analyse::compare::{Comparison, Growth, OwnerGrowth, Per};
use crate::render::figures::{digits, factor, span};
use crate::render::markdown::{Table, code, prose, text};

/// What grew or shrank by less than this share of the whole is a matter of chance: of a function with so little CPU there
/// are but few samples.
const LEAST_SHARE: f64 = 0.01;
/// The same in words.
pub const LEFT_OUT: &str = "changes by less than 1 % of the whole are left out";

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
    if let Some(because) = comparison.stacks.missing() {
        return format!(
            "Functions are not compared: one of the two captures has no stacks, because {}.",
            prose(because)
        );
    }
    let grown = comparison.functions.iter().max_by(|a, b| growth(a).total_cmp(&growth(b)));
    let least = least(comparison);
    match grown.filter(|function| growth(function) >= least) {
        None => format!("No function's own CPU {per} grew by 1 % of the whole."),
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

/// Functions whose own CPU grew, then those whose own CPU shrank, so many of each, in milliseconds.
pub fn functions(comparison: &Comparison, most: usize) -> Table {
    let mut table = Table::new(&[
        "function",
        "file",
        "own before ",
        "own after ",
        "grew by ",
        "with callees before ",
        "with callees after ",
    ]);
    for function in changed(comparison, most) {
        table.row([
            code(&function.name),
            code(&function.file),
            milliseconds(function.self_before),
            milliseconds(function.self_after),
            signed(growth(function)),
            milliseconds(function.total_before),
            milliseconds(function.total_after),
        ]);
    }
    table
}

/// Functions whose own CPU grew, the most first, then those whose own CPU shrank, so many of each.
pub fn changed(comparison: &Comparison, most: usize) -> Vec<&Growth> {
    let least = least(comparison);
    let mut sorted: Vec<&Growth> = comparison.functions.iter().collect();
    sorted.sort_by(|a, b| growth(b).total_cmp(&growth(a)));
    let grown = sorted.iter().filter(|function| growth(function) >= least).take(most);
    let shrunk = sorted.iter().rev().filter(|function| growth(function) <= -least).take(most);
    grown.chain(shrunk).copied().collect()
}

/// Owners whose CPU grew, the most first, then those whose CPU shrank, so many of each, in milliseconds.
pub fn owners(comparison: &Comparison, most: usize) -> Table {
    let mut table = Table::new(&["whose work", "before ", "after ", "grew by "]);
    for owner in changed_owners(comparison, most) {
        let grown = owner.after - owner.before;
        table.row([text(&owner.owner), milliseconds(owner.before), milliseconds(owner.after), signed(grown)]);
    }
    table
}

/// Owners whose CPU grew, the most first, then those whose CPU shrank, so many of each.
pub fn changed_owners(comparison: &Comparison, most: usize) -> Vec<&OwnerGrowth> {
    let least = least(comparison);
    let growth = |owner: &OwnerGrowth| owner.after - owner.before;
    let grown = comparison.owners.iter().filter(|owner| growth(owner) >= least).take(most);
    let shrunk = comparison.owners.iter().rev().filter(|owner| growth(owner) <= -least).take(most);
    grown.chain(shrunk).collect()
}

/// CPU for each unit as a figure of a column in milliseconds.
pub fn milliseconds(seconds: f64) -> String {
    let value = seconds * 1e3;
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 9.995 => format!("{value:.2}"),
        _ => digits(value),
    }
}

/// A change as a figure of such a column.
pub fn signed(seconds: f64) -> String {
    if seconds < 0.0 { format!("−{}", milliseconds(-seconds)) } else { format!("+{}", milliseconds(seconds)) }
}

/// The least change that is told, in seconds for each unit.
fn least(comparison: &Comparison) -> f64 {
    let (before, after) = comparison
        .owners
        .iter()
        .fold((0.0, 0.0), |(before, after), owner| (before + owner.before, after + owner.after));
    (LEAST_SHARE * f64::max(before, after)).max(f64::MIN_POSITIVE)
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

/// Its name in a table.
pub fn area_words(area: Area) -> &'static str {
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
