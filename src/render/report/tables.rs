//! The page's tables. One that would be empty is left out, but for the gaps: that nothing is missing is said.

use crate::analyse::owners::OwnerShare;
use crate::analyse::verdict::Verdict;
use crate::bundle::manifest::Manifest;
use crate::collect::Weight;
use crate::render::figures::{percent, span};
use crate::render::growth;
use crate::render::owners::{LEAST_PERCENT, mechanisms};
use crate::render::report::html::Html;

/// Functions on the page; more are in `summary.json`, all in the profile.
const FUNCTIONS_SHOWN: usize = 25;

/// Owners, each with the kinds of its work, as far as their shares can be seen.
pub fn owners(html: &mut Html, verdict: &Verdict) {
    let owners: Vec<&OwnerShare> = verdict.owners.iter().filter(|owner| owner.percent >= LEAST_PERCENT).collect();
    if owners.is_empty() {
        return;
    }
    html.own("<h2>By whose work</h2>\n");
    html.table(&["whose work", "#share", "#CPU-seconds", "of which", "leading function"]);
    for owner in owners {
        html.own("<tr>").cell(&owner.owner).figure(&percent(owner.percent)).figure(&format!("{:.2}", owner.seconds));
        html.cell(&mechanisms(owner).join(", ")).own("<td class=\"name\"><code>");
        html.text(owner.leader.as_deref().unwrap_or("–")).own("</code></td></tr>\n");
    }
    html.end_table();
}

/// Functions by the CPU in their own code.
pub fn functions(html: &mut Html, verdict: &Verdict) {
    if verdict.functions.is_empty() {
        return;
    }
    html.own(
        "<h2>Functions</h2>\n<p class=\"pale\">Self: in the function's own code. Total: with all it called.</p>\n",
    );
    html.table(&["function", "#self", "#total", "#self CPU-seconds", "file", "code"]);
    for function in verdict.functions.iter().take(FUNCTIONS_SHOWN) {
        html.own("<tr><td class=\"name\"><code>").text(&function.name).own("</code></td>");
        html.figure(&percent(function.self_percent)).figure(&percent(function.total_percent));
        html.figure(&format!("{:.2}", function.self_seconds))
            .own("<td><code>")
            .text(function.place())
            .own("</code></td>");
        html.cell(function.kind.label()).own("</tr>\n");
    }
    html.end_table();
}

/// How long each worker's GIL was held and waited for, where that was read.
pub fn gil(html: &mut Html, verdict: &Verdict) {
    if verdict.workers.iter().all(|worker| worker.gil.is_none()) {
        return;
    }
    html.own(
        "<h2>The GIL</h2>\n<p class=\"pale\">Estimated from the samples. Waits of all threads are added up; garbage is \
         collected by the thread that holds it.</p>\n",
    );
    html.table(&["worker", "#read for", "#GIL held", "#waited for", "#garbage collected"]);
    for (worker, times) in verdict.workers.iter().filter_map(|worker| Some((worker, worker.gil?))) {
        html.own("<tr>").cell(&worker.pid.to_string());
        for seconds in [times.read_seconds, times.held_seconds, times.waited_seconds, times.collecting_seconds] {
            html.figure(&span(seconds));
        }
        html.own("</tr>\n");
    }
    html.end_table();
}

/// What grew against the baseline, functions and owners.
pub fn growth(html: &mut Html, verdict: &Verdict) {
    let Some(comparison) = verdict.comparison.as_ref() else { return };
    html.own("<h2>What grew against the baseline</h2>\n");
    if !comparison.stacks.are_taken() {
        html.own("<p>").prose(&growth::headline(comparison)).own("</p>\n");
        return;
    }
    html.own("<p class=\"pale\">").text(&format!(
        "In CPU-milliseconds {}; {}.",
        growth::per_words(comparison.per),
        growth::LEFT_OUT
    ));
    html.own("</p>\n");
    let functions = growth::changed(comparison, FUNCTIONS_SHOWN);
    if functions.is_empty() {
        html.own("<p>No function's own CPU changed as much.</p>\n");
    } else {
        html.table(&["function", "#grew by", "#self before", "#self after", "#total before", "#total after", "file"]);
        for grown in functions {
            html.own("<tr><td class=\"name\"><code>").text(&grown.name).own("</code></td>");
            html.figure(&growth::signed(grown.self_after - grown.self_before));
            for value in [grown.self_before, grown.self_after, grown.total_before, grown.total_after] {
                html.figure(&growth::milliseconds(value));
            }
            html.own("<td><code>").text(&grown.file).own("</code></td></tr>\n");
        }
        html.end_table();
    }
    let owners = growth::changed_owners(comparison, FUNCTIONS_SHOWN);
    if !owners.is_empty() {
        html.table(&["whose work", "#grew by", "#before", "#after"]);
        for owner in owners {
            html.own("<tr>").cell(&owner.owner).figure(&growth::signed(owner.after - owner.before));
            html.figure(&growth::milliseconds(owner.before)).figure(&growth::milliseconds(owner.after)).own("</tr>\n");
        }
        html.end_table();
    }
}

/// What was changed before the CPU rose.
pub fn changes(html: &mut Html, verdict: &Verdict) {
    if verdict.changes.is_empty() {
        return;
    }
    html.own("<h2>What was changed</h2>\n").table(&["kind", "what", "before", "after", "note"]);
    for change in &verdict.changes {
        html.own("<tr>").cell(growth::area_words(change.area)).own("<td class=\"name\"><code>").text(&change.what);
        html.own("</code></td>").cell(change.before.as_deref().unwrap_or("–"));
        html.cell(change.after.as_deref().unwrap_or("–"))
            .prose_cell(change.note.as_deref().unwrap_or(""))
            .own("</tr>\n");
    }
    html.end_table();
}

/// What is missing, why, and how to get it.
pub fn gaps(html: &mut Html, manifest: &Manifest) {
    html.own("<h2>What is missing</h2>\n");
    if manifest.gaps.is_empty() {
        html.own("<p>Nothing that was looked for.</p>\n");
        return;
    }
    html.table(&["what", "why", "how to get it"]);
    for gap in &manifest.gaps {
        html.own(match gap.weight {
            Weight::Partial => "<tr><td class=\"warn\">",
            Weight::Note => "<tr><td>",
        });
        html.prose(&gap.what).own("</td>").prose_cell(&gap.why).prose_cell(&gap.cure).own("</tr>\n");
    }
    html.end_table();
}
