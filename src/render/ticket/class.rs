//! Section 1: the page's three options with the measured one ticked, and the figures behind it.

use crate::analyse::classify::{Class, Classification};
use crate::analyse::load::Load;
use crate::analyse::{Facts, Verdict, words};
use crate::render::figures::digits;
use crate::render::loads;
use crate::render::markdown::{Document, Table, code, prose};

/// The page's options, in its order.
const OPTIONS: [Class; 3] = [Class::ScalesWithTraffic, Class::WithoutTraffic, Class::AfterUpgrade];

pub fn write(document: &mut Document, facts: &Facts, verdict: &Verdict) {
    document.heading(2, "1. CPU issue classification");
    document.block(checklist(verdict.classification.as_ref()));
    match &verdict.classification {
        Some(classification) => measured(document, classification),
        None => document.block(
            "**Undetermined**: this bundle holds no CPU and traffic of before to hold the spike against. Capture again \
             with `--baseline BUNDLE`, a bundle of calmer times or of the version before.",
        ),
    }
    before_and_during(document, verdict);
    document.block(reporter(facts, verdict));
}

/// The options as a list to tick.
pub fn checklist(classification: Option<&Classification>) -> String {
    let measured = classification.map(|classification| classification.class);
    let line = |class: Class| format!("- [{}] {}\n", if measured == Some(class) { 'x' } else { ' ' }, class.words());
    OPTIONS.into_iter().map(line).collect()
}

/// CPU and traffic before and during.
pub fn load_table(verdict: &Verdict) -> Table {
    // Of a bundle without tallies the profile still tells the CPU.
    let during = Load {
        seconds: if verdict.loads.during.seconds > 0.0 {
            verdict.loads.during.seconds
        } else {
            verdict.cpu.wall_seconds
        },
        cpu_seconds: verdict.loads.during.cpu_seconds.or(Some(verdict.cpu.sampled_seconds)),
        cores: verdict.loads.during.cores.or(Some(verdict.cpu.cores)),
        ..verdict.loads.during.clone()
    };
    loads::table(["before", "during"], verdict.loads.before.as_ref().map(|before| &before.load), &during)
}

fn measured(document: &mut Document, classification: &Classification) {
    let undetermined = classification.class == Class::Undetermined;
    document.block(if undetermined {
        "**Undetermined**: none is ticked, as the figures do not decide it.".to_owned()
    } else {
        format!("Ticked is what the figures say, with **{}** confidence.", classification.confidence.word())
    });
    let mut points = Vec::new();
    if let Some(elasticity) = classification.elasticity {
        points.push(format!("Elasticity {} (1: CPU follows traffic; 0: traffic does not matter).", digits(elasticity)));
    }
    match (&classification.version_before, &classification.version_during) {
        (Some(before), Some(during)) if before == during => {
            points.push(format!("The version did not change: LiteLLM {}.", code(during)));
        }
        (Some(before), Some(during)) => {
            points.push(format!("The version changed: LiteLLM {} before, {} during.", code(before), code(during)));
        }
        (None, Some(during)) => {
            points.push(format!("The version during is LiteLLM {}; the one before is not known.", code(during)));
        }
        (Some(before), None) => {
            points.push(format!("The version before was LiteLLM {}; the one during is not known.", code(before)));
        }
        (None, None) => points.push("LiteLLM's version is not known, neither before nor during.".to_owned()),
    }
    // What the reporter believes has a sentence of its own below the table.
    let belief = classification.reporter.map(words::believed);
    let against: Vec<&String> =
        classification.contradictions.iter().filter(|point| Some(*point) != belief.as_ref()).collect();
    points.extend(against.iter().map(|point| format!("Against it: {}", prose(point))));
    if against.is_empty() && !undetermined {
        points.push("Nothing among the figures speaks against it.".to_owned());
    }
    let would = if undetermined { "Would decide it" } else { "Would make it more certain" };
    points.extend(classification.to_add.iter().map(|point| format!("{would}: {}.", prose(point))));
    document.bullets(points);
}

fn before_and_during(document: &mut Document, verdict: &Verdict) {
    match &verdict.loads.before {
        Some(before) => {
            document.block(format!("*Before* is {}. *During* is this capture.", loads::before_words(before)));
            document.table(&load_table(verdict));
            document.bullets(before.caveats.iter().map(|caveat| format!("To keep in mind: {}.", prose(caveat))));
        }
        None => document.table(&load_table(verdict)),
    }
}

fn reporter(facts: &Facts, verdict: &Verdict) -> String {
    let measured = verdict.classification.as_ref().map(|classification| classification.class);
    match facts.evidence.reporter.classification {
        None => "The reporter gave no class of their own (`--classification`).".to_owned(),
        Some(class) if Some(class) == measured => {
            format!("The reporter's own class: {}. It is the measured one.", class.words())
        }
        Some(class) => format!("The reporter's own class: {}. It is **not** the measured one.", class.words()),
    }
}
