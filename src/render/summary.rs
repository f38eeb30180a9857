//! The lines at the end of a capture, and of `capture inspect`.

use crate::analyse::functions::Function;
use crate::analyse::heat::Spread;
use crate::analyse::sizing::Size;
use crate::analyse::verdict::{Cpu, Verdict};
use crate::bundle::manifest::{Manifest, Status};
use crate::collect::Weight;
use crate::collect::fingerprint::Fingerprint;
use crate::redact::Clean;

/// Functions named in the summary.
const FUNCTIONS_SHOWN: usize = 3;
/// Owners named in the summary.
const OWNERS_SHOWN: usize = 4;
/// Below this share of one core for each worker a proxy is idle: its timers alone use about as much.
pub const IDLE_CORE_PERCENT: f64 = 2.0;

/// Where the CPU went, by how much, and how good the profile is.
pub fn lines(manifest: &Manifest, verdict: &Verdict, versions: &str) -> Vec<String> {
    let mut lines = vec![format!(
        "captured  {} s of {} ({versions}), {}",
        tenth(verdict.cpu.wall_seconds),
        counted(verdict.workers.len(), "worker"),
        status(manifest),
    )];
    lines.extend(
        verdict
            .classification
            .as_ref()
            .map(|classification| format!("class     {}: {}", classification.class.words(), classification.sentence)),
    );
    lines.push(cpu_line(&verdict.cpu));
    lines.push(worker_line(verdict));
    let telling = |size: Size| matches!(size, Size::Throttled | Size::Undersized);
    let sizing = verdict.sizing.as_ref().filter(|sizing| telling(sizing.size));
    lines.extend(sizing.map(|sizing| format!("sizing    {}", sizing.sentence)));
    let hot = verdict.heat.as_ref().filter(|heat| heat.spread == Spread::OneHot);
    lines.extend(hot.map(|heat| format!("spread    {}", heat.sentence)));
    lines.extend(verdict.stall.as_ref().map(|stall| format!("stall     {}", stall.sentence)));
    if !verdict.owners.is_empty() {
        let owners: Vec<String> = verdict
            .owners
            .iter()
            .take(OWNERS_SHOWN)
            .map(|share| format!("{} {} %", share.owner, tenth(share.percent)))
            .collect();
        lines.push(format!("work      {}", owners.join(", ")));
    }
    if !verdict.kinds.is_empty() {
        let kinds: Vec<String> = verdict
            .kinds
            .iter()
            .map(|share| format!("{} {} %", share.kind.label(), tenth(share.self_percent)))
            .collect();
        lines.push(format!("code      {}", kinds.join(", ")));
    }
    for (rank, function) in
        verdict.functions.iter().filter(|function| function.self_seconds > 0.0).take(FUNCTIONS_SHOWN).enumerate()
    {
        lines.push(format!("{}      {}", if rank == 0 { "hot " } else { "    " }, function_line(function)));
    }
    let quality = &verdict.quality;
    let reasons = if quality.reasons.is_empty() { String::new() } else { format!(": {}", quality.reasons.join("; ")) };
    lines.push(format!(
        "quality   {}{reasons} ({} samples, {} lost, {} Hz)",
        quality.grade.word(),
        quality.samples,
        quality.errors,
        tenth(quality.achieved_hz),
    ));
    if let Some(cost) = &manifest.overhead {
        lines.push(format!(
            "cost      {} % of a core for each worker (py-spy), {} %{} for this program",
            tenth(cost.samplers_core_percent_per_worker),
            cost.own_core_percent,
            cost.own_peak_rss_bytes.map_or_else(String::new, |bytes| format!(" and {} MB", bytes / 1_000_000)),
        ));
    }
    for gap in manifest.gaps.iter().filter(|gap| gap.weight == Weight::Partial) {
        lines.push(format!("missing   {}: {}", gap.what, gap.why));
    }
    lines
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

fn cpu_line(cpu: &Cpu) -> String {
    let kernel = match (cpu.kernel_seconds, cpu.difference_percent) {
        (Some(kernel), Some(difference)) => {
            format!("; kernel's utime+stime {kernel:.2} s, difference {difference:+.1} %")
        }
        (Some(kernel), None) => format!("; kernel's utime+stime {kernel:.2} s"),
        _ => String::new(),
    };
    format!("cpu       {:.2} s in the stacks, {:.2} cores on average{kernel}", cpu.sampled_seconds, cpu.cores)
}

fn worker_line(verdict: &Verdict) -> String {
    let workers: Vec<String> =
        verdict.workers.iter().map(|worker| format!("{} {} %", worker.pid, tenth(worker.core_percent))).collect();
    let idle = if is_idle(verdict) { " (idle)" } else { "" };
    format!("workers   {} of a core{idle}", workers.join(", "))
}

fn function_line(function: &Function) -> String {
    format!(
        "{} ({}): {:.2} s itself, {} % of all; {} % of worker {}",
        function.name,
        function.file,
        function.self_seconds,
        tenth(function.self_percent),
        tenth(function.hottest_worker_percent),
        function.hottest_worker,
    )
}

fn tenth(value: f64) -> String {
    format!("{value:.1}")
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
