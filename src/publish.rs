//! From the finished pieces to the bundle in its place, and what is told of it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use crate::analyse::Verdict;
use crate::analyse::verdict::Grade;
use crate::assemble::Assembled;
use crate::bundle::archive::{LARGEST_BYTES, pack, publish};
use crate::bundle::manifest::{Manifest, Status};
use crate::bundle::work::Work;
use crate::error::{Failure, Kept, exit};
use crate::notice::Notices;
use crate::os::signals::Interrupt;
use crate::plan::{OutputPlan, ResultForm};
use crate::redact::Gate;
use crate::render::summary;

/// What `--json` prints.
#[derive(Serialize)]
pub struct Report<'a> {
    /// Where the bundle is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<&'a Path>,
    /// The exit code of the capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// What the bundle says of itself.
    pub manifest: &'a Manifest,
    /// The verdict.
    pub summary: Option<&'a Verdict>,
}

/// Where a bundle goes and how it is told.
pub struct Goal<'a> {
    /// Where.
    pub output: &'a OutputPlan,
    /// To whom.
    pub notices: &'a Notices,
    /// What the process will end with.
    pub exit_code: u8,
}

/// How complete a bundle is, as an exit code.
pub fn exit_code(assembled: &Assembled, interrupt: Option<Interrupt>) -> u8 {
    let verdict = &assembled.verdict;
    // Who wanted no stacks misses none of them.
    let nothing = verdict.quality.stacks == 0 && verdict.stacks.are_taken();
    match (interrupt, verdict.quality.grade, assembled.facts.manifest.status) {
        (Some(interrupt), ..) => interrupt.exit_code(),
        (None, Grade::Unusable, _) if nothing => exit::NOTHING_SAMPLED,
        (None, _, Status::Complete) => exit::COMPLETE,
        _ => exit::PARTIAL,
    }
}

/// A bundle in its place.
pub struct Placed {
    /// The file; none on standard output.
    pub path: Option<PathBuf>,
    /// Its size.
    pub bytes: u64,
}

/// From the finished pieces to the bundle at its place, the summary on the terminal and the result on standard output.
pub fn finish(mut assembled: Assembled, gate: &Gate, work: Work, goal: &Goal<'_>) -> Result<Option<PathBuf>, Failure> {
    let Placed { path, .. } = place(&mut assembled, gate, work, goal)?;
    if let Some(target) = &path {
        let text = match goal.output.result {
            ResultForm::Path => target.display().to_string(),
            ResultForm::Json => {
                let report = Report {
                    path: Some(target),
                    exit_code: Some(goal.exit_code),
                    manifest: &assembled.manifest,
                    summary: Some(&assembled.verdict),
                };
                serde_json::to_string_pretty(&report).context("JSON")?
            }
        };
        say_result(&text, Kept::Bundle(target.clone()))?;
    }
    Ok(path)
}

/// The same without the result, which is for others to tell.
pub fn place(assembled: &mut Assembled, gate: &Gate, work: Work, goal: &Goal<'_>) -> Result<Placed, Failure> {
    if let Err(hit) = assembled.pass_gate(gate) {
        return Err(Failure::SecretInBundle { hit, kept: work.dir().to_owned() });
    }
    let tarball = seal_and_pack(assembled)?;
    let target = goal.output.destination.target(&assembled.facts.manifest.name);
    if let Err(error) = deliver(&tarball, target.as_deref()) {
        let target = target.map_or_else(|| goal.output.destination.describe(), |path| path.display().to_string());
        return Err(output_failure(&work, target, &error.to_string()));
    }
    if let Err(error) = work.remove() {
        goal.notices.warn(format!("the work folder could not be removed: {error}"));
    }
    let versions = summary::versions(assembled.facts.fingerprint.as_ref());
    for line in summary::lines(&assembled.manifest, &assembled.verdict, &versions) {
        goal.notices.say(line);
    }
    let place = target.as_ref().map_or_else(|| goal.output.destination.describe(), |path| path.display().to_string());
    goal.notices.say(format!("bundle    {place} ({} kB)", tarball.len() / 1_000));
    Ok(Placed { path: target, bytes: tarball.len() as u64 })
}

/// Brings a tarball to its place, or to standard output where it has none.
pub fn deliver(tarball: &[u8], target: Option<&Path>) -> io::Result<()> {
    match target {
        None => io::stdout().lock().write_all(tarball).and_then(|()| io::stdout().flush()),
        Some(target) => publish(tarball, target),
    }
}

/// The tarball, small enough to be attached.
pub fn seal_and_pack(assembled: &mut Assembled) -> Result<Vec<u8>, Failure> {
    let time = jiff::Timestamp::now().as_second().unsigned_abs();
    loop {
        assembled.seal()?;
        let tarball = pack(&assembled.facts.manifest.name, &mut assembled.artifacts, time).context("the tarball")?;
        if tarball.len() <= LARGEST_BYTES || !assembled.shed().context("the report")? {
            return Ok(tarball);
        }
    }
}

/// A result that could not be written, and what is left of it.
pub fn output_failure(work: &Work, target: String, why: &str) -> Failure {
    // It stands where the output goes, so that both may have been removed.
    let kept = if work.dir().is_dir() { Kept::Work(work.dir().to_owned()) } else { Kept::Nothing };
    Failure::Output { target, why: why.to_owned(), kept }
}

/// Writes the result to standard output.
pub fn say_result(text: &str, kept: Kept) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").map_err(|error| Failure::Output {
        target: "standard output".to_owned(),
        why: error.to_string(),
        kept,
    })
}
