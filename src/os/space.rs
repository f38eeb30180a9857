//! How much room a file system has.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

/// The room of one file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that a user other than root may still write.
    pub free_bytes: u64,
    /// Its size, with what is kept back for root.
    pub total_bytes: u64,
}

impl Space {
    /// Below a folder; below the folder above, where it is yet to be made.
    pub fn below(folder: &Path) -> io::Result<Self> {
        let there = folder.ancestors().find(|above| above.exists()).unwrap_or(Path::new("."));
        let about = statvfs(there)?;
        Ok(Self {
            free_bytes: about.blocks_available() * about.fragment_size(),
            total_bytes: about.blocks() * about.fragment_size(),
        })
    }
}
