//! What is made of the facts: verdict, ticket, pictures, tables for other tools. The same facts give the same bytes, so
//! that `capture report` can make all of it again.

use anyhow::Result;

use crate::analyse::heat::IDLE_CORE_PERCENT;
use crate::analyse::{Facts, Verdict};
use crate::bundle::archive::Artifact;
use crate::os::proc::ProcessId;
use crate::render::charts::{self, Chart};
use crate::render::flamegraph::{Heading, Palette, draw};
use crate::render::folded::{Detail, fold};
use crate::render::report::Pictures;
use crate::render::{diff, report, ticket};
use crate::sample::profile::Sample;

/// The verdict, for machines.
pub const SUMMARY: &str = "summary.json";
/// The ticket's text.
pub const TICKET: &str = "TICKET.md";
/// The page.
pub const REPORT: &str = "report.html";

/// Each is some hundred kilobytes, and the other ones are in their folder.
const FLAMEGRAPHS_ON_PAGE: usize = 12;

/// Everything that is made of the facts.
pub fn products(facts: &Facts, verdict: &Verdict) -> Result<Vec<Artifact>> {
    let mut files = vec![Artifact::json(SUMMARY, verdict)?];
    files.extend(folded(facts));
    let flamegraphs = flamegraphs(facts, verdict)?;
    let charts = charts::draw_all(facts, verdict);
    files.extend(texts(facts, verdict, &Drawn { charts: &charts, flamegraphs: &flamegraphs }));
    for chart in &charts {
        files.push(Artifact::new(format!("charts/{}.png", chart.name), charts::png(&chart.svg)?));
        files.push(Artifact::new(format!("charts/{}.svg", chart.name), chart.svg.as_str()));
    }
    files.extend(flamegraphs);
    Ok(files)
}

/// The ticket and the page made again, with the flamegraphs that are left: a gap was added since, and both tell of it.
pub fn texts_again(facts: &Facts, verdict: &Verdict, flamegraphs: &[Artifact]) -> [Artifact; 2] {
    texts(facts, verdict, &Drawn { charts: &charts::draw_all(facts, verdict), flamegraphs })
}

/// What the page shows.
struct Drawn<'a> {
    charts: &'a [Chart],
    flamegraphs: &'a [Artifact],
}

fn texts(facts: &Facts, verdict: &Verdict, drawn: &Drawn<'_>) -> [Artifact; 2] {
    let ticket = ticket::ticket(facts, verdict);
    let flamegraphs = on_the_page(drawn.flamegraphs);
    let pictures = Pictures { charts: drawn.charts, flamegraphs: &flamegraphs, ticket: Some(&ticket) };
    let page = report::page(facts, verdict, &pictures);
    [Artifact::new(REPORT, page), Artifact::new(TICKET, ticket)]
}

/// The flamegraphs that the page holds: those of the whole first, then so many of the others as keep it small.
fn on_the_page(flamegraphs: &[Artifact]) -> Vec<(String, String)> {
    let named = |file: &Artifact| {
        let name = file.name.strip_prefix("flamegraphs/")?.strip_suffix(".svg")?.to_owned();
        Some((name, String::from_utf8_lossy(&file.bytes).into_owned()))
    };
    let rank = |name: &str| match name {
        "all" => 0,
        "spike-minus-baseline" => 1,
        name if name.starts_with("worker-") => 2,
        _ => 3,
    };
    let mut graphs: Vec<(String, String)> = flamegraphs.iter().filter_map(named).collect();
    graphs.sort_by(|(one, _), (other, _)| (rank(one), one).cmp(&(rank(other), other)));
    graphs.truncate(FLAMEGRAPHS_ON_PAGE);
    graphs
}

/// Without stacks there is nothing to fold, and nothing to draw.
fn folded(facts: &Facts) -> Vec<Artifact> {
    if !facts.evidence.stacks.are_taken() {
        return Vec::new();
    }
    let profile = &facts.profile;
    let mut files = vec![Artifact::new("profiles/all.folded", fold(profile, Detail::Lines, |_, _| true))];
    for worker in &facts.evidence.workers {
        let name = format!("profiles/worker-{}.folded", name_of(worker.process, facts));
        files.push(Artifact::new(name, fold(profile, Detail::Lines, |_, process| process == worker.process)));
    }
    files
}

/// The flamegraphs: of all, of each worker, of each slice, and against the baseline where there is one.
pub fn flamegraphs(facts: &Facts, verdict: &Verdict) -> Result<Vec<Artifact>> {
    let (profile, evidence) = (&facts.profile, &facts.evidence);
    if !evidence.stacks.are_taken() {
        return Ok(Vec::new());
    }
    let palette = Palette::of(profile);
    let begin_us = evidence.slices.first().map_or(0, |slice| slice.from_us);
    let mut files = Vec::new();
    let mut add = |file: String, title: String, seconds: f64, include: &dyn Fn(&Sample, ProcessId) -> bool| {
        let chosen = || {
            let process = |sample: &Sample| profile.threads[sample.thread as usize].process;
            profile.samples.iter().filter(move |sample| sample.cpu_ns > 0 && include(sample, process(sample)))
        };
        let cpu_seconds = chosen().map(|sample| sample.cpu_ns).sum::<u64>() as f64 / 1e9;
        let cores = if seconds > 0.0 { cpu_seconds / seconds } else { 0.0 };
        let idle = if cores * 100.0 < IDLE_CORE_PERCENT { "nearly idle: " } else { "" };
        let subtitle = format!(
            "{idle}{cpu_seconds:.2} CPU-seconds in {seconds:.1} s ({cores:.2} cores on average), {} samples, quality {}",
            chosen().count(),
            verdict.quality.grade.word(),
        );
        let svg = draw(&fold(profile, Detail::Functions, include), &Heading { title, subtitle }, &palette)?;
        files.push(Artifact::new(file, svg));
        anyhow::Ok(())
    };
    let count = evidence.workers.len();
    let all = if count == 1 { "CPU time of the worker".to_owned() } else { format!("CPU time of all {count} workers") };
    add("flamegraphs/all.svg".to_owned(), all, verdict.cpu.wall_seconds, &|_, _| true)?;
    for worker in &evidence.workers {
        let seconds = (worker.to_us - worker.from_us) as f64 / 1e6;
        let name = name_of(worker.process, facts);
        add(
            format!("flamegraphs/worker-{name}.svg"),
            format!("CPU time of worker {}", worker.process.pid),
            seconds,
            &|_, process| process == worker.process,
        )?;
    }
    for (index, slice) in evidence.slices.iter().enumerate() {
        let from_to = [slice.from_us, slice.to_us].map(|us| us.saturating_sub(begin_us) as f64 / 1e6);
        add(
            format!("flamegraphs/slice-{:03}.svg", index + 1),
            format!("CPU time from {:.0} s to {:.0} s", from_to[0], from_to[1]),
            from_to[1] - from_to[0],
            &|sample, _| (slice.from_us..slice.to_us).contains(&sample.at_us),
        )?;
    }
    if let (Some(baseline), Some(comparison)) = (&facts.baseline, &verdict.comparison)
        && comparison.stacks.are_taken()
    {
        let svg = diff::flamegraph(baseline, facts, comparison)?;
        files.push(Artifact::new("flamegraphs/spike-minus-baseline.svg", svg));
    }
    Ok(files)
}

/// The pid; with the start time where a pid was used twice.
fn name_of(process: ProcessId, facts: &Facts) -> String {
    let twice = facts.evidence.workers.iter().filter(|worker| worker.process.pid == process.pid).count() > 1;
    if twice { format!("{}-{}", process.pid, process.start_ticks) } else { process.pid.to_string() }
}
