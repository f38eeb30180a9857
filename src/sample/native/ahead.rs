//! Memory of which some places are read beforehand, in one call: objects tell their lengths in their heads, and asking for
//! each head and then for each body costs more than reading a little too much.

use std::cell::Cell;
use std::ops::Range;

use crate::os::memory::{Fault, Memory, Stretch};

/// Some of a memory, and the rest behind it.
#[derive(Debug)]
pub struct ReadAhead<'memory, M> {
    behind: &'memory M,
    /// Addresses, and where in `bytes` they are.
    places: Vec<(Range<u64>, usize)>,
    bytes: Vec<u8>,
    was_enough: Cell<bool>,
}

impl<'memory, M: Memory> ReadAhead<'memory, M> {
    /// Reads so many bytes at each of these addresses, as far as they are mapped.
    pub fn new(behind: &'memory M, wanted: &[(u64, usize)]) -> Self {
        let stretches: Vec<Stretch> =
            wanted.iter().map(|&(address, length)| Stretch { base: address as usize, len: length }).collect();
        let mut bytes = vec![0; wanted.iter().map(|&(_, length)| length).sum()];
        // What did not come is asked for again when it is needed, and then the fault is told.
        let mut left = behind.read(&stretches, &mut bytes).unwrap_or(0);
        let mut places = Vec::with_capacity(wanted.len());
        let mut at = 0;
        for &(address, length) in wanted {
            let came = left.min(length);
            places.push((address..address.saturating_add(came as u64), at));
            left -= came;
            at += length;
        }
        Self { behind, places, bytes, was_enough: Cell::new(true) }
    }

    /// Whether all that was wanted so far had been read beforehand.
    pub fn was_enough(&self) -> bool {
        self.was_enough.get()
    }

    fn known(&self, stretch: &Stretch) -> Option<&[u8]> {
        let from = stretch.base as u64;
        let to = from.checked_add(stretch.len as u64)?;
        let (range, at) = self.places.iter().find(|(range, _)| range.start <= from && to <= range.end)?;
        let at = at + (from - range.start) as usize;
        self.bytes.get(at..at + stretch.len)
    }
}

impl<M: Memory> Memory for ReadAhead<'_, M> {
    fn read(&self, stretches: &[Stretch], into: &mut [u8]) -> Result<usize, Fault> {
        match stretches {
            [stretch] if let Some(known) = self.known(stretch) => {
                into.get_mut(..known.len()).ok_or(Fault::Unmapped)?.copy_from_slice(known);
                Ok(known.len())
            }
            _ => {
                self.was_enough.set(false);
                self.behind.read(stretches, into)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::native::image::{Image, Pages};

    fn image() -> Image {
        let mut pages = Pages::default();
        pages.write(0x1000, b"the first of them");
        pages.write(0x9000, b"another");
        Image::of(pages)
    }

    fn read(memory: &impl Memory, address: u64) -> Result<[u8; 5], Fault> {
        let mut bytes = [0; 5];
        memory.read_exact(address, &mut bytes).map(|()| bytes)
    }

    #[test]
    fn what_was_read_beforehand_takes_no_further_call() {
        let image = image();
        let ahead = ReadAhead::new(&image, &[(0x1000, 17), (0x9000, 7)]);
        let copied = image.copied();
        assert_eq!((read(&ahead, 0x1004), read(&ahead, 0x9002)), (Ok(*b"first"), Ok(*b"other")));
        assert_eq!(image.copied(), copied);
        assert!(ahead.was_enough());
    }

    #[test]
    fn what_was_not_is_read_when_it_is_wanted() {
        let image = image();
        let ahead = ReadAhead::new(&image, &[(0x1000, 6), (0xdead_0000, 8), (0x9000, 7)]);
        assert_eq!((read(&ahead, 0x1004), read(&ahead, 0x9002)), (Ok(*b"first"), Ok(*b"other")));
        assert!(!ahead.was_enough());
        assert_eq!(read(&ahead, 0xdead_0000), Err(Fault::Unmapped));
    }
}
