//! The state in its file: whole or not there, read afresh each time, by one watcher at a time.
//!
//! | file in the folder of the state | |
//! |---|---|
//! | `state.json` | what is remembered |
//! | `state.lock` | locked for the moment in which the state is read, decided on and written |
//! | `capture.lock` | locked for as long as a capture runs, see [`claim`](super::claim) |
//! | `state.damaged.json` | the last state that could not be read |

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::claim::{Attempt, Owner, claim};
use super::state::State;
use crate::os::clock::pause;
use crate::os::lock::{FileLock, Locking, try_lock};

const STATE_LOCK: &str = "state.lock";
const CAPTURE_LOCK: &str = "capture.lock";
/// Version of the stored form; no other is read.
const FORMAT: u32 = 1;
/// A thousand captures and ten thousand bundles with long paths take half of it.
const LARGEST_STATE_BYTES: u64 = 16 << 20;
/// Whoever has its turn needs some milliseconds.
const LONGEST_TURN: Duration = Duration::from_secs(2);
const TURN_POLL: Duration = Duration::from_millis(5);

/// The folder of the state.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
}

/// The right to read the state and to change it, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    /// None where the file system knows no locks: two watchers may then overwrite each other's last word.
    _lock: Option<FileLock>,
}

/// What the file holds.
#[derive(Debug, PartialEq)]
pub enum Stored {
    /// There is no file.
    Nothing,
    /// The state.
    State(State),
    /// There was something else, which was moved aside.
    Damaged {
        /// Why it is no state; none where that was told before, and only no state was written since.
        why: Option<String>,
        /// Where it is now.
        aside: PathBuf,
    },
}

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Content<S> {
    format: u32,
    state: S,
}

impl Store {
    /// In a folder, which is made where it is missing, for its owner alone.
    pub fn at(dir: &Path) -> io::Result<Self> {
        let store = Self { dir: dir.to_owned() };
        store.make()?;
        // A disk that is full later has no room for them.
        open(&dir.join(STATE_LOCK))?;
        open(&dir.join(CAPTURE_LOCK))?;
        Ok(store)
    }

    fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)
    }

    fn file(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    /// Waits for its turn; not for long, since others only read and write.
    ///
    /// # Errors
    /// Where the folder cannot be written to, and of the kind `TimedOut` where somebody keeps the lock.
    pub fn turn(&self) -> io::Result<Turn> {
        let begin = Instant::now();
        // Whoever removed the folder wants the limits to begin anew.
        self.make()?;
        loop {
            match try_lock(open(&self.dir.join(STATE_LOCK))?) {
                Locking::Locked(lock) => return Ok(Turn { _lock: Some(lock) }),
                Locking::Unknown(_) => return Ok(Turn { _lock: None }),
                Locking::Held if begin.elapsed() < LONGEST_TURN => pause(TURN_POLL),
                Locking::Held => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "another process keeps state.lock locked"));
                }
            }
        }
    }

    /// Asks for the one capture that may be under way.
    pub fn claim(&self, _: &Turn, me: &Owner) -> io::Result<Attempt> {
        claim(open(&self.dir.join(CAPTURE_LOCK))?, me)
    }

    /// Reads the state; a file that is none is moved aside, so that it can be looked at.
    pub fn read(&self, _: &Turn) -> io::Result<Stored> {
        let path = self.file();
        let aside = self.dir.join("state.damaged.json");
        let why = match read_small(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let was_damaged = fs::symlink_metadata(&aside).is_ok();
                return Ok(if was_damaged { Stored::Damaged { why: None, aside } } else { Stored::Nothing });
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => error.to_string(),
            Err(error) => return Err(error),
            Ok(bytes) => match serde_json::from_slice::<Content<State>>(&bytes) {
                Ok(Content { format: FORMAT, state }) => return Ok(Stored::State(state)),
                Ok(Content { format, .. }) => format!("it has format {format}, and this program knows {FORMAT}"),
                Err(error) => error.to_string(),
            },
        };
        fs::rename(&path, &aside)?;
        Ok(Stored::Damaged { why: Some(why), aside })
    }

    /// Puts the state in the place of the one before; after a return it outlives a loss of power.
    pub fn write(&self, _: &Turn, state: &State) -> io::Result<()> {
        let partial = self.dir.join("state.json.partial");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(&serde_json::to_vec(&Content { format: FORMAT, state })?)?;
        file.sync_all()?;
        drop(file);
        fs::rename(partial, self.file())?;
        // A file system that cannot sync a folder has done what it can.
        let _ = File::open(&self.dir).and_then(|dir| dir.sync_all());
        Ok(())
    }
}

/// A file to be locked.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// A file's bytes.
///
/// # Errors
/// Of the kind `InvalidData` where it is no file, or larger than any state.
fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let refuse = |why| io::Error::new(io::ErrorKind::InvalidData, why);
    // A pipe would never end.
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(refuse("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST_STATE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_STATE_BYTES {
        return Err(refuse("it is larger than any state"));
    }
    Ok(bytes)
}
