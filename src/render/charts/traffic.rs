//! Requests a second, those that failed, and those in flight, by the best source there is.

use crate::analyse::facts::Facts;
use crate::analyse::verdict::Verdict;
use crate::render::charts::picture::{Key, Layer, Panel, Picture, Slab, Span, Stroke, colour};
use crate::render::charts::scale::Unit;
use crate::render::charts::scene::{MOST_STEPS, Scene, before_name, why};
use crate::render::charts::steps::{Of, Step, rates, readings, thinned, within};
use crate::series::{Table, column, table};
use crate::traffic::Source;

/// Where requests are counted, the best first: table, column, and who counted.
fn counted(facts: &Facts) -> Option<(&Table, &'static str, Source)> {
    let counters = || {
        let sources = [Source::MetricFiles, Source::MetricsEndpoint];
        let tallies = facts.evidence.tallies.iter().map(|tally| tally.source);
        tallies.filter(|source| sources.contains(source)).min().unwrap_or(Source::MetricsEndpoint)
    };
    let known = |name, column, source| {
        let table = facts.series.table(name)?;
        (!rates(table, column).is_empty()).then_some((table, column, source))
    };
    known(table::TRAFFIC, column::REQUESTS, counters())
        .or_else(|| known(table::ACCESS_LOG, column::REQUESTS, Source::AccessLog))
        .or_else(|| known(table::NETWORK, column::CONNECTIONS_ACCEPTED, Source::Connections))
}

/// The chart.
pub fn picture(facts: &Facts, verdict: &Verdict, scene: &Scene) -> Picture {
    let mut panels = Vec::new();
    let mut notes = Vec::new();
    let mut title = "Traffic: requests per second".to_owned();
    let reason = || {
        let otherwise = "neither LiteLLM's counters nor an access log nor accepted connections could be read.";
        why(facts, &["request", "metrics", "traffic", "access log", "connections"], otherwise)
    };
    match counted(facts) {
        None => notes.push(format!("No data: {}", reason())),
        Some((table, requests, source)) => {
            title = if source.counts_requests() {
                format!("Traffic: requests per second, counted by {}", source.words())
            } else {
                notes.push(format!("No requests were counted: {}", reason()));
                format!("Traffic: {}, per second", source.words())
            };
            panels.push(arrivals(&rates(table, requests), &rates(table, column::ERRORS), verdict, (source, scene)));
        }
    }
    if let Some(table) = facts.series.table(table::TRAFFIC) {
        let in_flight = readings(table, column::IN_FLIGHT);
        let figure = within(&in_flight, scene.told_us(), Of::Mean).map(|value| Unit::Count.figure(value));
        let key = Key { name: "in flight".to_owned(), colour: colour::GREEN, figure };
        panels.push(Panel {
            heading: "in flight".to_owned(),
            unit: Unit::Count,
            height: 0.45,
            span: Span::FromNought,
            layers: vec![Layer::Line(key, thinned(in_flight, MOST_STEPS, Of::Mean), Stroke::Strong)],
        });
    }
    Picture { title, figures: format!("mean {}", scene.during), panels, notes }
}

fn arrivals(all: &[Step], failed: &[Step], verdict: &Verdict, (source, scene): (Source, &Scene)) -> Panel {
    let figure = |steps: &[Step]| within(steps, scene.told_us(), Of::Mean).map(|value| Unit::PerSecond.figure(value));
    let name = if source.counts_requests() { "requests/s" } else { "connections/s" };
    let mut layers = vec![
        Layer::Band(Key { name: name.to_owned(), colour: "#56b4e9", figure: figure(all) }, filled(all)),
        Layer::Band(
            Key { name: "failed (≥ 400)".to_owned(), colour: colour::VERMILION, figure: figure(failed) },
            filled(failed),
        ),
    ];
    // Requests are not to be held against connections.
    let alike = |other: Option<Source>| other.is_some_and(|other| other.counts_requests() == source.counts_requests());
    if let Some(before) = verdict.loads.before.as_ref().filter(|before| alike(before.load.counted_by))
        && let Some(rps) = before.load.rps
    {
        let figure = Some(format!("{}/s", Unit::PerSecond.figure(rps)));
        let name = before_name(before.source).to_owned();
        layers.push(Layer::Before(Key { name, colour: colour::PURPLE, figure }, rps));
    }
    Panel {
        heading: Unit::PerSecond.heading().to_owned(),
        unit: Unit::PerSecond,
        height: 1.0,
        span: Span::FromNought,
        layers,
    }
}

fn filled(steps: &[Step]) -> Vec<Slab> {
    thinned(steps.to_vec(), MOST_STEPS, Of::Mean).into_iter().map(|step| Slab { step, low: 0.0 }).collect()
}
