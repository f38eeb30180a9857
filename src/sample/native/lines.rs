//! Line tables: which line of its file each instruction of a code object comes from.
//!
//! Two formats: pairs of steps in 3.10 (PEP 626, `Objects/lnotab_notes.txt`), and from 3.11 on entries that tell
//! columns, too (PEP 657, `Objects/locations.md`, later `InternalDocs/code_objects.md`), which are passed over here.
//!
//! An instruction that has no line, such as the clean-up after `with`, counts for the line before it: it is there on
//! that line's behalf.

use super::layout::Version;

/// The line of every instruction of a code object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineTable {
    /// From which unit on it is which line, in ascending order of units.
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    unit: u32,
    line: u32,
}

impl LineTable {
    /// Decodes `co_linetable`. Takes any bytes, and never makes more of them than one run for each byte: a table that is
    /// none gives lines that are none.
    pub fn decode(version: Version, table: &[u8], first_line: u32) -> Self {
        let mut lines = Self::default();
        if version.minor <= 10 {
            lines.pairs(table, first_line);
        } else {
            lines.entries(table, first_line);
        }
        lines.runs.shrink_to_fit();
        lines
    }

    /// The line of the instruction at `unit`, counted in code units of two bytes; 0 where none is known.
    pub fn line(&self, unit: u32) -> u32 {
        let after = self.runs.partition_point(|run| run.unit <= unit);
        after.checked_sub(1).map_or(0, |at| self.runs[at].line)
    }

    /// How many bytes this takes.
    pub fn bytes(&self) -> usize {
        self.runs.len() * size_of::<Run>()
    }

    /// 3.10: a pair is the bytes of code that it stands for, and how many lines further these are; -128 is no line.
    fn pairs(&mut self, table: &[u8], first_line: u32) {
        const NO_LINE: i8 = -128;
        let (mut byte, mut line) = (0_u32, i64::from(first_line));
        for &[step, delta] in table.as_chunks().0 {
            let delta = delta.cast_signed();
            if delta != NO_LINE {
                line += i64::from(delta);
                // A pair for no code only brings the line nearer to that of the next one, which is too far for one step.
                if step != 0 {
                    self.run(byte / 2, line);
                }
            }
            byte = byte.saturating_add(u32::from(step));
        }
    }

    /// 3.11 on: an entry begins with a byte whose highest bit is set, and no other byte has it set.
    fn entries(&mut self, table: &[u8], first_line: u32) {
        const BEGINS: u8 = 0x80;
        /// `PY_CODE_LOCATION_INFO_NONE`.
        const NO_LINE: u8 = 15;
        let (mut unit, mut line) = (0_u32, i64::from(first_line));
        let mut rest = table;
        while let Some((&head, after)) = rest.split_first() {
            let next = after.iter().position(|byte| byte & BEGINS != 0).unwrap_or(after.len());
            let (entry, following) = after.split_at(next);
            rest = following;
            if head & BEGINS == 0 {
                continue;
            }
            let form = head >> 3 & 0b1111;
            line = line.saturating_add(line_step(form, entry));
            if form != NO_LINE {
                self.run(unit, line);
            }
            unit = unit.saturating_add(u32::from(head & 0b111) + 1);
        }
    }

    fn run(&mut self, unit: u32, line: i64) {
        let line = u32::try_from(line).unwrap_or(0);
        if self.runs.last().is_none_or(|last| last.line != line) {
            self.runs.push(Run { unit, line });
        }
    }
}

/// How many lines an entry of this form is after the one before it (`PyCodeLocationInfoKind` in
/// `Include/cpython/code.h`).
fn line_step(form: u8, entry: &[u8]) -> i64 {
    match form {
        // `PY_CODE_LOCATION_INFO_ONE_LINE0` to `..._ONE_LINE2`.
        10..=12 => i64::from(form - 10),
        // `PY_CODE_LOCATION_INFO_NO_COLUMNS` and `PY_CODE_LOCATION_INFO_LONG`.
        13 | 14 => signed(entry),
        _ => 0,
    }
}

/// A number in groups of six bits, the lowest first, whose lowest bit is the sign. What exceeds 60 bits is dropped.
fn signed(entry: &[u8]) -> i64 {
    const MORE: u8 = 0x40;
    const MOST_GROUPS: usize = 10;
    let mut number = 0_i64;
    for (group, byte) in entry.iter().take(MOST_GROUPS).enumerate() {
        number |= i64::from(byte & 0x3f) << (6 * group);
        if byte & MORE == 0 {
            break;
        }
    }
    if number & 1 == 1 { -(number >> 1) } else { number >> 1 }
}
