//! How much room a file system has.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

/// Bytes that a user other than root may still write below a folder; of the folder above, where it is yet to be made.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let there = folder.ancestors().find(|above| above.exists()).unwrap_or(Path::new("."));
    let about = statvfs(there)?;
    Ok(about.blocks_available() * about.fragment_size())
}
