//! Still section 1: how the proxy is sized, which workers are hot, what stalls, where the CPU went, and what grew.

use crate::analyse::functions::Function;
use crate::analyse::{Facts, Verdict};
use crate::render::figures::{cores, percent, span};
use crate::render::growth;
use crate::render::markdown::{Document, Table, code, fenced, prose, text};
use crate::render::owners::mechanisms;
use crate::series::table;

const OWNERS_SHOWN: usize = 8;
const FUNCTIONS_SHOWN: usize = 10;
const GROWN_SHOWN: usize = 5;

pub fn write(document: &mut Document, facts: &Facts, verdict: &Verdict) {
    document.heading(3, "Sizing, workers, event loop");
    sizing(document, verdict);
    heat(document, verdict);
    stall(document, facts, verdict);
    document.heading(3, "Where the CPU went");
    if let Some(because) = verdict.stacks.missing() {
        document.block(format!("Not known: there are no stacks, because {}.", prose(because)));
    } else {
        owners(document, verdict);
        document.table(&functions(verdict, FUNCTIONS_SHOWN));
        gil(document, verdict);
    }
    grown(document, facts, verdict);
}

/// The functions with most CPU of their own.
pub fn functions(verdict: &Verdict, most: usize) -> Table {
    let mut table = Table::new(&["function", "file", "code", "own CPU ", "own ", "with callees "]);
    let busy = |function: &&Function| function.self_seconds > 0.0;
    for function in verdict.functions.iter().filter(busy).take(most) {
        table.row([
            code(&function.name),
            if function.file.is_empty() { function.place().to_owned() } else { code(function.place()) },
            function.kind.label().to_owned(),
            span(function.self_seconds),
            percent(function.self_percent),
            percent(function.total_percent),
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
    let mut points = vec![match sizing.quota_cores {
        None => "CPU limit: none".to_owned(),
        Some(quota) => {
            let held = sizing.throttled_seconds.map_or_else(String::new, |held| format!(", held for {}", span(held)));
            let used_up = sizing.throttled_percent.map_or_else(
                || "how often it was used up was not counted".to_owned(),
                |share| format!("used up in {} of its periods{held}", percent(share)),
            );
            format!("CPU limit: {}; {used_up}", cores(quota))
        }
    }];
    points.push(sizing.wait_per_cpu_second.map_or_else(
        || "Wait for a CPU: not counted".to_owned(),
        |wait| format!("Wait for a CPU: {} for each second that the workers' threads ran", span(wait)),
    ));
    document.bullets(points.into_iter().map(|point| point + "."));
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

fn stall(document: &mut Document, facts: &Facts, verdict: &Verdict) {
    let Some(stall) = &verdict.stall else {
        let asked = facts.series.table(table::LIVELINESS).is_some();
        document.block(match (asked, verdict.stacks.are_taken()) {
            (true, true) => "**Event loop**: no stall was noticed, neither by `/health/liveliness` nor in the stacks.",
            (true, false) => {
                "**Event loop**: no stall was noticed by `/health/liveliness`; there are no stacks to show one."
            }
            (false, true) => "**Event loop**: no stall was noticed in the stacks; `/health/liveliness` was not asked.",
            (false, false) => {
                "**Event loop**: not judged: there are no stacks, and `/health/liveliness` was not asked."
            }
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
            mechanisms(owner).iter().map(|part| text(part)).collect::<Vec<_>>().join(", "),
            owner.leader.as_ref().map_or_else(|| "no single one".to_owned(), |leader| code(leader)),
        ]);
    }
    document.table(&table.narrowed());
}

/// Only the native engine sees it.
fn gil(document: &mut Document, verdict: &Verdict) {
    let mut table = Table::new(&["worker ", "read for ", "GIL held ", "threads waited for it ", "garbage collected "]);
    for (worker, times) in verdict.workers.iter().filter_map(|worker| Some((worker, worker.gil?))) {
        table.row([
            worker.pid.to_string(),
            span(times.read_seconds),
            span(times.held_seconds),
            span(times.waited_seconds),
            span(times.collecting_seconds),
        ]);
    }
    document.table(&table);
}

fn grown(document: &mut Document, facts: &Facts, verdict: &Verdict) {
    let (Some(comparison), Some(baseline)) = (&verdict.comparison, &facts.baseline) else { return };
    let per = growth::per_words(comparison.per);
    document.heading(3, "What grew and what shrank");
    if !comparison.stacks.are_taken() {
        return document.block(growth::headline(comparison));
    }
    document.block(format!(
        "{} That is against {}; red in `flamegraphs/spike-minus-baseline.svg` is what grew, blue what shrank. In \
         CPU-milliseconds {per}; {}:",
        growth::headline(comparison),
        code(&baseline.manifest.name),
        growth::LEFT_OUT,
    ));
    document.table(&growth::functions(comparison, GROWN_SHOWN));
    document.table(&growth::owners(comparison, GROWN_SHOWN));
}
