//! `capture pack`: a killed capture's work folder becomes a bundle, as far as its facts reach.

use std::io;
use std::path::Path;

use crate::assemble::{Aside, Assembled, assemble};
use crate::bundle::manifest::{Manifest, Status};
use crate::bundle::work::{self, Work};
use crate::collect::Gap;
use crate::environment::{self, Own};
use crate::error::Failure;
use crate::notice::Notices;
use crate::plan::PackPlan;
use crate::publish::{Goal, exit_code, finish};
use crate::redact::{Redactions, Redactor};

/// Makes a bundle of what a killed capture left; its exit code says how complete it is.
///
/// # Errors
/// When there is no bundle, with the reason and the cure.
pub fn pack(plan: &PackPlan, own: &Own) -> Result<u8, Failure> {
    let notices = Notices::new(plan.output.loudness);
    let Left { work, redactor, assembled } = assemble_left(&plan.dir, own, &notices)?;
    let exit_code = exit_code(&assembled, None);
    finish(assembled, &redactor.gate(), work, &Goal { output: &plan.output, notices: &notices, exit_code })?;
    Ok(exit_code)
}

/// What a killed capture left, made into the pieces of a bundle.
pub struct Left {
    /// Its work folder, which nobody else is at work on any more.
    pub work: Work,
    /// What is known of its secrets.
    pub redactor: Redactor,
    /// The pieces.
    pub assembled: Assembled,
}

/// Claims a work folder and makes of it what can be made.
///
/// # Errors
/// Where it is none, or its capture still runs.
pub fn assemble_left(dir: &Path, own: &Own, notices: &Notices) -> Result<Left, Failure> {
    let work = claim_work_folder(dir)?;
    let kept = work.read(work::END).ok().and_then(|bytes| serde_json::from_slice::<Aside>(&bytes).ok());
    let mut aside = kept.unwrap_or_else(|| Aside { gaps: gaps_of_killed(), ..Aside::default() });
    aside.log += &notices.log();
    let mut redactor = environment::redactor_for_kept(own);
    redactor.add(kept_redactions(&work));
    let assembled = assemble(&work, &mut redactor, aside)?;
    Ok(Left { work, redactor, assembled })
}

fn kept_redactions(work: &Work) -> Redactions {
    work.read(work::REDACTIONS).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// What is missing of a capture that was killed.
fn gaps_of_killed() -> Vec<Gap> {
    vec![
        Gap::new("the end of the capture", "it was killed before it ended", "capture again"),
        Gap::note(
            "the log during the capture",
            "it is read when a capture ends, and this one was killed",
            "see what the proxy logged in that time, and add it to the ticket by hand",
        ),
    ]
}

/// The folder that a killed capture left, held against others who would pack it too.
fn claim_work_folder(dir: &Path) -> Result<Work, Failure> {
    let refuse = |why: String, cure: &str| Failure::Unreadable { path: dir.to_owned(), why, cure: cure.to_owned() };
    let other = "name the work folder of a killed capture: .litellm-cpu-HOST-TIME.work";
    let mut work = Work::open(dir);
    let manifest = work.read(work::MANIFEST).and_then(|bytes| Ok(serde_json::from_slice::<Manifest>(&bytes)?));
    let manifest = manifest.map_err(|error| refuse(format!("it holds no manifest of a capture ({error})"), other))?;
    // An unpacked bundle has a manifest too, and packing ends with the removal of the folder.
    if manifest.status != Status::Running {
        return Err(refuse("it is no work folder, but a bundle that was unpacked".to_owned(), other));
    }
    match work.lock() {
        Ok(()) => Ok(work),
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Err(refuse(
            "its capture still runs, or somebody packs it already".to_owned(),
            "wait for it, or end the capture with SIGINT: it then writes the bundle itself",
        )),
        Err(error) => Err(refuse(error.to_string(), "run capture pack as the user that captured")),
    }
}
