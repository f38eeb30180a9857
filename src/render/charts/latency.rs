//! How long requests took, and how long `/health/liveliness`, which is answered on the event loop, had to be waited for.

use crate::analyse::facts::Facts;
use crate::analyse::verdict::Verdict;
use crate::redact::Clean;
use crate::render::charts::picture::{Key, Layer, Panel, Picture, Span, Stroke, colour};
use crate::render::charts::scale::Unit;
use crate::render::charts::scene::{MOST_STEPS, Scene, why};
use crate::render::charts::steps::{Of, Step, readings, thinned, within};
use crate::series::{column, table};
use crate::traffic::{Latency, Source, Tally, Window};

/// The chart.
pub fn picture(facts: &Facts, verdict: &Verdict, scene: &Scene) -> Picture {
    let during = &verdict.loads.during;
    let mut layers = Vec::new();
    let mut notes = Vec::new();
    let probes = facts.series.table(table::LIVELINESS);
    if let Some(table) = probes {
        let answered = readings(table, column::LATENCY_S);
        let figure = within(&answered, scene.told_us(), Of::Max).map(|value| Unit::Seconds.figure(value));
        let key = Key { name: "liveliness, worst".to_owned(), colour: colour::GREEN, figure };
        layers.push(Layer::Line(key, thinned(answered, MOST_STEPS, Of::Max), Stroke::Strong));
    }
    let tallies = source(facts).map(|source| of_source(facts, source)).unwrap_or_default();
    let steps = [quantiles(&tallies, 0.5), quantiles(&tallies, 0.99)];
    if steps.iter().all(Vec::is_empty) {
        let otherwise = "LiteLLM's latency histograms could not be read twice.";
        let reason = why(facts, &["latenc", "metrics", "traffic"], otherwise);
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
    if let Some(p50) = verdict.loads.before.as_ref().and_then(|before| before.load.p50_seconds) {
        let figure = Some(Unit::Seconds.figure(p50));
        layers.push(Layer::Before(Key { name: "P50 before".to_owned(), colour: colour::PURPLE, figure }, p50));
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
    Picture { title, figures: "while sampled", panels: vec![panel], notes }
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
