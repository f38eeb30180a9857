//! Cores used by each worker, against the quota and the machine.

use crate::analyse::facts::Facts;
use crate::analyse::verdict::Verdict;
use crate::render::charts::picture::{Key, Layer, Panel, Picture, Reach, Span, Stroke, colour};
use crate::render::charts::scale::Unit;
use crate::render::charts::scene::{MOST_STEPS, Scene, before_name, why};
use crate::render::charts::steps::{Of, Step, rates, ratios, thinned, within};
use crate::render::charts::workers::{Told, stack};
use crate::render::figures::counted;
use crate::series::{Table, column, table};

/// The chart.
pub fn picture(facts: &Facts, verdict: &Verdict, scene: &Scene) -> Picture {
    let stack = stack(facts, verdict, scene, Told { steps: cores, unit: Unit::Cores, of: Of::Mean });
    let mut notes = Vec::new();
    if stack.total.is_empty() {
        let otherwise = "the workers' CPU time was not kept second by second.";
        notes.push(format!("No data: {}", why(facts, &["cpu", "kernel's counters", "readings"], otherwise)));
    }
    let mut layers = stack.bands;
    if let Some(busy) = machine(facts, scene) {
        layers.push(busy);
    }
    if stack.workers > 1 {
        let figure = stack.total_figure.map(|value| Unit::Cores.figure(value));
        let key = Key { name: "all workers".to_owned(), colour: colour::BLACK, figure };
        layers.push(Layer::Line(key, stack.total, Stroke::Strong));
    }
    if let Some(quota) = facts.fingerprint.as_ref().and_then(|print| print.cgroup.cpu_quota_cores) {
        let unit = if quota > 1.0 { "cores" } else { "core" };
        let figure = Some(format!("{} {unit}", Unit::Cores.tick(quota)));
        let key = Key { name: "quota".to_owned(), colour: colour::VERMILION, figure };
        layers.push(Layer::Level(key, quota, Reach::IfNear));
    }
    if let Some(before) = &verdict.loads.before
        && let Some(cores) = before.load.cores
    {
        let name = before_name(before.source).to_owned();
        let key = Key { name, colour: colour::PURPLE, figure: Some(Unit::Cores.figure(cores)) };
        layers.push(Layer::Before(key, cores));
    }
    if let Some(strip) = throttling(facts, scene) {
        layers.push(strip);
    }
    let title = match stack.workers {
        0 => "CPU: cores used by each worker".to_owned(),
        workers => format!("CPU: cores used by {}", counted(workers, "worker")),
    };
    let panel = Panel {
        heading: Unit::Cores.heading().to_owned(),
        unit: Unit::Cores,
        height: 1.0,
        span: Span::FromNought,
        layers,
    };
    Picture { title, figures: format!("mean {}", scene.during), panels: vec![panel], notes }
}

/// User and system time together.
fn cores(table: &Table) -> Vec<Step> {
    let system = rates(table, column::SYSTEM_S);
    let both = |user: Step| {
        let at = system.binary_search_by_key(&user.to_us, |step| step.to_us).ok()?;
        Some(Step { value: user.value + system[at].value, ..user })
    };
    rates(table, column::USER_S).into_iter().filter_map(both).collect()
}

fn machine(facts: &Facts, scene: &Scene) -> Option<Layer> {
    let busy = rates(facts.series.table(table::HOST)?, column::BUSY_S);
    let figure = within(&busy, scene.told_us(), Of::Mean).map(|value| Unit::Cores.figure(value));
    let name = match facts.fingerprint.as_ref().and_then(|print| print.host.cpus_online) {
        Some(cpus) => format!("machine ({cpus} CPUs)"),
        None => "machine".to_owned(),
    };
    let key = Key { name, colour: colour::GREY, figure };
    Some(Layer::Line(key, thinned(busy, MOST_STEPS, Of::Mean), Stroke::Thin))
}

fn throttling(facts: &Facts, scene: &Scene) -> Option<Layer> {
    let shares = ratios(facts.series.table(table::CGROUP)?, column::THROTTLED_PERIODS, column::PERIODS);
    let figure = within(&shares, scene.told_us(), Of::Mean).map(|share| format!("{:.0} %", share * 100.0));
    let key = Key { name: "periods throttled".to_owned(), colour: colour::VERMILION, figure };
    Some(Layer::Strip(key, thinned(shares, MOST_STEPS, Of::Mean)))
}
