//! Section 3: the metrics in short, and the pictures that show them over time.

use crate::analyse::{Facts, Verdict};
use crate::render::figures::{bytes, counted, digits, percent, span};
use crate::render::markdown::{Document, Table};
use crate::render::ticket::CHARTS;
use crate::series::{Table as Series, column, table};

pub fn write(document: &mut Document, facts: &Facts, verdict: &Verdict) {
    document.heading(3, "Metrics");
    let mut figures = Table::new(&["metric", "during the capture ", "how it was measured"]);
    cpu(&mut figures, verdict);
    latency(&mut figures, verdict);
    memory(&mut figures, facts);
    liveliness(&mut figures, facts);
    document.table(&figures);
    if facts.series.0.is_empty() {
        document.block(
            "This bundle holds no figures over time: its charts show at most what the profile tells of the CPU.",
        );
    } else {
        let charts: Vec<String> = CHARTS.iter().map(|chart| format!("`{chart}`")).collect();
        document.block(format!(
            "Over time, as pictures to drop in here: {}. The figures are in `series/`.",
            charts.join(", ")
        ));
    }
}

fn cpu(figures: &mut Table, verdict: &Verdict) {
    let cpu = &verdict.cpu;
    let kernel = cpu.kernel_seconds.map_or_else(
        || "the kernel's own count is missing, as no worker lived to the end".to_owned(),
        |kernel| format!("the kernel counted {} of user and system time", digits(kernel)),
    );
    figures.row([
        "CPU of all workers".to_owned(),
        format!(
            "{} cores on average: {} CPU-seconds in {}",
            digits(cpu.cores),
            digits(cpu.sampled_seconds),
            span(cpu.wall_seconds),
        ),
        format!("clocks of all threads; {kernel}"),
    ]);
    if let Some(throttled) = verdict.sizing.as_ref().and_then(|sizing| sizing.throttled_percent) {
        figures.row([
            "CPU quota run out",
            &format!("{} of the periods", percent(throttled)),
            "the cgroup's `cpu.stat`",
        ]);
    }
}

fn latency(figures: &mut Table, verdict: &Verdict) {
    let load = &verdict.loads.during;
    let measured = |value: Option<f64>| value.map_or_else(|| "not measured".to_owned(), span);
    let value = match (load.p50_seconds, load.p99_seconds) {
        (None, None) => "not measured".to_owned(),
        (p50, p99) => format!("{} / {}", measured(p50), measured(p99)),
    };
    let how = match load.counted_by {
        Some(source) if load.p50_seconds.is_some() => source.words().to_owned(),
        Some(source) if source.counts_requests() && load.requests == Some(0.0) => {
            format!("no request came, by {}", source.words())
        }
        _ => "LiteLLM's latency metrics could not be read: see section 6".to_owned(),
    };
    figures.row(["Latency P50 / P99".to_owned(), value, how]);
}

fn memory(figures: &mut Table, facts: &Facts) {
    let limit = facts.fingerprint.as_ref().and_then(|fingerprint| fingerprint.cgroup.memory_limit_bytes);
    let of =
        |limit: Option<u64>| limit.map_or_else(String::new, |limit| format!(" of {} allowed", bytes(limit as f64)));
    if let Some((last, most)) =
        facts.series.table(table::CGROUP).and_then(|table| last_and_most(table, column::MEMORY_BYTES))
    {
        figures.row([
            "Memory of the container".to_owned(),
            format!("{} at the end, {} at most{}", bytes(last), bytes(most), of(limit)),
            "the cgroup, with its file cache".to_owned(),
        ]);
    }
    let workers: Vec<(f64, f64)> =
        facts.series.workers().filter_map(|(_, table)| last_and_most(table, column::RSS_BYTES)).collect();
    if !workers.is_empty() {
        let sum: f64 = workers.iter().map(|(last, _)| last).sum();
        let most = workers.iter().map(|(_, most)| *most).fold(0.0, f64::max);
        figures.row([
            "Memory of the workers".to_owned(),
            format!(
                "{} in {} at the end, {} at most in one",
                bytes(sum),
                counted(workers.len(), "worker"),
                bytes(most)
            ),
            "resident memory".to_owned(),
        ]);
        return;
    }
    let once = facts.fingerprint.iter().flat_map(|fingerprint| &fingerprint.processes);
    let once: Vec<f64> = once.filter_map(|process| process.rss_bytes).map(|size| size as f64).collect();
    figures.row(if once.is_empty() {
        ["Memory".to_owned(), "not measured".to_owned(), "no process's memory could be read".to_owned()]
    } else {
        let processes = if once.len() == 1 { "1 process".to_owned() } else { format!("{} processes", once.len()) };
        [
            "Memory of the proxy".to_owned(),
            format!("{} in {processes}{}", bytes(once.iter().sum()), of(limit)),
            "resident memory, once, when the capture began".to_owned(),
        ]
    });
}

fn liveliness(figures: &mut Table, facts: &Facts) {
    let answers = facts.series.table(table::LIVELINESS);
    let worst = answers.and_then(|table| last_and_most(table, column::LATENCY_S)).map(|(_, most)| most);
    let failed: Option<f64> = answers.map(|table| table.column(column::FAILED).map(|(_, failed)| failed).sum());
    let asked = answers.map_or(0, |table| table.rows.len());
    let value = match (worst, failed) {
        (_, None) => "not asked".to_owned(),
        (Some(worst), Some(failed)) => format!("{} at worst, {failed:.0} of {asked} without an answer", span(worst)),
        (None, Some(failed)) => format!("{failed:.0} of {asked} without an answer"),
    };
    figures.row(["`/health/liveliness`", &value, "one request a second; it is answered on the event loop"]);
}

fn last_and_most(table: &Series, column: &str) -> Option<(f64, f64)> {
    let last = table.column(column).last()?.1;
    let most = table.column(column).map(|(_, value)| value).fold(last, f64::max);
    Some((last, most))
}
