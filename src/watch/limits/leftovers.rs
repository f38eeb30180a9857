//! Work folders of captures that were killed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bundle::manifest::{Manifest, Status};
use crate::bundle::work::{MANIFEST, Work};

/// What the names of all work folders of captures begin with.
const WORK_PREFIX: &str = ".litellm-cpu-";
/// What they end with.
const WORK_SUFFIX: &str = ".work";

/// What captures left that were killed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Those of this watcher, or of one that shares its state: to be made bundles of.
    pub ours: Vec<PathBuf>,
    /// Those of others, and ours that could not be packed before: to be named for `capture pack`.
    pub others: Vec<PathBuf>,
}

/// The work folders in a folder of which a bundle can be made and that nobody is at work on, by name.
pub fn packable(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        name.starts_with(WORK_PREFIX) && name.ends_with(WORK_SUFFIX)
    });
    let mut dirs: Vec<PathBuf> = named.map(|entry| entry.path()).filter(|dir| is_packable(dir)).collect();
    dirs.sort();
    dirs
}

/// A capture that was killed before its manifest was written left nothing that could be packed.
fn is_packable(dir: &Path) -> bool {
    let mut work = Work::open(dir);
    let manifest = work.read(MANIFEST).ok().and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).ok());
    manifest.is_some_and(|manifest| manifest.status == Status::Running) && work.lock().is_ok()
}
