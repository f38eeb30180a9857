//! The verdicts at the top of the page, each in a sentence: what a reader wants to know before any picture.

use crate::analyse::classify::{Class, Classification};
use crate::analyse::verdict::Verdict;
use crate::bundle::manifest::Manifest;
use crate::render::figures::{counted, percent};
use crate::render::loads::before_words;
use crate::render::report::html::Html;
use crate::traffic::Source;

/// Owners that are named; all of them are in their table.
const OWNERS_SHOWN: usize = 3;

/// The verdicts.
pub fn sentences(html: &mut Html, manifest: &Manifest, verdict: &Verdict) {
    html.own("<dl>\n");
    cpu(html, verdict);
    went(html, verdict);
    if let Some(found) = &verdict.classification {
        class(html, found, verdict);
    }
    let told = [
        ("<dt>Sizing</dt><dd>", verdict.sizing.as_ref().map(|sizing| &sizing.sentence)),
        ("<dt>Workers</dt><dd>", verdict.heat.as_ref().map(|heat| &heat.sentence)),
        ("<dt>Event loop</dt><dd>", verdict.stall.as_ref().map(|stall| &stall.sentence)),
    ];
    for (term, sentence) in told {
        if let Some(sentence) = sentence {
            html.own(term).prose(sentence).own("</dd>\n");
        }
    }
    match verdict.stacks.missing() {
        Some(because) => {
            html.own("<dt>Profile</dt><dd>").prose(&format!("There are no stacks, because {because}.")).own("</dd>\n");
        }
        None => quality(html, verdict),
    }
    cost(html, manifest, verdict);
    html.own("</dl>\n");
}

fn cpu(html: &mut Html, verdict: &Verdict) {
    let cpu = &verdict.cpu;
    let workers = verdict.workers.iter();
    let workers: Vec<String> =
        workers.map(|worker| format!("worker {} {}", worker.pid, percent(worker.core_percent))).collect();
    let each = if workers.is_empty() { String::new() } else { format!("; of a core: {}", workers.join(", ")) };
    html.own("<dt>CPU</dt><dd>").text(&format!(
        "{:.2} CPU-seconds in {:.1} s, {:.2} cores busy on average{each}.",
        cpu.sampled_seconds, cpu.wall_seconds, cpu.cores,
    ));
    html.own("</dd>\n");
}

fn went(html: &mut Html, verdict: &Verdict) {
    let Some((first, others)) = verdict.owners.split_first() else { return };
    html.own("<dt>It went to</dt><dd><strong>")
        .text(&first.owner)
        .own("</strong>")
        .text(&format!(", {}", percent(first.percent)));
    if let Some(leader) = &first.leader {
        html.own(", led by <code>").text(leader).own("</code>");
    }
    for owner in others.iter().take(OWNERS_SHOWN - 1) {
        html.text(&format!("; {}, {}", owner.owner, percent(owner.percent)));
    }
    html.own("</dd>\n");
}

fn class(html: &mut Html, found: &Classification, verdict: &Verdict) {
    html.own("<dt>Class</dt><dd><strong>").text(found.class.words()).own("</strong>");
    if found.class != Class::Undetermined {
        html.text(&format!(", {} confidence", found.confidence.word()));
    }
    html.text(". ").prose(&found.sentence);
    if let Some(before) = &verdict.loads.before {
        let counted_by = verdict.loads.during.counted_by.map_or("nobody", Source::words);
        let told =
            format!("Before is {}. Requests are counted by {counted_by}, CPU by the kernel.", before_words(before));
        html.own("<p class=\"pale\">").prose(&told).own("</p>");
    }
    if !found.contradictions.is_empty() {
        html.own("<p class=\"pale\">What speaks against it:</p>").list(&found.contradictions);
    }
    if !found.to_add.is_empty() {
        html.own(match found.class {
            Class::Undetermined => "<p class=\"pale\">What would decide it:</p>",
            _ => "<p class=\"pale\">What would make it more certain:</p>",
        });
        html.list(&found.to_add);
    }
    html.own("</dd>\n");
}

fn quality(html: &mut Html, verdict: &Verdict) {
    let quality = &verdict.quality;
    html.own("<dt>Profile</dt><dd>").text(&format!(
        "{}: {}, {} lost ({}), {:.1} Hz reached",
        quality.grade.word(),
        counted(quality.samples, "sample"),
        quality.errors,
        percent(quality.errors_percent),
        quality.achieved_hz,
    ));
    html.list(&quality.reasons).own("</dd>\n");
}

fn cost(html: &mut Html, manifest: &Manifest, verdict: &Verdict) {
    if let Some(cost) = &manifest.overhead {
        let own = percent(cost.own_core_percent);
        html.own("<dt>Cost</dt><dd>").text(&match verdict.stacks.missing() {
            Some(_) => format!("The capture took {own} of a core."),
            None => format!(
                "The samplers took {} of a core for each worker, the capture itself {own} of a core.",
                percent(cost.samplers_core_percent_per_worker),
            ),
        });
        html.own("</dd>\n");
    }
}
