//! `report.html`: everything that a maintainer looks at, on one page that asks for nothing from anywhere.
//!
//! Charts stand in it as images, and each flamegraph as a document of its own in a sandbox, so that names in them can
//! do nothing to the page and their scripts know nothing of each other.

mod html;
mod policy;
mod tables;

use crate::analyse::facts::Facts;
use crate::analyse::verdict::Verdict;
use crate::bundle::manifest::{Manifest, Status};
use crate::render::charts::Chart;
use crate::render::report::html::Html;
use crate::render::report::policy::{embedded, policy};
use crate::render::report::tables::{changes, files, functions, gaps, growth, owners, percent};

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

/// The page. Files are listed as far as the manifest lists them.
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
    growth(&mut html, verdict);
    changes(&mut html, verdict);
    ticket(&mut html, pictures.ticket);
    gaps(&mut html, &facts.manifest);
    files(&mut html, &facts.manifest);
    html.own("<script>").own(SCRIPT).own("</script>\n</body>\n</html>\n");
    html.done()
}

fn head(html: &mut Html, facts: &Facts, verdict: &Verdict) {
    let manifest = &facts.manifest;
    html.own("<header>\n<h1>CPU of LiteLLM ").text(facts.litellm_version().unwrap_or("of unknown version"));
    if let Some(host) = facts.fingerprint.as_ref().and_then(|print| print.host.hostname.as_ref()) {
        html.own(" on ").text(host.as_str());
    }
    let count = verdict.workers.len();
    let workers = if count == 1 { "1 worker".to_owned() } else { format!("{count} workers") };
    let status = match (manifest.status, &manifest.interrupted_by) {
        (_, Some(signal)) => format!("interrupted by {signal}"),
        (Status::Complete, None) => "complete".to_owned(),
        (Status::Partial | Status::Running, None) => "partial: see what is missing".to_owned(),
    };
    html.own("</h1>\n<p class=\"pale\">").text(&format!(
        "{workers}, {:.1} s sampled, capture began {}, {status}; {} {}",
        verdict.cpu.wall_seconds, manifest.started_utc, manifest.tool.name, manifest.tool.version,
    ));
    html.own("</p>\n</header>\n");
}

/// The verdicts, each in a sentence.
fn sentences(html: &mut Html, manifest: &Manifest, verdict: &Verdict) {
    html.own("<dl>\n");
    let cpu = &verdict.cpu;
    let workers: Vec<String> = verdict
        .workers
        .iter()
        .map(|worker| format!("worker {} {} of a core", worker.pid, percent(worker.core_percent)))
        .collect();
    html.own("<dt>CPU</dt><dd>").text(&format!(
        "{:.2} CPU-s in {:.1} s: {:.2} cores busy on average. {}",
        cpu.sampled_seconds,
        cpu.wall_seconds,
        cpu.cores,
        workers.join(", "),
    ));
    html.own("</dd>\n");
    if let Some(class) = &verdict.classification {
        html.own("<dt>Class</dt><dd><strong>").text(class.class.words()).own("</strong>. ").text(&class.sentence);
        if !class.contradictions.is_empty() {
            html.own("<p class=\"pale\">What speaks against it:</p>").list(&class.contradictions);
        }
        if !class.to_add.is_empty() {
            html.own("<p class=\"pale\">What would make it more certain:</p>").list(&class.to_add);
        }
        html.own("</dd>\n");
    }
    let told = [
        ("<dt>Sizing</dt><dd>", verdict.sizing.as_ref().map(|sizing| &sizing.sentence)),
        ("<dt>Workers</dt><dd>", verdict.heat.as_ref().map(|heat| &heat.sentence)),
        ("<dt>Event loop</dt><dd>", verdict.stall.as_ref().map(|stall| &stall.sentence)),
    ];
    for (term, sentence) in told {
        if let Some(sentence) = sentence {
            html.own(term).text(sentence).own("</dd>\n");
        }
    }
    let quality = &verdict.quality;
    html.own("<dt>Quality</dt><dd>").text(&format!(
        "{}: {} samples, {} lost ({}), {:.1} Hz reached",
        quality.grade.word(),
        quality.samples,
        quality.errors,
        percent(quality.errors_percent),
        quality.achieved_hz,
    ));
    html.list(&quality.reasons).own("</dd>\n");
    if let Some(cost) = &manifest.overhead {
        html.own("<dt>Cost</dt><dd>").text(&format!(
            "the capture took {} of a core for each worker, and {} of a core for itself",
            percent(cost.samplers_core_percent_per_worker),
            percent(cost.own_core_percent),
        ));
        html.own("</dd>\n");
    }
    html.own("</dl>\n");
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
    html.own("The same graphs stand in the folder <code>flamegraphs</code>.</p>\n");
    flame(html, all, "all");
    for (name, svg) in others {
        html.own("<details class=\"screen\"><summary>").text(&title_of(name)).own("</summary>");
        flame(html, svg, name);
        html.own("</details>\n");
    }
}

fn flame(html: &mut Html, svg: &str, name: &str) {
    html.own("<iframe sandbox=\"allow-scripts allow-modals\" title=\"flamegraph ").text(name).own("\" height=\"");
    html.text(&height_of(svg).to_string()).own("\" data-svg=\"").text(svg).own("\"></iframe>\n");
}

/// `worker-41` as words.
fn title_of(name: &str) -> String {
    name.replacen('-', " ", 1)
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
                out += &format!("%{byte:02X}");
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
    fn a_graph_is_as_high_as_it_says() {
        assert_eq!(height_of("<svg version=\"1.1\" width=\"1200\" height=\"210\" viewBox=\"\">"), 220);
        assert_eq!(height_of("<svg>"), 410);
    }
}
