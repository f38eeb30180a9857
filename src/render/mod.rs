//! From a clean profile and a verdict to what people look at.

pub mod charts;
pub mod diff;
pub mod flamegraph;
pub mod folded;
pub mod report;
pub mod summary;
pub mod ticket;
