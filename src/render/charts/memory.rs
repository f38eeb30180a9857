//! Memory of each worker, of their cgroup, and the limit.

use crate::analyse::facts::Facts;
use crate::analyse::verdict::Verdict;
use crate::render::charts::picture::{Key, Layer, Panel, Picture, Reach, Span, Stroke, colour};
use crate::render::charts::scale::Unit;
use crate::render::charts::scene::{MOST_STEPS, Scene, why};
use crate::render::charts::steps::{Of, readings, thinned, within};
use crate::render::charts::workers::{Told, stack};
use crate::render::figures::counted;
use crate::series::{column, table};

/// The chart.
pub fn picture(facts: &Facts, verdict: &Verdict, scene: &Scene) -> Picture {
    let resident = Told { steps: |table| readings(table, column::RSS_BYTES), unit: Unit::Bytes, of: Of::Max };
    let stack = stack(facts, verdict, scene, resident);
    let mut layers = stack.bands;
    if stack.workers > 1 {
        let figure = stack.total_figure.map(|value| Unit::Bytes.figure(value));
        let key = Key { name: "all workers".to_owned(), colour: colour::BLACK, figure };
        layers.push(Layer::Line(key, stack.total, Stroke::Strong));
    }
    if let Some(cgroup) = facts.series.table(table::CGROUP) {
        let used = readings(cgroup, column::MEMORY_BYTES);
        let figure = within(&used, scene.told_us(), Of::Max).map(|value| Unit::Bytes.figure(value));
        let key = Key { name: "cgroup".to_owned(), colour: colour::GREY, figure };
        layers.push(Layer::Line(key, thinned(used, MOST_STEPS, Of::Max), Stroke::Thin));
    }
    if let Some(limit) = facts.fingerprint.as_ref().and_then(|print| print.cgroup.memory_limit_bytes) {
        let figure = Some(Unit::Bytes.figure(limit as f64));
        let key = Key { name: "limit".to_owned(), colour: colour::VERMILION, figure };
        layers.push(Layer::Level(key, limit as f64, Reach::IfNear));
    }
    let mut notes = Vec::new();
    if !layers.iter().any(Layer::is_data) {
        let otherwise = "the workers' memory was not kept second by second.";
        notes.push(format!("No data: {}", why(facts, &["memory", "rss", "readings"], otherwise)));
    }
    let title = match stack.workers {
        0 => "Memory of the workers' cgroup".to_owned(),
        workers => format!("Memory: resident in {}", counted(workers, "worker")),
    };
    let panel = Panel { heading: String::new(), unit: Unit::Bytes, height: 1.0, span: Span::FromNought, layers };
    Picture { title, figures: format!("most {}", scene.during), panels: vec![panel], notes }
}
