//! `capture watch --rehearse`: when the rules would have fired over the series of bundles, so that a person can find
//! the rules that fire when they should. Nothing is captured.
//!
//! [`replay`](mod@replay) runs the rules over one bundle's facts, `told` puts what came of it in words.

pub mod replay;
mod told;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::bundle::facts;
use crate::bundle::open::Bundle;
use crate::error::{Failure, Kept, exit};
use crate::notice::{Loudness, Notices, visible};
use crate::plan::ResultForm;
use crate::publish::say_result;
use crate::watch::rehearse::replay::replay;
use crate::watch::rehearse::told::{Told, lines};
use crate::watch::trigger::plan::RulesPlan;

/// How a bundle's file ends.
const BUNDLE: &str = ".tar.gz";

/// Runs the rules over a bundle, or over every bundle in a folder, and tells when they would have fired.
///
/// # Errors When there is no bundle, or none that can be read. Of several, those that cannot be read are named, and the
/// exit code says that it is not all.
pub fn rehearse(path: &Path, rules: &RulesPlan, result: ResultForm) -> Result<u8, Failure> {
    let notices = Notices::new(Loudness::Normal);
    let paths = bundles(path)?;
    let (mut told, mut failures) = (Vec::new(), Vec::new());
    for path in &paths {
        match over(path, rules) {
            Ok(bundle) => told.push(bundle),
            Err(failure) if paths.len() == 1 => return Err(failure),
            Err(failure) => {
                notices.warn(failure.to_string());
                failures.push(failure.to_string());
            }
        }
    }
    if told.is_empty() {
        return Err(Failure::NoneReadable { faults: failures });
    }
    let text = match result {
        ResultForm::Path => {
            visible(&told.iter().map(|bundle| lines(bundle).join("\n")).collect::<Vec<_>>().join("\n\n"))
        }
        ResultForm::Json => serde_json::to_string_pretty(&told).context("JSON")?,
    };
    say_result(&text, Kept::Nothing)?;
    Ok(if failures.is_empty() { exit::COMPLETE } else { exit::PARTIAL })
}

/// One bundle after another, since each may be large.
fn over(path: &Path, rules: &RulesPlan) -> Result<Told, Failure> {
    let bundle = Bundle::open(path)?;
    let facts = facts::read(bundle.files()).map_err(|error| Failure::Unreadable {
        path: path.to_owned(),
        why: format!("{error:#}"),
        cure: "see what it still holds: capture inspect --verify BUNDLE".to_owned(),
    })?;
    Ok(Told::of(path, &facts.manifest.name, rules, replay(&facts, rules)))
}

/// The bundle itself, or those in a folder by their names.
fn bundles(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |why: String| Failure::Unreadable {
        path: path.to_owned(),
        why,
        cure: "name a bundle, or a folder of them: litellm-cpu-HOST-TIME.tar.gz".to_owned(),
    };
    let entries = fs::read_dir(path).map_err(|error| unreadable(error.to_string()))?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|file| file.is_file());
    let is_bundle = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(BUNDLE) && !name.starts_with('.')
    };
    let mut paths: Vec<PathBuf> = files.filter(is_bundle).collect();
    paths.sort();
    if paths.is_empty() {
        return Err(unreadable(format!("no bundle is in this folder: none of its files ends in {BUNDLE}")));
    }
    Ok(paths)
}
