//! Reading a bundle: its files by name, checked against its manifest.
//!
//! A tarball comes from somebody else, so nothing is written to disk, odd paths are refused and sizes are bounded. It
//! is unpacked first, and then read as what it is: the bundle of one capture, or one over many.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tar::Archive;

use crate::bundle::archive::sha256;
use crate::bundle::facts::Files;
use crate::bundle::manifest::{FORMAT, FileEntry, Format, Kind, Manifest};
use crate::bundle::work::MANIFEST;
use crate::error::Failure;

/// A tarball of 25 MB holds at most a few hundred MB of text; more is a trap.
const LARGEST_CONTENT_BYTES: u64 = 1_000_000_000;

/// What to name instead of a file that is no bundle.
const OTHER: &str = "name a bundle: litellm-cpu-HOST-TIME.tar.gz";
/// What to name instead of a file that only looks like one.
const OURS: &str = "name a bundle that capture wrote";

/// A tarball that capture wrote, in memory.
#[derive(Debug)]
pub struct Tarball {
    path: PathBuf,
    kind: Kind,
    format: Format,
    files: Files,
}

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
    #[serde(default)]
    kind: Kind,
}

impl Tarball {
    /// Unpacks a file.
    ///
    /// # Errors
    /// When the file is no bundle of any kind, or is cut short.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| unreadable(path, error.to_string(), OTHER))?;
        Self::read(path, file)
    }

    /// Unpacks what was read of a file.
    ///
    /// # Errors
    /// As [`Tarball::open`].
    pub fn read(path: &Path, packed: impl Read) -> Result<Self, Failure> {
        let files = unpack(packed, LARGEST_CONTENT_BYTES)
            .map_err(|error| unreadable(path, format!("it is no whole bundle: {error}"), OTHER))?;
        let manifest =
            files.get(MANIFEST).ok_or_else(|| unreadable(path, "it holds no manifest.json".to_owned(), OURS))?;
        // The format first: what else a newer manifest holds may not be what is known here.
        let Header { format, kind } = serde_json::from_slice(manifest).map_err(|error| broken(path, &error))?;
        Ok(Self { path: path.to_owned(), kind, format, files })
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is the bundle of.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A file by its path below the bundle's folder.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// Its manifest.
    ///
    /// # Errors
    /// When its format is newer than the one that is `known`, or it is none of its kind.
    pub fn manifest<T: DeserializeOwned>(&self, known: Format) -> Result<T, Failure> {
        if let Some(why) = self.format.refusal(known) {
            return Err(unreadable(&self.path, why, "take the newest release of capture"));
        }
        let manifest = self.file(MANIFEST).unwrap_or_default();
        serde_json::from_slice(manifest).map_err(|error| broken(&self.path, &error))
    }

    /// Compares every file with its entry in the manifest, and counts them.
    ///
    /// # Errors
    /// With one line for each file that is missing, changed or unknown.
    pub fn verify(&self, entries: &[FileEntry]) -> Result<usize, Failure> {
        verify(&self.path, &self.files, entries)
    }
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// When the file is no bundle, is cut short, has a format newer than this program, or is one over many.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        Tarball::open(path)?.try_into()
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
        verify(path, &self.files, &self.manifest.files)
    }
}

impl TryFrom<Tarball> for Bundle {
    type Error = Failure;

    fn try_from(tarball: Tarball) -> Result<Self, Failure> {
        if tarball.kind == Kind::Fleet {
            return Err(unreadable(
                &tarball.path,
                "it is a fleet bundle, which holds the bundles of several pods".to_owned(),
                "unpack it (tar -xzf) and name one of the bundles in its folder bundles/",
            ));
        }
        Ok(Self { manifest: tarball.manifest(FORMAT)?, files: tarball.files })
    }
}

fn unreadable(path: &Path, why: String, cure: &str) -> Failure {
    Failure::Unreadable { path: path.to_owned(), why, cure: cure.to_owned() }
}

fn broken(path: &Path, error: &serde_json::Error) -> Failure {
    unreadable(path, format!("manifest.json: {error}"), OURS)
}

fn verify(path: &Path, files: &Files, entries: &[FileEntry]) -> Result<usize, Failure> {
    let mut faults = Vec::new();
    for entry in entries {
        match files.get(&entry.name) {
            None => faults.push(format!("{} is missing", entry.name)),
            Some(bytes) if sha256(bytes) != entry.sha256 => faults.push(format!("{} was changed", entry.name)),
            Some(_) => {}
        }
    }
    let listed: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).chain([MANIFEST]).collect();
    let unknown = files.keys().filter(|name| !listed.contains(name.as_str()));
    faults.extend(unknown.map(|name| format!("{name} is not in the manifest")));
    if faults.is_empty() { Ok(entries.len()) } else { Err(Failure::Damaged { path: path.to_owned(), faults }) }
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
        let name: PathBuf = path.components().skip(1).collect();
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
