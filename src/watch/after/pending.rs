//! Which bundles are still to be uploaded, on the disk: a file for each, named after it, that holds its path.
//!
//! The URL is in none of them: the next watch has its own.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf, absolute};

/// The folder's name within the state folder.
const FOLDER: &str = "uploads";
/// So many are taken up again. Retention keeps fewer bundles; more are somebody else's files.
const MOST: usize = 10_000;

/// What is still to be uploaded.
#[derive(Debug, Clone)]
pub struct Pending {
    folder: PathBuf,
}

impl Pending {
    /// Below a state folder. Nothing is made before there is something to remember.
    pub fn below(state: &Path) -> Self {
        Self { folder: state.join(FOLDER) }
    }

    /// Remembers a bundle.
    pub fn add(&self, bundle: &Path) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let note = self.note(bundle);
        let new = note.with_extension("new");
        fs::write(&new, absolute(bundle)?.as_os_str().as_bytes())?;
        fs::rename(new, note)
    }

    /// Forgets a bundle; one that was not remembered is forgotten already.
    pub fn remove(&self, bundle: &Path) -> io::Result<()> {
        match fs::remove_file(self.note(bundle)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether a bundle is remembered.
    pub fn holds(&self, bundle: &Path) -> bool {
        self.note(bundle).exists()
    }

    /// All of them, the oldest first: their names hold their time.
    pub fn all(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let notes = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let whole = notes.filter(|note| note.extension().is_some_and(|end| end == "pending")).take(MOST);
        let mut bundles: Vec<PathBuf> =
            whole.filter_map(|note| fs::read(note).ok()).map(|path| OsString::from_vec(path).into()).collect();
        bundles.sort_by(|a: &PathBuf, b| a.file_name().cmp(&b.file_name()));
        bundles
    }

    fn note(&self, bundle: &Path) -> PathBuf {
        let mut name = bundle.file_name().unwrap_or_default().to_owned();
        name.push(".pending");
        self.folder.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_known_to_the_next_watch() {
        let state = tempfile::tempdir().unwrap();
        let pending = Pending::below(state.path());
        assert!(pending.all().is_empty());
        let strange = OsString::from_vec(b"/data/b-\xff\n.tar.gz".to_vec());
        let bundles = [PathBuf::from("/data/a.tar.gz"), strange.into(), "/other/c.tar.gz".into()];
        for bundle in bundles.iter().rev() {
            pending.add(bundle).unwrap();
        }
        assert_eq!(Pending::below(state.path()).all(), bundles);
        for bundle in &bundles {
            assert!(pending.holds(bundle));
            pending.remove(bundle).unwrap();
            pending.remove(bundle).unwrap();
        }
        assert!(pending.all().is_empty());
    }

    #[test]
    fn a_note_that_was_not_finished_is_passed_over() {
        let state = tempfile::tempdir().unwrap();
        let pending = Pending::below(state.path());
        pending.add(Path::new("/data/a.tar.gz")).unwrap();
        fs::write(state.path().join("uploads/b.tar.gz.new"), "/da").unwrap();
        assert_eq!(pending.all(), [PathBuf::from("/data/a.tar.gz")]);
    }
}
