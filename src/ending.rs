//! When the last sample is taken: what is known beside the work folder's records, and what is missing.

use crate::assemble::Aside;
use crate::bundle::work::{self, Work};
use crate::collect::Gap;
use crate::error::Failure;
use crate::notice::Notices;
use crate::plan::CapturePlan;
use crate::publish::output_failure;
use crate::redact::{Gate, Redactor};
use crate::sample::session::{End, Ended};

/// What is known beside the work folder's records.
pub fn aside(ended: &Ended, plan: &CapturePlan, notices: &Notices) -> Aside {
    Aside {
        interrupted_by: match ended.end {
            End::Interrupted(interrupt) => Some(interrupt.name().to_owned()),
            End::TimeOver | End::NobodyLeft | End::CannotWrite => None,
        },
        gaps: gap_of_end(ended, plan).into_iter().collect(),
        own: Some(ended.own),
        witness: None,
        log: notices.log(),
    }
}

/// For a pack after a failure from here on; where this fails, that pack says what it misses.
pub fn keep_end(work: &Work, gate: &Gate, aside: &Aside) {
    let text = serde_json::to_string(aside).unwrap_or_default();
    let masked = gate.masked(&text).unwrap_or(text);
    let _ = work.write(work::END, masked.as_bytes());
}

/// What was removed from files that will not be looked at again, for a pack after the capture was killed.
pub fn keep_redactions(work: &Work, redactor: &Redactor) {
    let _ = work.write(work::REDACTIONS, &serde_json::to_vec(&redactor.report()).unwrap_or_default());
}

/// Why nothing could be made of what was sampled.
pub fn why_not_assembled(work: &Work, ended: &Ended, error: anyhow::Error) -> Failure {
    let folder = work.dir().display().to_string();
    match &ended.write_fault {
        Some(why) => output_failure(work, folder, why),
        None if !work.dir().is_dir() => output_failure(work, folder, "it was removed while the capture ran"),
        None => error.into(),
    }
}

/// What is missing of the capture when it ended before its time, unless a signal says it all.
fn gap_of_end(ended: &Ended, plan: &CapturePlan) -> Option<Gap> {
    let sampled = ended.own.elapsed_us as f64 / 1e6;
    let what = format!("the capture from {sampled:.1} s on, of {:.0} s", plan.orders.duration.as_secs_f64());
    match (&ended.write_fault, ended.end) {
        (Some(why), _) => Some(Gap::new(
            what,
            format!("what was sampled could not be written: {why}"),
            "make room where the bundle is to stand, or name another place with -o, and capture again",
        )),
        (None, End::NobodyLeft) => Some(Gap::new(
            what,
            "no worker was left that could be sampled",
            "see the other gaps for the reason, then capture again",
        )),
        (None, End::TimeOver | End::Interrupted(_) | End::CannotWrite) => None,
    }
}
