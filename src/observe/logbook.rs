//! The log of one capture: what it says of the time before and of the time during, laid into the work folder.

use std::thread::{self, JoinHandle};

use serde::Serialize;

use crate::bundle::work::{self, CLEAN, Work};
use crate::collect::Gap;
use crate::logs::{BEFORE_FILE, DURING_FILE, Digest, LogWatch, Logged};
use crate::observe::{Keeper, Stop};
use crate::redact::Redactor;

/// The log while it is followed.
#[derive(Debug)]
pub struct Logbook {
    stop: Stop,
    watch: JoinHandle<LogWatch>,
    digest: Digest,
}

impl Logbook {
    /// Follows it from now on. What it says of the time before is laid into the work folder at once.
    pub fn begin(watch: LogWatch, work: &Work, redactor: &mut Redactor) -> Self {
        let mut digest = Digest::default();
        if let Some(text) = digest.before(watch.before(), redactor) {
            lay_in(work, BEFORE_FILE, text.as_str());
        }
        let stop = Stop::default();
        let until = stop.clone();
        Self { stop, watch: thread::spawn(move || watch.run(&until)), digest }
    }

    /// Reads what came, and keeps what it says.
    pub fn finish(self, keeper: &Keeper, work: &Work, redactor: &mut Redactor) {
        self.stop.set();
        match self.watch.join() {
            Ok(watch) => keep(keeper, work, self.digest.finish(watch.finish(), redactor)),
            Err(_) => keeper.gap(&Gap::new(
                "the logs",
                "this program failed to read them, by a mistake of its own",
                "report what it said when that happened",
            )),
        }
    }
}

/// What the logs said, where a bundle is made of it.
fn keep(keeper: &Keeper, work: &Work, logged: Logged) {
    let Logged { before, during, findings, readings, tallies, shapes, gaps } = logged;
    for (file, text) in [(BEFORE_FILE, before), (DURING_FILE, during)] {
        if let Some(text) = text {
            lay_in(work, file, text.as_str());
        }
    }
    // They are dated on the capture's own clock, and not on the one of a watch.
    keep_all(keeper, work::FINDINGS, &findings);
    keep_all(keeper, work::READINGS, &readings);
    keep_all(keeper, work::TALLIES, &tallies);
    keep_all(keeper, work::SHAPES, &shapes);
    keep_all(keeper, work::GAPS, &gaps);
}

fn keep_all(keeper: &Keeper, file: &str, records: &[impl Serialize]) {
    for record in records {
        keeper.keep(file, record);
    }
}

/// A file that goes into the bundle as it is. Where the work folder takes no more, the session tells of it.
fn lay_in(work: &Work, name: &str, text: &str) {
    let _ = work.write(&format!("{CLEAN}/{name}"), text.as_bytes());
}
