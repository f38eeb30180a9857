//! Many places of the target's memory in one call, and what was found there.
//!
//! Measured beside a busy LiteLLM: one call after the other takes a microsecond and a half and a third of one for each
//! further stretch, be that a frame or a whole page; the first call after ten milliseconds of other work takes fifteen,
//! and a place that was not read for so long one or two. So calls are saved first, then pages, and bytes not at all.

use std::ops::Range;

use crate::os::memory::{Fault, MOST_STRETCHES, Memory, Stretch};

/// A page of the target's memory, the smallest there is: what is read of one page is copied within some nanoseconds.
pub const PAGE: u64 = 4096;
/// More than that is never read at once: 4,096 frames of a kilobyte each.
const MOST_BYTES: usize = 4 << 20;

/// Places to read, and their contents once read; more can be added and read later. Its buffers are kept from one use to
/// the next.
#[derive(Debug, Default)]
pub struct Batch {
    stretches: Vec<Stretch>,
    /// Where each stretch begins in `bytes`.
    offsets: Vec<usize>,
    /// Whether it came, for those that were asked for.
    came: Vec<bool>,
    bytes: Vec<u8>,
    /// Bytes of all stretches.
    wanted: usize,
}

impl Batch {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.stretches.clear();
        self.offsets.clear();
        self.came.clear();
        self.wanted = 0;
    }

    /// How many stretches there are.
    pub fn count(&self) -> usize {
        self.stretches.len()
    }

    /// Adds a stretch after all others; false when it is too much or beyond all memory.
    pub fn add(&mut self, address: u64, length: usize) -> bool {
        if self.wanted + length > MOST_BYTES || address.checked_add(length as u64).is_none() {
            return false;
        }
        self.stretches.push(Stretch { base: address as usize, len: length });
        self.offsets.push(self.wanted);
        self.wanted += length;
        true
    }

    /// Whether a stretch from number `first` on holds these bytes already.
    pub fn holds(&self, from: u64, to: u64, first: usize) -> bool {
        let holds = |stretch: &Stretch| stretch.base as u64 <= from && to <= (stretch.base + stretch.len) as u64;
        self.stretches.iter().skip(first).any(holds)
    }

    /// Reads those that were added since the last time, in their order. What cannot be read ends it there;
    /// [`Batch::at`] tells what came.
    ///
    /// # Errors
    /// When not even the first of them can be read.
    pub fn read(&mut self, memory: &impl Memory) -> Result<(), Fault> {
        if self.bytes.len() < self.wanted {
            self.bytes.resize(self.wanted.next_power_of_two(), 0);
        }
        let first = self.came.len();
        let mut result = Ok(());
        while self.came.len() < self.stretches.len() && result.is_ok() {
            let from = self.came.len();
            let to = self.stretches.len().min(from + MOST_STRETCHES);
            let wanted: usize = self.stretches[from..to].iter().map(|stretch| stretch.len).sum();
            let into = &mut self.bytes[self.offsets[from]..self.offsets[from] + wanted];
            let mut left = match memory.read(&self.stretches[from..to], into) {
                Ok(read) => read,
                Err(fault) => {
                    result = if from == first { Err(fault) } else { Ok(()) };
                    0
                }
            };
            for stretch in &self.stretches[from..to] {
                self.came.push(left >= stretch.len);
                left = left.saturating_sub(stretch.len);
            }
        }
        self.came.resize(self.stretches.len(), false);
        result
    }

    /// The bytes of stretch number `index`; none where they did not come.
    pub fn stretch(&self, index: usize) -> Option<&[u8]> {
        let (offset, length) = (*self.offsets.get(index)?, self.stretches.get(index)?.len);
        self.came.get(index)?.then(|| &self.bytes[offset..offset + length])
    }

    /// The bytes at an address and the number of the first of these stretches that holds them.
    pub fn at(&self, address: u64, length: usize, among: Range<usize>) -> Option<(&[u8], usize)> {
        let (first, address) = (among.start, usize::try_from(address).ok()?);
        for (index, stretch) in self.stretches.get(among)?.iter().enumerate() {
            let from = address.wrapping_sub(stretch.base);
            if from < stretch.len
                && length <= stretch.len - from
                && let Some(bytes) = self.stretch(first + index)
            {
                return Some((&bytes[from..from + length], first + index));
            }
        }
        None
    }
}
