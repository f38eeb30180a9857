//! From a clean profile and a verdict to what people look at.

pub mod charts;
pub mod diff;
pub mod escape;
pub mod figures;
pub mod flamegraph;
pub mod folded;
pub mod growth;
pub mod lines;
pub mod loads;
pub mod markdown;
pub mod owners;
pub mod prose;
pub mod report;
pub mod shell;
pub mod summary;
pub mod ticket;
