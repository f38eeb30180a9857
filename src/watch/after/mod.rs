//! What happens with a finished bundle: it is sent to where it was told to go, and a command is run for it.
//!
//! First it is tried once to upload the bundle, then the command is run, whatever came of it: a command that tells of
//! the bundle finds it in its place when all is well, and does not wait for hours when it is not. An upload that failed
//! is tried again and again beside the next ones; a command is run once. Both happen on one thread, so that the watch
//! never waits, and two bundles never go out at once.
//!
//! What is still to be uploaded is remembered in the state folder, so that it survives the end of the watch.

mod command;
mod deliveries;
mod pending;
mod plan;
mod upload;

pub use deliveries::{Deliveries, Office, Pace};
pub use plan::{AfterPlan, CommandPlan, UploadPlan};
pub use upload::Limits;
