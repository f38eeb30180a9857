//! SIGINT and SIGTERM: asked to stop, once politely, twice at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

/// Stands among the signals' numbers for the end of standard input, and is none of them.
const UNATTENDED: usize = usize::MAX;

/// Which signal asked us to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// Ctrl-C.
    Int,
    /// `kill`, or a container that is being stopped.
    Term,
    /// No signal, but the end of standard input: whoever waited for the result is gone, or wants it now.
    Unattended,
}

impl Interrupt {
    /// The signal's name, or what else it was.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "SIGINT",
            Self::Term => "SIGTERM",
            Self::Unattended => "the end of standard input",
        }
    }

    /// The exit code a shell expects: 128 and the signal's number, which is that of SIGHUP where there was none.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Int => 130,
            Self::Term => 143,
            Self::Unattended => 129,
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

    /// Asks us to stop because nobody waits any longer, unless a signal did before.
    pub fn unattended(&self) {
        let _ = self.seen.compare_exchange(0, UNATTENDED, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// What asked us to stop, if anything did.
    pub fn requested(&self) -> Option<Interrupt> {
        let seen = self.seen.load(Ordering::SeqCst);
        if seen == UNATTENDED {
            return Some(Interrupt::Unattended);
        }
        match i32::try_from(seen) {
            Ok(SIGINT) => Some(Interrupt::Int),
            Ok(SIGTERM) => Some(Interrupt::Term),
            _ => None,
        }
    }
}
