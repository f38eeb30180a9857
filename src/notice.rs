//! Everything said to the terminal goes through here, on standard error, with control characters made visible.
//!
//! What is said is also kept with its time: it becomes `capture.log` in the bundle.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use crate::os::clock::utc_now;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loudness {
    /// Nothing at all.
    Mute,
    /// Only failures.
    Quiet,
    /// What a person wants to know.
    Normal,
    /// Every step.
    Verbose,
}

/// The voice of the program.
#[derive(Debug)]
pub struct Notices {
    loudness: Loudness,
    terminal: bool,
    log: RefCell<String>,
}

impl Notices {
    /// A voice that speaks to standard error.
    pub fn new(loudness: Loudness) -> Self {
        Self { loudness, terminal: std::io::stderr().is_terminal(), log: RefCell::new(String::new()) }
    }

    /// A voice that nobody hears; warnings neither.
    pub fn unheard() -> Self {
        Self::new(Loudness::Mute)
    }

    /// Something a person wants to know.
    pub fn say(&self, text: impl AsRef<str>) {
        self.speak(Loudness::Normal, text.as_ref());
    }

    /// A step, told only when asked for.
    pub fn detail(&self, text: impl AsRef<str>) {
        self.speak(Loudness::Verbose, text.as_ref());
    }

    /// Something that is wrong, always told.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.speak(Loudness::Quiet, &format!("warning: {}", text.as_ref()));
    }

    /// How far a wait has come: a bar that redraws itself on a terminal, nothing elsewhere (see [`Notices::milestone`]).
    pub fn progress(&self, done: f64, label: &str) {
        if self.terminal && self.loudness >= Loudness::Normal {
            const CELLS: usize = 30;
            let filled = ((done.clamp(0.0, 1.0) * CELLS as f64) as usize).min(CELLS);
            draw(&format!("[{}{}] {}", "#".repeat(filled), "-".repeat(CELLS - filled), visible(label)));
        }
    }

    /// Takes the bar away.
    pub fn progress_done(&self) {
        if self.terminal && self.loudness >= Loudness::Normal {
            draw("");
        }
    }

    /// A point reached, as a plain line where there is no bar.
    pub fn milestone(&self, text: &str) {
        if self.terminal { self.detail(text) } else { self.say(text) }
    }

    /// All that was said so far, a line each with its UTC time.
    pub fn log(&self) -> String {
        self.log.borrow().clone()
    }

    fn speak(&self, least: Loudness, text: &str) {
        let text = visible(text);
        let _ = writeln!(self.log.borrow_mut(), "{} {text}", utc_now());
        if self.loudness >= least {
            // A closed standard error must not end a capture.
            let clear = if self.terminal { "\r\x1b[2K" } else { "" };
            let _ = writeln!(std::io::stderr(), "{clear}{text}");
        }
    }
}

/// Puts text in the place of the terminal's last line. A terminal that hung up must not end a capture.
fn draw(text: &str) {
    let mut stderr = std::io::stderr();
    let _ = write!(stderr, "\r\x1b[2K{text}");
    let _ = stderr.flush();
}

/// Text with control and direction characters written out, so that a process title cannot rewrite the screen.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push('\n'),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
            }
            character if character.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(character));
            }
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_written_out() {
        assert_eq!(visible("a\x1b[31mb\u{202e}c\td\ne"), "a\\x1b[31mb\\u{202e}c\\x09d\ne");
    }

    #[test]
    fn what_is_said_is_logged_even_when_quiet() {
        let notices = Notices::new(Loudness::Quiet);
        notices.detail("one");
        notices.say("two");
        let log = notices.log();
        assert!(log.lines().next().unwrap().ends_with("Z one"), "{log}");
        assert!(log.lines().nth(1).unwrap().ends_with("Z two"), "{log}");
    }
}
