//! The py-spy that a portable build carries: unpacked into memory when it is needed, and run from there.

use std::path::PathBuf;
use std::sync::OnceLock;

use flate2::read::GzDecoder;

use crate::os::memory_file::MemoryFile;

/// The program, gzipped, as `scripts/build-portable` took it out of the wheel whose hash is pinned.
static PROGRAM: &[u8] = include_bytes!(env!("CAPTURE_EMBEDDED_PY_SPY"));

/// Where it can be executed; none where the kernel runs nothing from memory.
pub fn path() -> Option<PathBuf> {
    static UNPACKED: OnceLock<Option<MemoryFile>> = OnceLock::new();
    UNPACKED.get_or_init(|| MemoryFile::new("py-spy", GzDecoder::new(PROGRAM)).ok()).as_ref().map(MemoryFile::path)
}
