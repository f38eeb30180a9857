//! From a clean profile and a verdict to what people look at.

pub mod charts;
pub mod escape;
pub mod flamegraph;
pub mod folded;
pub mod report;
pub mod summary;
