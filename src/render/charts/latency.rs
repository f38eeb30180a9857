//! How long requests took, and how long `/health/liveliness`, which is answered on the event loop, had to be waited for.

use crate::analyse::facts::Facts;
use crate::analyse::verdict::Verdict;
use crate::redact::Clean;
use crate::render::charts::picture::{Key, Layer, Panel, Picture, Span, Stroke, colour};
use crate::render::charts::scale::Unit;
use crate::render::charts::scene::{MOST_STEPS, Scene, before_name, why};
use crate::render::charts::steps::{Of, Step, onward, thinned, within};
use crate::series::{Table, column, table};
use crate::traffic::{Latency, Source, Tally, Window};

/// The chart.
pub fn picture(facts: &Facts, verdict: &Verdict, scene: &Scene) -> Picture {
    let during = &verdict.loads.during;
    let mut layers = behind(verdict);
    let mut notes = Vec::new();
    let probes = facts.series.table(table::LIVELINESS);
    if let Some(table) = probes {
        let answered = answers(table);
        let figure = within(&answered, scene.told_us(), Of::Max).map(|value| Unit::Seconds.figure(value));
        let key = Key { name: "liveliness, worst".to_owned(), colour: colour::GREEN, figure };
        layers.push(Layer::Line(key, thinned(answered, MOST_STEPS, Of::Max), Stroke::Strong));
    }
    let tallies = source(facts).map(|source| of_source(facts, source)).unwrap_or_default();
    let steps = [quantiles(&tallies, 0.5), quantiles(&tallies, 0.99)];
    if steps.iter().all(Vec::is_empty) {
        let is_idle = during.counted_by.is_some_and(Source::counts_requests) && during.requests == Some(0.0);
        let reason = if is_idle {
            "no request came.".to_owned()
        } else {
            let otherwise = "LiteLLM's latency histograms could not be read twice.";
            why(facts, &["latenc", "metrics", "traffic"], otherwise)
        };
        notes.push(format!("No P50 and P99 of requests: {reason}"));
    }
    let names = [
        ("P50 of requests", colour::BLUE, during.p50_seconds),
        ("P99 of requests", colour::VERMILION, during.p99_seconds),
    ];
    for (steps, (name, colour, figure)) in steps.into_iter().zip(names) {
        let figure =
            figure.or_else(|| within(&steps, scene.told_us(), Of::Mean)).map(|value| Unit::Seconds.figure(value));
        let key = Key { name: name.to_owned(), colour, figure };
        layers.push(Layer::Line(key, thinned(steps, MOST_STEPS, Of::Max), Stroke::Strong));
    }
    if let Some(table) = probes {
        let failed: Vec<u64> =
            table.column(column::FAILED).filter(|(_, failed)| *failed > 0.0).map(|(at_us, _)| at_us).collect();
        let (from_us, to_us) = scene.told_us();
        let figure = Some(failed.iter().filter(|at_us| (from_us..=to_us).contains(at_us)).count().to_string());
        layers.push(Layer::Crosses(Key { name: "failed probes".to_owned(), colour: colour::BLACK, figure }, failed));
    }
    if !layers.iter().any(Layer::is_data) {
        let reason = why(facts, &["liveliness", "probe"], "/health/liveliness was not asked.");
        notes.push(format!("No answers of liveliness: {reason}"));
    }
    let panel = Panel { heading: String::new(), unit: Unit::Seconds, height: 1.0, span: Span::Decades, layers };
    let title = "Latency of requests and of /health/liveliness".to_owned();
    Picture { title, figures: scene.during.to_owned(), panels: vec![panel], notes }
}

/// What lies below the lines: the longest stall, and the level of before.
fn behind(verdict: &Verdict) -> Vec<Layer> {
    let mut layers = Vec::new();
    if let Some(stall) = &verdict.stall {
        let figure = Some(Unit::Seconds.figure(stall.seconds));
        let key = Key { name: "longest stall".to_owned(), colour: colour::WINE, figure };
        let to_us = stall.from_us.saturating_add((stall.seconds * 1e6) as u64);
        layers.push(Layer::Stretch(key, (stall.from_us, to_us)));
    }
    if let Some(before) = &verdict.loads.before
        && let Some(p50) = before.load.p50_seconds
    {
        let figure = Some(Unit::Seconds.figure(p50));
        let name = format!("P50, {}", before_name(before.source));
        layers.push(Layer::Before(Key { name, colour: colour::PURPLE, figure }, p50));
    }
    layers
}

/// Answers from the question on until the next one, which may be as long in coming as the answer itself.
fn answers(table: &Table) -> Vec<Step> {
    let mut steps = onward(table, column::LATENCY_S);
    for step in &mut steps {
        step.to_us = step.to_us.max(step.from_us.saturating_add((step.value * 1e6) as u64));
    }
    steps
}

/// The best source that tells latencies.
fn source(facts: &Facts) -> Option<Source> {
    let telling = facts.evidence.tallies.iter().filter(|tally| tally.latencies.contains_key(&Latency::Total));
    telling.map(|tally| tally.source).min()
}

fn of_source(facts: &Facts, source: Source) -> Vec<&Tally<Clean>> {
    let mut tallies: Vec<_> = facts.evidence.tallies.iter().filter(|tally| tally.source == source).collect();
    tallies.sort_by_key(|tally| tally.at_us);
    tallies
}

/// A quantile of the requests that ended between two tallies; a gap where none did.
fn quantiles(tallies: &[&Tally<Clean>], share: f64) -> Vec<Step> {
    let between = |pair: &[&Tally<Clean>]| {
        let window = Window::between(pair[0], pair[1])?;
        let value = window.latencies.get(&Latency::Total)?.quantile(share)?;
        Some(Step { from_us: pair[0].at_us, to_us: pair[1].at_us, value })
    };
    tallies.windows(2).filter_map(between).collect()
}
