//! Reading a bundle: its files by name, checked against its manifest.
//!
//! A tarball comes from somebody else, so nothing is written to disk, odd paths are refused and sizes are bounded.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path};

use flate2::read::GzDecoder;
use serde::Deserialize;
use tar::Archive;

use crate::bundle::archive::sha256;
use crate::bundle::facts::Files;
use crate::bundle::manifest::{Format, Manifest};
use crate::error::Failure;

/// A tarball of 25 MB holds at most a few hundred MB of text; more is a trap.
const LARGEST_CONTENT_BYTES: u64 = 1_000_000_000;

/// A bundle in memory.
#[derive(Debug)]
pub struct Bundle {
    /// What it says of itself.
    pub manifest: Manifest,
    files: Files,
}

/// What every manifest begins with.
#[derive(Deserialize)]
struct Header {
    format: Format,
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// When the file is no bundle, is cut short, or has a format newer than this program.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let unreadable =
            |why: String, cure: &str| Failure::Unreadable { path: path.to_owned(), why, cure: cure.to_owned() };
        let other = "name a bundle: litellm-cpu-HOST-TIME.tar.gz";
        let file = File::open(path).map_err(|error| unreadable(error.to_string(), other))?;
        let files = unpack(file, LARGEST_CONTENT_BYTES)
            .map_err(|error| unreadable(format!("it is no whole bundle: {error}"), other))?;
        let manifest = files
            .get("manifest.json")
            .ok_or_else(|| unreadable("it holds no manifest.json".to_owned(), "name a bundle that capture wrote"))?;
        // The format first: what else a newer manifest holds may not be what is known here.
        let broken = |error: serde_json::Error| {
            unreadable(format!("manifest.json: {error}"), "name a bundle that capture wrote")
        };
        let Header { format } = serde_json::from_slice(manifest).map_err(broken)?;
        if let Some(why) = format.refusal() {
            return Err(unreadable(why, "take the newest release of capture"));
        }
        let manifest: Manifest = serde_json::from_slice(manifest).map_err(broken)?;
        Ok(Self { manifest, files })
    }

    /// A file by its path below the bundle's folder.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// All files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Compares every file with the manifest.
    ///
    /// # Errors
    /// With one line for each file that is missing, changed or unknown.
    pub fn verify(&self, path: &Path) -> Result<usize, Failure> {
        let mut faults = Vec::new();
        for entry in &self.manifest.files {
            match self.files.get(&entry.name) {
                None => faults.push(format!("{} is missing", entry.name)),
                Some(bytes) if sha256(bytes) != entry.sha256 => faults.push(format!("{} was changed", entry.name)),
                Some(_) => {}
            }
        }
        let known = |name: &str| name == "manifest.json" || self.manifest.files.iter().any(|entry| entry.name == name);
        faults
            .extend(self.files.keys().filter(|name| !known(name)).map(|name| format!("{name} is not in the manifest")));
        if faults.is_empty() {
            Ok(self.manifest.files.len())
        } else {
            Err(Failure::Damaged { path: path.to_owned(), faults })
        }
    }
}

fn unpack(input: impl Read, limit_bytes: u64) -> io::Result<Files> {
    let mut files = Files::new();
    let mut total = 0;
    for entry in Archive::new(GzDecoder::new(input)).entries()? {
        let entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path()?.into_owned();
        if path.components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(io::Error::other("a path in it leads out of its folder"));
        }
        let name: std::path::PathBuf = path.components().skip(1).collect();
        let mut bytes = Vec::new();
        entry.take(limit_bytes - total + 1).read_to_end(&mut bytes)?;
        total += bytes.len() as u64;
        if total > limit_bytes {
            return Err(io::Error::other("its content is larger than any bundle's"));
        }
        files.insert(name.to_string_lossy().into_owned(), bytes);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::archive::{Artifact, pack};

    #[test]
    fn what_was_packed_is_found_by_its_name() {
        let tar = pack("x", &mut [Artifact::new("a/b.txt", "hello")], 0).unwrap();
        assert_eq!(unpack(tar.as_slice(), 1_000).unwrap()["a/b.txt"], b"hello");
    }

    #[test]
    fn a_trap_that_unpacks_without_end_is_refused() {
        let tar = pack("x", &mut [Artifact::new("zeros", vec![0; 10_000])], 0).unwrap();
        assert!(unpack(tar.as_slice(), 9_999).is_err());
    }

    #[test]
    fn a_bundle_cut_short_is_refused() {
        let tar = pack("x", &mut [Artifact::new("a", vec![7; 50_000])], 0).unwrap();
        assert!(unpack(&tar[..tar.len() / 2], 1_000_000).is_err());
    }
}
