//! The lines at the end of a capture, and of `capture inspect`: a word in front, what it is behind it.

use crate::analyse::classify::{Class, Classification};
use crate::analyse::functions::Function;
use crate::analyse::heat::{IDLE_CORE_PERCENT, Spread};
use crate::analyse::sizing::Size;
use crate::analyse::stall::Stall;
use crate::analyse::verdict::Verdict;
use crate::bundle::manifest::{Manifest, Status};
use crate::collect::Weight;
use crate::collect::fingerprint::Fingerprint;
use crate::redact::Clean;
use crate::render::figures::{counted, difference, percent, span, utc};
use crate::render::lines::Lines;

/// Functions named in the summary.
const FUNCTIONS_SHOWN: usize = 3;
/// Owners named in the summary.
const OWNERS_SHOWN: usize = 4;

/// Where the CPU went, by how much, and how good the profile is.
pub fn lines(manifest: &Manifest, verdict: &Verdict, versions: &str) -> Vec<String> {
    let mut summary = Lines::default();
    summary.line(
        "captured",
        &format!(
            "{:.1} s of {} ({versions}), {}",
            verdict.cpu.wall_seconds,
            counted(verdict.workers.len(), "worker"),
            status(manifest),
        ),
    );
    if let Some(classification) = &verdict.classification {
        summary.line("class", &class(classification));
        summary.line("", &classification.sentence);
    }
    summary.line("cpu", &cpu(verdict));
    summary.line("workers", &workers(verdict));
    if let Some(sizing) = verdict.sizing.as_ref().filter(|sizing| is_telling(sizing.size)) {
        summary.line("sizing", &sizing.sentence);
    }
    if let Some(heat) = verdict.heat.as_ref().filter(|heat| heat.spread == Spread::OneHot) {
        summary.line("spread", &heat.sentence);
    }
    if let Some(stall) = &verdict.stall {
        summary.line("stall", &longest(stall));
    }
    let owners = verdict.owners.iter().take(OWNERS_SHOWN);
    summary.list("work", owners.map(|share| format!("{} {}", share.owner, percent(share.percent))));
    let kinds = verdict.kinds.iter();
    summary.list("code", kinds.map(|share| format!("{} {}", share.kind.label(), percent(share.self_percent))));
    let hot = verdict.functions.iter().filter(|function| function.self_seconds > 0.0).take(FUNCTIONS_SHOWN);
    for (rank, function) in hot.enumerate() {
        summary.line(if rank == 0 { "hot" } else { "" }, &function_words(function));
    }
    match verdict.stacks.missing() {
        Some(because) => summary.line("stacks", &format!("none, because {because}")),
        None => summary.line("quality", &quality(verdict)),
    }
    if let Some(cost) = &manifest.overhead {
        let memory = cost.own_peak_rss_bytes.map_or_else(String::new, |bytes| format!(", {} MB", bytes / 1_000_000));
        let samplers = if verdict.stacks.are_taken() {
            let percent = percent(cost.samplers_core_percent_per_worker);
            format!("{percent} of a core for each worker ({}); ", manifest.engine.name)
        } else {
            String::new()
        };
        summary.line("cost", &format!("{samplers}{:.2} % of a core{memory} for this program", cost.own_core_percent));
    }
    for gap in manifest.gaps.iter().filter(|gap| gap.weight == Weight::Partial) {
        summary.line("missing", &format!("{}: {}", gap.what, gap.why));
    }
    summary.into_lines()
}

/// Whether the workers did next to nothing.
pub fn is_idle(verdict: &Verdict) -> bool {
    verdict.workers.iter().all(|worker| worker.core_percent < IDLE_CORE_PERCENT)
}

/// `LiteLLM 1.106.2, Python 3.11.7`.
pub fn versions(fingerprint: Option<&Fingerprint<Clean>>) -> String {
    let name = |name: &str, version: Option<&Clean>| match version {
        Some(version) => format!("{name} {version}"),
        None => format!("{name} of unknown version"),
    };
    let litellm = fingerprint.and_then(|print| print.litellm.version.as_ref());
    let python = fingerprint.and_then(|print| print.python.version.as_ref());
    format!("{}, {}", name("LiteLLM", litellm), name("Python", python))
}

fn status(manifest: &Manifest) -> String {
    match (manifest.status, &manifest.interrupted_by) {
        (_, Some(signal)) => format!("interrupted by {signal}"),
        (Status::Complete, None) => "complete".to_owned(),
        (Status::Partial | Status::Running, None) => "partial".to_owned(),
    }
}

fn class(classification: &Classification) -> String {
    let word = classification.class.words();
    match classification.class {
        Class::Undetermined => word.to_owned(),
        _ => format!("{word}; confidence: {}", classification.confidence.word()),
    }
}

fn cpu(verdict: &Verdict) -> String {
    let cpu = &verdict.cpu;
    let kernel = cpu.kernel_seconds.map_or_else(String::new, |kernel| format!("; the kernel counted {kernel:.2}"));
    let differ = cpu.difference_percent.map_or_else(String::new, |by| format!(" (difference {})", difference(by)));
    let place = if verdict.stacks.are_taken() { "in the stacks" } else { "by the clocks of all threads" };
    format!("{:.2} CPU-seconds {place}, {:.2} cores on average{kernel}{differ}", cpu.sampled_seconds, cpu.cores)
}

fn workers(verdict: &Verdict) -> String {
    let workers: Vec<String> =
        verdict.workers.iter().map(|worker| format!("{} {}", worker.pid, percent(worker.core_percent))).collect();
    let idle = if is_idle(verdict) { " (idle)" } else { "" };
    format!("{} of a core{idle}", workers.join(", "))
}

fn is_telling(size: Size) -> bool {
    matches!(size, Size::Throttled | Size::Undersized)
}

/// Shorter than its sentence: how long, when, where, in what.
fn longest(stall: &Stall) -> String {
    let at = stall.from_utc.parse().map_or_else(|_| stall.from_utc.clone(), utc);
    let worker = stall.pid.map_or_else(String::new, |pid| format!(", worker {pid}"));
    let what = stall.stack.last().map_or_else(String::new, |function| format!(", mostly in {function}"));
    format!("the event loop stood still for {} at {at}{worker}{what}", span(stall.seconds))
}

fn function_words(function: &Function) -> String {
    let with_callees = if function.total_percent - function.self_percent < 0.05 {
        String::new()
    } else {
        format!(", {} with all it called", percent(function.total_percent))
    };
    format!(
        "{} ({}): {:.2} CPU-seconds, {}{with_callees}",
        function.name,
        function.place(),
        function.self_seconds,
        percent(function.self_percent),
    )
}

fn quality(verdict: &Verdict) -> String {
    let quality = &verdict.quality;
    let reasons = if quality.reasons.is_empty() { String::new() } else { format!(": {}", quality.reasons.join("; ")) };
    format!(
        "{}{reasons} ({} samples, {} lost, {:.1} Hz)",
        quality.grade.word(),
        quality.samples,
        quality.errors,
        quality.achieved_hz,
    )
}
