//! A log file from a moment on. While it is followed nothing of it is read: its size once a second is enough, since it
//! dates every line that came between two sizes. Who has followed it for long can count requests from before a capture
//! began.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use crate::logs::access::Access;
use crate::logs::count::{Counts, Timeline};
use crate::logs::lines::Lines;
use crate::logs::place::{self, Opened};
use crate::logs::stretch::Piece;
use crate::redact::Raw;

/// So far back is looked for the beginning of the line that is being written.
const LINE_BYTES: u64 = 64 * 1024;

/// So much is read to count requests. At level DEBUG a log can grow by gigabytes.
const COUNTED_BYTES: u64 = 512 * 1024 * 1024;

/// So much of what was there before is read to count all requests since the proxy began.
const LIFETIME_BYTES: u64 = 64 * 1024 * 1024;

/// Of the time before a capture, sizes are kept so far apart.
const PAST_MARKS_US: u64 = 10_000_000;

/// Where a process's own first lines are looked for.
const BEGINNING_BYTES: u64 = 64 * 1024;

/// A file that is followed.
#[derive(Debug)]
pub struct Followed {
    /// What it is.
    pub title: String,
    file: File,
    path: Option<PathBuf>,
    /// Where the lines of the capture begin: the beginning of a line.
    start: u64,
    /// From where on requests are counted: there, or earlier where it was followed before the capture.
    counted_from: u64,
    /// Time and size, once a second.
    marks: Vec<(u64, u64)>,
    /// Bytes that came and were taken away before they could be read; some, also of none, where the file was cut.
    lost: Option<u64>,
    is_over: bool,
}

/// How far the counting of requests came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// To the end.
    All,
    /// Not to the end, so that figures would be too low.
    Part,
}

impl Followed {
    /// Follows a file from its present end on.
    pub fn from_end(opened: Opened) -> io::Result<Self> {
        let size = opened.file.metadata()?.len();
        let start = line_start(&opened.file, size)?;
        Ok(Self::from(opened, start, size))
    }

    fn from(opened: Opened, start: u64, size: u64) -> Self {
        let Opened { title, file, path } = opened;
        Self { title, file, path, start, counted_from: start, marks: vec![(0, size)], lost: None, is_over: false }
    }

    /// Looks at the size. Where the file was cut to be used again, or another took its place, what follows is returned.
    pub fn tick(&mut self, at_us: u64) -> Option<Self> {
        if self.is_over {
            return None;
        }
        let about = self.file.metadata().ok()?;
        let size = self.size();
        if about.len() < size {
            self.is_over = true;
            self.lost = Some(size - self.start);
            let opened =
                Opened { title: self.title.clone(), file: self.file.try_clone().ok()?, path: self.path.take() };
            return Some(Self::fresh(opened, at_us, about.len()));
        }
        self.marks.push((at_us, about.len()));
        let named = fs::metadata(self.path.as_ref()?).ok()?;
        if (named.dev(), named.ino()) == (about.dev(), about.ino()) {
            return None;
        }
        let (file, about) = place::open(self.path.as_ref()?).ok()?;
        // The old file is looked at no more: who rotates it away has its writer write to the new one.
        self.is_over = true;
        let opened = Opened { title: self.title.clone(), file, path: self.path.take() };
        Some(Self::fresh(opened, at_us, about.len()))
    }

    /// A file all of which came since the capture began.
    fn fresh(opened: Opened, at_us: u64, size: u64) -> Self {
        Self { marks: vec![(at_us, size)], ..Self::from(opened, 0, size) }
    }

    /// The same file for a capture that begins at `now_us`, on a clock that began at `zero_us`: lines from now on are
    /// its own, those that were followed before are counted from there on.
    pub fn fork(&self, zero_us: u64, now_us: u64) -> io::Result<Self> {
        let file = self.file.try_clone()?;
        let size = if self.is_over { self.size() } else { self.file.metadata()?.len().max(self.size()) };
        let start = if self.is_over { size } else { line_start(&file, size)? };
        let read_from = size.saturating_sub(LIFETIME_BYTES);
        let old = self.marks.partition_point(|(at_us, _)| *at_us <= zero_us).saturating_sub(1);
        let readable = self.marks.partition_point(|(_, size)| *size < read_from).max(old);
        let mut marks: Vec<(u64, u64)> = Vec::new();
        for (at_us, size) in &self.marks[readable..] {
            let at_us = at_us.saturating_sub(zero_us);
            if marks.last().is_none_or(|(last_us, _)| at_us >= last_us + PAST_MARKS_US) {
                marks.push((at_us, *size));
            }
        }
        marks.push((now_us.saturating_sub(zero_us), size));
        Ok(Self {
            title: self.title.clone(),
            counted_from: line_start(&file, marks[0].1)?.min(start),
            file,
            path: self.path.clone(),
            start,
            marks,
            lost: None,
            is_over: self.is_over,
        })
    }

    /// Forgets sizes from before a moment, but for the last one; false when nothing is left of the file since then.
    pub fn forget(&mut self, before_us: u64) -> bool {
        let kept = self.marks.partition_point(|(at_us, _)| *at_us <= before_us);
        self.marks.drain(..kept.saturating_sub(1));
        !(self.is_over && self.marks.last().is_none_or(|(at_us, _)| *at_us < before_us))
    }

    /// From when on requests are counted.
    pub fn counted_from_us(&self) -> u64 {
        self.marks.first().map_or(0, |(at_us, _)| *at_us)
    }

    /// When lines were taken away before they could be read, if any were.
    pub fn lost_at_us(&self) -> Option<u64> {
        self.lost.filter(|lost| *lost > 0).and_then(|_| self.marks.last().map(|(at_us, _)| *at_us))
    }

    fn size(&self) -> u64 {
        self.marks.last().map_or(self.start, |(_, size)| *size)
    }

    /// Bytes that came and were taken away again.
    pub fn lost_bytes(&self) -> u64 {
        self.lost.unwrap_or(0)
    }

    /// The last lines before following began.
    pub fn before(&self, limit: u64) -> Vec<Piece> {
        let from = self.start.saturating_sub(limit);
        let Ok(bytes) = self.bytes(from, self.start) else { return Vec::new() };
        // A line that begins earlier is left out, unless the part begins right behind a line's end.
        let whole = match from.checked_sub(1).map(|at| self.bytes(at, from)) {
            None => 0,
            Some(Ok(last)) if last == b"\n" => 0,
            Some(_) => bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1),
        };
        match &bytes[whole..] {
            [] => Vec::new(),
            rest => vec![Piece::Text(Raw::from_bytes(rest))],
        }
    }

    /// The lines that came since; of more than the limit the first and the last.
    pub fn during(&self, limit: u64) -> Vec<Piece> {
        match self.lost {
            None => {}
            Some(0) => return Vec::new(),
            Some(lost) => return vec![Piece::Cut(lost)],
        }
        let (from, to) = (self.start, self.size());
        let text = |from, to| self.bytes(from, to).map(|bytes| Raw::from_bytes(&bytes));
        if to - from <= limit {
            return text(from, to).map_or_else(|_| Vec::new(), |all| vec![Piece::Text(all)]);
        }
        let (Ok(head), Ok(tail)) = (self.bytes(from, from + limit / 2), self.bytes(to - limit / 2, to)) else {
            return Vec::new();
        };
        let head_end = head.iter().rposition(|byte| *byte == b'\n').map_or(head.len(), |at| at + 1);
        let tail_start = tail.iter().position(|byte| *byte == b'\n').map_or(tail.len(), |at| at + 1);
        let cut = (to - from) - head_end as u64 - (tail.len() - tail_start) as u64;
        vec![
            Piece::Text(Raw::from_bytes(&head[..head_end])),
            Piece::Cut(cut),
            Piece::Text(Raw::from_bytes(&tail[tail_start..])),
        ]
    }

    /// Counts the requests that came since, each at the first look that saw its line.
    pub fn count(&self, timeline: &mut Timeline) -> Counted {
        match self.lost {
            None => {}
            Some(0) => return Counted::All,
            Some(_) => return Counted::Part,
        }
        let reached = (self.counted_from + COUNTED_BYTES).min(self.size());
        let mut marks = self.marks.iter().peekable();
        for line in self.lines(self.counted_from, reached) {
            let end = self.counted_from + line.end;
            while marks.next_if(|(_, size)| *size < end).is_some() {}
            let (Some((at_us, _)), Some(access)) = (marks.peek(), Access::of_line(&line.text)) else { continue };
            timeline.moments.entry(*at_us).or_default().add(access);
        }
        if reached == self.size() { Counted::All } else { Counted::Part }
    }

    /// Counts all requests from the file's beginning to where following began. None where it is too large, was cut, or
    /// does not begin with the start of one of these processes, as they know themselves.
    pub fn earlier(&self, pids: &[i32]) -> Option<Counts> {
        if self.start > LIFETIME_BYTES || self.lost.is_some() {
            return None;
        }
        let begins = || {
            let first = self.lines(0, self.start.min(BEGINNING_BYTES)).find_map(|line| {
                let access = Access::of_line(&line.text).map(|_| None);
                access.or_else(|| started_pid(&line.text).map(Some))
            });
            first.flatten().is_some_and(|pid| pids.contains(&pid))
        };
        let mut counts = Counts::default();
        self.lines(0, self.start).filter_map(|line| Access::of_line(&line.text)).for_each(|access| counts.add(access));
        (counts.is_empty() || begins()).then_some(counts)
    }

    fn lines(&self, from: u64, to: u64) -> impl Iterator<Item = crate::logs::lines::Line> {
        Lines::new(BufReader::with_capacity(128 * 1024, Part { file: &self.file, at: from, to })).map_while(Result::ok)
    }

    fn bytes(&self, from: u64, to: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Part { file: &self.file, at: from, to }.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A part of a file, read by its place: others may have the same file open.
struct Part<'a> {
    file: &'a File,
    at: u64,
    to: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min((self.to - self.at) as usize);
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The beginning of the line that a file ends within.
fn line_start(file: &File, size: u64) -> io::Result<u64> {
    let from = size.saturating_sub(LINE_BYTES);
    let mut bytes = Vec::new();
    Part { file, at: from, to: size }.read_to_end(&mut bytes)?;
    let at = bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at as u64 + 1);
    Ok(match at {
        Some(at) => from + at,
        None if from == 0 => 0,
        None => size,
    })
}

/// The pid that a server's own first line tells.
fn started_pid(line: &str) -> Option<i32> {
    let after = |mark: &str| line.split_once(mark).map(|(_, rest)| rest);
    let rest = after("Started parent process [")
        .or_else(|| after("Started server process ["))
        .or_else(|| after("Starting granian (main PID: "))
        .or_else(|| line.contains("[INFO] Starting gunicorn ").then(|| after("] [")).flatten())?;
    rest.split([']', ')']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn followed(path: &std::path::Path) -> Followed {
        let (file, _) = place::open(path).unwrap();
        Followed::from_end(Opened { title: "log".to_owned(), file, path: Some(path.to_owned()) }).unwrap()
    }

    fn append(path: &std::path::Path, text: &str) {
        File::options().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn text(pieces: &[Piece]) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(raw) => raw.expose().to_owned(),
            Piece::Cut(bytes) => format!("<{bytes}>"),
        };
        pieces.iter().map(piece).collect()
    }

    const LINE: &str = "INFO:     1.2.3.4:5 - \"POST /v1/chat/completions HTTP/1.1\" 200 OK\n";

    #[test]
    fn a_line_belongs_to_the_side_it_ends_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, "one\ntwo\nhalf");
        let mut log = followed(&path);
        append(&path, " a line\nthree");
        assert!(log.tick(1).is_none());
        assert_eq!(text(&log.before(1000)), "one\ntwo\n");
        assert_eq!(text(&log.before(4)), "two\n");
        assert_eq!(text(&log.before(5)), "two\n", "a line that begins earlier is left out");
        assert_eq!(text(&log.during(1000)), "half a line\nthree");
    }

    #[test]
    fn a_capture_forks_off_its_own_lines_and_counts_those_from_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, &LINE.repeat(7));
        let mut log = followed(&path);
        for second in 1..=60 {
            append(&path, LINE);
            assert!(log.tick(second * 1_000_000).is_none());
            assert!(log.forget((second * 1_000_000).saturating_sub(40_000_000)));
        }
        append(&path, "half a");
        let mut fork = log.fork(30_000_000, 60_500_000).unwrap();
        append(&path, &format!(" line\n{LINE}"));
        fork.tick(31_000_000);
        assert_eq!(text(&fork.during(1_000)), format!("half a line\n{LINE}"));
        assert_eq!(fork.counted_from_us(), 0, "all since its clock began");
        let mut timeline = Timeline::default();
        assert_eq!(fork.count(&mut timeline), Counted::All);
        let counted: Vec<(u64, f64)> = timeline
            .moments
            .iter()
            .map(|(at, counts)| (at / 1_000_000, counts.shapes(crate::workload::When::During)[0].requests))
            .collect();
        // Of the time before, one step every ten seconds; the lines that came since its clock began, and the last one.
        assert_eq!(counted.iter().map(|(_, requests)| *requests as u64).sum::<u64>(), 31, "{counted:?}");
        assert!(counted.windows(2).all(|pair| pair[1].0 >= pair[0].0), "{counted:?}");
        assert_eq!(counted.last(), Some(&(31, 1.0)));
    }

    #[test]
    fn of_too_much_the_first_and_the_last_lines_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, "before\n");
        let mut log = followed(&path);
        append(&path, "aaaa\nbbbb\ncccc\ndddd\neeee\n");
        log.tick(1);
        assert_eq!(text(&log.during(14)), "aaaa\n<15>eeee\n");
        assert_eq!(text(&log.during(25)), "aaaa\nbbbb\ncccc\ndddd\neeee\n");
    }

    #[test]
    fn lines_are_dated_by_the_look_that_saw_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, LINE);
        let mut log = followed(&path);
        log.tick(10);
        append(&path, &LINE.repeat(2));
        log.tick(20);
        append(&path, LINE.trim_end());
        log.tick(30);
        append(&path, "\n");
        log.tick(40);
        let mut timeline = Timeline::default();
        assert_eq!(log.count(&mut timeline), Counted::All);
        let counted: Vec<_> = timeline
            .moments
            .iter()
            .map(|(at, counts)| (*at, counts.shapes(crate::workload::When::During)[0].requests))
            .collect();
        assert_eq!(counted, [(20, 2.0), (40, 1.0)]);
    }

    #[test]
    fn a_file_that_was_cut_is_read_from_its_new_beginning_and_the_loss_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, "before\n");
        let mut log = followed(&path);
        append(&path, LINE);
        log.tick(1);
        fs::write(&path, "new\n").unwrap();
        let mut next = log.tick(2).expect("another part");
        append(&path, LINE);
        assert!(log.tick(3).is_none() && next.tick(3).is_none());
        assert_eq!(log.lost_bytes(), LINE.len() as u64);
        assert_eq!(text(&next.during(1000)), format!("new\n{LINE}"));
        assert_eq!(log.count(&mut Timeline::default()), Counted::Part);
    }

    #[test]
    fn a_file_that_was_cut_before_anything_came_loses_nothing_but_its_past() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, &format!("INFO:     Started server process [7]\n{LINE}"));
        let mut log = followed(&path);
        fs::write(&path, LINE).unwrap();
        let next = log.tick(1).expect("another part");
        let mut timeline = Timeline::default();
        assert_eq!((log.count(&mut timeline), next.count(&mut timeline)), (Counted::All, Counted::All));
        assert_eq!(timeline.moments.len(), 1);
        assert!(log.during(99).is_empty() && log.earlier(&[7]).is_none());
    }

    #[test]
    fn a_file_that_was_moved_away_is_followed_into_the_one_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, "before\n");
        let mut log = followed(&path);
        append(&path, "old\n");
        fs::rename(&path, dir.path().join("log.1")).unwrap();
        append(&path, "new\n");
        let next = log.tick(1).expect("another file");
        assert_eq!((text(&log.during(99)), text(&next.during(99))), ("old\n".to_owned(), "new\n".to_owned()));
        assert_eq!(log.lost_bytes(), 0);
    }

    #[test]
    fn all_requests_are_counted_only_where_the_log_begins_with_the_process() {
        let dir = tempfile::tempdir().unwrap();
        for (number, (begin, known)) in [
            ("INFO:     Started server process [7]\n", true),
            ("banner\nINFO:     Started parent process [7]\nINFO:     Started server process [9]\n", true),
            ("[2026-11-24 05:58:48 +0000] [7] [INFO] Starting gunicorn 23.0.0\n", true),
            ("[INFO] Starting granian (main PID: 7)\n", true),
            ("{\"message\": \"Started server process [7]\"}\n", true),
            ("INFO:     Started server process [8]\n", false),
            ("", false),
            (LINE, false),
        ]
        .into_iter()
        .enumerate()
        {
            let path = dir.path().join(number.to_string());
            append(&path, &format!("{begin}{LINE}INFO:     Started server process [7]\n{LINE}"));
            assert_eq!(followed(&path).earlier(&[7]).is_some(), known, "{begin}");
        }
    }
}
