//! From a clean profile and a verdict to what people look at.

pub mod charts;
pub mod diff;
pub mod figures;
pub mod flamegraph;
pub mod folded;
pub mod markdown;
pub mod report;
pub mod summary;
pub mod ticket;
