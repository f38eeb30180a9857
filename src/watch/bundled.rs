//! From the pieces of a capture to its bundle in the folder, and what is told of it.

use std::path::PathBuf;

use crate::assemble::Assembled;
use crate::bundle::work::Work;
use crate::error::Failure;
use crate::notice::Notices;
use crate::os::signals::Interrupt;
use crate::plan::OutputPlan;
use crate::publish::{Goal, Placed, exit_code, place};
use crate::redact::Gate;
use crate::render::ticket::sentence;
use crate::watch::events::Event;

/// A bundle in its place.
#[derive(Debug, Clone)]
pub struct Bundled {
    /// Where.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// How long was sampled.
    pub seconds: f64,
    /// What it comes to, in a sentence.
    pub verdict: String,
    /// What a capture by hand would have ended with.
    pub exit_code: u8,
}

impl Bundled {
    /// Puts the pieces into their place, and removes the work folder.
    ///
    /// # Errors
    /// Where they cannot be written, or the last gate found a secret; the work folder stays.
    pub fn of(
        (mut assembled, work): (Assembled, Work),
        gate: &Gate,
        (output, notices): (&OutputPlan, &Notices),
        interrupt: Option<Interrupt>,
    ) -> Result<Self, Failure> {
        let exit_code = exit_code(&assembled, interrupt);
        let Placed { path, bytes } = place(&mut assembled, gate, work, &Goal { output, notices, exit_code })?;
        Ok(Self {
            path: path.unwrap_or_default(),
            bytes,
            seconds: assembled.verdict.cpu.wall_seconds,
            verdict: sentence(&assembled.verdict),
            exit_code,
        })
    }

    /// For those who are told.
    pub fn event(&self, peak: Option<f64>) -> Event {
        Event::Capture {
            path: self.path.clone(),
            bytes: self.bytes,
            seconds: self.seconds,
            verdict: self.verdict.clone(),
            exit_code: self.exit_code,
            peak,
        }
    }
}
