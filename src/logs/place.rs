//! Where the logs are: the files that the proxy's stdout and stderr are, or one that the user names.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::collect::Gap;
use crate::discover::{Proxy, Role};
use crate::logs::watch::NO_LOGS;
use crate::os::proc::Procfs;

const CURE: &str = "name the log with --log FILE, or in Kubernetes: kubectl logs POD --since=10m | capture --log -";

/// A log that is open, so that a rotation or a deletion takes nothing away.
#[derive(Debug)]
pub struct Opened {
    /// What it is, in our words.
    pub title: String,
    /// The file.
    pub file: File,
    /// Its path, where it was named by it: another file may take its place.
    pub path: Option<PathBuf>,
}

/// Opens a file and tells what it is; never waits for the writer of a FIFO.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((file, about))
}

/// What the log that the user named is called, if it can be read.
pub fn readable_named(path: &Path, gaps: &mut Vec<Gap>) -> Vec<String> {
    named(path, gaps).into_iter().map(|opened| opened.title).collect()
}

/// What the logs that are found are called, as far as they can be read.
pub fn readable_found(procfs: &Procfs, proxy: &Proxy, gaps: &mut Vec<Gap>) -> Vec<String> {
    found(procfs, proxy, gaps).into_iter().map(|opened| opened.title).collect()
}

/// The log that the user named.
pub fn named(path: &Path, gaps: &mut Vec<Gap>) -> Vec<Opened> {
    match open(path) {
        Ok((file, _)) => {
            vec![Opened { title: "the file given with --log".to_owned(), file, path: Some(path.to_owned()) }]
        }
        Err(error) => {
            let why = format!("the file given with --log cannot be read: {}", error.kind());
            gaps.push(Gap::new(NO_LOGS, why, "name a file that LiteLLM writes its log to, and that you may read"));
            Vec::new()
        }
    }
}

/// Stdout and stderr of the supervisor and the workers, each file once.
pub fn found(procfs: &Procfs, proxy: &Proxy, gaps: &mut Vec<Gap>) -> Vec<Opened> {
    let mut opened = Vec::new();
    let mut seen: Vec<(u64, u64)> = Vec::new();
    let mut elsewhere: Vec<String> = Vec::new();
    let members = proxy.members.iter().filter(|member| matches!(member.role, Role::Supervisor | Role::Worker));
    for pid in members.map(|member| member.id.pid) {
        for (number, stream) in [(1, "stdout"), (2, "stderr")] {
            let path = procfs.process(pid).dir().join(format!("fd/{number}"));
            let about = match fs::metadata(&path) {
                Ok(about) => about,
                Err(error) => {
                    let why = if error.kind() == io::ErrorKind::NotFound { "closed" } else { "not open to us" };
                    note(&mut elsewhere, format!("{stream} is {why}"));
                    continue;
                }
            };
            if !about.is_file() {
                note(&mut elsewhere, format!("{stream} is {}", kind(&about)));
            } else if !seen.contains(&(about.dev(), about.ino())) {
                seen.push((about.dev(), about.ino()));
                match open(&path) {
                    Ok((file, _)) => {
                        opened.push(Opened { title: format!("{stream} of process {pid}"), file, path: None });
                    }
                    Err(error) => note(&mut elsewhere, format!("{stream} cannot be read: {}", error.kind())),
                }
            }
        }
    }
    if opened.is_empty() && elsewhere.is_empty() {
        elsewhere.push("no process of the proxy was there to be asked".to_owned());
    }
    if !elsewhere.is_empty() {
        let what = if opened.is_empty() { NO_LOGS } else { "a part of the logs" };
        gaps.push(Gap::note(what, elsewhere.join(", "), CURE));
    }
    opened
}

fn note(notes: &mut Vec<String>, note: String) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}

fn kind(about: &Metadata) -> &'static str {
    // The kernel's numbers of memory devices: major 1, of which 3 is /dev/null.
    const NULL: u64 = (1 << 8) | 3;
    let kind = about.file_type();
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() && about.rdev() == NULL {
        "/dev/null"
    } else if kind.is_char_device() {
        "a terminal"
    } else {
        "no file"
    }
}
