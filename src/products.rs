//! What is made of the facts: verdict, ticket, pictures, tables for other tools. The same facts give the same bytes, so
//! that `capture report` can make all of it again.

mod stacks;

use anyhow::Result;

use crate::analyse::{Facts, Verdict};
use crate::bundle::archive::Artifact;
use crate::render::{charts, report, ticket};

/// The verdict, for machines.
pub const SUMMARY: &str = "summary.json";
/// The ticket's text.
pub const TICKET: &str = "TICKET.md";
/// The page.
pub const REPORT: &str = "report.html";

/// Everything that is made of the facts.
pub fn products(facts: &Facts, verdict: &Verdict) -> Result<Vec<Artifact>> {
    let mut files = vec![Artifact::json(SUMMARY, verdict)?];
    files.extend(stacks::stacks(facts, verdict)?);
    let charts = charts::draw_all(facts, verdict);
    files.extend(texts(facts, verdict)?);
    for chart in &charts {
        files.push(Artifact::new(format!("charts/{}.png", chart.name), charts::png(&chart.svg)?));
        files.push(Artifact::new(format!("charts/{}.svg", chart.name), chart.svg.as_str()));
    }
    Ok(files)
}

/// The ticket and the page. They are made again where a gap was added since, and both tell of it.
pub fn texts(facts: &Facts, verdict: &Verdict) -> Result<[Artifact; 2]> {
    let ticket = ticket::ticket(facts, verdict);
    let page = report::page(facts, verdict, Some(&ticket))?;
    Ok([Artifact::new(REPORT, page), Artifact::new(TICKET, ticket)])
}
