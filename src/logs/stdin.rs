//! A log that comes in on our own stdin: `kubectl logs POD --since=10m | capture --log -`.
//!
//! It is read as it comes, on a thread, in bounded memory. A line that bears a date is put before or behind the moment at
//! which the capture began; a line that continues a record goes with it; all others count as during.

use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use jiff::Timestamp;

use crate::collect::Gap;
use crate::logs::access::Access;
use crate::logs::count::Timeline;
use crate::logs::envelope;
use crate::logs::head;
use crate::logs::lines::{Lines, plain};
use crate::logs::stretch::{Part, Piece, Stretch};
use crate::logs::watch::NO_LOGS;
use crate::observe::Epoch;
use crate::redact::Raw;

/// What is kept of the lines before, and of those during: as much of a file is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The last lines before the capture, in bytes.
    pub before: u64,
    /// First and last lines during it, in bytes, half each.
    pub during: u64,
}

/// What came in so far.
#[derive(Debug, Clone)]
pub struct Intake(Arc<Mutex<Taken>>);

#[derive(Debug)]
struct Taken {
    epoch: Epoch,
    before: Tail,
    head: Vec<String>,
    head_bytes: u64,
    tail: Tail,
    /// Where the record of the line before went.
    side: Side,
    /// Requests in lines that bear a date, by microseconds since the capture began.
    requests: Vec<(u64, Access)>,
    dated: u64,
    undated: u64,
    undated_requests: bool,
    ended_us: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    During,
}

/// The last lines, as far as they fit.
#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    bytes: u64,
    dropped: u64,
}

impl Tail {
    fn push(&mut self, line: String, limit: u64) {
        self.bytes += line.len() as u64;
        self.lines.push_back(line);
        while self.bytes > limit {
            let Some(first) = self.lines.pop_front() else { break };
            self.bytes -= first.len() as u64;
            self.dropped += first.len() as u64;
        }
    }

    fn text(&self) -> Raw {
        Raw::new(self.lines.iter().map(String::as_str).collect::<String>())
    }
}

/// So many requests are remembered with their times; a log line is a hundred bytes, so that this is far more than comes.
const MOST_REQUESTS: usize = 1_000_000;

impl Intake {
    /// An intake that has taken nothing.
    fn new(epoch: Epoch) -> Self {
        Self(Arc::new(Mutex::new(Taken {
            epoch,
            before: Tail::default(),
            head: Vec::new(),
            head_bytes: 0,
            tail: Tail::default(),
            side: Side::During,
            requests: Vec::new(),
            dated: 0,
            undated: 0,
            undated_requests: false,
            ended_us: None,
        })))
    }

    /// Begins to read stdin on a thread, which ends with stdin or with the program.
    pub fn begin(epoch: Epoch, limits: Limits) -> io::Result<Self> {
        let intake = Self::new(epoch);
        let reading = intake.clone();
        thread::Builder::new().name("log-stdin".to_owned()).spawn(move || {
            reading.read(io::stdin().lock(), limits);
        })?;
        Ok(intake)
    }

    /// An intake that has taken all of a text.
    pub fn of_text(text: &Raw, epoch: Epoch, limits: Limits) -> Self {
        let intake = Self::new(epoch);
        intake.read(text.expose().as_bytes(), limits);
        intake
    }

    fn read(&self, reader: impl BufRead, limits: Limits) {
        for line in Lines::new(reader).map_while(Result::ok) {
            self.taken().line(line.text, limits);
        }
        let mut taken = self.taken();
        taken.ended_us = Some(taken.epoch.elapsed_us());
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came before and during, and the requests at the moments given, as far as stdin reached.
    pub fn finish(&self, moments: &[u64], gaps: &mut Vec<Gap>) -> (Stretch, Stretch, Option<Timeline>) {
        let taken = self.taken();
        taken.gaps(moments.last().copied().unwrap_or_default(), gaps);
        let stretch = |pieces| Stretch(vec![Part { title: "stdin".to_owned(), pieces }]);
        let mut during = vec![Piece::Text(Raw::new(taken.head.concat()))];
        if taken.tail.dropped > 0 {
            during.push(Piece::Cut(taken.tail.dropped));
        }
        during.push(Piece::Text(taken.tail.text()));
        (stretch(vec![Piece::Text(taken.before.text())]), stretch(during), taken.timeline(moments))
    }
}

impl Taken {
    fn line(&mut self, mut text: String, limits: Limits) {
        let opened = envelope::open(&text);
        let inner = plain(&opened.text);
        let access = Access::of_line(&text);
        let begins = access.is_some() || head::of_text(&inner).is_some() || inner.starts_with('{');
        match opened.at {
            Some(at) => {
                self.dated += 1;
                self.side = if at < self.epoch.utc { Side::Before } else { Side::During };
            }
            None if begins => {
                self.undated += 1;
                self.undated_requests |= access.is_some();
                self.side = Side::During;
            }
            None => {}
        }
        if let (Some(at), Some(access), Side::During) = (opened.at, access, self.side) {
            let at_us = since(self.epoch.utc, at);
            if self.requests.len() < MOST_REQUESTS {
                self.requests.push((at_us, access));
            } else {
                self.undated_requests = true;
            }
        }
        text.push('\n');
        match self.side {
            Side::Before => self.before.push(text, limits.before),
            Side::During if self.tail.lines.is_empty() && self.head_bytes + text.len() as u64 <= limits.during / 2 => {
                self.head_bytes += text.len() as u64;
                self.head.push(text);
            }
            Side::During => self.tail.push(text, limits.during / 2),
        }
    }

    fn timeline(&self, moments: &[u64]) -> Option<Timeline> {
        if self.dated == 0 || self.undated_requests {
            return None;
        }
        // Behind the end of stdin nothing was counted, which is not the same as nothing.
        let reached = self.ended_us.unwrap_or(u64::MAX);
        let mut timeline = Timeline::default();
        for moment in moments.iter().take_while(|moment| **moment <= reached) {
            timeline.moments.entry(*moment).or_default();
        }
        for (at_us, access) in &self.requests {
            if let Some((_, counts)) = timeline.moments.range_mut(*at_us..).next() {
                counts.add(access.clone());
            }
        }
        Some(timeline)
    }

    fn gaps(&self, end_us: u64, gaps: &mut Vec<Gap>) {
        if self.dated + self.undated == 0 {
            gaps.push(Gap::note(NO_LOGS, "nothing came on stdin", "check the command in front of the pipe"));
            return;
        }
        if self.undated > 0 {
            gaps.push(Gap::note(
                "which lines of the log came before the capture",
                format!("{} records on stdin bear no date and were all taken as during", self.undated),
                "kubectl logs POD --timestamps --since=10m -f | capture --log -",
            ));
        }
        if let Some(ended_us) = self.ended_us.filter(|ended_us| *ended_us < end_us) {
            let after = ended_us as f64 / 1e6;
            gaps.push(Gap::note(
                "the rest of the log",
                format!("stdin ended {after:.1} s after the capture began"),
                "let kubectl go on: kubectl logs POD --timestamps --since=10m -f | capture --log -",
            ));
        }
    }
}

fn since(epoch: Timestamp, at: Timestamp) -> u64 {
    u64::try_from(at.as_microsecond() - epoch.as_microsecond()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { before: 1000, during: 1000 };

    fn epoch() -> Epoch {
        Epoch { monotonic_us: crate::os::clock::monotonic_us(), utc: "2026-11-24T06:00:00Z".parse().unwrap() }
    }

    fn take(text: &str, limits: Limits) -> Intake {
        let intake = Intake::new(epoch());
        intake.read(text.as_bytes(), limits);
        intake
    }

    fn shown(stretch: &Stretch) -> String {
        let pieces = stretch.0.iter().flat_map(|part| &part.pieces);
        let text = |piece: &Piece| match piece {
            Piece::Text(raw) => raw.expose().to_owned(),
            Piece::Cut(bytes) => format!("<{bytes}>"),
        };
        pieces.map(text).collect()
    }

    #[test]
    fn dated_lines_are_split_at_the_beginning_and_continuations_go_with_them() {
        let text = "2026-11-24T05:59:59Z ERROR:    a\n2026-11-24T06:00:01Z INFO:     b\n  continued\n";
        let mut gaps = Vec::new();
        let (before, during, _) = take(text, LIMITS).finish(&[0], &mut gaps);
        assert_eq!(shown(&before), "2026-11-24T05:59:59Z ERROR:    a\n");
        assert_eq!(shown(&during), "2026-11-24T06:00:01Z INFO:     b\n  continued\n");
        assert_eq!(gaps, []);
    }

    #[test]
    fn lines_without_a_date_are_during_and_a_gap_says_so() {
        let mut gaps = Vec::new();
        let text = "[2026-11-24 05:00:00 +0000] [7] [INFO] a\nmore\n1.2.3.4:5 - \"GET /v1/models HTTP/1.1\" 200\n";
        let (before, during, timeline) = take(text, LIMITS).finish(&[0], &mut gaps);
        assert_eq!(shown(&before), "[2026-11-24 05:00:00 +0000] [7] [INFO] a\nmore\n");
        assert_eq!(shown(&during), "1.2.3.4:5 - \"GET /v1/models HTTP/1.1\" 200\n");
        assert_eq!(timeline, None, "a request without a date cannot be put on a timeline");
        assert!(gaps[0].why.starts_with("1 records"), "{gaps:?}");
    }

    #[test]
    fn requests_are_counted_up_to_the_end_of_stdin() {
        let line = |second| format!("2026-11-24T06:00:{second:02}Z 1.2.3.4:5 - \"GET /v1/models HTTP/1.1\" 200\n");
        let intake = take(&[line(0), line(1), line(1), line(9)].concat(), LIMITS);
        intake.taken().ended_us = Some(2_500_000);
        let mut gaps = Vec::new();
        let (_, _, timeline) = intake.finish(&[0, 1_000_000, 2_000_000, 3_000_000], &mut gaps);
        let rows: Vec<_> = timeline.unwrap().readings().iter().map(|row| (row.at_us, row.values[0].1)).collect();
        assert_eq!(rows, [(1_000_000, Some(2.0)), (2_000_000, Some(0.0))]);
        assert!(gaps[0].why.contains("ended 2.5 s"), "{gaps:?}");
    }

    #[test]
    fn memory_is_bounded_on_both_sides() {
        let lines = |at: &str| (0..100).map(|n| format!("2026-11-24T{at} {n:04}\n")).collect::<Vec<_>>().concat();
        let (before, during) = (lines("05:00:00Z old"), lines("07:00:00Z new"));
        let limits = Limits { before: 60, during: 120 };
        let (before, during, _) = take(&(before + &during), limits).finish(&[0], &mut Vec::new());
        assert_eq!(shown(&before), "2026-11-24T05:00:00Z old 0098\n2026-11-24T05:00:00Z old 0099\n");
        let during = shown(&during);
        assert!(during.starts_with("2026-11-24T07:00:00Z new 0000\n") && during.ends_with("new 0099\n"), "{during}");
        assert!(during.contains("<2880>"), "{during}");
    }

    #[test]
    fn nothing_on_stdin_is_a_gap() {
        let mut gaps = Vec::new();
        let _ = take("", LIMITS).finish(&[0], &mut gaps);
        assert_eq!(gaps.len(), 1);
    }
}
