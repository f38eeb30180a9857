//! One thread's frames, read while they change, and whether what was read can have stood there.
//!
//! The target runs on while its frames are copied, so a copy can mix two stacks. One batch therefore reads the frames
//! from the leaf to the root and then once more. Frames come and go at the leaf only: one that is the same in both copies
//! did not leave in between, so neither did any of its callers. A batch takes tens of microseconds; only a stack that
//! changes twice within them, and the second time to what it was, deceives it.
//!
//! A stack that did change is doubtful, not wrong: most often its leaf returned. It is not read again until it stands
//! still, which would lose just those functions that are called often and shortly, and hand their time to others.
//!
//! Which frames to ask for is guessed from what was last seen: each frame's caller is remembered by its address. A
//! guess that fails costs a further call and no truth.

use std::collections::HashMap;
use std::ops::Range;

use crate::os::clock::monotonic_us;
use crate::os::memory::{Fault, Memory};
use crate::sample::native::batch::{Batch, PAGE};
use crate::sample::native::frame::{Frame, Owner, array};
use crate::sample::native::layout::{FrameLayout, Indirection};

/// Deeper stacks are cut: Python's own limit is 1,000 unless it was raised.
pub const MOST_FRAMES: usize = 4_096;
/// How often the frames to ask for are guessed anew because the guess was wrong.
const MOST_GUESSES: u32 = 8;
/// Callers are remembered for so many frames.
const MOST_LINKS: usize = 65_536;
/// So many stretches of a batch are read a second time, from the leaf on: the thread's stack of frames takes one or two,
/// each coroutine one.
const READ_TWICE: usize = 32;
/// So many `_PyCFrame`s are asked for: one for each run of the interpreter on the C stack, of which the uppermost few
/// come and go.
const MOST_CFRAMES: usize = 32;
/// More threads than are ever read.
const MOST_THREADS: usize = 4_096;
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
    /// They changed while they were read. Each was there, but perhaps not at the same time.
    Changed,
    /// They lead nowhere.
    Broken,
}

/// A thread's topmost frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Top {
    /// Where the pointer to it is, or the pointer to its `_PyCFrame`.
    pub place: u64,
    /// Which of both.
    pub is: Indirection,
    /// What the pointer was when last seen.
    pub seen: u64,
}

/// Reads frames; what it remembers of one process makes the next reading cheap.
#[derive(Debug)]
pub struct Walker {
    layout: FrameLayout,
    batch: Batch,
    links: HashMap<u64, Link>,
    /// The `_PyCFrame`s that were last seen of each thread, by the place of its pointer to them.
    cframes: HashMap<u64, Vec<u64>>,
    frames: Vec<Frame>,
    again: Vec<Frame>,
    interrupted_us: u64,
}

/// What was last seen of a frame.
#[derive(Debug, Clone, Copy)]
struct Link {
    previous: u64,
    owner: Owner,
}

/// The stretches of a batch, in the order in which they are read.
#[derive(Debug, Clone)]
struct Plan {
    /// The topmost frame before all others were read.
    before: Range<usize>,
    /// The frames, the leaf first.
    frames: Range<usize>,
    /// The frames again, or the uppermost of them.
    again: Range<usize>,
    /// The topmost frame at the end.
    end: Range<usize>,
}

impl Walker {
    /// Of a process whose frames look like this.
    pub fn new(layout: FrameLayout) -> Self {
        Self {
            layout,
            batch: Batch::default(),
            links: HashMap::new(),
            cframes: HashMap::new(),
            frames: Vec::new(),
            again: Vec::new(),
            interrupted_us: INTERRUPTED_US,
        }
    }

    /// The frames that were read last, the leaf first.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// Reads the frames of a thread, which are expected to end in the frame `root`, where that is known.
    ///
    /// # Errors
    /// When nothing of the process can be read any more.
    pub fn walk(&mut self, memory: &impl Memory, top: Top, root: Option<u64>) -> Result<Proof, Fault> {
        let head = match top.is {
            Indirection::Direct => top.seen,
            Indirection::ThroughCFrame(offset) => {
                self.learn_cframe(top);
                // It may be gone by now, and the guess with it.
                memory.read_u64(top.seen.wrapping_add(offset as u64)).unwrap_or(0)
            }
        };
        self.learn(memory, head)?;
        let plan = self.ask(top, head);
        let begun_us = monotonic_us();
        self.batch.read(memory)?;
        let was_interrupted = monotonic_us() - begun_us > self.interrupted_us;
        self.frames.clear();
        let Some(before) = self.head(plan.before.clone(), top) else { return Ok(Proof::Broken) };
        let end = self.follow(before, plan.frames.clone());
        let proof = match end {
            End::Endless => Proof::Broken,
            End::Missing(frame) => self.chase(memory, frame)?,
            End::Root if was_interrupted || !self.stood(top, &plan) => Proof::Changed,
            End::Root => Proof::Whole,
        };
        for frame in &self.frames {
            self.links.insert(frame.address, Link { previous: frame.previous, owner: frame.owner });
        }
        let ends_elsewhere = root.zip(self.frames.last()).is_some_and(|(root, last)| root != last.address);
        Ok(if ends_elsewhere && proof != Proof::Broken { Proof::Elsewhere } else { proof })
    }

    /// Reads the callers that were not asked for, from this one on, each time as they are guessed by then.
    fn chase(&mut self, memory: &impl Memory, frame: u64) -> Result<Proof, Fault> {
        let mut next = frame;
        for _ in 0..MOST_GUESSES {
            self.learn(memory, next)?;
            self.batch.clear();
            self.ask_frames(next);
            match self.batch.read(memory) {
                Ok(()) => {}
                Err(Fault::Unmapped) => return Ok(Proof::Broken),
                Err(fault) => return Err(fault),
            }
            let end = self.follow_again(next, 0..self.batch.count());
            self.frames.extend_from_slice(&self.again);
            for frame in &self.again {
                self.links.insert(frame.address, Link { previous: frame.previous, owner: frame.owner });
            }
            match end {
                End::Root if self.frames.len() <= MOST_FRAMES => return Ok(Proof::Changed),
                End::Missing(frame) if self.frames.len() < MOST_FRAMES => next = frame,
                _ => {
                    self.frames.truncate(MOST_FRAMES);
                    return Ok(Proof::Broken);
                }
            }
        }
        Ok(Proof::Broken)
    }

    fn learn_cframe(&mut self, top: Top) {
        if self.cframes.len() > MOST_THREADS {
            self.cframes.clear();
        }
        let known = self.cframes.entry(top.place).or_default();
        if let Err(position) = known.binary_search(&top.seen) {
            if known.len() == MOST_CFRAMES {
                known.clear();
            }
            known.insert(position.min(known.len()), top.seen);
        }
    }

    /// Asks for the topmost frame, by way of each `_PyCFrame` that it may be known by.
    fn ask_head(&mut self, top: Top) -> Range<usize> {
        let first = self.batch.count();
        self.batch.add(top.place, 8);
        if let Indirection::ThroughCFrame(offset) = top.is {
            for cframe in self.cframes.get(&top.place).into_iter().flatten() {
                self.batch.join(cframe.wrapping_add(offset as u64), 8, first + 1);
            }
        }
        first..self.batch.count()
    }

    /// The topmost frame, by these stretches; none where they do not tell.
    fn head(&self, stretches: Range<usize>, top: Top) -> Option<u64> {
        let word = |bytes: &[u8]| array(bytes, 0).map(u64::from_ne_bytes);
        let pointer = self.batch.stretch(stretches.start).and_then(word)?;
        let Indirection::ThroughCFrame(offset) = top.is else { return Some(pointer) };
        let place = pointer.wrapping_add(offset as u64);
        self.batch.at(place, 8, stretches.clone(), stretches.start + 1).and_then(|(bytes, _)| word(bytes))
    }

    /// Fills the batch.
    fn ask(&mut self, top: Top, head: u64) -> Plan {
        if self.links.len() > MOST_LINKS {
            self.links.clear();
        }
        self.batch.clear();
        let before = self.ask_head(top);
        let first = self.batch.count();
        self.ask_frames(head);
        let frames = first..self.batch.count();
        for index in frames.clone().take(READ_TWICE) {
            self.batch.repeat(index);
        }
        let again = frames.end..self.batch.count();
        let end = self.ask_head(top);
        Plan { before, frames, again, end }
    }

    /// Asks for a frame and its callers, as they are guessed.
    fn ask_frames(&mut self, from: u64) {
        let (first, mut next) = (self.batch.count(), from);
        for _ in 0..MOST_FRAMES {
            if next == 0 {
                break;
            }
            let link = self.links.get(&next).copied();
            let (from, to) = self.extent(next, link);
            if !self.batch.holds(from, to, first) && !self.batch.join(from, (to - from) as usize, first) {
                break;
            }
            let Some(link) = link else { break };
            next = link.previous;
        }
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
        let mut frames = std::mem::take(&mut self.frames);
        let end = self.follow_into(&mut frames, head, among);
        self.frames = frames;
        end
    }

    /// The same, into `again`.
    fn follow_again(&mut self, head: u64, among: Range<usize>) -> End {
        let mut frames = std::mem::take(&mut self.again);
        let end = self.follow_into(&mut frames, head, among);
        self.again = frames;
        end
    }

    fn follow_into(&self, frames: &mut Vec<Frame>, head: u64, among: Range<usize>) -> End {
        frames.clear();
        let (mut next, mut hint) = (head, among.start);
        while next != 0 {
            if frames.len() == MOST_FRAMES {
                return End::Endless;
            }
            let Some((frame, index)) = self.frame_at(next, among.clone(), hint) else { return End::Missing(next) };
            frames.push(frame);
            (next, hint) = (frame.previous, index);
        }
        End::Root
    }

    fn frame_at(&self, address: u64, among: Range<usize>, hint: usize) -> Option<(Frame, usize)> {
        let (bytes, index) = self.batch.at(address, self.layout.size, among, hint)?;
        Some((Frame::parse(&self.layout, address, bytes)?, index))
    }

    /// Whether the frames stood there together: whether those that were read again were the same, but for the leaf, which
    /// may have gone on.
    fn stood(&mut self, top: Top, plan: &Plan) -> bool {
        let Some(head) = self.head(plan.end.clone(), top) else { return false };
        // The frame that was not read again, but was still a caller.
        let next = match self.follow_again(head, plan.again.clone()) {
            End::Root => 0,
            End::Missing(frame) => frame,
            End::Endless => return false,
        };
        let rest = self.again.len();
        let is_same = |(index, (frame, again)): (usize, (&Frame, &Frame))| {
            if index == 0 { frame.is_run_of(again) } else { frame.stands_as(again) }
        };
        let callers = self.frames.get(rest..).unwrap_or_default();
        rest <= self.frames.len()
            && self.frames.iter().zip(&self.again).enumerate().all(is_same)
            && callers.first().map_or(0, |frame| frame.address) == next
            && callers.iter().all(|frame| self.is_unchanged(frame, plan.again.clone()))
    }

    /// Whether a frame is the same in these stretches, where they hold it.
    fn is_unchanged(&self, frame: &Frame, again: Range<usize>) -> bool {
        let hint = again.start;
        self.frame_at(frame.address, again, hint).is_none_or(|(again, _)| again.stands_as(frame))
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
