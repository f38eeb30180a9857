//! Bundles looked at again: judged and drawn anew, told as a ticket, held against each other.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::analyse::compare::compare;
use crate::analyse::{Facts, analyse};
use crate::bundle::archive::Artifact;
use crate::bundle::facts::{lacks, read};
use crate::bundle::manifest::Kind;
use crate::bundle::open::{Bundle, Tarball};
use crate::error::{Failure, Kept, exit};
use crate::fleet;
use crate::notice::{Loudness, Notices};
use crate::plan::{DiffPlan, ReportPlan, ResultForm};
use crate::products::{SUMMARY, TICKET, products};
use crate::publish::say_result;
use crate::render::{diff as drawn, ticket as written};

/// `capture report`: everything that follows from a bundle's facts, in a folder named after it.
pub fn report(plan: &ReportPlan) -> Result<u8, Failure> {
    let notices = Notices::new(Loudness::Normal);
    let bundle = Bundle::open(&plan.bundle)?;
    let facts = facts(&bundle, &plan.bundle)?;
    notices_of_format(&bundle, &notices);
    let verdict = analyse(&facts);
    let made = products(&facts, &verdict).context("the report")?;
    let folder = plan.output.join(&facts.manifest.name);
    // Facts stay as they are, and what was made by an older version gives way.
    let kept = bundle.files().iter().map(|(name, bytes)| Artifact::new(name.clone(), bytes.clone()));
    let kept = kept.filter(|file| made.iter().all(|newer| newer.name != file.name));
    write_all(&folder, kept.chain(made.iter().cloned()))?;
    notices.say(differences(&bundle, &made));
    let text = match plan.result {
        ResultForm::Path => folder.display().to_string(),
        ResultForm::Json => serde_json::to_string_pretty(&verdict).context("JSON")?,
    };
    say_result(&text, Kept::Nothing)?;
    Ok(exit::COMPLETE)
}

/// `capture ticket`: the text to paste, the link to open, the files to drag in.
pub fn ticket(path: &Path) -> Result<u8, Failure> {
    let notices = Notices::new(Loudness::Normal);
    let tarball = Tarball::open(path)?;
    if tarball.kind() == Kind::Fleet {
        return fleet::open::ticket(tarball);
    }
    let bundle = Bundle::try_from(tarball)?;
    let facts = facts(&bundle, path)?;
    notices_of_format(&bundle, &notices);
    let verdict = analyse(&facts);
    say_result(&written::hand_over(path, &facts, &verdict), Kept::Bundle(path.to_owned()))?;
    Ok(exit::COMPLETE)
}

/// `capture diff`: what changed from one bundle to another.
pub fn diff(plan: &DiffPlan) -> Result<u8, Failure> {
    let notices = Notices::new(Loudness::Normal);
    let (before, after) = (open(&plan.before, &notices)?, open(&plan.after, &notices)?);
    let comparison = compare(&before, &after);
    let text = drawn::text(&before, &after, &comparison);
    let json = serde_json::to_string_pretty(&comparison).context("JSON")?;
    if let Some(folder) = &plan.output {
        let mut files = vec![("diff.md", text.clone()), ("diff.json", json.clone())];
        if comparison.stacks.are_taken() {
            let svg = drawn::flamegraph(&before, &after, &comparison).context("the differential flamegraph")?;
            files.push(("diff.svg", svg));
        }
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        let told = format!("written to {}: {}", folder.display(), names.join(", "));
        write_all(folder, files.into_iter().map(|(name, text)| Artifact::new(name, text)))?;
        notices.say(told);
    }
    say_result(if plan.result == ResultForm::Json { &json } else { &text }, Kept::Nothing)?;
    Ok(exit::COMPLETE)
}

/// The facts of a bundle; what its format lacks is told.
///
/// # Errors
/// When the file is no bundle of one capture, or a fact that none can do without is missing or damaged.
pub fn open(path: &Path, notices: &Notices) -> Result<Facts, Failure> {
    let bundle = Bundle::open(path)?;
    notices_of_format(&bundle, notices);
    facts(&bundle, path)
}

fn facts(bundle: &Bundle, path: &Path) -> Result<Facts, Failure> {
    read(bundle.files()).map_err(|error| Failure::Unreadable {
        path: path.to_owned(),
        why: format!("{error:#}"),
        cure: "see what it still holds: capture inspect --verify BUNDLE".to_owned(),
    })
}

fn notices_of_format(bundle: &Bundle, notices: &Notices) {
    if let Some(lacks) = lacks(bundle.manifest.format) {
        notices.warn(lacks);
    }
}

/// Whether verdict and ticket came out as they stand in the bundle.
fn differences(bundle: &Bundle, made: &[Artifact]) -> String {
    let changed = |name: &&str| {
        let made = made.iter().find(|file| file.name == **name).map(|file| file.bytes.as_slice());
        made != bundle.file(name)
    };
    let changed: Vec<&str> = [TICKET, SUMMARY].iter().copied().filter(changed).collect();
    if changed.is_empty() {
        format!("{TICKET} and {SUMMARY} come out as they are in the bundle, byte for byte")
    } else {
        format!("other than in the bundle, which {} wrote: {}", tool(bundle), changed.join(", "))
    }
}

fn tool(bundle: &Bundle) -> String {
    format!("{} {}", bundle.manifest.tool.name, bundle.manifest.tool.version)
}

fn write_all(folder: &Path, files: impl Iterator<Item = Artifact>) -> Result<(), Failure> {
    for file in files {
        let path = folder.join(&file.name);
        let parent = path.parent().unwrap_or(folder);
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&path, &file.bytes));
        written.map_err(|error| Failure::Output {
            target: path.display().to_string(),
            why: error.to_string(),
            kept: Kept::Nothing,
        })?;
    }
    Ok(())
}
