//! From evidence to a verdict: pure, without a clock or a file, so that a newer tool can judge an old bundle again.

pub mod changes;
pub mod classify;
pub mod compare;
pub mod config;
pub mod evidence;
pub mod facts;
pub mod figures;
pub mod frames;
pub mod functions;
pub mod heat;
pub mod load;
pub mod onset;
pub mod owners;
pub mod quality;
pub mod sizing;
pub mod spent;
pub mod stall;
pub mod taxonomy;
pub mod verdict;
pub mod words;
pub mod work;

pub use evidence::Evidence;
pub use facts::Facts;
pub use verdict::{Verdict, analyse};

#[cfg(test)]
mod tests;
