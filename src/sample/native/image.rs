//! An image of a target's memory for tests: some pages, and things that happen to them while they are read.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::os::memory::{Fault, Memory, Stretch};

/// Happens to the memory before a stretch is copied.
type Event = Box<dyn FnMut(&mut Pages, usize)>;

/// Memory in parts of 4,096 bytes; what no part holds is not mapped.
#[derive(Default, Clone)]
pub struct Pages(BTreeMap<u64, Vec<u8>>);

/// Pages that live: stretch by stretch, counted from the first one that is ever read, something can happen to them.
#[derive(Default)]
pub struct Image {
    pages: RefCell<Pages>,
    events: RefCell<Vec<Event>>,
    copied: RefCell<usize>,
}

const PAGE: u64 = 4096;

impl Pages {
    /// Writes bytes, mapping what is needed for it.
    pub fn write(&mut self, address: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = address + done as u64;
            let page = self.0.entry(at / PAGE).or_insert_with(|| vec![0; PAGE as usize]);
            let from = (at % PAGE) as usize;
            let length = (page.len() - from).min(bytes.len() - done);
            page[from..from + length].copy_from_slice(&bytes[done..done + length]);
            done += length;
        }
    }

    /// Writes a 64-bit number.
    pub fn write_u64(&mut self, address: u64, value: u64) {
        self.write(address, &value.to_ne_bytes());
    }

    /// Copies bytes; false when one of them is not mapped.
    fn copy(&self, address: u64, into: &mut [u8]) -> bool {
        let mut done = 0;
        while done < into.len() {
            let Some(at) = address.checked_add(done as u64) else { return false };
            let Some(page) = self.0.get(&(at / PAGE)) else { return false };
            let from = (at % PAGE) as usize;
            let length = (page.len() - from).min(into.len() - done);
            into[done..done + length].copy_from_slice(&page[from..from + length]);
            done += length;
        }
        true
    }
}

impl Image {
    /// Of these pages.
    pub fn of(pages: Pages) -> Self {
        Self { pages: RefCell::new(pages), ..Self::default() }
    }

    /// Lets something happen before every stretch that is copied; it is told how many were copied before.
    pub fn before_each(self, event: impl FnMut(&mut Pages, usize) + 'static) -> Self {
        self.events.borrow_mut().push(Box::new(event));
        self
    }

    /// How many stretches were copied.
    pub fn copied(&self) -> usize {
        *self.copied.borrow()
    }
}

impl Memory for Image {
    fn read(&self, stretches: &[Stretch], into: &mut [u8]) -> Result<usize, Fault> {
        let mut read = 0;
        for stretch in stretches {
            for event in self.events.borrow_mut().iter_mut() {
                event(&mut self.pages.borrow_mut(), *self.copied.borrow());
            }
            *self.copied.borrow_mut() += 1;
            // As the kernel does it: a stretch that is not mapped as a whole ends the copying.
            if !self.pages.borrow().copy(stretch.base as u64, &mut into[read..read + stretch.len]) {
                break;
            }
            read += stretch.len;
        }
        if read == 0 && !stretches.is_empty() { Err(Fault::Unmapped) } else { Ok(read) }
    }
}
