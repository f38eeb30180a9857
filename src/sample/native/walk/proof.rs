//! Whether frames that were copied one after the other stood there together.

use std::ops::Range;

use super::ask::{Asked, First, Joint};
use super::{CHUNK, End, MOST_FRAMES, Proof, Start, Top, Walker};
use crate::sample::native::frame::Frame;

impl Walker {
    pub(super) fn judge(&mut self, end: End, start: &Start) -> Proof {
        self.remember(start);
        let topmost = self.topmost(&start.first);
        let end = if end == End::Root && !self.is_joined(topmost, start) { End::Doubted } else { end };
        let moved = self.moved(start.top, topmost, &start.first);
        self.proven = if end == End::Root { self.frames.len().saturating_sub(moved) } else { 0 };
        let ends_elsewhere = start.root.zip(self.frames.last()).is_some_and(|(root, last)| root != last.address);
        match end {
            End::Nowhere | End::Missed => Proof::Broken,
            _ if ends_elsewhere => Proof::Elsewhere,
            End::Root if moved == 0 => Proof::Whole,
            End::Root | End::Doubted => Proof::Changed,
        }
    }

    /// How many of the topmost frames were copied before the pointer to them too.
    fn topmost(&self, first: &First) -> usize {
        self.frames.iter().take_while(|frame| self.copied(frame, &first.before).is_some()).count()
    }

    /// Whether the first caller that was copied after the pointer only was called by the topmost frames then too. What
    /// stood on the thread's stack when they ended is the same as before, though a caller below it may not be.
    fn is_joined(&mut self, topmost: usize, start: &Start) -> bool {
        let caller = self.frames.get(topmost).filter(|_| topmost > 0).copied();
        let Some(caller) = caller.filter(|caller| self.copied(caller, &start.first.nearest).is_some()) else {
            return true;
        };
        match &start.first.joint {
            None => false,
            &Some(Joint::Anchor(anchor, stretch)) => {
                let callees = &self.frames[..topmost];
                self.is_still(callees.iter().find(|frame| frame.address == anchor).copied(), stretch)
            }
            Some(Joint::Pointer(asked)) => self.leads_to(start.top, asked, topmost, caller.address),
        }
    }

    /// How many of the topmost frames were not the same before the pointer to them was copied and after; of the last
    /// that was not, only which function it is.
    fn moved(&self, top: Top, topmost: usize, first: &First) -> usize {
        let Some(leaf) = self.frames.first() else { return 0 };
        if self.have_stayed(top, leaf, first) {
            return 0;
        }
        if topmost == 0 {
            // One that was not expected at all was proven when it was read.
            return if self.copied(leaf, &first.nearest).is_some() { self.frames.len() } else { 0 };
        }
        let topmost = &self.frames[..topmost];
        let is_as_before = |frame: &&Frame| self.copied(frame, &first.before) == Some(**frame);
        let moved = topmost.len() - topmost.iter().rev().take_while(is_as_before).count();
        let last = moved.checked_sub(1).and_then(|last| topmost.get(last));
        let is_same = |frame: &Frame| self.copied(frame, &first.before).is_some_and(|before| frame.is_run_of(&before));
        moved - usize::from(last.is_some_and(is_same))
    }

    /// Whether the topmost frame was there before and after the topmost frames were copied, or by then one that lies
    /// above it on the thread's stack of frames.
    fn have_stayed(&self, top: Top, leaf: &Frame, first: &First) -> bool {
        let now = self.told_head(top, &first.again);
        let is_above = |now: u64| now >= leaf.address && now - leaf.address < CHUNK;
        let copied = || self.frames.iter().take_while(|frame| self.copied(frame, &first.after).is_some());
        let is_same = |frame: &Frame| self.copied(frame, &first.again).is_some_and(|again| again.is_run_of(frame));
        !self.tells_its_end(leaf.owner) && now.is_some_and(is_above) && copied().count() > 0 && copied().all(is_same)
    }

    fn copied(&self, frame: &Frame, among: &Range<usize>) -> Option<Frame> {
        self.frame_at(frame.address, among.clone()).map(|(frame, _)| frame)
    }

    /// Whether the topmost frame of a later time leads, by way of these copies, to the last of the first `callees`
    /// frames as it was found; where there are none, to the frame that they would have been called by.
    pub(super) fn leads_to(&self, top: Top, asked: &Asked, callees: usize, frame: u64) -> bool {
        let Some(mut next) = self.told_head(top, &asked.pointer) else { return false };
        let callee = callees.checked_sub(1).map(|last| self.frames[last]);
        for _ in 0..MOST_FRAMES {
            if callee.is_none() && next == frame {
                return true;
            }
            let Some((copy, _)) = self.frame_at(next, asked.copies.clone()) else { break };
            if let Some(callee) = callee.filter(|callee| callee.address == next) {
                return copy.is_run_of(&callee);
            }
            next = copy.previous;
        }
        false
    }

    /// Whether a frame that tells its end had not ended when this stretch was copied.
    pub(super) fn is_still(&self, anchor: Option<Frame>, stretch: usize) -> bool {
        anchor.is_some_and(|anchor| {
            let now = self.frame_at(anchor.address, stretch..stretch + 1);
            now.is_some_and(|(now, _)| now.is_run_of(&anchor))
        })
    }
}
