//! One thread's frames, read while they change, and whether what was read can have stood there.
//!
//! The target runs on while its frames are copied, so a copy can mix two stacks. One batch therefore reads the frames
//! from the leaf to the root and then once more. Frames come and go at the leaf only: one that is the same in both copies
//! did not leave in between, so neither did any of its callers. A batch takes tens of microseconds; only a stack that
//! changes twice within them, and the second time to what it was, deceives it. The second copy is what counts: by then
//! all of it is near, and takes a fraction of the time of the first.
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
/// So many frames of a stack are asked for by the callers they had before, too.
const MOST_FORMER: usize = 4;
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
    before: Vec<Frame>,
    interrupted_us: u64,
}

/// What was last seen of a frame.
#[derive(Debug, Clone, Copy)]
struct Link {
    previous: u64,
    /// The caller that it had before; zero where it had none.
    formerly: u64,
    owner: Owner,
}

/// The stretches of a batch, in the order in which they are read.
#[derive(Debug, Clone)]
struct Plan {
    /// The topmost frame before all others were read.
    before: Range<usize>,
    /// The frames, the leaf first.
    frames: Range<usize>,
    /// The topmost frame by now.
    between: Range<usize>,
    /// The frames again, or the uppermost of them.
    again: Range<usize>,
}

/// Which stretches hold frames: what the newer ones lack is taken from the older ones.
struct Copies {
    newer: Range<usize>,
    older: Range<usize>,
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
            before: Vec::new(),
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
        let first = Copies { newer: plan.frames.clone(), older: 0..0 };
        let second = Copies { newer: plan.again.clone(), older: plan.frames.clone() };
        let before = self.head(plan.before.clone(), top).map_or(End::Nowhere, |head| self.follow(head, &first, root));
        std::mem::swap(&mut self.frames, &mut self.before);
        let now = self.head(plan.between.clone(), top).map_or(End::Nowhere, |head| self.follow(head, &second, root));
        let proof = match (before, now) {
            (End::Root, End::Root) if !was_interrupted && self.stood() => Proof::Whole,
            (_, End::Root | End::Mended) => Proof::Changed,
            (End::Root | End::Mended, End::Nowhere) => {
                std::mem::swap(&mut self.frames, &mut self.before);
                Proof::Changed
            }
            (_, End::Missing(frame)) => self.chase(memory, frame, root)?,
            (_, End::Nowhere) => Proof::Broken,
        };
        self.remember(root);
        let ends_elsewhere = root.zip(self.frames.last()).is_some_and(|(root, last)| root != last.address);
        Ok(if ends_elsewhere && proof != Proof::Broken { Proof::Elsewhere } else { proof })
    }

    /// Whether the frames stood there together: whether they were the same before, but for the leaf, which may have gone
    /// on.
    fn stood(&self) -> bool {
        let is_same = |(index, (before, now)): (usize, (&Frame, &Frame))| {
            if index == 0 { now.is_run_of(before) } else { now.stands_as(before) }
        };
        self.before.len() == self.frames.len() && self.before.iter().zip(&self.frames).enumerate().all(is_same)
    }

    fn remember(&mut self, root: Option<u64>) {
        let frames = std::mem::take(&mut self.frames);
        for frame in frames.iter().filter(|frame| frame.previous != 0 || root.is_none_or(|root| root == frame.address))
        {
            self.link(frame);
        }
        self.frames = frames;
    }

    fn link(&mut self, frame: &Frame) {
        let fresh = Link { previous: frame.previous, formerly: 0, owner: frame.owner };
        let link = self.links.entry(frame.address).or_insert(fresh);
        if link.previous != frame.previous {
            *link = Link { formerly: link.previous, ..fresh };
        }
        link.owner = frame.owner;
    }

    /// Reads the callers that were not asked for, from this one on, each time as they are guessed by then.
    fn chase(&mut self, memory: &impl Memory, frame: u64, root: Option<u64>) -> Result<Proof, Fault> {
        let mut upper = std::mem::take(&mut self.frames);
        let mut next = frame;
        let mut proof = Proof::Broken;
        for _ in 0..MOST_GUESSES {
            self.learn(memory, next)?;
            self.batch.clear();
            self.ask_frames(next);
            match self.batch.read(memory) {
                Ok(()) => {}
                Err(Fault::Unmapped) => break,
                Err(fault) => return Err(fault),
            }
            let end = self.follow(next, &Copies { newer: 0..self.batch.count(), older: 0..0 }, root);
            self.remember(root);
            upper.append(&mut self.frames);
            match end {
                End::Missing(frame) if upper.len() < MOST_FRAMES => next = frame,
                End::Root | End::Mended => {
                    proof = Proof::Changed;
                    break;
                }
                End::Missing(_) | End::Nowhere => break,
            }
        }
        upper.truncate(MOST_FRAMES);
        self.frames = upper;
        Ok(proof)
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
        let between = self.ask_head(top);
        for index in frames.clone().take(READ_TWICE) {
            self.batch.repeat(index);
        }
        let again = between.end..self.batch.count();
        Plan { before, frames, between, again }
    }

    /// Asks for a frame and its callers, as they are guessed; where a guess was another one lately, for that too.
    fn ask_frames(&mut self, head: u64) {
        let first = self.batch.count();
        let mut formerly = [0; MOST_FORMER];
        let mut count = 0;
        self.ask_callers(head, first, |link| {
            if link.formerly != 0 && count < MOST_FORMER {
                formerly[count] = link.formerly;
                count += 1;
            }
        });
        for frame in formerly.into_iter().take_while(|&frame| frame != 0) {
            if self.batch.count() - first > MOST_FRAMES {
                break;
            }
            self.ask_callers(frame, first, |_| {});
        }
    }

    fn ask_callers(&mut self, head: u64, first: usize, mut meet: impl FnMut(&Link)) {
        let mut next = head;
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
            meet(&link);
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

    /// Follows the frames from `head` through these copies, into `frames`.
    fn follow(&mut self, head: u64, copies: &Copies, root: Option<u64>) -> End {
        self.frames.clear();
        let (mut next, mut hint, mut is_mended) = (head, copies.newer.start, false);
        while next != 0 {
            if self.frames.len() == MOST_FRAMES {
                return End::Nowhere;
            }
            let newer = self.frame_at(next, copies.newer.clone(), hint);
            let Some((mut frame, index)) = newer.or_else(|| self.frame_at(next, copies.older.clone(), hint)) else {
                return End::Missing(next);
            };
            if !frame.is_plausible() {
                return End::Nowhere;
            }
            // A coroutine that was suspended meanwhile has no caller any more; the one that it had was seen before.
            if frame.previous == 0
                && Some(next) != root
                && let Some(link) = self.links.get(&next).filter(|link| link.previous != 0)
            {
                frame.previous = link.previous;
                is_mended = true;
            }
            self.frames.push(frame);
            (next, hint) = (frame.previous, index);
        }
        if is_mended { End::Mended } else { End::Root }
    }

    fn frame_at(&self, address: u64, among: Range<usize>, hint: usize) -> Option<(Frame, usize)> {
        let (bytes, index) = self.batch.at(address, self.layout.size, among, hint)?;
        Some((Frame::parse(&self.layout, address, bytes)?, index))
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
                if !read.is_plausible() {
                    return Ok(());
                }
                self.link(&read);
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
    /// At the root, by way of a coroutine whose caller is known from before.
    Mended,
    /// At a frame that was not asked for.
    Missing(u64),
    /// Nowhere: in a circle, or in what is no frame.
    Nowhere,
}

#[cfg(test)]
mod tests;
