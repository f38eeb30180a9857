//! `report.html`: everything that a maintainer looks at, on one page that asks for nothing from anywhere.
//!
//! What it shows is in one block of data, and its script draws it; what is target's is never markup. Without the script
//! there are the verdict in a sentence and what is missing.

pub mod data;
mod html;
mod policy;

use std::io;

use crate::analyse::facts::Facts;
use crate::analyse::verdict::Verdict;
use crate::render::figures::utc;
use crate::render::report::html::Html;
use crate::render::report::policy::policy;

/// The parts of the script share one scope, and each comes behind those that it builds on.
const SCRIPT: &str = concat!(
    "\"use strict\";\n(() => {\n",
    include_str!("script/weights.js"),
    include_str!("script/core.js"),
    include_str!("script/state.js"),
    include_str!("script/scale.js"),
    include_str!("script/steps.js"),
    include_str!("script/charts.js"),
    include_str!("script/ink.js"),
    include_str!("script/heatmap.js"),
    include_str!("script/rows.js"),
    include_str!("script/overlay.js"),
    include_str!("script/pointer.js"),
    include_str!("script/cursor.js"),
    include_str!("script/time.js"),
    include_str!("script/terms.js"),
    include_str!("script/functions.js"),
    include_str!("script/costs.js"),
    include_str!("script/stacks.js"),
    include_str!("script/graph.js"),
    include_str!("script/shades.js"),
    include_str!("script/paint.js"),
    include_str!("script/facts.js"),
    include_str!("script/menu.js"),
    include_str!("script/controls.js"),
    include_str!("script/window.js"),
    include_str!("script/flame.js"),
    include_str!("script/grid.js"),
    include_str!("script/tallies.js"),
    include_str!("script/tables.js"),
    include_str!("script/logs.js"),
    include_str!("script/environment.js"),
    include_str!("script/panels.js"),
    include_str!("script/main.js"),
    "})();\n",
);
const STYLE: &str = concat!(
    include_str!("style/page.css"),
    include_str!("style/time.css"),
    include_str!("style/flame.css"),
    include_str!("style/panels.css"),
);

/// The page.
///
/// # Errors
/// Where the facts cannot be written as JSON.
pub fn page(facts: &Facts, verdict: &Verdict, ticket: Option<&str>) -> io::Result<String> {
    let mut html = Html::default();
    html.own("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.own("<meta http-equiv=\"Content-Security-Policy\" content=\"").text(&policy(SCRIPT, STYLE));
    html.own(
        "\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n",
    );
    html.own("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    html.text(&facts.manifest.name).own("</title>\n<style>").own(STYLE).own("</style>\n</head>\n<body>\n");
    head(&mut html, facts);
    without_script(&mut html, facts, verdict);
    html.own("<main id=\"page\"></main>\n").element(&data::element(facts, verdict, ticket)?);
    html.own("\n<script>").own(SCRIPT).own("</script>\n</body>\n</html>\n");
    Ok(html.done())
}

/// What the page is of: it stands there while the script still unpacks the rest.
fn head(html: &mut Html, facts: &Facts) {
    html.own("<header id=\"head\">\n<h1>CPU of LiteLLM ").text(facts.litellm_version().unwrap_or("of unknown version"));
    if let Some(host) = facts.fingerprint.as_ref().and_then(|print| print.host.hostname.as_ref()) {
        html.own(" on ").text(host.as_str());
    }
    html.own("</h1>\n<p>from ").text(&utc(facts.began())).own(" on</p>\n</header>\n");
}

fn without_script(html: &mut Html, facts: &Facts, verdict: &Verdict) {
    html.own("<noscript>\n<p>").prose(&data::sentence(verdict)).own("</p>\n<h2>What is missing</h2>\n");
    if facts.manifest.gaps.is_empty() {
        html.own("<p>Nothing that was looked for.</p>\n");
    } else {
        html.own("<ul>\n");
        for gap in &facts.manifest.gaps {
            html.own("<li>").prose(&gap.what).own(": ").prose(&gap.why).own(". ").prose(&gap.cure).own("</li>\n");
        }
        html.own("</ul>\n");
    }
    html.own(
        "<p>Charts, flamegraphs and tables need this page's script, which the browser did not run.</p>\n</noscript>\n",
    );
}
