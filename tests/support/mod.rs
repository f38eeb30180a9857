//! What several test files share.

pub mod fixture_proc;
