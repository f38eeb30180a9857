//! Where the observers bring what they read: into the work folder of a capture, into the memory of a watch, or both.

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::bundle::work::{self, Work};
use crate::collect::Gap;
use crate::observe::past::Past;
use crate::redact::Gate;
use crate::series::Reading;
use crate::traffic::Tally;

/// A watch looks at the new rows once a second. When it is busy, with the end of a capture for example, so many wait.
const MOST_FRESH: usize = 20_000;

/// Keeps what the observers read. In a work folder every known secret is masked, and a record that cannot be written is
/// left out: the session writes to the same folder and tells of it.
#[derive(Debug)]
pub struct Keeper(Mutex<Places>);

#[derive(Debug)]
struct Places {
    memory: Option<Memory>,
    folder: Option<Folder>,
}

/// What a watch remembers.
#[derive(Debug)]
struct Memory {
    past: Past,
    fresh: Fresh,
}

/// What came since a watch last looked.
#[derive(Debug, Default)]
pub struct Fresh {
    /// Rows of tables.
    pub rows: Vec<Reading>,
    /// Tallies of requests.
    pub tallies: Vec<Tally<String>>,
}

/// The work folder of a capture.
#[derive(Debug)]
struct Folder {
    work: Work,
    gate: Gate,
    /// The folder's time zero on the observers' clock.
    zero_us: u64,
}

impl Keeper {
    /// A keeper for the work folder at a path, whose time zero is the observers'.
    pub fn new(work: &Path, gate: Gate) -> Self {
        let folder = Folder { work: Work::open(work), gate, zero_us: 0 };
        Self(Mutex::new(Places { memory: None, folder: Some(folder) }))
    }

    /// A keeper that remembers so long a past.
    pub fn remembering(reach: Duration) -> Self {
        let memory = Memory { past: Past::new(reach), fresh: Fresh::default() };
        Self(Mutex::new(Places { memory: Some(memory), folder: None }))
    }

    /// A row of a table.
    pub fn reading(&self, reading: &Reading) {
        let mut places = self.places();
        if let Some(memory) = &mut places.memory {
            memory.past.row(reading);
            if memory.fresh.rows.len() < MOST_FRESH {
                memory.fresh.rows.push(reading.clone());
            }
        }
        if let Some(folder) = &places.folder {
            folder.reading(reading);
        }
    }

    /// A tally of requests.
    pub fn tally(&self, tally: &Tally<String>) {
        let mut places = self.places();
        if let Some(memory) = &mut places.memory {
            memory.past.tally(tally);
            if memory.fresh.tallies.len() < MOST_FRESH {
                memory.fresh.tallies.push(tally.clone());
            }
        }
        if let Some(folder) = &places.folder {
            folder.tally(tally);
        }
    }

    /// Something that could not be had.
    pub fn gap(&self, gap: &Gap) {
        let mut places = self.places();
        // What is known is laid in with the past.
        let is_new = places.memory.as_mut().is_none_or(|memory| memory.past.gap(gap));
        if let Some(folder) = places.folder.as_ref().filter(|_| is_new) {
            folder.keep(work::GAPS, gap);
        }
    }

    /// The same, where it concerns one capture alone.
    pub fn gap_of_capture(&self, gap: &Gap) {
        self.keep(work::GAPS, gap);
    }

    /// Any other record; it is remembered nowhere but in a work folder.
    pub fn keep(&self, file: &str, record: &impl Serialize) {
        if let Some(folder) = &self.places().folder {
            folder.keep(file, record);
        }
    }

    /// What a watch has not looked at yet.
    pub fn fresh(&self) -> Fresh {
        self.places().memory.as_mut().map(|memory| std::mem::take(&mut memory.fresh)).unwrap_or_default()
    }

    /// When the oldest row that is remembered was read; none where there is none.
    pub fn begins_us(&self) -> Option<u64> {
        self.places().memory.as_ref().and_then(|memory| memory.past.begins_us())
    }

    /// Another proxy is watched from now on, and may have what the last one had not.
    pub fn forget_gaps(&self) {
        if let Some(memory) = &mut self.places().memory {
            memory.past.forget_gaps();
        }
    }

    /// From now on everything goes into this work folder as well, whose time zero is the observers' `zero_us`. What was
    /// remembered since then is returned, to be laid in when there is time for it.
    pub fn begin_folder(&self, work: &Path, gate: Gate, zero_us: u64) -> Remembered {
        let mut places = self.places();
        let folder = |gate| Folder { work: Work::open(work), gate, zero_us };
        places.folder = Some(folder(gate.clone()));
        Remembered { past: places.memory.as_ref().map(|memory| memory.past.clone()), folder: folder(gate) }
    }

    /// Nothing goes into a work folder any longer.
    pub fn end_folder(&self) {
        self.places().folder = None;
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The past as it was when a capture began, and where it belongs.
#[derive(Debug)]
pub struct Remembered {
    past: Option<Past>,
    folder: Folder,
}

impl Remembered {
    /// Lays it into the work folder.
    ///
    /// # Errors
    /// When the folder takes no more.
    pub fn lay_in(self) -> io::Result<()> {
        let Self { past: Some(past), folder } = self else { return Ok(()) };
        let rows = past.rows_since(folder.zero_us).map(|row| folder.dated(row));
        folder.work.append_all(work::READINGS, rows)?;
        past.tallies_since(folder.zero_us).for_each(|tally| folder.tally(tally));
        past.gaps().iter().for_each(|gap| folder.keep(work::GAPS, gap));
        Ok(())
    }
}

impl Folder {
    /// On the folder's clock.
    fn dated(&self, reading: Reading) -> Reading {
        Reading { at_us: reading.at_us.saturating_sub(self.zero_us), ..reading }
    }

    fn reading(&self, reading: &Reading) {
        self.keep(work::READINGS, &self.dated(reading.clone()));
    }

    fn tally(&self, tally: &Tally<String>) {
        let at_us = tally.at_us.saturating_sub(self.zero_us);
        self.keep(work::TALLIES, &Tally { at_us, ..tally.clone() });
    }

    fn keep(&self, file: &str, record: &impl Serialize) {
        // Text in JSON is escaped, and the gate knows secrets in that form too.
        let Ok(text) = serde_json::to_string(record) else { return };
        let masked = self.gate.masked(&text).unwrap_or(text);
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(&masked) {
            let _ = self.work.append(file, &value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::{Redactor, Sources};

    fn row(second: u64) -> Reading {
        let values = vec![("load_1m".to_owned(), Some(second as f64))];
        Reading { table: "host".to_owned(), at_us: second * 1_000_000, values }
    }

    fn gate() -> Gate {
        Redactor::new(&Sources::default()).gate()
    }

    #[test]
    fn a_capture_gets_what_was_remembered_and_what_comes_on_a_clock_of_its_own() {
        let parent = tempfile::tempdir().unwrap();
        let (work, _) = Work::create(parent.path(), "x").unwrap();
        let keeper = Keeper::remembering(Duration::from_secs(10));
        let gap = Gap::note("metrics", "nobody listens", "look there");
        keeper.gap(&gap);
        (0..20).for_each(|second| keeper.reading(&row(second)));
        assert_eq!(keeper.begins_us(), Some(9_000_000));

        let remembered = keeper.begin_folder(work.dir(), gate(), 12_000_000);
        keeper.reading(&row(20));
        remembered.lay_in().unwrap();
        keeper.reading(&row(21));
        keeper.gap_of_capture(&Gap::note("requests", "no database", "connect one"));
        keeper.end_folder();
        keeper.reading(&row(22));

        let mut rows: Vec<Reading> = work.records(work::READINGS).unwrap();
        rows.sort_by_key(|row| row.at_us);
        let told: Vec<(u64, f64)> = rows.iter().map(|row| (row.at_us / 1_000_000, row.values[0].1.unwrap())).collect();
        let expected: Vec<(u64, f64)> = (12..=21).map(|second| (second - 12, second as f64)).collect();
        assert_eq!(told, expected, "each once, whether it came before or after the folder was there");
        let gaps: Vec<Gap> = work.records(work::GAPS).unwrap();
        assert_eq!(gaps.iter().map(|gap| gap.what.as_str()).collect::<Vec<_>>(), ["metrics", "requests"]);

        // The next capture has the gap of the proxy, and not that of the capture.
        let (next, _) = Work::create(parent.path(), "y").unwrap();
        keeper.begin_folder(next.dir(), gate(), 12_000_000).lay_in().unwrap();
        assert_eq!(next.records::<Gap>(work::GAPS).unwrap(), [gap]);
    }

    #[test]
    fn what_is_fresh_is_given_once() {
        let keeper = Keeper::remembering(Duration::from_secs(10));
        keeper.reading(&row(1));
        assert_eq!(keeper.fresh().rows, [row(1)]);
        assert_eq!(keeper.fresh().rows, []);
        (0..2 * MOST_FRESH as u64).for_each(|second| keeper.reading(&row(second)));
        assert_eq!(keeper.fresh().rows.len(), MOST_FRESH, "nobody looked for long");
    }
}
