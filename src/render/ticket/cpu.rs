//! Still section 1: how the proxy is sized, which workers are hot, what stalls, where the CPU went, and what grew.

use crate::analyse::functions::Function;
use crate::analyse::owners::OwnerShare;
use crate::analyse::stall::{MeasuredBy, Stall};
use crate::analyse::{Facts, Verdict};
use crate::render::figures::{bytes, cores, percent, span};
use crate::render::growth;
use crate::render::markdown::{Document, Table, code, fenced, text};
use crate::render::ticket::moment;
use crate::series::table;

const OWNERS_SHOWN: usize = 8;
const MECHANISMS_SHOWN: usize = 3;
const FUNCTIONS_SHOWN: usize = 10;
const GROWN_SHOWN: usize = 5;

pub fn write(document: &mut Document, facts: &Facts, verdict: &Verdict) {
    document.heading(3, "Sizing, workers, event loop");
    sizing(document, verdict);
    heat(document, verdict);
    stall(document, facts, verdict.stall.as_ref());
    document.heading(3, "Where the CPU went");
    owners(document, verdict);
    document.table(&functions(verdict, FUNCTIONS_SHOWN));
    grown(document, facts, verdict);
}

/// The functions with most CPU of their own.
pub fn functions(verdict: &Verdict, most: usize) -> Table {
    let mut table = Table::new(&["function", "file", "own CPU ", "own share ", "share with callees ", "code"]);
    let busy = |function: &&Function| function.self_seconds > 0.0;
    for function in verdict.functions.iter().filter(busy).take(most) {
        table.row([
            code(&function.name),
            if function.file.is_empty() { "native".to_owned() } else { code(&function.file) },
            span(function.self_seconds),
            percent(function.self_percent),
            percent(function.total_percent),
            function.kind.label().to_owned(),
        ]);
    }
    table
}

fn sizing(document: &mut Document, verdict: &Verdict) {
    let Some(sizing) = &verdict.sizing else {
        document.block("**Sizing**: not judged; this bundle does not hold the limits of CPU and memory.");
        return;
    };
    document.block(format!("**Sizing**: {}", text(&sizing.sentence)));
    let mut table = Table::new(&[
        "workers ",
        "CPU quota ",
        "CPUs allowed ",
        "memory ",
        "quota periods run out ",
        "held for ",
        "wait for a CPU ",
    ]);
    table.row([
        sizing.workers.to_string(),
        sizing.quota_cores.map_or_else(|| "none known".to_owned(), cores),
        sizing.cpus.map_or_else(|| "not readable".to_owned(), |cpus| cpus.to_string()),
        sizing.memory_bytes.map_or_else(|| "not readable".to_owned(), |size| bytes(size as f64)),
        sizing.throttled_percent.map_or_else(|| "not counted".to_owned(), percent),
        sizing.throttled_seconds.map_or_else(|| "not counted".to_owned(), span),
        sizing
            .wait_per_cpu_second
            .map_or_else(|| "not counted".to_owned(), |wait| format!("{} per CPU-second", span(wait))),
    ]);
    document.table(&table);
}

fn heat(document: &mut Document, verdict: &Verdict) {
    match &verdict.heat {
        Some(heat) => {
            let untold = heat.function.as_ref().filter(|function| !heat.sentence.contains(*function));
            let function = untold
                .map_or_else(String::new, |function| format!(" What sets the hottest one apart: {}.", code(function)));
            document.block(format!("**One hot worker or all**: {}{function}", text(&heat.sentence)));
        }
        None => document.block("**One hot worker or all**: not judged; see the table."),
    }
    let mut table =
        Table::new(&["worker ", "CPU, of one core ", "CPU ", "watched for ", "ready but without a CPU for "]);
    for worker in &verdict.workers {
        table.row([
            worker.pid.to_string(),
            percent(worker.core_percent),
            span(worker.cpu_seconds),
            span(worker.wall_seconds),
            span(worker.run_delay_seconds),
        ]);
    }
    document.table(&table);
}

fn stall(document: &mut Document, facts: &Facts, stall: Option<&Stall>) {
    let Some(stall) = stall else {
        document.block(match facts.series.table(table::LIVELINESS) {
            Some(_) => "**Event loop**: no stall was noticed, neither by `/health/liveliness` nor in the stacks.",
            None => "**Event loop**: no stall was noticed in the stacks; `/health/liveliness` was not asked.",
        });
        return;
    };
    let by = match stall.measured_by {
        MeasuredBy::Liveliness => "by `/health/liveliness`, which runs on the event loop",
        MeasuredBy::Samples => "by the main thread's stacks",
    };
    let worker = stall.pid.map_or_else(String::new, |pid| format!(" in worker {pid}"));
    document.block(format!(
        "**Event loop**: the longest stall was {}{worker}, from {} on, {by}. {}",
        span(stall.seconds),
        moment(&stall.from_utc),
        text(&stall.sentence),
    ));
    if stall.stack.is_empty() {
        document.block("No stack was found for it.");
    } else {
        document.block("The stack that filled most of it, the caller first:");
        document.block(fenced("text", &stall.stack.join("\n")));
    }
}

fn owners(document: &mut Document, verdict: &Verdict) {
    let kinds: Vec<String> =
        verdict.kinds.iter().map(|share| format!("{} {}", share.kind.label(), percent(share.self_percent))).collect();
    if kinds.is_empty() {
        document.block("No CPU time was found in any stack.");
    } else {
        document.block(format!("By whose code: {}.", kinds.join(", ")));
    }
    let mut table = Table::new(&["whose work", "CPU ", "share ", "kinds of work", "leading function"]);
    for owner in verdict.owners.iter().take(OWNERS_SHOWN) {
        table.row([
            text(&owner.owner),
            span(owner.seconds),
            percent(owner.percent),
            mechanisms(owner),
            owner.leader.as_ref().map_or_else(|| "no single one".to_owned(), |leader| code(leader)),
        ]);
    }
    document.table(&table);
}

fn mechanisms(owner: &OwnerShare) -> String {
    let named = owner.mechanisms.iter().take(MECHANISMS_SHOWN);
    let named: Vec<String> = named.map(|part| format!("{} {}", text(&part.mechanism), percent(part.percent))).collect();
    if named.is_empty() { "of no single kind".to_owned() } else { named.join(", ") }
}

fn grown(document: &mut Document, facts: &Facts, verdict: &Verdict) {
    let (Some(comparison), Some(baseline)) = (&verdict.comparison, &facts.baseline) else { return };
    document.heading(3, "What grew");
    document.block(format!(
        "Against {}, CPU {}: {} Red in `flamegraphs/spike-minus-baseline.svg` is what grew.",
        code(&baseline.manifest.name),
        growth::per_words(comparison.per),
        growth::headline(comparison),
    ));
    document.table(&growth::functions(comparison, GROWN_SHOWN));
    document.table(&growth::owners(comparison, GROWN_SHOWN));
}
