//! SIGINT and SIGTERM: asked to stop, once politely, twice at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

/// Which signal asked us to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// Ctrl-C.
    Int,
    /// `kill`, or a container that is being stopped.
    Term,
}

impl Interrupt {
    /// The signal's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "SIGINT",
            Self::Term => "SIGTERM",
        }
    }

    /// The exit code a shell expects: 128 and the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Int => 130,
            Self::Term => 143,
        }
    }
}

/// Remembers a request to stop. The first lets the capture finish its bundle; a second ends the process as the
/// signal would have done by itself, and leaves the work folder for `capture pack`.
#[derive(Debug, Clone)]
pub struct Interrupts {
    seen: Arc<AtomicUsize>,
}

impl Interrupts {
    /// Takes over both signals. They are not blocked, since children would inherit a blocked mask.
    pub fn install() -> io::Result<Self> {
        let seen = Arc::new(AtomicUsize::new(0));
        let armed = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Order matters: the second signal finds the flag that the first one set.
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&armed))?;
            signal_hook::flag::register(signal, Arc::clone(&armed))?;
            signal_hook::flag::register_usize(signal, Arc::clone(&seen), signal as usize)?;
        }
        Ok(Self { seen })
    }

    /// The signal that asked us to stop, if one did.
    pub fn requested(&self) -> Option<Interrupt> {
        match i32::try_from(self.seen.load(Ordering::SeqCst)) {
            Ok(SIGINT) => Some(Interrupt::Int),
            Ok(SIGTERM) => Some(Interrupt::Term),
            _ => None,
        }
    }
}
