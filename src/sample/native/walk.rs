//! One thread's frames, read while they change, and whether what was read can have stood there.
//!
//! The target runs on while its frames are copied, so a copy can mix two stacks. One batch therefore reads the frames
//! from the leaf to the root and then once more. Frames come and go at the leaf only: a frame that is the same in both
//! copies did not leave in between, so neither did any of its callers. What lies above such a frame is trusted where
//! both sides of a call were copied from one page, some nanoseconds apart; everything else is read again. A batch takes
//! tens of microseconds; only a stack that changes twice within them, and the second time to what it was, deceives it.
//!
//! Which frames to ask for is guessed from what was last seen: each frame's caller is remembered by its address. A
//! guess that fails costs a further call and no truth.

use std::collections::HashMap;
use std::ops::Range;

use crate::os::clock::monotonic_us;
use crate::os::memory::{Fault, Memory};
use crate::sample::native::batch::{Batch, PAGE};
use crate::sample::native::frame::{Frame, Owner, array};
use crate::sample::native::layout::FrameLayout;

/// Deeper stacks are cut: Python's own limit is 1,000 unless it was raised.
pub const MOST_FRAMES: usize = 4_096;
/// How often a stack that changed while it was read is read again.
const MOST_RETRIES: u32 = 2;
/// How often the frames to ask for are guessed anew because the guess was wrong.
const MOST_GUESSES: u32 = 8;
/// Callers are remembered for so many frames.
const MOST_LINKS: usize = 65_536;
/// So many stretches of a batch are read a second time, from the leaf on: the thread's stack of frames takes one or two,
/// each coroutine one.
const READ_TWICE: usize = 32;
/// A batch that took longer was interrupted in its midst (a whole one of 200 frames takes some 60 microseconds).
const INTERRUPTED_US: u64 = 500;
/// What is read below an unknown frame in its page, where its callers mostly are.
const LOOK_BELOW: u64 = 2_048;

/// Whether the frames can have stood there together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// They did.
    Whole,
    /// They did, but do not end where this thread's stacks end.
    Elsewhere,
    /// They changed while they were read, each time that it was tried.
    Changed,
    /// They lead nowhere.
    Broken,
}

/// A thread's topmost frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Top {
    /// Where the pointer to it is.
    pub place: u64,
    /// What it was when last read.
    pub frame: u64,
}

/// Reads frames; what it remembers of one process makes the next reading cheap.
#[derive(Debug)]
pub struct Walker {
    layout: FrameLayout,
    batch: Batch,
    links: HashMap<u64, Link>,
    frames: Vec<Frame>,
    again: Vec<Frame>,
    retries: u64,
    interrupted_us: u64,
}

/// What was last seen of a frame.
#[derive(Debug, Clone, Copy)]
struct Link {
    previous: u64,
    owner: Owner,
}

/// What one attempt came to.
enum Attempt {
    /// The guess was right, and this is what the frames are worth.
    Read(Proof),
    /// This frame was not asked for.
    Unguessed(u64),
}

impl Walker {
    /// Of a process whose frames look like this.
    pub fn new(layout: FrameLayout) -> Self {
        Self {
            layout,
            batch: Batch::default(),
            links: HashMap::new(),
            frames: Vec::new(),
            again: Vec::new(),
            retries: 0,
            interrupted_us: INTERRUPTED_US,
        }
    }

    /// The frames that were read last, the leaf first.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// How often a stack was read again because it had changed.
    pub fn retries(&self) -> u64 {
        self.retries
    }

    /// Reads the frames of a thread, which are expected to end in the frame `root`, where that is known.
    ///
    /// # Errors
    /// When nothing of the process can be read any more.
    pub fn walk(&mut self, memory: &impl Memory, mut top: Top, root: Option<u64>) -> Result<Proof, Fault> {
        let (mut retries, mut guesses) = (0, 0);
        self.learn(memory, top.frame)?;
        loop {
            let proof = match self.attempt(memory, &mut top, root)? {
                Attempt::Unguessed(frame) if guesses < MOST_GUESSES => {
                    guesses += 1;
                    self.learn(memory, frame)?;
                    continue;
                }
                Attempt::Unguessed(_) => Proof::Broken,
                Attempt::Read(proof) => proof,
            };
            if proof == Proof::Whole || retries == MOST_RETRIES {
                return Ok(proof);
            }
            retries += 1;
            self.retries += 1;
        }
    }

    fn attempt(&mut self, memory: &impl Memory, top: &mut Top, root: Option<u64>) -> Result<Attempt, Fault> {
        let (first, again) = self.ask(*top);
        let begun_us = monotonic_us();
        self.batch.read(memory)?;
        let was_interrupted = monotonic_us() - begun_us > self.interrupted_us;
        let Some(head) = self.word(0) else { return Ok(Attempt::Read(Proof::Broken)) };
        top.frame = head;
        let end = self.follow(head, first.clone());
        for frame in &self.frames {
            self.links.insert(frame.address, Link { previous: frame.previous, owner: frame.owner });
        }
        let proof = match end {
            End::Missing(frame) => return Ok(Attempt::Unguessed(frame)),
            End::Endless => Proof::Broken,
            End::Root if was_interrupted || !self.stood(first, again) => Proof::Changed,
            End::Root if self.ends_elsewhere(root) => Proof::Elsewhere,
            End::Root => Proof::Whole,
        };
        Ok(Attempt::Read(proof))
    }

    fn ends_elsewhere(&self, root: Option<u64>) -> bool {
        root.zip(self.frames.last()).is_some_and(|(root, last)| root != last.address)
    }

    /// Fills the batch: the pointer to the topmost frame, the frames as they are guessed, the upper ones again, and the
    /// pointer again. Tells which stretches hold the frames and which hold them again.
    fn ask(&mut self, top: Top) -> (Range<usize>, Range<usize>) {
        if self.links.len() > MOST_LINKS {
            self.links.clear();
        }
        self.batch.clear();
        self.batch.add(top.place, 8);
        let mut next = top.frame;
        for _ in 0..MOST_FRAMES {
            if next == 0 {
                break;
            }
            let link = self.links.get(&next).copied();
            let (from, to) = self.extent(next, link);
            if !self.batch.holds(from, to, 1) && !self.batch.join(from, (to - from) as usize, 1) {
                break;
            }
            let Some(link) = link else { break };
            next = link.previous;
        }
        let end = self.batch.len();
        let twice = end.min(1 + READ_TWICE);
        for index in 1..twice {
            self.batch.repeat(index);
        }
        self.batch.add(top.place, 8);
        (1..end, end..end + twice - 1)
    }

    /// What to read for a frame: the whole page where it stands on the thread's stack of frames, together with its
    /// callers and whatever stands above it by then; just the frame where it does not.
    fn extent(&self, address: u64, link: Option<Link>) -> (u64, u64) {
        let end = address.saturating_add(self.layout.size as u64);
        match link {
            Some(Link { owner: Owner::Thread, .. }) if self.layout.owner.is_some() => {
                (address & !(PAGE - 1), end.saturating_add(PAGE - 1) & !(PAGE - 1))
            }
            _ => (address, end),
        }
    }

    /// Follows the frames from `head` through these stretches, into `frames`.
    fn follow(&mut self, head: u64, among: Range<usize>) -> End {
        self.frames.clear();
        let (mut next, mut hint) = (head, among.start);
        while next != 0 {
            if self.frames.len() == MOST_FRAMES {
                return End::Endless;
            }
            let Some((frame, index)) = self.frame_at(next, among.clone(), hint) else { return End::Missing(next) };
            self.frames.push(frame);
            (next, hint) = (frame.previous, index);
        }
        End::Root
    }

    fn frame_at(&self, address: u64, among: Range<usize>, hint: usize) -> Option<(Frame, usize)> {
        let (bytes, index) = self.batch.at(address, self.layout.size, among, hint)?;
        Some((Frame::parse(&self.layout, address, bytes)?, index))
    }

    /// Whether the frames stood there together, by what was read again.
    fn stood(&mut self, first: Range<usize>, again: Range<usize>) -> bool {
        let Some(head) = self.word(again.end) else { return self.frames.is_empty() };
        self.again.clear();
        let (mut next, mut hint) = (head, again.start);
        while next != 0 && self.again.len() < MOST_FRAMES {
            let Some((frame, index)) = self.frame_at(next, again.clone(), hint) else { break };
            self.again.push(frame);
            (next, hint) = (frame.previous, index);
        }
        // From `next` on nothing was read again, but it was still the caller.
        let rest = self.frames.iter().position(|frame| frame.address == next).unwrap_or(self.frames.len());
        let pairs = self.frames[..rest].iter().rev().zip(self.again.iter().rev());
        let stayed = pairs.take_while(|(frame, again)| frame.stands_as(again)).count();
        let above = &self.frames[..(rest - stayed + 1).min(self.frames.len())];
        let runs_still = |frame: &Frame| self.again.iter().any(|again| again.is_run_of(frame));
        above
            .windows(2)
            .all(|call| self.are_of_one_copy(&call[0], &call[1], first.clone()) || call.iter().all(runs_still))
            && self.frames[rest..].iter().all(|frame| self.is_unchanged(frame, again.clone()))
    }

    /// Whether a frame is the same in these stretches, where they hold it.
    fn is_unchanged(&self, frame: &Frame, again: Range<usize>) -> bool {
        let hint = again.start;
        self.frame_at(frame.address, again, hint).is_none_or(|(again, _)| again.stands_as(frame))
    }

    /// Whether both frames lie in one page that was read as a whole.
    fn are_of_one_copy(&self, callee: &Frame, caller: &Frame, among: Range<usize>) -> bool {
        let page = |address: u64| address & !(PAGE - 1);
        let end = |frame: &Frame| frame.address + self.layout.size as u64 - 1;
        let one_page = [caller.address, end(callee), end(caller)].iter().all(|&at| page(at) == page(callee.address));
        let stretch =
            |frame: &Frame| self.batch.at(frame.address, self.layout.size, among.clone(), among.start).map(|at| at.1);
        one_page && stretch(callee) == stretch(caller)
    }

    /// Reads a frame that is not known and its callers up to one that is, and remembers them.
    fn learn(&mut self, memory: &impl Memory, frame: u64) -> Result<(), Fault> {
        let mut next = frame;
        for _ in 0..MOST_FRAMES {
            if next == 0 || self.links.contains_key(&next) {
                break;
            }
            let from = next.saturating_sub(LOOK_BELOW).max(next & !(PAGE - 1));
            let Some(end) = next.checked_add(self.layout.size as u64) else { break };
            self.batch.clear();
            self.batch.add(from, (end - from) as usize);
            match self.batch.read(memory) {
                Ok(()) => {}
                // A frame that is gone by now; whether the process is gone too shows at the next attempt.
                Err(Fault::Unmapped) => break,
                Err(fault) => return Err(fault),
            }
            let unknown = next;
            while let Some((read, _)) = self.frame_at(next, 0..1, 0).filter(|_| !self.links.contains_key(&next)) {
                self.links.insert(next, Link { previous: read.previous, owner: read.owner });
                next = read.previous;
            }
            if next == unknown {
                break;
            }
        }
        Ok(())
    }

    fn word(&self, stretch: usize) -> Option<u64> {
        Some(u64::from_ne_bytes(array(self.batch.stretch(stretch)?, 0)?))
    }
}

/// Where following frames ended.
enum End {
    /// At the root.
    Root,
    /// At a frame that was not asked for.
    Missing(u64),
    /// Nowhere.
    Endless,
}

#[cfg(test)]
mod tests;
