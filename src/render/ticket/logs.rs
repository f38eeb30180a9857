//! Section 3: lines of the logs that bear on the spike, and the end of the log.

use crate::analyse::Facts;
use crate::logs::Kind;
use crate::render::figures::counted;
use crate::render::markdown::{Document, Table, code, details, fenced};

const FINDINGS_SHOWN: usize = 20;
const LINES_SHOWN: usize = 20;
/// Questions whether LiteLLM is well, and for its metrics.
const PROBES: [&str; 2] = ["\"GET /health/", "\"GET /metrics"];
/// A line longer than this is cut; the bundle has it whole.
const LINE_CHARACTERS: usize = 300;

pub fn write(document: &mut Document, facts: &Facts) {
    document.heading(3, "Logs");
    document.block(match (&facts.logs.before, &facts.logs.during) {
        (Some(_), Some(_)) => "In the bundle: `logs/before.log` and `logs/during.log`, without secrets.",
        (Some(_), None) => "In the bundle: `logs/before.log`, without secrets. During the capture nothing was logged, or it could not be read: see section 6.",
        (None, Some(_)) => "In the bundle: `logs/during.log`, without secrets. The log before the capture could not be read: see section 6.",
        (None, None) => "No log is in the bundle: see section 6.",
    });
    let findings = &facts.evidence.findings;
    if findings.is_empty() && facts.logs != crate::analyse::facts::Logs::default() {
        document.block("No line in them is of a kind that bears on CPU: no missed job, no worker that died, no full queue, no error.");
    }
    let mut table = Table::new(&["finding", "about", "lines before ", "during ", "example"]);
    for finding in findings.iter().take(FINDINGS_SHOWN) {
        table.row([
            kind_words(finding.kind).to_owned(),
            finding.about.as_ref().map(|about| code(about.as_str())).unwrap_or_default(),
            finding.before.to_string(),
            finding.during.to_string(),
            code(finding.example.as_str()),
        ]);
    }
    if let Some(more) = findings.len().checked_sub(FINDINGS_SHOWN).filter(|more| *more > 0) {
        table.row([format!("… and {more} more in `evidence.json`")]);
    }
    document.table(&table.narrowed());
    if let Some(during) = &facts.logs.during {
        let tail = tail(during);
        if !tail.is_empty() {
            let lines = counted(tail.lines().count(), "line");
            let summary =
                format!("The last {lines} of the log during the capture, without probes of /health and /metrics");
            document.block(details(&summary, &fenced("text", &tail)));
        }
    }
}

/// The last lines of a log, but for what this program asks again and again, and Kubernetes and Prometheus as well.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !PROBES.iter().any(|probe| line.contains(probe))).collect();
    let cut = |line: &&str| match line.char_indices().nth(LINE_CHARACTERS) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => (*line).to_owned(),
    };
    lines[lines.len().saturating_sub(LINES_SHOWN)..].iter().map(cut).collect::<Vec<_>>().join("\n")
}

/// What such a line means.
pub fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::JobMissed => "a job was run too late: the event loop was blocked",
        Kind::JobOverlapped => "a job still ran when it was due again",
        Kind::WorkerDied => "a worker ended",
        Kind::WorkerStarted => "a worker started",
        Kind::QueueFull => "a queue was full",
        Kind::Traceback => "an exception",
        Kind::Error => "an error",
    }
}
