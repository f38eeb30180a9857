//! What a walk asks for: where the topmost frames are, and in which order they are copied.

use std::ops::Range;

use super::{CHUNK, MOST_AHEAD, Place, Seen, Top, Walker, word};
use crate::os::memory::Memory;
use crate::sample::native::batch::PAGE;
use crate::sample::native::frame::Owner;
use crate::sample::native::layout::Indirection;

/// So much of the C stack is read on either side of the `_PyCFrame` that was just seen: there is one for each run of
/// the interpreter on it.
const C_STACK_AROUND: u64 = 1_536;

/// What is asked for at once, in this order.
pub(super) struct First {
    /// The topmost frames, before the pointer to them.
    pub(super) before: Range<usize>,
    /// What the `_PyCFrame` tells, after the pointer to it.
    pub(super) cframe: Range<usize>,
    /// The topmost frames again.
    pub(super) after: Range<usize>,
    /// The topmost frames once more.
    pub(super) again: Asked,
}

/// The topmost frames of a later time.
pub(super) struct Asked {
    /// What is still there by then: how far the thread's stack of frames is used; where there is none, the topmost frame.
    pub(super) top: usize,
    /// Copies that came after it.
    pub(super) copies: Range<usize>,
}

impl Walker {
    /// Looks where a thread's topmost frames are.
    pub(super) fn aim(&mut self, memory: &impl Memory, top: Top) {
        self.batch.clear();
        let (from, to) = top.extent();
        self.batch.add(from, (to - from) as usize);
        // What cannot be read is missed below too.
        if self.batch.read(memory).is_ok() {
            self.take_aim(top, 0);
        }
    }

    /// Notes what a stretch with the thread's own record says of that.
    pub(super) fn take_aim(&mut self, top: Top, record: usize) {
        let told = |place| self.batch.at(place, 8, record..record + 1).and_then(|(bytes, _)| word(bytes));
        let (pointer, highest) = (told(top.place).unwrap_or(0), top.stack.and_then(told).unwrap_or(0));
        let mut seen = self.seen(top);
        seen.highest = highest;
        if let Indirection::ThroughCFrame(offset) = top.is {
            seen.aim_at(pointer.wrapping_add(offset as u64));
        }
        self.note(top, seen);
    }

    /// Asks for the topmost frames, where they were a moment ago.
    pub(super) fn ask_before(&mut self, top: Top) -> Range<usize> {
        let first = self.batch.count();
        self.ask_topmost(top);
        first..self.batch.count()
    }

    /// Asks for what comes after the pointer to the topmost frame.
    pub(super) fn ask_after(&mut self, top: Top, before: Range<usize>) -> First {
        let cframe = self.ask_cframe(top);
        let after = self.ask_before(top);
        First { before, cframe, after, again: self.ask_again(top) }
    }

    /// Asks for the callers of the frame at this address, which called what was found last: those that it had when that
    /// function was last seen there. What is in stretches from number `first` on is not asked for again.
    pub(super) fn ask_callers(&mut self, top: Top, frame: u64, first: usize) {
        let callee = self.frames.last().map(Place::of);
        let Some(mut place) = callee.and_then(|callee| self.callers.get(callee)) else { return };
        if place.address != frame {
            return;
        }
        let highest = self.seen(top).highest;
        for _ in 0..MOST_AHEAD {
            // What is near the top of the thread's stack was read at once.
            let next = self.callers.get(place).filter(|next| highest.abs_diff(next.address) >= CHUNK);
            let Some(next) = next else { break };
            let (from, to) = self.extent(next.address);
            if !self.batch.holds(from, to, first) {
                self.batch.add(from, (to - from) as usize);
            }
            place = next;
        }
    }

    /// Asks for the places that point to the topmost frame, around the one that was last seen: there is one for each run
    /// of the interpreter on the C stack.
    fn ask_cframe(&mut self, top: Top) -> Range<usize> {
        let first = self.batch.count();
        if let Indirection::ThroughCFrame(_) = top.is {
            let Seen { cframe, c_stack: (lowest, highest), .. } = self.seen(top);
            let from = cframe.saturating_sub(C_STACK_AROUND).max(lowest);
            let to = cframe.saturating_add(C_STACK_AROUND).min(highest).saturating_add(8);
            self.batch.add(from, to.saturating_sub(from) as usize);
        }
        first..self.batch.count()
    }

    /// Asks for the uppermost part of the thread's stack of frames, as far as it was lately used.
    fn ask_topmost(&mut self, top: Top) {
        if let Some(topmost) = self.topmost_extent(top) {
            self.batch.add(topmost.start, (topmost.end - topmost.start) as usize);
        }
    }

    /// Where that is; none where a thread has no such stack, or nothing is known of it.
    pub(super) fn topmost_extent(&self, top: Top) -> Option<Range<u64>> {
        let Seen { lowest, highest, .. } = self.seen(top);
        // The next page may not be there.
        let page = highest.checked_sub(1)? & !(PAGE - 1);
        let from = if lowest < highest && highest - lowest < CHUNK { lowest & !(PAGE - 1) } else { page };
        Some(from..page.saturating_add(PAGE))
    }

    /// Asks what is topmost by then, and for the frame that was found last.
    pub(super) fn ask_again(&mut self, top: Top) -> Asked {
        let first = self.batch.count();
        self.batch.add(top.stack.unwrap_or(top.place), 8);
        let copies = self.batch.count();
        self.ask_topmost(top);
        if let Some(address) = self.shown_by().map(|frame| frame.address)
            && !self.batch.holds(address, address.saturating_add(self.layout.size as u64), copies)
        {
            let (from, to) = self.extent(address);
            self.batch.add(from, (to - from) as usize);
        }
        Asked { top: first, copies: copies..self.batch.count() }
    }

    /// Whose a frame most likely is that was not read yet.
    pub(super) fn owner_of(&self, top: Top, frame: u64) -> Owner {
        if self.seen(top).highest.abs_diff(frame) < CHUNK { Owner::Thread } else { Owner::Generator }
    }

    /// What to read for a frame: the page that it is in, with some of its callers and what stands above it by then. A page
    /// costs no more than a part of it.
    pub(super) fn extent(&self, address: u64) -> (u64, u64) {
        let end = address.saturating_add(self.layout.size as u64);
        (address & !(PAGE - 1), end.saturating_add(PAGE - 1) & !(PAGE - 1))
    }
}
