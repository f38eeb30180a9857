//! What is kept. The oldest bundles go, and only when a new one is whole and in its place; the newest always stays.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::moment::Moment;
use super::plan::LimitsPlan;
use super::skip::size;
use super::state::{Outcome, State, is_bundle};
use crate::analyse::figures::span;

/// A bundle of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The place of its capture in the state.
    pub place: usize,
    /// Where.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Since it was finished.
    pub age_seconds: f64,
    /// Whether it may be removed.
    pub hold: Hold,
}

/// Whether a bundle may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Nobody waits for it.
    Free,
    /// It was just made, or is yet to be delivered.
    Pending,
}

/// A bundle that went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Removed {
    /// Where it was.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Why it went.
    pub why: Why,
}

/// Why a bundle goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// There are too many.
    Count {
        /// So many are kept.
        keep: usize,
    },
    /// Together they take too much.
    Bytes {
        /// So much is kept.
        keep_bytes: u64,
    },
    /// It is too old.
    Age {
        /// So long it is kept.
        keep_for_seconds: f64,
    },
}

impl Why {
    /// For a person, with the option that says so.
    pub fn words(self) -> String {
        match self {
            Self::Count { keep: 1 } => "only the newest bundle is kept (--keep 1)".to_owned(),
            Self::Count { keep } => format!("at most {keep} bundles are kept (--keep)"),
            Self::Bytes { keep_bytes } => {
                format!("all bundles together are kept below {} (--keep-bytes)", size(keep_bytes))
            }
            Self::Age { keep_for_seconds } => format!("it is older than {} (--keep-for)", span(keep_for_seconds)),
        }
    }
}

/// Which of the bundles go, oldest first, by their place among them. What cannot go is counted all the same.
pub fn chosen(bundles: &[Kept], plan: &LimitsPlan) -> Vec<(usize, Why)> {
    let mut count = bundles.len();
    let mut bytes: u64 = bundles.iter().map(|bundle| bundle.bytes).sum();
    let mut gone = Vec::new();
    let Some((_newest, older)) = bundles.split_last() else { return gone };
    for (index, bundle) in older.iter().enumerate().filter(|(_, bundle)| bundle.hold == Hold::Free) {
        let keep_for_seconds = plan.keep_for.map(|keep_for| keep_for.as_secs_f64());
        let why = if count > plan.keep {
            Why::Count { keep: plan.keep }
        } else if bytes > plan.keep_bytes {
            Why::Bytes { keep_bytes: plan.keep_bytes }
        } else if let Some(keep_for_seconds) = keep_for_seconds.filter(|seconds| bundle.age_seconds > *seconds) {
            Why::Age { keep_for_seconds }
        } else {
            continue;
        };
        count -= 1;
        bytes -= bundle.bytes;
        gone.push((index, why));
    }
    gone
}

/// Our bundles in the folder, oldest first. One that is not there any more is forgotten, and so is one that is not as
/// it was written: another file of its name is not ours.
pub fn ours(state: &mut State, plan: &LimitsPlan, now: &Moment, pending: &dyn Fn(&Path) -> bool) -> Vec<Kept> {
    let mut ours = Vec::new();
    for (place, capture) in state.captures.iter_mut().enumerate() {
        let Outcome::Bundle { path, bytes } = &capture.outcome else { continue };
        let (path, bytes) = (path.clone(), *bytes);
        match fs::symlink_metadata(&path) {
            Ok(about) if about.is_file() && about.len() == bytes => {
                if path.parent() == Some(&*plan.folder) && is_bundle(&path) {
                    let hold = if pending(&path) { Hold::Pending } else { Hold::Free };
                    ours.push(Kept { place, path, bytes, age_seconds: now.seconds_since(&capture.ended), hold });
                }
            }
            // It may be back the next time.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {}
            Ok(_) | Err(_) => capture.outcome = Outcome::Nothing,
        }
    }
    ours
}
