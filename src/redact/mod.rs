//! From [`Raw`] to [`Clean`]: the only way for text of the target's into a bundle.
//!
//! Secrets are learned first, from every place where a name announces one ([`Sources`]). Then text is freed of the
//! known secrets and of what has a secret's shape; configs and environments show only what a list allows. Last, the
//! [`Gate`] looks for every known secret in the finished bytes.

mod allow;
mod argv;
mod config;
mod encodings;
mod environ;
mod fields;
mod gate;
mod learn;
mod names;
mod patterns;
mod redactor;
mod rules;
#[cfg(test)]
mod tests;
mod text;

pub use config::ConfigUnreadable;
pub use encodings::Encoding;
pub use environ::EnvVar;
pub use gate::{Gate, GateHit};
pub use redactor::{Redaction, Redactions, Redactor, Sources};
pub use text::{Clean, Raw};
