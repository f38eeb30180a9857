//! The page's tables. One that would be empty is left out, but for the gaps: that nothing is missing is said.

use crate::analyse::changes::Area;
use crate::analyse::compare::Per;
use crate::analyse::verdict::Verdict;
use crate::bundle::manifest::Manifest;
use crate::collect::Weight;
use crate::render::report::html::Html;

/// Functions on the page; more are in `summary.json`, all in the profile.
const FUNCTIONS_SHOWN: usize = 25;

/// A share of a hundred.
pub fn percent(value: f64) -> String {
    format!("{value:.1} %")
}

/// Owners, each with the kinds of its work.
pub fn owners(html: &mut Html, verdict: &Verdict) {
    if verdict.owners.is_empty() {
        return;
    }
    html.own("<h2>By whose work</h2>\n");
    html.table(&["#share", "#CPU-s", "owner", "by kind of work", "leading function"]);
    for owner in &verdict.owners {
        let kinds: Vec<String> =
            owner.mechanisms.iter().map(|kind| format!("{} {}", kind.mechanism, percent(kind.percent))).collect();
        html.own("<tr>").figure(&percent(owner.percent)).figure(&format!("{:.2}", owner.seconds));
        html.cell(&owner.owner).cell(&kinds.join(", ")).own("<td class=\"name\"><code>");
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
    html.table(&["#self", "#total", "#self CPU-s", "function", "file", "code"]);
    for function in verdict.functions.iter().take(FUNCTIONS_SHOWN) {
        html.own("<tr>").figure(&percent(function.self_percent)).figure(&percent(function.total_percent));
        html.figure(&format!("{:.2}", function.self_seconds)).own("<td class=\"name\"><code>").text(&function.name);
        html.own("</code></td><td><code>").text(&function.file).own("</code></td>");
        html.cell(function.kind.label()).own("</tr>\n");
    }
    html.end_table();
}

/// What grew against the baseline.
pub fn growth(html: &mut Html, verdict: &Verdict) {
    let Some(comparison) = verdict.comparison.as_ref() else { return };
    let (unit, scale) = match comparison.per {
        Per::Request => ("CPU-ms for each request", 1e3),
        Per::Second => ("CPU-ms for each second", 1e3),
    };
    html.own("<h2>What grew against the baseline</h2>\n<p class=\"pale\">").text(unit).own("</p>\n");
    html.table(&["#self before", "#self after", "#total before", "#total after", "function", "file"]);
    for grown in comparison.functions.iter().take(FUNCTIONS_SHOWN) {
        html.own("<tr>");
        for value in [grown.self_before, grown.self_after, grown.total_before, grown.total_after] {
            html.figure(&format!("{:.3}", value * scale));
        }
        html.own("<td class=\"name\"><code>").text(&grown.name).own("</code></td><td><code>").text(&grown.file);
        html.own("</code></td></tr>\n");
    }
    html.end_table();
}

/// What was changed before the CPU rose.
pub fn changes(html: &mut Html, verdict: &Verdict) {
    if verdict.changes.is_empty() {
        return;
    }
    html.own("<h2>What was changed</h2>\n").table(&["kind", "what", "before", "after", "note"]);
    for change in &verdict.changes {
        html.own("<tr>").cell(area(change.area)).own("<td class=\"name\"><code>").text(&change.what);
        html.own("</code></td>").cell(change.before.as_deref().unwrap_or("–"));
        html.cell(change.after.as_deref().unwrap_or("–")).cell(change.note.as_deref().unwrap_or("")).own("</tr>\n");
    }
    html.end_table();
}

fn area(area: Area) -> &'static str {
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
        html.text(&gap.what).own("</td>").cell(&gap.why).cell(&gap.cure).own("</tr>\n");
    }
    html.end_table();
}

/// The other files of the bundle.
pub fn files(html: &mut Html, manifest: &Manifest) {
    if manifest.files.is_empty() {
        return;
    }
    html.own("<h2>Files</h2>\n<details><summary>").text(&format!("{} files beside this page", manifest.files.len()));
    html.own("</summary>\n").table(&["file", "#bytes", "SHA-256"]);
    for file in &manifest.files {
        html.own("<tr><td><code>").text(&file.name).own("</code></td>").figure(&file.bytes.to_string());
        html.own("<td><code>").text(&file.sha256).own("</code></td></tr>\n");
    }
    html.end_table().own("</details>\n");
}
