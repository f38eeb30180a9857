//! Pressure stall information: how long some task had to wait for a CPU, for memory, for a disk (kernel 4.20 and later,
//! Documentation/accounting/psi.rst).

use std::path::{Path, PathBuf};

use crate::observe::ledger::{Figures, KernelFile, counter};
use crate::series::column;

const COLUMNS: [(&str, &str); 3] =
    [("cpu", column::CPU_PRESSURE_S), ("memory", column::MEMORY_PRESSURE_S), ("io", column::IO_PRESSURE_S)];

/// The three files of one cgroup, or of the machine.
#[derive(Debug)]
pub struct Pressure([Option<KernelFile>; 3]);

impl Pressure {
    /// Those of a cgroup of version 2.
    pub fn of_cgroup(level: &Path) -> Self {
        Self::open(|resource| level.join(format!("{resource}.pressure")))
    }

    /// Those of the machine, in a `/proc/pressure`.
    pub fn of_machine(folder: &Path) -> Self {
        Self::open(|resource| folder.join(resource))
    }

    fn open(path: impl Fn(&str) -> PathBuf) -> Self {
        Self(COLUMNS.map(|(resource, _)| KernelFile::open(&path(resource)).ok()))
    }

    /// Whether any of it is told. Where it is switched off, the files may be there and refuse to be read.
    pub fn is_told(&self) -> bool {
        self.figures().iter().any(|(_, value)| value.is_some())
    }

    /// The figures now, in the tables' columns.
    pub fn figures(&self) -> Figures {
        let told = self.0.iter().map(|file| file.as_ref().and_then(|file| file.tells(stalled_us)));
        COLUMNS.iter().zip(told).map(|(&(_, column), total)| (column, counter(total, 1_000_000))).collect()
    }
}

/// `total` of the line `some`, in microseconds.
fn stalled_us(text: &str) -> Option<u64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split_ascii_whitespace().find_map(|field| field.strip_prefix("total="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn some_counts_and_full_does_not() {
        let text =
            "some avg10=0.07 avg60=5.02 avg300=5.51 total=2712965431\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n";
        assert_eq!(stalled_us(text), Some(2_712_965_431));
        assert_eq!(stalled_us("full avg10=0.00 total=9\n"), None);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "(some|full|total=|[ \n0-9a-z=.]){0,40}") {
            let _ = stalled_us(&text);
        }
    }
}
