//! The work folder, the manifest, the archive.

pub mod work;
