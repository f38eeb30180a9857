//! The work folder, the manifest, the archive, and reading it all back.

pub mod archive;
pub mod manifest;
pub mod open;
pub mod samples;
pub mod work;
