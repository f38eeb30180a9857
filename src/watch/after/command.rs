//! The command that is run for a bundle: `sh -c COMMAND capture BUNDLE`, so that no path becomes a part of the command.
//!
//! It gets this program's environment, since it needs keys to do its work, but not the upload's URL, which is for
//! nobody else. What it writes is told without the secrets of that environment.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::plan::CommandPlan;
use crate::cli::UPLOAD_URL;
use crate::os::child::Ending;
use crate::os::command::{self, Cause, Order};
use crate::redact::{Raw, Redactor};
use crate::watch::events::{CommandEnd, Event};

/// The shell that POSIX puts there.
const SHELL: &str = "/bin/sh";
/// What is told of the output: its end.
const TOLD_BYTES: usize = 4 * 1024;
/// What is kept of it, so that no secret is cut in two before it is masked.
const KEPT_BYTES: usize = 4 * TOLD_BYTES;

/// An error to be told at once where the command could never be run.
pub fn missing_shell() -> Option<Event> {
    (!Path::new(SHELL).exists()).then(|| no_shell("the command of --exec cannot be run"))
}

/// A command for a bundle.
pub struct Errand<'a> {
    /// What is run.
    pub plan: &'a CommandPlan,
    /// For which bundle.
    pub bundle: &'a Path,
    /// From telling it to end until it is killed.
    pub patience: Duration,
    /// When this becomes true it has to end.
    pub stop: &'a AtomicBool,
}

impl Errand<'_> {
    /// Runs the command, and tells how it went.
    pub fn run(&self, redactor: &mut Redactor) -> Event {
        self.run_by(Path::new(SHELL), redactor)
    }

    fn run_by(&self, shell: &Path, redactor: &mut Redactor) -> Event {
        let script: OsString = self.plan.script.expose().into();
        let order = Order {
            program: shell,
            arguments: vec!["-c".into(), script, "capture".into(), self.bundle.into()],
            without_variable: UPLOAD_URL,
            deadline: self.plan.deadline,
            patience: self.patience,
            output_bytes: KEPT_BYTES,
        };
        match command::run(&order, &|| self.stop.load(Ordering::Relaxed)) {
            Ok(ended) => Event::Executed {
                path: self.bundle.to_owned(),
                status: match ended.ending {
                    Ending::Code(code) => code,
                    Ending::Signal(signal) => 128 + signal,
                },
                end: match ended.cause {
                    Cause::Itself => CommandEnd::ByItself,
                    Cause::Deadline => CommandEnd::AtDeadline,
                    Cause::Stopped => CommandEnd::WithTheWatch,
                },
                seconds: ended.took.as_secs_f64(),
                output: told(&ended.output, redactor),
            },
            Err(error) => self.not_run(&error),
        }
    }

    fn not_run(&self, error: &io::Error) -> Event {
        let bundle = self.bundle.display();
        let what = format!("the command for {bundle} was not run");
        match error.kind() {
            io::ErrorKind::NotFound => no_shell(&what),
            _ => Event::Error { what: format!("{what}: {error}"), cure: format!("run it by hand with {bundle} as $1") },
        }
    }
}

fn no_shell(what: &str) -> Event {
    Event::Error {
        what: format!("{what}: there is no {SHELL} here"),
        cure: "run capture in an image that has a shell, or send the bundles by --upload-url".to_owned(),
    }
}

fn told(output: &[u8], redactor: &mut Redactor) -> String {
    let clean = redactor.text("events", &Raw::from_bytes(output));
    let text = clean.as_str();
    let mut begin = text.len().saturating_sub(TOLD_BYTES);
    while !text.is_char_boundary(begin) {
        begin += 1;
    }
    text[begin..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Sources;

    #[test]
    fn without_a_shell_it_is_told_what_to_do() {
        let plan = CommandPlan { script: Raw::new("true"), deadline: Duration::from_secs(9) };
        let (bundle, stop) = (Path::new("/data/a.tar.gz"), AtomicBool::new(false));
        let errand = Errand { plan: &plan, bundle, patience: Duration::from_secs(1), stop: &stop };
        assert_eq!(
            errand.run_by(Path::new("/nowhere/sh"), &mut Redactor::new(&Sources::default())),
            Event::Error {
                what: "the command for /data/a.tar.gz was not run: there is no /bin/sh here".to_owned(),
                cure: "run capture in an image that has a shell, or send the bundles by --upload-url".to_owned(),
            }
        );
    }

    #[test]
    fn of_the_output_the_end_is_told_and_no_secret() {
        let variables = [(Raw::new("SLACK_TOKEN"), Raw::new("token-of-a-channel"))];
        let mut redactor = Redactor::new(&Sources { environs: vec![&variables], ..Sources::default() });
        let output = format!("{}é{}\ntoken-of-a-channel\n", "x".repeat(9_000), "y".repeat(TOLD_BYTES - 21));
        let told = told(output.as_bytes(), &mut redactor);
        assert!(told.len() <= TOLD_BYTES && told.len() > TOLD_BYTES - 4, "{}", told.len());
        assert!(told.ends_with("y\n***known-secret***\n"), "{told}");
    }
}
