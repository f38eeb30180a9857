//! Section 7: how all of this was measured, what that cost, and what is in the bundle.

use crate::analyse::{Facts, Verdict};
use crate::bundle::manifest::{Overhead, Status};
use crate::redact::Clean;
use crate::render::figures::{bytes, count, counted, difference, digits, percent, span};
use crate::render::markdown::{Document, Table, code, fenced, prose, text};
use crate::render::shell;
use crate::render::ticket::reproduction::{COMMAND_CHARACTERS, cut};
use crate::sample::pyspy::Sampling;

pub fn write(document: &mut Document, facts: &Facts, verdict: &Verdict) {
    document.heading(2, "7. How this was measured");
    let manifest = &facts.manifest;
    let settings = &manifest.settings;
    let sampling = match settings.sampling {
        Sampling::Nonblocking => "without stopping the workers",
        Sampling::Blocking => "with the worker stopped for each sample",
    };
    document.block(format!("By {} {}, called as:", text(&manifest.tool.name), code(&manifest.tool.version)));
    let line = shell::line(manifest.arguments.iter().map(Clean::as_str));
    document.block(fenced("sh", &cut(&line, usize::MAX, COMMAND_CHARACTERS, "manifest.json")));
    let mut points = match verdict.stacks.missing() {
        Some(because) => vec![
            format!(
                "Watched for {} of {} asked for, without stacks, because {}",
                span(verdict.cpu.wall_seconds),
                span(settings.duration_seconds),
                prose(because),
            ),
            "CPU time is from the kernel's clock of each thread".to_owned(),
        ],
        None => vec![
            format!(
                "Sampled for {} of {} asked for, in slices of {}, at {} Hz at most, by {} {}{}, {sampling}",
                span(verdict.cpu.wall_seconds),
                span(settings.duration_seconds),
                span(settings.slice_seconds),
                settings.rate_hz,
                text(&manifest.engine.name),
                code(&manifest.engine.version),
                manifest.engine.why.as_ref().map(|why| format!(" ({})", text(why.as_str()))).unwrap_or_default(),
            ),
            quality(verdict),
            "Shares and widths are CPU time from the kernel's clock of each thread, dealt out to the stacks; they are not counts of samples".to_owned(),
        ],
    };
    points.push(format!(
        "Redaction withheld {}; `redactions.json` says by which rules and never what",
        counted(manifest.redactions, "value")
    ));
    points.push(match Overhead::of(&facts.evidence, verdict, 0.0) {
        Some(cost) => format!(
            "Cost: {}this program {} of a core{}",
            match verdict.stacks.missing() {
                Some(_) => String::new(),
                None => format!(
                    "the samplers took {} of a core for each worker (budget {}), ",
                    percent(cost.samplers_core_percent_per_worker),
                    percent(settings.max_overhead_percent),
                ),
            },
            percent(cost.own_core_percent),
            cost.own_peak_rss_bytes.map(|size| format!(" and {} of memory", bytes(size as f64))).unwrap_or_default(),
        ),
        None => "Cost: not known, as the capture was killed before it could say".to_owned(),
    });
    if manifest.status != Status::Complete {
        let by = manifest
            .interrupted_by
            .as_ref()
            .map(|signal| format!(", interrupted by {}", text(signal)))
            .unwrap_or_default();
        points.push(format!("The bundle is **partial**{by}: section 6 says what is missing"));
    }
    if facts.evidence.reporter.prompts_included {
        points
            .push("The reporter's requests are in the bundle **with their content**, as asked for by name".to_owned());
    }
    document.bullets(points.into_iter().map(|point| point + "."));
    document.table(&files(facts, verdict));
}

fn quality(verdict: &Verdict) -> String {
    let quality = &verdict.quality;
    let reasons: Vec<String> = quality.reasons.iter().map(|reason| prose(reason)).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
    let difference = verdict.cpu.difference_percent.map_or_else(String::new, |by| {
        format!("; the threads' clocks differ from the process's own count by {}", difference(by))
    });
    format!(
        "Quality of the profile: **{}**{reasons}; {} samples with CPU, {} lost, {} Hz reached; {} of the CPU in threads \
         without Python, {} where nothing was sampled{difference}",
        quality.grade.word(),
        count(quality.samples as f64),
        count(quality.errors as f64),
        digits(quality.achieved_hz),
        percent(verdict.cpu.native_percent),
        percent(verdict.cpu.not_sampled_percent),
    )
}

fn files(facts: &Facts, verdict: &Verdict) -> Table {
    let stacks = verdict.stacks.are_taken();
    let differential = verdict.comparison.as_ref().is_some_and(|comparison| comparison.stacks.are_taken());
    let logs = facts.logs.before.is_some() || facts.logs.during.is_some();
    let series = !facts.series.0.is_empty();
    let files = [
        ("report.html", "everything on one page", true),
        ("flamegraphs/", "all.svg, one for each worker, one for each slice", stacks),
        ("flamegraphs/spike-minus-baseline.svg", "what grew (red) and shrank (blue)", differential),
        ("charts/", "CPU, memory, traffic and latency over time, PNG and SVG", true),
        ("summary.json", "the verdict with its figures", true),
        ("evidence.json", "the facts that the verdict is computed from", true),
        ("profiles/", "folded stacks and every sample", stacks),
        ("profiles/", "the clocks of every thread", !stacks),
        ("series/", "figures second by second, CSV", series),
        ("logs/", "before.log and during.log, as far as they could be read", logs),
        ("workload/", "shapes of requests", !facts.shapes.is_empty()),
        ("environment/", "machine, container, interpreter, packages, variables, config", facts.fingerprint.is_some()),
        ("baseline/", "the facts of the bundle that this one is held against", facts.baseline.is_some()),
        ("manifest.json", "every file with its size and SHA-256, gaps, cost", true),
        ("redactions.json", "what was withheld, by rule and file", true),
        ("capture.log", "what the tool did, with times", true),
    ];
    let mut table = Table::new(&["file of the bundle", "what is in it"]);
    for (name, what, _) in files.into_iter().filter(|(_, _, is_there)| *is_there) {
        table.row([format!("`{name}`"), what.to_owned()]);
    }
    table
}
