//! The tarball: written whole or not at all, and the same bytes for the same facts.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::bundle::manifest::FileEntry;

/// The largest attachment that GitHub takes.
pub const LARGEST_BYTES: usize = 25_000_000;

/// The longest name of a host, and of a pod as its host.
const LONGEST_NAME: usize = 63;

/// One file of the bundle to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Path below the bundle's folder.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Artifact {
    /// A file.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }

    /// A file of JSON, to be read by people too.
    pub fn json(name: &str, value: &impl Serialize) -> serde_json::Result<Self> {
        let mut bytes = serde_json::to_vec_pretty(value)?;
        bytes.push(b'\n');
        Ok(Self::new(name, bytes))
    }

    /// Its line in the manifest.
    pub fn entry(&self) -> FileEntry {
        FileEntry { name: self.name.clone(), bytes: self.bytes.len() as u64, sha256: sha256(&self.bytes) }
    }
}

/// What of a name can be part of a file's name anywhere; none where nothing can.
pub fn fit_for_file_name(name: &str) -> Option<String> {
    let fit = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_');
    let fit: String = name.chars().filter(fit).skip_while(|character| *character == '.').take(LONGEST_NAME).collect();
    (!fit.is_empty()).then_some(fit)
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The tarball's bytes: one folder, sorted entries, no owner, one time for all.
pub fn pack(folder: &str, artifacts: &mut [Artifact], time_seconds: u64) -> io::Result<Vec<u8>> {
    artifacts.sort_by(|a, b| a.name.cmp(&b.name));
    let gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    let mut tar = Builder::new(gzip);
    let mut folders: Vec<String> = Vec::new();
    append(&mut tar, &format!("{folder}/"), None, time_seconds)?;
    for artifact in artifacts.iter() {
        if let Some((parent, _)) = artifact.name.rsplit_once('/')
            && !folders.iter().any(|known| known == parent)
        {
            append(&mut tar, &format!("{folder}/{parent}/"), None, time_seconds)?;
            folders.push(parent.to_owned());
        }
        append(&mut tar, &format!("{folder}/{}", artifact.name), Some(&artifact.bytes), time_seconds)?;
    }
    tar.into_inner()?.finish()
}

fn append<W: Write>(tar: &mut Builder<W>, path: &str, bytes: Option<&[u8]>, time_seconds: u64) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(if bytes.is_some() { EntryType::Regular } else { EntryType::Directory });
    header.set_mode(if bytes.is_some() { 0o600 } else { 0o700 });
    header.set_mtime(time_seconds);
    header.set_size(bytes.map_or(0, |bytes| bytes.len() as u64));
    tar.append_data(&mut header, path, bytes.unwrap_or_default())
}

/// Brings the bytes to their final name: written beside it, synced, then renamed; a file that is there already stays.
///
/// Beside it and not in the work folder, which may be on another disk: on a full one, from which it is to be saved.
pub fn publish(bytes: &[u8], target: &Path) -> io::Result<()> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let name = target.file_name().unwrap_or_default().display();
    let partial = parent.join(format!(".{name}.{:08x}.partial", fastrand::u32(..)));
    let written = write_new(&partial, bytes).and_then(|()| rename_to_free_name(&partial, target));
    if let Err(error) = written {
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    // A file system that cannot sync a folder has done what it can.
    let _ = File::open(parent).and_then(|folder| folder.sync_all());
    Ok(())
}

/// In a folder where others may write too, so a file or link that is there already is not followed.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn rename_to_free_name(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => Ok(()),
        // File systems that lack the flag.
        Err(Errno::EINVAL | Errno::ENOSYS) if !to.exists() => fs::rename(from, to),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_same_facts_give_the_same_bytes_whatever_their_order() {
        let mut one = [Artifact::new("b", "2"), Artifact::new("a/c", "1")];
        let mut two = [Artifact::new("a/c", "1"), Artifact::new("b", "2")];
        assert_eq!(pack("x", &mut one, 7).unwrap(), pack("x", &mut two, 7).unwrap());
    }

    #[test]
    fn a_bundle_is_its_owners_alone_and_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x.tar.gz");
        publish(b"one", &target).unwrap();
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(publish(b"two", &target).is_err());
        assert_eq!(fs::read(&target).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the second one's bytes are gone");
    }
}
