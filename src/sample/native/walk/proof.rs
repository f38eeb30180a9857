//! Whether frames that were copied one after the other stood there together.

use std::ops::Range;

use super::ask::{Asked, First};
use super::{CHUNK, End, Proof, Start, Top, Walker, word};
use crate::sample::native::frame::{Frame, Owner};

impl Walker {
    /// What all frames are worth together.
    pub(super) fn judge(&mut self, end: End, start: &Start, is_usual: bool) -> Proof {
        let moved = if is_usual { self.moved(start.top, &start.first) } else { self.frames.len() };
        let is_lost = end != End::Root;
        let is_counted = is_usual && self.doubted == 0;
        self.doubted = if is_lost { self.frames.len() } else { self.doubted.max(moved) };
        self.remember(start.top);
        let ends_elsewhere = start.root.zip(self.frames.last()).is_some_and(|(root, last)| root != last.address);
        match self.doubted {
            _ if is_lost => Proof::Broken,
            _ if ends_elsewhere => Proof::Elsewhere,
            0 => Proof::Whole,
            _ if is_counted => Proof::Moved,
            _ => Proof::Changed,
        }
    }

    /// How many of the topmost frames were copied before the pointer to them too.
    fn topmost(&self, first: &First) -> usize {
        self.frames.iter().take_while(|frame| self.copied(frame, &first.before).is_some()).count()
    }

    /// How many of the topmost frames were not the same before the pointer to them was copied and after; of the last
    /// that was not, only which function it is.
    fn moved(&self, top: Top, first: &First) -> usize {
        let topmost = self.topmost(first);
        let Some(leaf) = self.frames.first() else { return 0 };
        if self.have_stayed(top, leaf, first) {
            return 0;
        }
        if topmost == 0 {
            // What was not copied before was proven when it was read; what was copied after only was not.
            return self.frames.iter().take_while(|frame| self.copied(frame, &first.after).is_some()).count();
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
        let copied = || self.frames.iter().take_while(|frame| self.copied(frame, &first.after).is_some());
        let is_same =
            |frame: &Frame| self.copied(frame, &first.again.copies).is_some_and(|again| again.is_run_of(frame));
        top.stack.is_some()
            && self.is_below_top(&first.again, leaf.address)
            && copied().count() > 0
            && copied().all(is_same)
    }

    /// Whether this part of the thread's stack of frames is still used.
    fn is_below_top(&self, asked: &Asked, address: u64) -> bool {
        let top = self.batch.stretch(asked.top).and_then(word);
        top.is_some_and(|top| top > address && top - address < CHUNK)
    }

    fn copied(&self, frame: &Frame, among: &Range<usize>) -> Option<Frame> {
        self.frame_at(frame.address, among.clone()).map(|(frame, _)| frame)
    }

    /// Whether what was found last was still there by then, so that the frame after it, which was copied before, had called
    /// it; where nothing was found yet, whether that frame itself was.
    pub(super) fn is_there(&self, top: Top, asked: &Asked, frame: Option<Frame>) -> bool {
        let called = self.shown_by();
        let Some(witness) = called.or(frame) else { return false };
        if called.is_none() && top.stack.is_none() {
            return self.batch.stretch(asked.top).and_then(word) == Some(witness.address);
        }
        let is_same = self.copied(&witness, &asked.copies).is_some_and(|now| now.goes_on(&witness));
        is_same && (self.tells_its_end(witness.owner) || self.is_below_top(asked, witness.address))
    }

    /// Which of the frames that were found shows that the last one is still there: mostly itself.
    pub(super) fn shown_by(&self) -> Option<Frame> {
        // A piece of C stack does not tell its end, but what it called does.
        self.frames.iter().rfind(|frame| frame.owner != Owner::Shim).copied()
    }

    /// Whether a frame that tells its end had not ended when this stretch was copied.
    pub(super) fn is_still(&self, anchor: Option<Frame>, stretch: usize) -> bool {
        anchor.is_some_and(|anchor| {
            let now = self.frame_at(anchor.address, stretch..stretch + 1);
            now.is_some_and(|(now, _)| now.goes_on(&anchor))
        })
    }
}
