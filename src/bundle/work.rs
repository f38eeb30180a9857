//! The work folder of a running capture.
//!
//! It stands beside the bundle to be, readable by its owner alone, and holds everything as it comes: the manifest
//! first, then what was collected, then traces, clocks and events of each slice, with every known secret masked before
//! a record speaks of them. If the capture is killed, `capture pack` makes a bundle of what is there. Records are one
//! JSON value a line, appended; a last line cut short is dropped when reading.
//!
//! While a capture or `capture pack` is at work on the folder it holds a lock, which the kernel takes off when the
//! process ends, however it ends.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Records of the threads' CPU clocks, see [`ProcessRecord`](crate::sample::clocks::ProcessRecord).
pub const CLOCKS: &str = "clocks.jsonl";
/// Records of the native engine, see [`NativeSlice`](crate::sample::native::record::NativeSlice).
pub const NATIVE: &str = "native.jsonl";
/// Records of the samplers, see [`Segment`](crate::sample::pyspy::Segment).
pub const SEGMENTS: &str = "segments.jsonl";
/// What happened, see [`Event`](crate::sample::Event).
pub const EVENTS: &str = "events.jsonl";
/// Slices that ended, see [`Slice`](crate::sample::Slice).
pub const SLICES: &str = "slices.jsonl";
/// What is known when it begins, see [`Begun`](crate::begin::Begun).
pub const BEGUN: &str = "begun.json";
/// Rows of the tables, see [`Reading`](crate::series::Reading).
pub const READINGS: &str = "readings.jsonl";
/// Tallies of requests, see [`Tally`](crate::traffic::Tally).
pub const TALLIES: &str = "tallies.jsonl";
/// Shapes of requests, see [`Shape`](crate::workload::Shape).
pub const SHAPES: &str = "shapes.jsonl";
/// Lines of the logs that matter, see [`Finding`](crate::logs::Finding).
pub const FINDINGS: &str = "findings.jsonl";
/// What the observers could not have, see [`Gap`](crate::collect::Gap).
pub const GAPS: &str = "gaps.jsonl";
/// What was removed so far from what is kept, see [`Redactions`](crate::redact::Redactions).
pub const REDACTIONS: &str = "redactions.json";
/// How the sampling ended, see [`Aside`](crate::assemble::Aside); not there in a capture that was killed.
pub const END: &str = "end.json";
/// The manifest, written first and replaced last.
pub const MANIFEST: &str = "manifest.json";
/// What the tool did, with times.
pub const LOG: &str = "capture.log";
/// Files that go into the bundle as they are, already redacted.
pub const CLEAN: &str = "clean";
/// An empty file, locked by the process at work.
const LOCK: &str = "lock";
/// Captures that begin in the same second share a name up to its number.
const MOST_NAMESAKES: u32 = 100;

/// Of many records, so many go into one write.
const WRITTEN_AT_ONCE_BYTES: usize = 256 * 1024;

/// A work folder.
#[derive(Debug)]
pub struct Work {
    dir: PathBuf,
    /// None where the file system knows no locks, and in a folder that is only read.
    lock: Option<Flock<File>>,
}

impl Work {
    /// Makes `.NAME.work` in the folder that the bundle is to stand in; mode 0700. A name that another capture took
    /// in the same second gets a number; the name it came to is returned.
    pub fn create(parent: &Path, name: &str) -> io::Result<(Self, String)> {
        for number in 1..=MOST_NAMESAKES {
            let name = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            let dir = parent.join(format!(".{name}.work"));
            if parent.join(format!("{name}.tar.gz")).exists() {
                continue;
            }
            match DirBuilder::new().mode(0o700).create(&dir) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            let mut work = Self { dir, lock: None };
            let filled = DirBuilder::new().mode(0o700).create(work.dir.join(CLEAN)).and_then(|()| {
                private(&work.dir.join(LOCK))?;
                work.lock()
            });
            if let Err(error) = filled {
                let _ = work.remove();
                return Err(error);
            }
            return Ok((work, name));
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    /// A work folder left by an earlier run, to be looked at; [`Work::lock`] comes before anything is changed.
    pub fn open(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), lock: None }
    }

    /// Claims the folder until this process ends.
    ///
    /// # Errors
    /// Of the kind `ResourceBusy` when another process is at work on it.
    pub fn lock(&mut self) -> io::Result<()> {
        let file = match File::open(self.dir.join(LOCK)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => self.lock = Some(lock),
            Err((_, Errno::EWOULDBLOCK)) => return Err(io::Error::from(io::ErrorKind::ResourceBusy)),
            // Some network file systems cannot lock. To lose the capture for that would be worse.
            Err(_) => {}
        }
        Ok(())
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file whole, or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.dir.join(name);
        // Not the work folder itself: whoever removed it meant it.
        let mut folder = self.dir.clone();
        for part in Path::new(name).parent().into_iter().flatten() {
            folder.push(part);
            match DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
        let partial = path.with_extension("partial");
        let mut file = private(&partial)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        drop(file);
        fs::rename(partial, path)
    }

    /// Puts other text in the place of a file's, where `change` gives some. A file that is not there needs no change.
    pub fn rewrite(&self, name: &str, change: impl FnOnce(&str) -> Option<String>) -> io::Result<()> {
        let bytes = match self.read(name) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        match change(&String::from_utf8_lossy(&bytes)) {
            Some(text) => self.write(name, text.as_bytes()),
            None => Ok(()),
        }
    }

    /// Adds a record to a file of records, whole or not at all.
    pub fn append(&self, name: &str, record: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(self.dir.join(name))?;
        let before = file.metadata()?.len();
        file.write_all(&line).inspect_err(|_| {
            // On a full disk half a line may have been written, and the next record would be glued to it.
            let _ = file.set_len(before);
        })
    }

    /// Adds many records at once. Of those that do not fit any more, the first may be there in part.
    pub fn append_all<T: Serialize>(&self, name: &str, records: impl Iterator<Item = T>) -> io::Result<()> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(self.dir.join(name))?;
        let mut file = BufWriter::with_capacity(WRITTEN_AT_ONCE_BYTES, file);
        let mut line = Vec::new();
        for record in records {
            line.clear();
            serde_json::to_writer(&mut line, &record)?;
            line.push(b'\n');
            // Whole lines in one write each: others may be adding records to the same file.
            if file.buffer().len() + line.len() > WRITTEN_AT_ONCE_BYTES {
                file.flush()?;
            }
            file.write_all(&line)?;
        }
        file.flush()
    }

    /// Every whole record of a file; none where there is no such file.
    pub fn records<T: DeserializeOwned>(&self, name: &str) -> io::Result<Vec<T>> {
        let bytes = match fs::read(self.dir.join(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        Ok(bytes.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    /// A file of the folder.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.dir.join(name))
    }

    /// The files below [`CLEAN`], with their names in the bundle, sorted.
    pub fn clean_files(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut files = Vec::new();
        gather(&self.dir.join(CLEAN), "", &mut files)?;
        files.sort();
        Ok(files)
    }

    /// Removes the folder and all in it.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(self.dir)
    }
}

/// Opens a new file that only its owner can read.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn gather(folder: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            gather(&entry.path(), &format!("{name}/"), files)?;
        } else if !name.ends_with(".partial") {
            files.push((name, fs::read(entry.path())?));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_its_owner_can_look_in() {
        let parent = tempfile::tempdir().unwrap();
        let (work, _) = Work::create(parent.path(), "x").unwrap();
        work.write("manifest.json", b"{}").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(work.dir()), 0o700);
        assert_eq!(mode(&work.dir().join("manifest.json")), 0o600);
    }

    #[test]
    fn a_record_cut_short_is_dropped_and_the_others_stay() {
        let parent = tempfile::tempdir().unwrap();
        let (work, _) = Work::create(parent.path(), "x").unwrap();
        work.append("r", &1).unwrap();
        work.append("r", &22).unwrap();
        let bytes = work.read("r").unwrap();
        fs::write(work.dir().join("r"), [&bytes[..], b"[3"].concat()).unwrap();
        assert_eq!(work.records::<u32>("r").unwrap(), [1, 22]);
        assert_eq!(work.records::<u32>("none").unwrap(), [0_u32; 0]);
    }

    #[test]
    fn many_records_at_once_are_whole_lines_beside_single_ones() {
        let parent = tempfile::tempdir().unwrap();
        let (work, _) = Work::create(parent.path(), "x").unwrap();
        work.append("r", &"first").unwrap();
        work.append_all("r", (0..100_000).map(|n| format!("record {n}"))).unwrap();
        work.append("r", &"last").unwrap();
        let records = work.records::<String>("r").unwrap();
        assert_eq!((records.len(), records[0].as_str(), records[100_001].as_str()), (100_002, "first", "last"));
    }

    #[test]
    fn clean_files_come_sorted_with_their_folders() {
        let parent = tempfile::tempdir().unwrap();
        let (work, _) = Work::create(parent.path(), "x").unwrap();
        work.write("clean/b.txt", b"2").unwrap();
        work.write("clean/a/c.txt", b"1").unwrap();
        let names: Vec<String> = work.clean_files().unwrap().into_iter().map(|file| file.0).collect();
        assert_eq!(names, ["a/c.txt", "b.txt"]);
    }

    #[test]
    fn captures_of_the_same_second_get_names_of_their_own() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("x.tar.gz"), b"finished").unwrap();
        let names = [(); 2].map(|()| Work::create(parent.path(), "x").unwrap().1);
        assert_eq!(names, ["x-2", "x-3"]);
    }

    #[test]
    fn one_process_at_a_time_is_at_work_on_it() {
        let parent = tempfile::tempdir().unwrap();
        let (work, _) = Work::create(parent.path(), "x").unwrap();
        let mut other = Work::open(work.dir());
        assert_eq!(other.lock().unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(work);
        other.lock().unwrap();
    }
}
