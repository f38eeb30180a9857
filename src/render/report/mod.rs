//! `report.html`: everything that a maintainer looks at, on one page that asks for nothing from anywhere.
//!
//! Charts stand in it as images, and each flamegraph as a document of its own in a sandbox, so that names in them can
//! do nothing to the page and their scripts know nothing of each other.

mod html;
mod policy;
mod sentences;
mod tables;

use std::fmt::Write as _;

use crate::analyse::facts::Facts;
use crate::analyse::verdict::Verdict;
use crate::bundle::manifest::Status;
use crate::render::charts::Chart;
use crate::render::figures::{counted, utc};
use crate::render::report::html::Html;
use crate::render::report::policy::{embedded, policy};
use crate::render::report::sentences::sentences;
use crate::render::report::tables::{changes, functions, gaps, gil, growth, owners};

/// The flamegraph that is held against a baseline.
const DIFFERENCE: &str = "spike-minus-baseline";
const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");

/// What the page shows besides words.
#[derive(Debug)]
pub struct Pictures<'a> {
    /// The charts, in their order.
    pub charts: &'a [Chart],
    /// Flamegraphs by their file's name without folder and ending, the one of all workers first.
    pub flamegraphs: &'a [(String, String)],
    /// `TICKET.md`; none where it was not written.
    pub ticket: Option<&'a str>,
}

/// The page.
pub fn page(facts: &Facts, verdict: &Verdict, pictures: &Pictures<'_>) -> String {
    let flamegraphs: Vec<(&str, String)> =
        pictures.flamegraphs.iter().map(|(name, svg)| (name.as_str(), embedded(svg))).collect();
    let documents: Vec<String> = flamegraphs.iter().map(|(_, svg)| svg.clone()).collect();
    let mut html = Html::default();
    html.own("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.own("<meta http-equiv=\"Content-Security-Policy\" content=\"").text(&policy(SCRIPT, STYLE, &documents));
    html.own("\">\n<meta name=\"referrer\" content=\"no-referrer\">\n");
    html.own("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    html.text(&facts.manifest.name).own("</title>\n<style>").own(STYLE).own("</style>\n</head>\n<body>\n");
    head(&mut html, facts, verdict);
    sentences(&mut html, &facts.manifest, verdict);
    charts(&mut html, pictures.charts);
    flames(&mut html, &flamegraphs);
    owners(&mut html, verdict);
    functions(&mut html, verdict);
    gil(&mut html, verdict);
    growth(&mut html, verdict);
    changes(&mut html, verdict);
    ticket(&mut html, pictures.ticket);
    gaps(&mut html, &facts.manifest);
    html.own("<script>").own(SCRIPT).own("</script>\n</body>\n</html>\n");
    html.done()
}

fn head(html: &mut Html, facts: &Facts, verdict: &Verdict) {
    let manifest = &facts.manifest;
    html.own("<header>\n<h1>CPU of LiteLLM ").text(facts.litellm_version().unwrap_or("of unknown version"));
    if let Some(host) = facts.fingerprint.as_ref().and_then(|print| print.host.hostname.as_ref()) {
        html.own(" on ").text(host.as_str());
    }
    let status = match (manifest.status, &manifest.interrupted_by) {
        (_, Some(signal)) => format!("interrupted by {signal}"),
        (Status::Complete, None) => "complete".to_owned(),
        (Status::Partial | Status::Running, None) => "partial: see what is missing".to_owned(),
    };
    html.own("</h1>\n<p class=\"pale\">").text(&format!(
        "{}, {:.1} s {}, from {} on; {status}; by {} {}",
        counted(verdict.workers.len(), "worker"),
        verdict.cpu.wall_seconds,
        if verdict.stacks.are_taken() { "sampled" } else { "without stacks" },
        utc(facts.epoch()),
        manifest.tool.name,
        manifest.tool.version,
    ));
    html.own("</p>\n</header>\n");
}

fn charts(html: &mut Html, charts: &[Chart]) {
    if charts.is_empty() {
        return;
    }
    html.own("<h2>Over time</h2>\n<div class=\"charts\">\n");
    for chart in charts {
        html.own("<img width=\"800\" height=\"350\" alt=\"").text(chart.name);
        html.own(" over time\" src=\"data:image/svg+xml,").text(&percent_encoded(&chart.svg)).own("\">\n");
    }
    html.own("</div>\n");
}

fn flames(html: &mut Html, flamegraphs: &[(&str, String)]) {
    let Some(((_, all), others)) = flamegraphs.split_first() else { return };
    html.own("<h2>Where the CPU went</h2>\n<p class=\"pale screen\">A click widens a frame; widths are CPU time. ");
    html.own("The same graphs, with a search, are in the folder <code>flamegraphs</code>.</p>\n");
    flame(html, all, "all");
    for (name, svg) in others {
        html.own("<details class=\"screen\"><summary>").text(&title_of(name)).own("</summary>");
        flame(html, svg, name);
        html.own("</details>\n");
    }
}

fn flame(html: &mut Html, svg: &str, name: &str) {
    html.own("<div class=\"wide\"><iframe sandbox=\"allow-scripts\" title=\"flamegraph ")
        .text(name)
        .own("\" height=\"");
    html.text(&height_of(svg).to_string()).own("\" data-svg=\"").text(svg).own("\"></iframe></div>\n");
}

/// `worker-41` and `slice-002` as words.
fn title_of(name: &str) -> String {
    match name.split_once('-') {
        Some(("slice", number)) => format!("Slice {}", number.trim_start_matches('0')),
        Some(("worker", pid)) => format!("Worker {pid}"),
        _ if name == DIFFERENCE => "What grew against the baseline (red) and what shrank (blue)".to_owned(),
        _ => name.to_owned(),
    }
}

/// Pixels, with room for the frame's own edge; what inferno writes into the first element.
fn height_of(svg: &str) -> u32 {
    let height = svg.split_once(" height=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(height, _)| height);
    height.and_then(|height| height.parse().ok()).unwrap_or(400) + 10
}

fn ticket(html: &mut Html, ticket: Option<&str>) {
    if let Some(ticket) = ticket {
        html.own("<h2>The ticket</h2>\n<button id=\"copy\" type=\"button\">Copy</button>\n<pre id=\"ticket\">");
        html.text(ticket).own("</pre>\n");
    }
}

/// What an address may not hold as it is. Other than base64 it leaves text that compresses well.
fn percent_encoded(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len() * 2);
    for character in svg.chars() {
        if character.is_ascii_alphanumeric() || " /:;=,.()'-+&".contains(character) {
            out.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_any_text() {
        assert_eq!(percent_encoded("<a b=\"#1\">\n100%é"), "%3Ca b=%22%231%22%3E%0A100%25%C3%A9");
    }

    #[test]
    fn graphs_are_named_in_words() {
        let names = ["worker-41", "worker-41-7", "slice-002", DIFFERENCE, "all"];
        let words = [
            "Worker 41",
            "Worker 41-7",
            "Slice 2",
            "What grew against the baseline (red) and what shrank (blue)",
            "all",
        ];
        assert_eq!(names.map(title_of), words);
    }

    #[test]
    fn a_graph_is_as_high_as_it_says() {
        assert_eq!(height_of("<svg version=\"1.1\" width=\"1200\" height=\"210\" viewBox=\"\">"), 220);
        assert_eq!(height_of("<svg>"), 410);
    }
}
