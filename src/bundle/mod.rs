//! The work folder, the manifest, the archive, the facts in it, and reading it all back.

pub mod archive;
pub mod facts;
pub mod manifest;
pub mod open;
pub mod samples;
pub mod work;
