//! The rooms of `capture` and the way through them.

pub mod bundle;
pub mod collect;
pub mod discover;
pub mod error;
pub mod notice;
pub mod os;
pub mod redact;
pub mod sample;
