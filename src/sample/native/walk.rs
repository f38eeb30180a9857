//! One thread's frames, read while they change, and whether what was read can have stood there.
//!
//! The target runs on while its frames are copied, so a copy can mix two stacks. Once it is known which frames there are,
//! one call therefore copies them from the leaf to the root, and then once more. Frames come and go at the leaf only: one that is the same in both copies
//! did not leave in between, so neither did any of its callers. A batch takes tens of microseconds; only a stack that
//! changes twice within them, and the second time to what it was, deceives it. The last copy is what counts: by then
//! all of it is near, and takes a fraction of the time of the first.
//!
//! A stack that did change is doubtful, not wrong: most often its leaf returned. It is not read again until it stands
//! still, which would lose just those functions that are called often and shortly, and hand their time to others.
//!
//! Which frames there are is guessed from what was last seen: each frame's caller is remembered by its address. Where
//! the guess fails, they are looked for page by page.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::os::clock::monotonic_us;
use crate::os::memory::{Fault, Memory};
use crate::sample::native::batch::{Batch, PAGE};
use crate::sample::native::frame::{Frame, Owner, array};
use crate::sample::native::layout::{FrameLayout, Indirection};

/// Deeper stacks are cut: Python's own limit is 1,000 unless it was raised.
pub const MOST_FRAMES: usize = 4_096;
/// How often something is read that was not asked for; each such page can hold several frames.
const MOST_READS: u32 = 512;
/// So many stretches from the leaf on are copied again: the thread's stack of frames takes one or two, a coroutine one.
const READ_AGAIN: usize = 12;
/// So many callers of such a frame are read along with it.
const FRAMES_AHEAD: usize = 48;
/// Callers are remembered for so many frames.
const MOST_LINKS: usize = 65_536;
/// So many `_PyCFrame`s are asked for: one for each run of the interpreter on the C stack, of which the uppermost few
/// come and go.
const MOST_CFRAMES: usize = 32;
/// More threads than are ever read.
const MOST_THREADS: usize = 4_096;
/// A batch that took longer was interrupted in its midst (a whole one of 200 frames takes some 60 microseconds).
const INTERRUPTED_US: u64 = 500;

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
    links: FxHashMap<u64, Link>,
    /// The `_PyCFrame`s that were last seen of each thread, by the place of its pointer to them.
    cframes: FxHashMap<u64, Vec<u64>>,
    frames: Vec<Frame>,
    before: Vec<Frame>,
    proven: usize,
    interrupted_us: u64,
}

/// What was last seen of a frame.
#[derive(Debug, Clone, Copy)]
struct Link {
    previous: u64,
    owner: Owner,
}

impl Walker {
    /// Of a process whose frames look like this.
    pub fn new(layout: FrameLayout) -> Self {
        Self {
            layout,
            batch: Batch::default(),
            links: FxHashMap::default(),
            cframes: FxHashMap::default(),
            frames: Vec::new(),
            before: Vec::new(),
            proven: 0,
            interrupted_us: INTERRUPTED_US,
        }
    }

    /// The frames that were read last, the leaf first.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// How many of them, from the root on, were the same whenever they were read.
    pub fn proven(&self) -> usize {
        self.proven
    }

    /// Reads the frames of a thread, which are expected to end in the frame `root`, where that is known.
    ///
    /// # Errors
    /// When nothing of the process can be read any more.
    pub fn walk(&mut self, memory: &impl Memory, top: Top, root: Option<u64>) -> Result<Proof, Fault> {
        self.batch.clear();
        let guess = self.guess(memory, top);
        let pointers = self.ask_head(top);
        let first = self.batch.count();
        self.ask_callers(guess, first);
        self.batch.read(memory)?;
        let Some(head) = self.head(memory, pointers, top) else { return Ok(Proof::Broken) };
        self.follow(memory, head, &Copies { newer: first..self.batch.count(), older: 0..0 }, root);
        self.remember(root);

        let earlier = self.ask_again(top);
        let later = self.ask_again(top);
        let begun_us = monotonic_us();
        self.batch.read(memory)?;
        let was_interrupted = monotonic_us() - begun_us > self.interrupted_us;
        let before = self.copy(memory, earlier.clone(), top, first, root);
        std::mem::swap(&mut self.frames, &mut self.before);
        let now = self.copy(memory, later.clone(), top, first, root);
        self.proven = 0;
        let proof = match (before, now) {
            (End::Root, End::Root) if !was_interrupted => {
                let hangs_together = self.hangs_together(first..earlier.start, later.start);
                self.proven = if hangs_together { self.frames_that_stayed() } else { 0 };
                // One more was live when the later copy began, and its caller never moved.
                if hangs_together && self.proven + 1 >= self.frames.len() { Proof::Whole } else { Proof::Changed }
            }
            (_, End::Root | End::Mended) => Proof::Changed,
            (End::Root | End::Mended, End::Nowhere) => {
                std::mem::swap(&mut self.frames, &mut self.before);
                Proof::Changed
            }
            (End::Nowhere, End::Nowhere) => Proof::Broken,
        };
        self.remember(root);
        let ends_elsewhere = root.zip(self.frames.last()).is_some_and(|(root, last)| root != last.address);
        Ok(if ends_elsewhere && proof != Proof::Broken { Proof::Elsewhere } else { proof })
    }

    /// Follows the frames through one of the copies; what it lacks is taken from those before, if they have it.
    fn copy(&mut self, memory: &impl Memory, copy: Range<usize>, top: Top, older: usize, root: Option<u64>) -> End {
        self.frames.clear();
        let head = self.head(memory, copy.clone(), top);
        head.map_or(End::Nowhere, |head| {
            self.follow(memory, head, &Copies { older: older..copy.start, newer: copy }, root)
        })
    }

    /// The topmost frame, as far as it is known beforehand.
    fn guess(&mut self, memory: &impl Memory, top: Top) -> u64 {
        match top.is {
            Indirection::Direct => top.seen,
            Indirection::ThroughCFrame(offset) => {
                self.learn_cframe(top.place, top.seen);
                // It may be gone by now, and the guess with it.
                memory.read_u64(top.seen.wrapping_add(offset as u64)).unwrap_or(0)
            }
        }
    }

    /// How many frames, from the root on, are the same in both copies; the next one too, if it is the same function.
    fn frames_that_stayed(&self) -> usize {
        let pairs = || self.before.iter().rev().zip(self.frames.iter().rev());
        let stayed = pairs().take_while(|(before, now)| now == before).count();
        stayed + usize::from(pairs().nth(stayed).is_some_and(|(before, now)| now.is_run_of(before)))
    }

    /// Whether the callers that were copied once only are those of the frames above them: the lowest frame that was copied
    /// again must be what it was at first.
    fn hangs_together(&self, first: Range<usize>, again: usize) -> bool {
        let all = self.batch.count();
        let was_copied_again = |frame: &Frame| self.frame_at(frame.address, again..all, again).is_some();
        match self.frames.iter().position(|frame| !was_copied_again(frame)) {
            None => true,
            Some(0) => false,
            Some(index) => {
                let lowest = &self.frames[index - 1];
                let at_first = self.frame_at(lowest.address, first.clone(), first.start);
                at_first.is_some_and(|(at_first, _)| at_first == *lowest)
            }
        }
    }

    fn remember(&mut self, root: Option<u64>) {
        if self.links.len() > MOST_LINKS {
            self.links.clear();
        }
        for frame in
            self.frames.iter().filter(|frame| frame.previous != 0 || root.is_none_or(|root| root == frame.address))
        {
            self.links.insert(frame.address, Link { previous: frame.previous, owner: frame.owner });
        }
    }

    fn learn_cframe(&mut self, place: u64, cframe: u64) {
        if self.cframes.len() > MOST_THREADS {
            self.cframes.clear();
        }
        let known = self.cframes.entry(place).or_default();
        if let Err(position) = known.binary_search(&cframe) {
            if known.len() == MOST_CFRAMES {
                known.clear();
            }
            known.insert(position.min(known.len()), cframe);
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
    fn head(&mut self, memory: &impl Memory, stretches: Range<usize>, top: Top) -> Option<u64> {
        let word = |bytes: &[u8]| array(bytes, 0).map(u64::from_ne_bytes);
        let pointer = self.batch.stretch(stretches.start).and_then(word)?;
        let Indirection::ThroughCFrame(offset) = top.is else { return Some(pointer) };
        let place = pointer.wrapping_add(offset as u64);
        let known = self.batch.at(place, 8, stretches.clone(), stretches.start + 1).map(|(bytes, _)| word(bytes));
        known.unwrap_or_else(|| {
            self.learn_cframe(top.place, pointer);
            memory.read_u64(place).ok()
        })
    }

    /// Asks for a frame and its callers, as they were when last seen.
    fn ask_callers(&mut self, head: u64, first: usize) {
        let mut next = head;
        for _ in 0..MOST_FRAMES {
            if next == 0 {
                break;
            }
            let link = self.links.get(&next).copied();
            let (from, to) = self.extent(next, link.map(|link| link.owner));
            if !self.batch.holds(from, to, first) && !self.batch.join(from, (to - from) as usize, first) {
                break;
            }
            let Some(link) = link else { break };
            next = link.previous;
        }
    }

    /// Asks for the topmost frame and for the frames that were just read, once more.
    fn ask_again(&mut self, top: Top) -> Range<usize> {
        let begin = self.batch.count();
        self.ask_head(top);
        let first = self.batch.count();
        for index in 0..self.frames.len() {
            let frame = self.frames[index];
            let (from, to) = self.extent(frame.address, Some(frame.owner));
            if self.batch.holds(from, to, first) {
                continue;
            }
            if self.batch.count() - first == READ_AGAIN || !self.batch.join(from, (to - from) as usize, first) {
                break;
            }
        }
        begin..self.batch.count()
    }

    /// What to read for a frame: the whole page where it stands on the thread's stack of frames, together with its
    /// callers and whatever stands above it by then; just the frame where it does not.
    fn extent(&self, address: u64, owner: Option<Owner>) -> (u64, u64) {
        let end = address.saturating_add(self.layout.size as u64);
        match owner {
            Some(Owner::Thread) if self.layout.owner.is_some() => {
                (address & !(PAGE - 1), end.saturating_add(PAGE - 1) & !(PAGE - 1))
            }
            _ => (address, end),
        }
    }

    /// Follows the frames from `head` through these copies, into `frames`, and reads what they lack.
    fn follow(&mut self, memory: &impl Memory, head: u64, copies: &Copies, root: Option<u64>) -> End {
        self.frames.clear();
        let (mut next, mut hint, mut is_mended, mut reads) = (head, copies.newer.start, false, 0);
        let unasked = self.batch.count();
        while next != 0 {
            if self.frames.len() == MOST_FRAMES {
                return End::Nowhere;
            }
            let newer = self.frame_at(next, copies.newer.clone(), hint);
            // An older copy is of use for callers alone: what it has of a frame above them is from another stack.
            let older =
                newer.or_else(|| self.frame_at(next, copies.older.clone(), hint).filter(|_| !self.frames.is_empty()));
            let found = older.or_else(|| self.frame_at(next, unasked..self.batch.count(), hint));
            let Some((mut frame, index)) = found else {
                reads += 1;
                if reads > MOST_READS || !self.read_more(memory, next) {
                    return End::Nowhere;
                }
                continue;
            };
            is_mended |= index >= unasked;
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

    /// Reads a frame that was not asked for, with the whole page that it is in: its callers are often near, and a page
    /// costs no more than a frame. Its callers as they were when last seen come along. False when it cannot be read.
    fn read_more(&mut self, memory: &impl Memory, frame: u64) -> bool {
        let first = self.batch.count();
        let Some(end) = frame.checked_add(self.layout.size as u64 + PAGE - 1) else { return false };
        let from = frame & !(PAGE - 1);
        if !self.batch.add(from, ((end & !(PAGE - 1)) - from) as usize) {
            return false;
        }
        let mut next = self.links.get(&frame).map_or(0, |link| link.previous);
        for _ in 0..FRAMES_AHEAD {
            let Some(link) = self.links.get(&next).copied() else { break };
            let (from, to) = self.extent(next, Some(link.owner));
            if !self.batch.holds(from, to, first) {
                self.batch.add(from, (to - from) as usize);
            }
            next = link.previous;
        }
        let _ = self.batch.read(memory);
        self.batch.stretch(first).is_some()
    }

    fn frame_at(&self, address: u64, among: Range<usize>, hint: usize) -> Option<(Frame, usize)> {
        let (bytes, index) = self.batch.at(address, self.layout.size, among, hint)?;
        Some((Frame::parse(&self.layout, address, bytes)?, index))
    }
}

/// Which stretches hold frames: the callers that the newer ones lack are taken from the older ones.
struct Copies {
    newer: Range<usize>,
    older: Range<usize>,
}

/// Where following frames ended.
enum End {
    /// At the root.
    Root,
    /// At the root, by way of what was not copied together with the rest.
    Mended,
    /// Nowhere: in a circle, or in what is no frame.
    Nowhere,
}

#[cfg(test)]
mod tests;
