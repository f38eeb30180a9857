//! Still section 1: how the proxy is sized, which workers are hot, what stalls, where the CPU went, and what grew.

use crate::analyse::functions::Function;
use crate::analyse::owners::OwnerShare;
use crate::analyse::stall::Stall;
use crate::analyse::work::OTHER_PYTHON;
use crate::analyse::{Facts, Verdict};
use crate::render::figures::{bytes, cores, counted, percent, span};
use crate::render::growth;
use crate::render::markdown::{Document, Table, code, fenced, prose, text};
use crate::series::table;

const OWNERS_SHOWN: usize = 8;
const MECHANISMS_SHOWN: usize = 3;
/// A smaller share is written as 0.0 %.
const LEAST_PERCENT: f64 = 0.05;
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
    let mut table = Table::new(&["function", "file", "own CPU time ", "own share ", "share with callees ", "code"]);
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
    document.block(format!("**Sizing**: {}", prose(&sizing.sentence)));
    let mut table = Table::new(&["what", "here"]);
    let quota = sizing.quota_cores.map_or_else(|| "no limit".to_owned(), cores);
    let cpus = sizing.cpus.map_or_else(|| "an unknown number".to_owned(), |cpus| counted(cpus as usize, "CPU"));
    table.row(["CPU limit; CPUs that the workers may run on".to_owned(), format!("{quota}; {cpus}")]);
    table.row([
        "Memory limit, else the machine's memory".to_owned(),
        sizing.memory_bytes.map_or_else(|| "not readable".to_owned(), |size| bytes(size as f64)),
    ]);
    if sizing.quota_cores.is_some() {
        let held = sizing.throttled_seconds.map_or_else(String::new, |held| format!(", held for {}", span(held)));
        let share = sizing.throttled_percent.map(|share| format!("in {} of its periods{held}", percent(share)));
        table.row([
            "CPU limit used up during the capture".to_owned(),
            share.unwrap_or_else(|| "not counted".to_owned()),
        ]);
    }
    table.row([
        "Wait for a CPU, for each second that the workers' threads ran".to_owned(),
        sizing.wait_per_cpu_second.map_or_else(|| "not counted".to_owned(), span),
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
    let mut table = Table::new(&["worker ", "share of a core ", "CPU time ", "sampled for ", "waited for a CPU "]);
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
    document.block(format!("**Event loop**, the longest stall: {}", prose(&stall.sentence)));
    if !stall.stack.is_empty() {
        document.block("The calls in which at least half of it was spent, the caller first:");
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
    let mut table = Table::new(&["whose work", "CPU time ", "share ", "of which", "leading function"]);
    for owner in verdict.owners.iter().take(OWNERS_SHOWN) {
        table.row([
            text(&owner.owner),
            span(owner.seconds),
            percent(owner.percent),
            mechanisms(owner),
            owner.leader.as_ref().map_or_else(|| "no single one".to_owned(), |leader| code(leader)),
        ]);
    }
    document.table(&table.narrowed());
}

/// The kinds of work that have a name, as far as their shares can be seen.
fn mechanisms(owner: &OwnerShare) -> String {
    let named = owner.mechanisms.iter().filter(|part| part.mechanism != OTHER_PYTHON && part.percent >= LEAST_PERCENT);
    let named = named.take(MECHANISMS_SHOWN).map(|part| format!("{} {}", text(&part.mechanism), percent(part.percent)));
    named.collect::<Vec<_>>().join(", ")
}

fn grown(document: &mut Document, facts: &Facts, verdict: &Verdict) {
    let (Some(comparison), Some(baseline)) = (&verdict.comparison, &facts.baseline) else { return };
    let per = growth::per_words(comparison.per);
    document.heading(3, "What grew");
    document.block(format!(
        "Against {}: {} Red in `flamegraphs/spike-minus-baseline.svg` is what grew, blue what shrank.",
        code(&baseline.manifest.name),
        growth::headline(comparison),
    ));
    document.block(format!("In CPU-milliseconds {per}; {}:", growth::LEFT_OUT));
    document.table(&growth::functions(comparison, GROWN_SHOWN));
    document.table(&growth::owners(comparison, GROWN_SHOWN));
}
