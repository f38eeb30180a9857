//! The rooms of `capture` and the way through them.

pub mod collect;
pub mod discover;
pub mod os;
pub mod redact;
