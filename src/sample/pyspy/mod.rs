//! py-spy as an engine: found, checked, and run as one child for each worker.
//!
//! Each child samples one process into a trace file until we stop it; see [`trace`] for what is in the file. It is
//! never asked to follow subprocesses: that mode takes all workers in lockstep and mixes their threads up.

mod child;
mod dump;
#[cfg(feature = "embed-py-spy")]
mod embedded;
mod engine;
mod locate;
mod samplers;
pub mod trace;

pub use child::{Phase, PySpyChild, Sampling, Segment, SegmentOrder};
pub use dump::{DumpedThread, dump};
pub use engine::PySpyEngine;
pub use locate::{Found, PySpy};
