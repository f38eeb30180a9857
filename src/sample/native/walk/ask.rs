//! What a walk asks for: where the topmost frames are, and in which order they and their callers are copied.

use std::ops::Range;

use super::{CHUNK, Link, MOST_FRAMES, Seen, Top, Walker};
use crate::os::memory::Memory;
use crate::sample::native::batch::PAGE;
use crate::sample::native::frame::Owner;
use crate::sample::native::layout::Indirection;

/// Where every frame is an object by itself, at least so many callers are read along: what is not has ended when it is.
const OBJECTS_AHEAD: usize = 16;
/// So many callers at most are read before it is looked whether the topmost frames are still there.
const MOST_NEAREST: usize = 4;
/// So many stretches at most show that a frame on the thread's own stack is still there.
const READ_AGAIN: usize = 8;
/// So much of the C stack is read on either side of the `_PyCFrame` that was just seen: there is one for each run of
/// the interpreter on it.
const C_STACK_AROUND: u64 = 2 << 10;
/// So many bytes at least below the topmost frame on the thread's stack of frames are read both before and after the
/// pointer to it: a dozen callers.
const BELOW_TOP: u64 = 2 << 10;
/// So many callers of the topmost frame at most are looked at for one that tells its end.
const MOST_TOPMOST: usize = 12;

/// What the first call asks for, in this order.
pub(super) struct First {
    /// The topmost frames, where they were a moment ago, before the pointer to them.
    pub(super) before: Range<usize>,
    /// What the `_PyCFrame` tells, after the pointer to it.
    pub(super) cframe: Range<usize>,
    /// The topmost frames again.
    pub(super) after: Range<usize>,
    /// The pointer again, by way of the `_PyCFrame` that was last seen, and the topmost frames once more.
    pub(super) again: Range<usize>,
    /// The nearest callers.
    pub(super) nearest: Range<usize>,
    /// What shows that the topmost frames were still there.
    pub(super) joint: Option<Joint>,
    /// Farther callers, and after them the nearest that tells its end, again.
    pub(super) ahead: Range<usize>,
}

/// Where it is asked what the topmost frames are by then.
pub(super) struct Asked {
    /// The pointer to the topmost one, by way of the `_PyCFrame` that was last seen.
    pub(super) pointer: Range<usize>,
    /// Copies that came after it.
    pub(super) copies: Range<usize>,
}

/// What shows that the topmost frames were there after their callers were copied.
pub(super) enum Joint {
    /// One of them that tells its end, and the stretch with a copy of it.
    Anchor(u64, usize),
    /// None of them does: what the topmost frames were by then.
    Pointer(Asked),
}

impl Walker {
    /// Looks where the topmost frame is, and what it was called by: where they were some milliseconds ago they seldom
    /// still are.
    pub(super) fn aim(&mut self, memory: &impl Memory, top: Top) {
        let mut seen = self.seen(top);
        // What cannot be read is missed below too.
        let Ok(pointer) = memory.read_u64(top.place) else { return };
        seen.head = pointer;
        if let Indirection::ThroughCFrame(offset) = top.is {
            seen.cframe = pointer.wrapping_add(offset as u64);
            let (lowest, highest) = seen.c_stack;
            seen.c_stack = (if lowest == 0 { seen.cframe } else { lowest.min(seen.cframe) }, highest.max(seen.cframe));
            seen.head = memory.read_u64(seen.cframe).unwrap_or(0);
        }
        if seen.head == 0 {
            return self.note(top, seen);
        }
        let owner = self.owner_by(seen.head, seen.on_stack);
        if owner == Owner::Thread {
            seen.on_stack = seen.head;
        }
        self.note(top, seen);
        self.batch.clear();
        self.ask_frame(seen.head, owner, seen.lowest, 0);
        if self.batch.read(memory).is_err() {
            return;
        }
        let mut next = seen.head;
        for _ in 0..MOST_FRAMES {
            let Some((frame, _)) = self.frame_at(next, 0..1).filter(|(frame, _)| frame.is_plausible()) else { break };
            if frame.previous != 0 {
                self.links.insert(next, Link { previous: frame.previous, owner: frame.owner });
            }
            next = frame.previous;
        }
    }

    /// Asks for the topmost frames, where they were a moment ago.
    pub(super) fn ask_before(&mut self, top: Top) -> Range<usize> {
        let first = self.batch.count();
        self.ask_topmost(top, first);
        first..self.batch.count()
    }

    /// Asks for what comes after the pointer to the topmost frame, with so many callers as they were when last seen.
    /// What must stay for longest comes last.
    pub(super) fn ask_after(&mut self, top: Top, before: Range<usize>) -> First {
        let first = self.batch.count();
        if let Indirection::ThroughCFrame(_) = top.is {
            let Seen { cframe, c_stack: (lowest, highest), .. } = self.seen(top);
            let from = cframe.saturating_sub(C_STACK_AROUND).max(lowest);
            let to = cframe.saturating_add(C_STACK_AROUND).min(highest).saturating_add(8);
            self.batch.add(from, to.saturating_sub(from) as usize);
        }
        let cframe = first..self.batch.count();
        let anchor = self.predict(top);
        let first = self.batch.count();
        let topmost = self.ask_topmost(top, first);
        let after = first..self.batch.count();
        let again = self.ask_pointer(top);
        self.ask_topmost(top, again.end);
        let again = again.start..self.batch.count();
        let near = anchor.map_or(self.ahead.len(), |(_, at)| at + 1).min(MOST_NEAREST);
        for index in (0..near).rev() {
            let (from, to) = self.ahead[index];
            self.batch.join(from, (to - from) as usize, again.end);
        }
        let nearest = again.end..self.batch.count();
        let joint = (!nearest.is_empty()).then(|| self.ask_joint(top, topmost));
        let first = self.batch.count();
        if let Some((anchor, _)) = anchor.filter(|&(_, at)| at < near && near < self.ahead.len()) {
            for index in near..self.ahead.len() {
                let (from, to) = self.ahead[index];
                self.batch.join(from, (to - from) as usize, first);
            }
            self.batch.add(anchor, self.layout.size);
        }
        let ahead = first..self.batch.count();
        First { before, cframe, after, again, nearest, joint, ahead }
    }

    /// Asks for the uppermost part of the thread's stack of frames, for the topmost frame where that is elsewhere, and
    /// for its callers up to the second that tells its end. Gives the last that does.
    pub(super) fn ask_topmost(&mut self, top: Top, first: usize) -> Option<u64> {
        let Seen { head: mut next, on_stack, lowest, .. } = self.seen(top);
        let head_owner = self.owner_by(next, on_stack);
        if on_stack != 0 {
            self.ask_frame(on_stack, Owner::Thread, lowest, first);
        }
        let mut anchor = None;
        for _ in 0..MOST_TOPMOST {
            if next == 0 {
                break;
            }
            let link = self.links.get(&next).copied().unwrap_or(Link { previous: 0, owner: head_owner });
            self.ask_frame(next, link.owner, lowest, first);
            if self.tells_its_end(link.owner) && anchor.replace(next).is_some() {
                break;
            }
            next = link.previous;
        }
        anchor
    }

    /// Asks for a topmost frame, with what is close below it.
    fn ask_frame(&mut self, address: u64, owner: Owner, lowest: u64, first: usize) {
        let (mut from, to) = self.extent(address, owner);
        if owner == Owner::Thread && !self.tells_its_end(owner) && lowest.abs_diff(address) < CHUNK {
            from = from.min(lowest.max(address.saturating_sub(BELOW_TOP)) & !(PAGE - 1));
        }
        if !self.batch.holds(from, to, first) {
            self.batch.join(from, (to - from) as usize, first);
        }
    }

    /// Asks for the pointer to the topmost frame, and for where it is if the `_PyCFrame` is the one that was last seen.
    fn ask_pointer(&mut self, top: Top) -> Range<usize> {
        let first = self.batch.count();
        self.batch.add(top.place, 8);
        if let Indirection::ThroughCFrame(_) = top.is {
            self.batch.add(self.seen(top).cframe, 8);
        }
        first..self.batch.count()
    }

    /// Asks for what shows that the topmost frames are still there.
    fn ask_joint(&mut self, top: Top, anchor: Option<u64>) -> Joint {
        let Some(anchor) = anchor else { return Joint::Pointer(self.ask_again(top, 0)) };
        let stretch = self.batch.count();
        self.batch.add(anchor, self.layout.size);
        Joint::Anchor(anchor, stretch)
    }

    /// Collects what holds the callers as they were when last seen, the nearest first and no more than are worth it.
    /// Gives the first that tells its end, and its number.
    fn predict(&mut self, top: Top) -> Option<(u64, usize)> {
        let Seen { head, last, ahead, .. } = self.seen(top);
        let mut next = if self.links.contains_key(&head) { head } else { last };
        let most = if self.tells_its_end(Owner::Thread) { ahead.max(OBJECTS_AHEAD) } else { ahead };
        let mut anchor = None;
        self.ahead.clear();
        // What is remembered may lead in a circle.
        for _ in 0..MOST_FRAMES {
            let Some(link) = self.links.get(&next).filter(|_| self.ahead.len() < most) else { break };
            let extent = self.extent(next, link.owner);
            if !self.batch.holds(extent.0, extent.1, 0) && !self.ahead.contains(&extent) {
                if self.tells_its_end(link.owner) {
                    anchor = anchor.or(Some((next, self.ahead.len())));
                }
                self.ahead.push(extent);
            }
            next = link.previous;
        }
        anchor
    }

    /// Asks which frame is the topmost by then, and for so many of those that were found, and for the topmost ones.
    pub(super) fn ask_again(&mut self, top: Top, found: usize) -> Asked {
        let pointer = self.ask_pointer(top);
        let first = self.batch.count();
        for index in 0..found {
            let frame = self.frames[index];
            let (from, to) = self.extent(frame.address, frame.owner);
            if self.batch.holds(from, to, first) {
                continue;
            }
            if self.batch.count() - first == READ_AGAIN || !self.batch.join(from, (to - from) as usize, first) {
                break;
            }
        }
        self.ask_topmost(top, first);
        Asked { pointer, copies: first..self.batch.count() }
    }

    /// Whose a frame most likely is that was not read yet, by one that is on the thread's stack of frames, zero where
    /// none is known.
    fn owner_by(&self, frame: u64, on_stack: u64) -> Owner {
        if let Some(link) = self.links.get(&frame) {
            return link.owner;
        }
        if on_stack == 0 || on_stack.abs_diff(frame) < CHUNK { Owner::Thread } else { Owner::Generator }
    }

    /// What to read for a frame: where it stands on the thread's stack of frames or on the C stack the whole page,
    /// together with its callers and whatever stands above it by then; just the frame where it does not.
    pub(super) fn extent(&self, address: u64, owner: Owner) -> (u64, u64) {
        let end = address.saturating_add(self.layout.size as u64);
        if self.tells_its_end(owner) { (address, end) } else { self.pages(address) }
    }

    /// The page or two that hold a frame.
    pub(super) fn pages(&self, address: u64) -> (u64, u64) {
        let end = address.saturating_add(self.layout.size as u64);
        (address & !(PAGE - 1), end.saturating_add(PAGE - 1) & !(PAGE - 1))
    }
}
