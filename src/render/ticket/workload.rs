//! Section 3, first half: what was asked of the proxy before and during, and what was changed.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::analyse::{Facts, Verdict};
use crate::redact::Clean;
use crate::render::figures::{bytes, count, counted, digits, span};
use crate::render::growth;
use crate::render::markdown::{Document, Table, code};
use crate::render::ticket::moment;
use crate::workload::{Origin, Shape, When};

const SHAPES_SHOWN: usize = 12;
const CHANGES_SHOWN: usize = 25;

pub fn write(document: &mut Document, facts: &Facts, verdict: &Verdict) {
    document.heading(2, "3. Workload, changes, metrics, logs");
    document.heading(3, "Workload before and during");
    document.block(before_and_during(facts));
    document.table(&shapes(facts, &[When::Before]));
    document.heading(3, "Recent changes");
    config_and_start(document, facts);
    if verdict.changes.is_empty() {
        document.block(match &facts.baseline {
            Some(baseline) => format!("No difference to {} was found.", code(&baseline.manifest.name)),
            None => "No other change is known: there is no baseline to compare with (`--baseline BUNDLE`).".to_owned(),
        });
    }
    document.table(&growth::changes(&verdict.changes, CHANGES_SHOWN));
}

/// The shapes of the requests during the spike.
pub fn requests(document: &mut Document, facts: &Facts) {
    let table = shapes(facts, &[When::During, When::Unknown]);
    if table.is_empty() {
        document.block(
            "No request was seen: neither LiteLLM's counters nor an access log could be read. Give a sample with \
             `--requests FILE`; only the shapes are kept.",
        );
    } else {
        let during = facts.shapes.iter().filter(|shape| shape.when != When::Before);
        let sources: BTreeSet<Origin> = during.map(|shape| shape.from).collect();
        let note = if sources.len() > 1 { " Several sources tell of the same requests." } else { "" };
        document.block(format!("Shapes of the requests during the capture, the most frequent first.{note}"));
        document.table(&table);
    }
}

fn before_and_during(facts: &Facts) -> String {
    let before = facts.shapes.iter().filter(|shape| shape.when == When::Before).count();
    match (before, facts.shapes.len() - before) {
        (0, 0) => "No requests were seen, neither before nor during: see section 6.".to_owned(),
        (0, _) => {
            "The requests during the capture are in section 2; no source tells of requests before it: see section 6."
                .to_owned()
        }
        _ => format!(
            "The requests during the capture are in section 2. Before it, requests of {} were seen; all are in \
             `workload/requests.jsonl`.",
            counted(before, "shape"),
        ),
    }
}

fn shapes(facts: &Facts, when: &[When]) -> Table {
    let mut table = Table::new(&[
        "route",
        "model",
        "stream",
        "status",
        "requests ",
        "tokens in / out ",
        "body ",
        "messages ",
        "duration ",
        "further fields",
        "by",
    ]);
    let mut shapes: Vec<&Shape<Clean>> = facts.shapes.iter().filter(|shape| when.contains(&shape.when)).collect();
    shapes.sort_by(|a, b| b.requests.total_cmp(&a.requests));
    let (from_us, to_us) = facts.sampled_us();
    let seconds = (to_us - from_us) as f64 / 1e6;
    for shape in shapes.iter().take(SHAPES_SHOWN) {
        let name = |name: &Option<Clean>| name.as_ref().map(|name| code(name.as_str())).unwrap_or_default();
        let figure = |figure: Option<f64>| figure.map(|figure| count(figure.round()));
        // Only what was counted during the capture has its length.
        let counted =
            shape.when == When::During && matches!(shape.from, Origin::Metrics | Origin::AccessLog) && seconds > 0.0;
        let rate = if counted { format!(" ({}/s)", digits(shape.requests / seconds)) } else { String::new() };
        let told = |tokens: Option<f64>| figure(tokens).unwrap_or_else(|| "?".to_owned());
        let tokens = shape.prompt_tokens.or(shape.completion_tokens);
        table.row([
            name(&shape.route),
            name(&shape.model),
            shape.stream.map(|stream| if stream { "yes" } else { "no" }.to_owned()).unwrap_or_default(),
            shape.status.map(|status| status.to_string()).unwrap_or_default(),
            count(shape.requests) + &rate,
            tokens
                .map(|_| format!("{} / {}", told(shape.prompt_tokens), told(shape.completion_tokens)))
                .unwrap_or_default(),
            shape.body_bytes.map(bytes).unwrap_or_default(),
            figure(shape.messages).unwrap_or_default(),
            shape.duration_seconds.map(span).unwrap_or_default(),
            shape.fields.iter().map(|field| code(field.as_str())).collect::<Vec<_>>().join(", "),
            origin_words(shape.from).to_owned(),
        ]);
    }
    if let Some(more) = shapes.len().checked_sub(SHAPES_SHOWN).filter(|more| *more > 0) {
        table.row([format!("… and {more} more in `workload/requests.jsonl`")]);
    }
    table.narrowed()
}

fn origin_words(origin: Origin) -> &'static str {
    match origin {
        Origin::Metrics => "LiteLLM's counters",
        Origin::AccessLog => "access log",
        Origin::SpendLogs => "spend logs",
        Origin::Reporter => "the reporter",
    }
}

fn config_and_start(document: &mut Document, facts: &Facts) {
    let Some(fingerprint) = &facts.fingerprint else {
        document.block("When the processes started and the config file changed is not in the bundle.");
        return;
    };
    let started = fingerprint.processes.iter().filter_map(|process| process.started_utc.as_deref()).min();
    let modified = fingerprint.litellm.config_modified_utc.as_deref();
    document.block(match (modified, started) {
        (Some(modified), Some(started)) => {
            let (changed, began) = (moment(modified), moment(started));
            match (modified.parse::<Timestamp>(), started.parse::<Timestamp>()) {
                (Ok(modified), Ok(started)) if modified > started => format!(
                    "The config file was last changed {changed}, **after** the proxy had started ({began}): it may not run \
                     with what the file says now."
                ),
                _ => format!("The config file was last changed {changed}, and the proxy started with it {began}."),
            }
        }
        (None, Some(started)) => {
            format!("The proxy started {}. When its configuration was changed is not known.", moment(started))
        }
        (Some(modified), None) => {
            format!("The config file was last changed {}. When the proxy started is not known.", moment(modified))
        }
        (None, None) => "When the proxy started and its configuration was changed is not known.".to_owned(),
    });
}
