//! From what was gathered to what goes into the bundle: clean text, and what it says.

use crate::bundle::facts::EVIDENCE;
use crate::collect::Gap;
use crate::logs::Finding;
use crate::logs::access::Access;
use crate::logs::cleaner::Cleaner;
use crate::logs::count::{Counts, Timeline};
use crate::logs::findings::{Findings, Side};
use crate::logs::lines;
use crate::logs::stretch::{Piece, Stretch};
use crate::logs::watch::Gathered;
use crate::redact::{Clean, Raw, Redactor};
use crate::series::Reading;
use crate::traffic::Tally;
use crate::workload::{Shape, When, requests};

/// The lines before the capture, in the bundle.
pub const BEFORE_FILE: &str = "logs/before.log";
/// The lines during it.
pub const DURING_FILE: &str = "logs/during.log";

/// The end of the log of the container's last life.
pub const PREVIOUS_FILE: &str = "logs/previous.log";

/// A log by itself, of which only the text is wanted.
pub fn cleaned(file: &'static str, text: &Raw, redactor: &mut Redactor) -> Clean {
    let mut cleaner = Cleaner::new(redactor, file);
    cleaner.stretch(text);
    cleaner.finish().0
}

/// What the logs say, ready for the bundle.
#[derive(Debug, Default)]
pub struct Logged {
    /// The lines before the capture, where [`Digest::before`] did not have them yet.
    pub before: Option<Clean>,
    /// The lines during it; none where there were none.
    pub during: Option<Clean>,
    /// Lines that matter, by kind.
    pub findings: Vec<Finding<Clean>>,
    /// Requests a second.
    pub readings: Vec<Reading>,
    /// Requests by route and status, one tally for each look at the log, each with all that were counted until then:
    /// since the proxy began where the log reaches back to that, else since the capture did. The first one tells of the
    /// proxy's life before only if it counts any request.
    pub tallies: Vec<Tally<Clean>>,
    /// Requests before and during, by route and status.
    pub shapes: Vec<Shape<Clean>>,
    /// What could not be had.
    pub gaps: Vec<Gap>,
}

/// Makes sense of the logs: of the lines before at the capture's beginning, of the others at its end.
#[derive(Debug, Default)]
pub struct Digest {
    findings: Findings,
    before: Counts,
}

impl Digest {
    /// Cleans the lines before the capture; none where there are none.
    pub fn before(&mut self, stretch: &Stretch, redactor: &mut Redactor) -> Option<Clean> {
        stretch.accesses(|access| self.before.add(access));
        self.clean(Side::Before, stretch, redactor)
    }

    /// Cleans the lines during the capture, and tells what all of them say.
    pub fn finish(mut self, gathered: Gathered, redactor: &mut Redactor) -> Logged {
        let Gathered { late_before, during, timeline, began_us, mut gaps } = gathered;
        let before = late_before.and_then(|late| self.before(&late, redactor));
        let during_text = self.clean(Side::During, &during, redactor);

        // What the timeline lacks, the lines that were kept still show in part.
        let mut counts = Counts::default();
        match &timeline {
            Some(timeline) => {
                let (before, after) = timeline.before_and_after(began_us);
                counts = after;
                // Who followed the log for an hour knows more than its last lines tell.
                if began_us > 0 {
                    self.before = before;
                }
            }
            None => during.accesses(|access| counts.add(access)),
        }
        let shapes = self.before.shapes(When::Before).into_iter().chain(counts.shapes(When::During));
        // A server can be told not to log requests; then none in the log is not none.
        let logs_requests = |earlier: &Counts| !(earlier.is_empty() && self.before.is_empty() && counts.is_empty());
        let had = timeline.is_some();
        let timeline = timeline.filter(|timeline| logs_requests(&timeline.earlier));
        if had && timeline.is_none() {
            gaps.push(Gap::note(
                "requests by the access log",
                "no request stands in the log, neither before the capture nor during it",
                "capture under traffic, or have the server log requests",
            ));
        }
        let tallies = timeline.iter().flat_map(Timeline::tallies);
        let mut clean = |file: &'static str, text: &String| redactor.text(file, &Raw::new(text.as_str()));
        Logged {
            before,
            during: during_text,
            shapes: shapes.map(|shape| shape.map(|text| clean(requests::SHAPES_FILE, text))).collect(),
            tallies: tallies.map(|tally| tally.map(|text| clean(EVIDENCE, text))).collect(),
            readings: timeline.iter().flat_map(Timeline::readings).collect(),
            findings: self.findings.list(redactor, EVIDENCE),
            gaps,
        }
    }

    fn clean(&mut self, side: Side, stretch: &Stretch, redactor: &mut Redactor) -> Option<Clean> {
        if stretch.is_empty() {
            return None;
        }
        let file = match side {
            Side::Before => BEFORE_FILE,
            Side::During => DURING_FILE,
        };
        let mut cleaner = Cleaner::new(redactor, file);
        for part in &stretch.0 {
            if stretch.0.len() > 1 {
                cleaner.note(&format!("==> {} <==", part.title));
            }
            for piece in &part.pieces {
                match piece {
                    Piece::Text(text) => cleaner.stretch(text),
                    Piece::Cut(bytes) => cleaner.note(&format!("[… {} bytes cut]", lines::grouped(*bytes))),
                }
            }
        }
        let (text, hits) = cleaner.finish();
        self.findings.add(side, hits);
        Some(text)
    }
}

impl Stretch {
    fn accesses(&self, mut found: impl FnMut(Access)) {
        for piece in self.0.iter().flat_map(|part| &part.pieces) {
            let Piece::Text(text) = piece else { continue };
            text.expose().lines().filter_map(Access::of_line).for_each(&mut found);
        }
    }
}
