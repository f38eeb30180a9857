//! From evidence to a verdict: pure, without a clock or a file, so that a newer tool can judge an old bundle again.

pub mod evidence;
pub mod frames;
pub mod functions;
pub mod quality;
pub mod verdict;

pub use evidence::Evidence;
pub use verdict::{Verdict, analyse};
