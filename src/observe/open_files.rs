//! How many files a process has open, sockets included.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{PROC_SUPER_MAGIC, statfs};

use crate::os::proc::Process;

/// Where the files must be listed, that is done in one of so many readings: it takes a microsecond or two for each, and
/// a busy worker has thousands.
const LISTED_ONE_IN: u32 = 10;

/// The open files of one process.
#[derive(Debug)]
pub struct OpenFiles {
    folder: PathBuf,
    /// Whether the folder is the kernel's, so that its size may be their number.
    in_proc: bool,
    until_listed: u32,
}

impl OpenFiles {
    /// Those of a process.
    pub fn of(process: &Process) -> Self {
        Self::in_folder(process.dir().join("fd"))
    }

    fn in_folder(folder: PathBuf) -> Self {
        let in_proc = statfs(&folder).is_ok_and(|about| about.filesystem_type() == PROC_SUPER_MAGIC);
        Self { folder, in_proc, until_listed: 0 }
    }

    /// Their number now; none where we may not look, and in the readings between two listings.
    pub fn count(&mut self) -> Option<u64> {
        // Since Linux 6.2 the folder's size is their number (proc_fd_getattr in fs/proc/fd.c); before, it was 0.
        if self.in_proc
            && let Some(size @ 1..) = fs::metadata(&self.folder).ok().map(|about| about.len())
        {
            return Some(size);
        }
        if self.until_listed > 0 {
            self.until_listed -= 1;
            return None;
        }
        self.until_listed = LISTED_ONE_IN - 1;
        listed(&self.folder).ok()
    }
}

fn listed(folder: &Path) -> io::Result<u64> {
    Ok(fs::read_dir(folder)?.flatten().count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_must_be_listed_is_listed_now_and_then() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("0"), "").unwrap();
        let mut files = OpenFiles::in_folder(folder.path().to_owned());
        let counts: Vec<_> = (0..=LISTED_ONE_IN).map(|_| files.count()).collect();
        assert_eq!((counts[0], counts[LISTED_ONE_IN as usize]), (Some(1), Some(1)));
        assert!(counts[1..LISTED_ONE_IN as usize].iter().all(Option::is_none));
    }

    #[test]
    fn a_folder_that_is_closed_to_us_tells_nothing() {
        assert_eq!(OpenFiles::in_folder(PathBuf::from("/proc/0/fd")).count(), None);
    }

    #[test]
    fn the_kernels_count_is_what_a_listing_finds() {
        let folder = PathBuf::from("/proc/self/fd");
        // Other tests open and close files meanwhile, and a listing holds one open itself.
        let agree = || {
            let counted = OpenFiles::in_folder(folder.clone()).count()?;
            let found = listed(&folder).ok()?;
            (found == counted || found == counted + 1).then_some(())
        };
        assert!((0..1000).find_map(|_| agree()).is_some());
    }
}
