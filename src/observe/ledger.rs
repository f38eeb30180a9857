//! From what the kernel counts to the rows of a table: files that are read again and again, and counters without end
//! that are told by their growth.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::series::Reading;

/// What one figure is now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A count without end, to be told by its growth.
    Counter {
        /// How far it has come.
        count: u64,
        /// How many of it make one of the column's unit.
        per_unit: u64,
    },
    /// A value of the moment, in the column's unit.
    Level(f64),
}

/// The figures of one row before counters are told by their growth, by column; none for what cannot be read.
pub type Figures = Vec<(&'static str, Option<Value>)>;

/// A counter that may be missing.
pub fn counter(count: Option<u64>, per_unit: u64) -> Option<Value> {
    count.map(|count| Value::Counter { count, per_unit })
}

/// A number of things that may be missing.
pub fn level(number: Option<u64>) -> Option<Value> {
    number.map(|number| Value::Level(number as f64))
}

/// One table's rows: its name, and how far each counter had come in the row before.
#[derive(Debug)]
pub struct Ledger {
    table: String,
    counts: BTreeMap<&'static str, u64>,
}

impl Ledger {
    /// The ledger of a table without rows.
    pub fn new(table: impl Into<String>) -> Self {
        Self { table: table.into(), counts: BTreeMap::new() }
    }

    /// The next row. A counter's growth is none in the first row, and where the counter was set back. One that cannot
    /// be read for a while tells in the row after it what it grew by in all.
    pub fn row(&mut self, at_us: u64, figures: &Figures) -> Reading {
        let mut values = Vec::with_capacity(figures.len());
        for &(column, value) in figures {
            let figure = match value {
                Some(Value::Counter { count, per_unit }) => {
                    let before = self.counts.insert(column, count);
                    // Growth in whole counts first, so that a sum of rows is not off by the rounding of large numbers.
                    before.and_then(|before| count.checked_sub(before)).map(|growth| growth as f64 / per_unit as f64)
                }
                Some(Value::Level(value)) => Some(value),
                None => None,
            };
            values.push((column.to_owned(), figure));
        }
        Reading { table: self.table.clone(), at_us, values }
    }
}

/// More than the files read here ever hold in the part that matters: `/proc/stat` is longer, but begins with it.
const ROOM_BYTES: usize = 8192;

/// A file of the kernel's that is read again and again: kept open, since to look its path up costs more than to read
/// it, and since it stays the file of the process or cgroup that it was opened for.
#[derive(Debug)]
pub struct KernelFile(File);

impl KernelFile {
    /// Opens it; none is read yet.
    pub fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    /// What its text says now; none where it cannot be read, and where `parse` finds nothing in it.
    pub fn tells<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let mut room = [0; ROOM_BYTES];
        let length = self.0.read_at(&mut room, 0).ok()?;
        let text: Cow<'_, str> = String::from_utf8_lossy(&room[..length]);
        parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn growth(ledger: &mut Ledger, count: Option<u64>) -> Option<f64> {
        ledger.row(0, &vec![("x", counter(count, 1))]).values[0].1
    }

    #[test]
    fn a_counter_is_told_by_its_growth_and_not_at_all_at_first_or_when_it_was_set_back() {
        let mut ledger = Ledger::new("t");
        let counts = [Some(5), Some(7), Some(7), Some(3), Some(4)];
        let told = counts.map(|count| growth(&mut ledger, count));
        assert_eq!(told, [None, Some(2.0), Some(0.0), None, Some(1.0)]);
    }

    #[test]
    fn a_row_holds_its_table_its_time_and_every_column() {
        let mut ledger = Ledger::new("t");
        let row = ledger.row(7, &vec![("a", level(Some(3))), ("b", None), ("c", counter(Some(1), 1))]);
        assert_eq!((row.table.as_str(), row.at_us), ("t", 7));
        assert_eq!(row.values, [("a".to_owned(), Some(3.0)), ("b".to_owned(), None), ("c".to_owned(), None)]);
    }

    #[test]
    fn a_kept_file_tells_what_it_says_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "12").unwrap();
        let file = KernelFile::open(&path).unwrap();
        let number = |text: &str| text.parse::<u64>().ok();
        assert_eq!(file.tells(number), Some(12));
        std::fs::write(&path, "x").unwrap();
        assert_eq!(file.tells(number), None);
    }

    proptest! {
        #[test]
        fn the_rows_of_a_counter_sum_to_its_growth_also_where_some_could_not_be_read(
            steps in prop::collection::vec((0_u64..1_000_000_000, any::<bool>()), 1..50),
            begin in 0_u64..1 << 60,
        ) {
            let mut ledger = Ledger::new("t");
            growth(&mut ledger, Some(begin));
            let (mut now, mut sum) = (begin, 0.0);
            for (step, readable) in steps {
                now += step;
                sum += growth(&mut ledger, readable.then_some(now)).unwrap_or_default();
            }
            sum += growth(&mut ledger, Some(now)).unwrap_or_default();
            // Whole numbers of this size are exact.
            prop_assert_eq!(sum as u64, now - begin);
        }
    }
}
