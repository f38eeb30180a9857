//! Installed distributions, from the metadata that installers leave beside them.
//!
//! Four forms exist: `NAME.dist-info/METADATA` (wheels, and editable installs of today), `NAME.egg-info/PKG-INFO` or a
//! file `NAME.egg-info` (older setuptools, Debian), and `NAME.egg-link` (editable installs of the past).

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::collect::fingerprint::Package;
use crate::collect::subject::Subject;
use crate::collect::{Gap, utc};
use crate::os::root::TargetRoot;
use crate::redact::Raw;

/// Name and version are among the first lines; the description behind them can be long.
const HEADER_LIMIT_BYTES: u64 = 4096;
/// Ten times the most that a LiteLLM image holds.
const COUNT_LIMIT: usize = 5000;

/// Reads them all; of two with one name the first counts, as it does for Python.
pub fn collect(subject: &Subject<'_>, folders: &[Raw], ends: Instant, gaps: &mut Vec<Gap>) -> Vec<Package<Raw>> {
    let Ok(root) = subject.root() else { return Vec::new() };
    let mut packages: Vec<Package<Raw>> = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    for folder in folders.iter().map(|folder| PathBuf::from(folder.expose())) {
        let entries = root.list(&folder).inspect_err(|error| gaps.push(Gap::unread("a folder of packages", error)));
        for entry in entries.unwrap_or_default() {
            if Instant::now() >= ends || packages.len() >= COUNT_LIMIT {
                gaps.push(Gap::new(
                    "part of the packages",
                    "the time for collecting or the limit on their number ran out",
                    "note the output of `pip list` in the ticket",
                ));
                return sorted(packages);
            }
            let package = entry.to_str().and_then(|entry| package(root, &folder, entry));
            packages.extend(package.filter(|package| names.insert(normal(package.name.expose()))));
        }
    }
    if packages.is_empty() && !folders.is_empty() {
        gaps.push(Gap::new(
            "the installed packages",
            "their folders hold no metadata",
            "note the output of `pip list` in the ticket",
        ));
    }
    sorted(packages)
}

/// The package of a name, however its name is spelt.
pub fn named<'a>(packages: &'a [Package<Raw>], name: &str) -> Option<&'a Package<Raw>> {
    packages.iter().find(|package| normal(package.name.expose()) == name)
}

fn sorted(mut packages: Vec<Package<Raw>>) -> Vec<Package<Raw>> {
    packages.sort_by_cached_key(|package| normal(package.name.expose()));
    packages
}

/// A name as PEP 503 compares it.
fn normal(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

fn package(root: &TargetRoot, folder: &Path, entry: &str) -> Option<Package<Raw>> {
    let path = folder.join(entry);
    if let Some(stem) = entry.strip_suffix(".dist-info") {
        return read(root, &path, &path.join("METADATA"), stem);
    }
    if let Some(stem) = entry.strip_suffix(".egg-info") {
        return read(root, &path, &path.join("PKG-INFO"), stem).or_else(|| read(root, &path, &path, stem));
    }
    let stem = entry.strip_suffix(".egg-link")?;
    let link = root.read(&path, HEADER_LIMIT_BYTES).ok()?;
    let source = PathBuf::from(String::from_utf8_lossy(&link).lines().next()?.trim());
    let metadata = source.join(format!("{}.egg-info/PKG-INFO", stem.replace('-', "_")));
    read(root, &path, &metadata, stem)
}

/// Name and version from the metadata, else from the name of its folder.
fn read(root: &TargetRoot, path: &Path, metadata: &Path, stem: &str) -> Option<Package<Raw>> {
    let header = root.read(metadata, HEADER_LIMIT_BYTES);
    let header = header.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let field = |name: &str| {
        let headers = header.lines().take_while(|line| !line.is_empty());
        headers.filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name).map(|(_, value)| value.trim())
    };
    let (name_in_stem, rest) = stem.split_once('-').unzip();
    let name = field("Name").or(name_in_stem)?;
    // An egg-info's stem goes on with the Python version: NAME-VERSION-py3.11.
    let version = field("Version").or_else(|| rest?.split('-').next())?;
    let installed = root.metadata(path).and_then(|about| about.modified()).ok();
    Some(Package { name: Raw::new(name), version: Raw::new(version), installed_utc: installed.and_then(utc) })
}
