//! One thread's frames, read while they change, and whether what was read can have stood there.
//!
//! The target runs on while its frames are copied, so a copy can mix two stacks. Two facts tell that it does not. A
//! caller stays where it is for as long as what it called runs: so a copy of the caller is good if the callee was there
//! before it and is there after it. And the topmost frames, which come and go all the time, are copied just before the
//! pointer to them and just after it: what is the same in both did not leave in between.
//!
//! So the stack that stood at one moment is followed hand over hand from its leaf to its root, each step proven by a
//! copy of a callee that came after it in the same call. The leaf may be long gone by the time the root is reached: its
//! callers were its callers all the same.
//!
//! A step that is not proven makes the stack doubtful, not wrong. It is not read again until it stands still, which would
//! lose just those functions that are called often and shortly, and hand their time to others.
//!
//! Which frames there are is guessed from what was last seen: each frame's caller is remembered by its address, and
//! read along where that was right lately. What was not guessed takes a call for each step.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::os::clock::monotonic_us;
use crate::os::memory::{Fault, Memory};
use crate::sample::native::batch::{Batch, PAGE};
use crate::sample::native::frame::{Frame, Owner, array};
use crate::sample::native::glimpse::Glimpse;
use crate::sample::native::layout::{FrameLayout, Indirection, Interpreter, ThreadLayout};
use crate::sample::native::threads::PythonThread;

/// Deeper stacks are cut: Python's own limit is 1,000 unless it was raised.
pub const MOST_FRAMES: usize = 4_096;
/// How often something is read that was not asked for.
const MOST_READS: u32 = 512;
/// So many callers are read along at first where they were as before; each time that they still are, twice as many.
const FIRST_AHEAD: usize = 4;
/// But no more than that.
const MOST_AHEAD: usize = 64;
/// So often it is looked anew where a thread's topmost frames are.
const MOST_AIMS: u32 = 4;
/// So many callers at most are read between the two copies of the topmost frames.
const MOST_NEAREST: usize = 4;
/// So many stretches at most show that a frame on the thread's own stack is still there.
const READ_AGAIN: usize = 8;
/// Frames of a thread's stack of frames lie together in chunks of this size (`DATA_STACK_CHUNK_SIZE` in
/// `Python/pystate.c`).
const CHUNK: u64 = 16 << 10;
/// So much of the C stack is read on either side of the `_PyCFrame` that was last seen: there is one for each run of the
/// interpreter on it.
const C_STACK_AROUND: u64 = 2 << 10;
/// Callers are remembered for so many frames.
const MOST_LINKS: usize = 65_536;
/// More threads than are ever read.
const MOST_THREADS: usize = 4_096;
/// A first call that took longer was interrupted in its midst (a whole one of 200 frames takes some 60 microseconds).
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

/// Where a thread keeps which frame is its topmost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Top {
    /// Where the pointer to it is, or the pointer to its `_PyCFrame`.
    pub place: u64,
    /// Which of both.
    pub is: Indirection,
}

/// Reads frames; what it remembers of one process makes the next reading cheap.
#[derive(Debug)]
pub struct Walker {
    layout: FrameLayout,
    batch: Batch,
    links: FxHashMap<u64, Link>,
    /// What was last seen of each thread, by the place of its pointer to the topmost frame.
    tops: FxHashMap<u64, Seen>,
    frames: Vec<Frame>,
    proven: usize,
    interrupted_us: u64,
    /// What to ask for, the last first.
    ahead: Vec<(u64, u64)>,
}

/// What was last seen of a frame.
#[derive(Debug, Clone, Copy)]
struct Link {
    previous: u64,
    owner: Owner,
}

/// What was last seen of a thread.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    /// Its topmost frame.
    head: u64,
    /// The topmost frame on its stack of frames: the next one begins near it.
    on_stack: u64,
    /// How many callers are worth reading along.
    ahead: usize,
    /// The place in its `_PyCFrame` that points to the topmost frame.
    cframe: u64,
    /// Between which addresses such places were seen: its C stack lies there.
    c_stack: (u64, u64),
}

/// What the first call asks for.
struct First {
    /// The topmost frames as they were last seen, before the pointer to them.
    before: Range<usize>,
    /// The `_PyCFrame`s, after the pointer to one of them.
    cframes: Range<usize>,
    /// The nearest callers, and after them the topmost frames again.
    after: Range<usize>,
    /// Farther callers, and after them the nearest that tells its end, again.
    ahead: Range<usize>,
}

/// Where a walk begins, and where it should end.
struct Start {
    top: Top,
    first: First,
    /// The frame at the root, where it is known.
    root: Option<u64>,
    /// Whether what is missed now is missed for good.
    is_last: bool,
}

/// What shows that a callee is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Witness {
    /// Nothing: the stack is doubtful anyway.
    None,
    /// A frame that tells when it ended: that callee, or one above it.
    Anchor(Frame),
    /// The pointer to the topmost frame, and what it leads to.
    Pointer,
}

/// Where following frames ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// At the root.
    Root,
    /// At the root, by way of a step that is not proven.
    Doubted,
    /// Nowhere: in a circle, or in what is no frame.
    Nowhere,
    /// The topmost frames were not where they were expected, which is known better now.
    Missed,
}

/// What reading a caller told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Its callee was there before and after.
    Proven,
    /// It was not, or is not known to be.
    Doubted,
    /// The caller cannot be read.
    Failed,
}

impl Top {
    /// Of the thread whose `PyThreadState` is at an address.
    pub fn of(layout: &ThreadLayout, thread: u64) -> Self {
        Self { place: thread.wrapping_add(layout.current_frame as u64), is: layout.current_frame_is }
    }
}

impl Walker {
    /// Of a process whose frames look like this.
    pub fn new(layout: FrameLayout) -> Self {
        Self {
            layout,
            batch: Batch::default(),
            links: FxHashMap::default(),
            tops: FxHashMap::default(),
            frames: Vec::new(),
            proven: 0,
            interrupted_us: INTERRUPTED_US,
            ahead: Vec::new(),
        }
    }

    /// The frames that were read last, the leaf first.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// How many of them, from the root on, are proven to have stood there together.
    pub fn proven(&self) -> usize {
        self.proven
    }

    /// Looks at a thread; none when it is another one by now.
    ///
    /// # Errors
    /// When nothing of the process can be read any more.
    pub fn look(
        &mut self,
        memory: &impl Memory,
        interpreter: &Interpreter,
        thread: &PythonThread,
    ) -> Result<Option<Glimpse>, Fault> {
        Glimpse::take(&mut self.batch, memory, interpreter, thread)
    }

    /// Looks at a thread and reads its frames, which are expected to end in the frame `root`, where that is known. None
    /// when it is another thread by now.
    ///
    /// # Errors
    /// When nothing of the process can be read any more.
    pub fn walk(
        &mut self,
        memory: &impl Memory,
        interpreter: &Interpreter,
        thread: &PythonThread,
        root: Option<u64>,
    ) -> Result<Option<(Glimpse, Proof)>, Fault> {
        let top = Top::of(&interpreter.layout.thread, thread.address);
        for aim in 1.. {
            self.batch.clear();
            let around = Glimpse::ask_around(&mut self.batch, interpreter);
            let before = self.ask_before(top);
            let state = Glimpse::ask_thread(&mut self.batch, interpreter, thread);
            let start = Start { top, first: self.ask_after(top, before), root, is_last: aim >= MOST_AIMS };
            let interruption = self.read_at_once(memory)?;
            let glimpse = Glimpse::tell(&self.batch, (around, state), interpreter, thread);
            if glimpse.is_none() && self.batch.stretch(state).is_none() && self.forget(top) {
                // What was asked for before it is not there any more.
                continue;
            }
            let Some(glimpse) = glimpse else { return Ok(None) };
            let pointer = glimpse.pointer.unwrap_or(0);
            let end = self.follow(memory, pointer, &start).max(interruption);
            if end != End::Missed {
                return Ok(Some((glimpse, self.judge(end, &start))));
            }
        }
        Ok(None)
    }

    /// Asks for the topmost frames as they were last seen.
    fn ask_before(&mut self, top: Top) -> Range<usize> {
        let first = self.batch.count();
        self.ask_topmost(top, first);
        first..self.batch.count()
    }

    /// Asks for what comes after the pointer to the topmost frame, with so many callers as they were when last seen. What
    /// is between the two copies of the topmost frames is kept short, since they must stay for so long.
    fn ask_after(&mut self, top: Top, before: Range<usize>) -> First {
        let cframes = self.ask_cframes(top);
        let first = self.batch.count();
        let anchor = self.predict(top);
        let nearest = anchor.map_or(self.ahead.len(), |(_, at)| at + 1).min(MOST_NEAREST);
        for index in (0..nearest).rev() {
            let (from, to) = self.ahead[index];
            self.batch.join(from, (to - from) as usize, first);
        }
        self.ask_topmost(top, first);
        let after = first..self.batch.count();
        if let Some((anchor, _)) = anchor.filter(|&(_, at)| at < nearest && nearest < self.ahead.len()) {
            for index in nearest..self.ahead.len() {
                let (from, to) = self.ahead[index];
                self.batch.join(from, (to - from) as usize, after.end);
            }
            self.batch.add(anchor, self.layout.size);
        }
        First { before, cframes, ahead: after.end..self.batch.count(), after }
    }

    /// Asks for the uppermost part of the thread's stack of frames, and for the topmost frame where that is elsewhere.
    fn ask_topmost(&mut self, top: Top, first: usize) {
        let seen = self.seen(top);
        let head_owner = self.links.get(&seen.head).map_or(Owner::Thread, |link| link.owner);
        for (address, owner) in [(seen.on_stack, Owner::Thread), (seen.head, head_owner)] {
            let (from, to) = self.extent(address, owner);
            if address != 0 && !self.batch.holds(from, to, first) {
                self.batch.join(from, (to - from) as usize, first);
            }
        }
    }

    /// Collects what holds the callers as they were when last seen, the nearest first and no more than are worth it. Gives
    /// the first that tells its end, and its number.
    fn predict(&mut self, top: Top) -> Option<(u64, usize)> {
        let Seen { head: mut next, ahead: most, .. } = self.seen(top);
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

    /// Asks for the pointer to the topmost frame by way of each `_PyCFrame` that it may be known by.
    fn ask_cframes(&mut self, top: Top) -> Range<usize> {
        let first = self.batch.count();
        let Seen { cframe, c_stack: (lowest, highest), .. } = self.seen(top);
        if cframe != 0 {
            let from = cframe.saturating_sub(C_STACK_AROUND).max(lowest);
            let to = cframe.saturating_add(C_STACK_AROUND).min(highest.saturating_add(8));
            self.batch.add(from, to.saturating_sub(from) as usize);
        }
        first..self.batch.count()
    }

    /// Reads what was asked for first, and tells whether all of it can be of one time.
    fn read_at_once(&mut self, memory: &impl Memory) -> Result<End, Fault> {
        let begun_us = monotonic_us();
        self.batch.read(memory)?;
        Ok(if monotonic_us() - begun_us > self.interrupted_us { End::Doubted } else { End::Root })
    }

    /// The topmost frame, by the pointer in a stretch.
    fn told_head(&mut self, top: Top, stretch: usize, cframes: Range<usize>) -> Option<u64> {
        let pointer = self.batch.stretch(stretch).and_then(word)?;
        self.head(top, pointer, cframes)
    }

    /// The topmost frame, by the pointer to it or to its `_PyCFrame`; none where that was not read along.
    fn head(&mut self, top: Top, pointer: u64, cframes: Range<usize>) -> Option<u64> {
        let Indirection::ThroughCFrame(offset) = top.is else { return Some(pointer) };
        let place = pointer.wrapping_add(offset as u64);
        let mut seen = self.seen(top);
        let (lowest, highest) = seen.c_stack;
        seen.cframe = place;
        seen.c_stack = if lowest == 0 { (place, place) } else { (lowest.min(place), highest.max(place)) };
        self.note(top, seen);
        let hint = cframes.start;
        self.batch.at(place, 8, cframes, hint).and_then(|(bytes, _)| word(bytes))
    }

    /// Follows the frames from the topmost one to the root.
    fn follow(&mut self, memory: &impl Memory, pointer: u64, start: &Start) -> End {
        self.frames.clear();
        let Start { top, first, root, is_last } = start;
        let miss = if *is_last { End::Nowhere } else { End::Missed };
        let Some(head) = self.head(*top, pointer, first.cframes.clone()) else { return miss };
        let begin = first.after.start;
        // What was copied up to there was copied while the frame that was found last stood.
        let mut known = first.after.end;
        let (mut next, mut hint, mut end) = (head, begin, End::Root);
        let (mut reads, mut ahead, mut is_as_before) = (0_u32, 0, true);
        let mut anchor = None;
        while next != 0 {
            if self.frames.len() == MOST_FRAMES {
                return End::Nowhere;
            }
            let Some((mut frame, index)) = self.frame_at(next, begin..known, hint) else {
                if known == first.after.end && !first.ahead.is_empty() && self.is_still(anchor, first.ahead.end - 1) {
                    known = first.ahead.end;
                    if self.frame_at(next, begin..known, hint).is_some() {
                        continue;
                    }
                }
                if self.frames.is_empty() && !is_last {
                    self.note(*top, Seen { head: next, ..self.seen(*top) });
                    return End::Missed;
                }
                ahead = if is_as_before { (2 * ahead).clamp(FIRST_AHEAD, MOST_AHEAD) } else { 0 };
                if reads == 0 {
                    self.learn_ahead(*top, is_as_before);
                }
                reads += 1;
                let witness = match anchor {
                    _ if end != End::Root => Witness::None,
                    Some(anchor) => Witness::Anchor(anchor),
                    None => Witness::Pointer,
                };
                match self.step(memory, *top, next, ahead, witness) {
                    _ if reads > MOST_READS => return End::Nowhere,
                    Step::Failed => return End::Nowhere,
                    Step::Doubted if witness == Witness::Pointer && !is_last => {
                        self.expect(start, next);
                        return End::Missed;
                    }
                    Step::Doubted => end = End::Doubted,
                    Step::Proven => {}
                }
                known = self.batch.count();
                continue;
            };
            if !frame.is_plausible() {
                return End::Nowhere;
            }
            let link = self.links.get(&next).copied();
            is_as_before = link.is_some_and(|link| link.previous == frame.previous);
            if frame.previous != 0 && self.tells_its_end(frame.owner) {
                anchor = Some(frame);
            }
            // A coroutine that was suspended meanwhile has no caller any more; the one that it had was seen before.
            if frame.previous == 0
                && Some(next) != *root
                && let Some(link) = link.filter(|link| link.previous != 0)
            {
                frame.previous = link.previous;
                end = End::Doubted;
            }
            self.frames.push(frame);
            (next, hint) = (frame.previous, index);
        }
        end
    }

    /// Remembers what was found, and the caller that was read last, so that they are read at once.
    fn expect(&mut self, start: &Start, caller: u64) {
        self.remember(start);
        if let Some((frame, _)) = self.frame_at(caller, 0..self.batch.count(), self.batch.count()) {
            self.links.insert(caller, Link { previous: frame.previous, owner: frame.owner });
        }
        let seen = self.seen(start.top);
        self.note(start.top, Seen { ahead: seen.ahead.max(FIRST_AHEAD), ..seen });
    }

    /// Reads a frame that was not asked for, and so many of its callers as they were when last seen.
    fn step(&mut self, memory: &impl Memory, top: Top, frame: u64, ahead: usize, witness: Witness) -> Step {
        let first = self.batch.count();
        let (from, to) = self.extent(frame, self.likely_owner(frame));
        if !self.batch.add(from, (to - from) as usize) {
            return Step::Failed;
        }
        let mut next = self.links.get(&frame).map_or(0, |link| link.previous);
        for _ in 0..ahead {
            let Some(link) = self.links.get(&next).copied() else { break };
            let (from, to) = self.extent(next, link.owner);
            if !self.batch.holds(from, to, first) {
                self.batch.add(from, (to - from) as usize);
            }
            next = link.previous;
        }
        let pointer = self.batch.count();
        match witness {
            Witness::None => {}
            Witness::Anchor(anchor) => {
                self.batch.add(anchor.address, self.layout.size);
            }
            Witness::Pointer => {
                self.batch.add(top.place, 8);
            }
        }
        let cframes = if witness == Witness::Pointer { self.ask_cframes(top) } else { pointer..pointer };
        let again = self.batch.count();
        if witness == Witness::Pointer {
            self.ask_again();
            self.ask_topmost(top, again);
        }
        // What comes of it is seen below.
        let _ = self.batch.read(memory);
        if self.batch.stretch(first).is_none() {
            return Step::Failed;
        }
        let is_proven = match witness {
            Witness::None => false,
            Witness::Anchor(anchor) => self.is_still(Some(anchor), pointer),
            Witness::Pointer => {
                let head = self.told_head(top, pointer, cframes);
                head.is_some_and(|head| self.still_leads_on(head, frame, again..self.batch.count()))
            }
        };
        if is_proven { Step::Proven } else { Step::Doubted }
    }

    /// Whether a frame that tells its end had not ended when this stretch was copied.
    fn is_still(&self, anchor: Option<Frame>, stretch: usize) -> bool {
        anchor.is_some_and(|anchor| {
            let now = self.frame_at(anchor.address, stretch..stretch + 1, stretch);
            now.is_some_and(|(now, _)| now.is_run_of(&anchor))
        })
    }

    /// Whether what the topmost frame is by now leads, by way of these copies, to the frame that was found last; if none
    /// was found yet, to this one.
    fn still_leads_on(&self, head: u64, frame: u64, copies: Range<usize>) -> bool {
        let sought = self.frames.last();
        let mut next = head;
        for _ in 0..MOST_FRAMES {
            if sought.is_none() && next == frame {
                return true;
            }
            let Some((copy, _)) = self.frame_at(next, copies.clone(), copies.start) else { break };
            if let Some(sought) = sought.filter(|sought| sought.address == next) {
                return copy.is_run_of(sought);
            }
            next = copy.previous;
        }
        false
    }

    /// Asks for the frames that were found, once more.
    fn ask_again(&mut self) {
        let first = self.batch.count();
        for index in 0..self.frames.len() {
            let frame = self.frames[index];
            let (from, to) = self.extent(frame.address, frame.owner);
            if self.batch.holds(from, to, first) {
                continue;
            }
            if self.batch.count() - first == READ_AGAIN || !self.batch.join(from, (to - from) as usize, first) {
                break;
            }
        }
    }

    /// Whose a frame most likely is that was not read yet.
    fn likely_owner(&self, frame: u64) -> Owner {
        if let Some(link) = self.links.get(&frame) {
            return link.owner;
        }
        let is_near = |callee: &Frame| callee.owner == Owner::Thread && callee.address.abs_diff(frame) < CHUNK;
        if self.frames.last().is_none_or(is_near) { Owner::Thread } else { Owner::Generator }
    }

    /// Whether a frame has no caller any more once it ended or was suspended. What was on the thread's stack stays there
    /// until another frame comes to lie there.
    fn tells_its_end(&self, owner: Owner) -> bool {
        owner == Owner::Generator || self.layout.owner.is_none()
    }

    /// What to read for a frame: where it stands on the thread's stack of frames or on the C stack the whole page, together
    /// with its callers and whatever stands above it by then; just the frame where it does not.
    fn extent(&self, address: u64, owner: Owner) -> (u64, u64) {
        let end = address.saturating_add(self.layout.size as u64);
        if self.tells_its_end(owner) {
            return (address, end);
        }
        (address & !(PAGE - 1), end.saturating_add(PAGE - 1) & !(PAGE - 1))
    }

    fn judge(&mut self, end: End, start: &Start) -> Proof {
        self.remember(start);
        let moved = self.moved(&start.first);
        self.proven = if end == End::Root { self.frames.len().saturating_sub(moved) } else { 0 };
        let ends_elsewhere = start.root.zip(self.frames.last()).is_some_and(|(root, last)| root != last.address);
        match end {
            End::Nowhere | End::Missed => Proof::Broken,
            _ if ends_elsewhere => Proof::Elsewhere,
            // One more was live when the pointer to it was copied, and its caller never moved.
            End::Root if moved <= 1 => Proof::Whole,
            End::Root | End::Doubted => Proof::Changed,
        }
    }

    /// How many of the topmost frames were not the same before the pointer to them was copied and after; of the last that
    /// was not, only which function it is.
    fn moved(&self, first: &First) -> usize {
        let Some(leaf) = self.frames.first() else { return 0 };
        let copied = |frame: &Frame, among: &Range<usize>| {
            self.frame_at(frame.address, among.clone(), among.start).map(|(frame, _)| frame)
        };
        let topmost = self.frames.iter().take_while(|frame| copied(frame, &first.before).is_some()).count();
        if topmost == 0 {
            // One that was not expected at all was proven when it was read.
            return if copied(leaf, &first.after).is_some() { self.frames.len() } else { 0 };
        }
        let topmost = &self.frames[..topmost];
        let stayed = topmost.iter().rev().take_while(|frame| copied(frame, &first.before) == Some(**frame)).count();
        let moved = topmost.len() - stayed;
        let last = moved.checked_sub(1).and_then(|last| topmost.get(last));
        let is_same = |frame: &Frame| copied(frame, &first.before).is_some_and(|before| frame.is_run_of(&before));
        moved - usize::from(last.is_some_and(is_same))
    }

    fn remember(&mut self, start: &Start) {
        if self.links.len() > MOST_LINKS {
            self.links.clear();
        }
        let is_end = |frame: &Frame| start.root.is_none_or(|root| root == frame.address);
        for frame in self.frames.iter().filter(|frame| frame.previous != 0 || is_end(frame)) {
            self.links.insert(frame.address, Link { previous: frame.previous, owner: frame.owner });
        }
        let mut seen = self.seen(start.top);
        seen.head = self.frames.first().map_or(0, |frame| frame.address);
        let on_stack = self.frames.iter().find(|frame| frame.owner == Owner::Thread);
        seen.on_stack = on_stack.map_or(seen.on_stack, |frame| frame.address);
        self.note(start.top, seen);
    }

    /// Notes whether a caller that had to be read was the one that it was before: then reading it along would have been
    /// better.
    fn learn_ahead(&mut self, top: Top, is_as_before: bool) {
        let mut seen = self.seen(top);
        seen.ahead = if is_as_before { (2 * seen.ahead).clamp(FIRST_AHEAD, MOST_AHEAD) } else { seen.ahead / 2 };
        self.note(top, seen);
    }

    /// Forgets where a thread was; false when that was not known anyway.
    fn forget(&mut self, top: Top) -> bool {
        self.tops.remove(&top.place).is_some()
    }

    fn seen(&self, top: Top) -> Seen {
        self.tops.get(&top.place).copied().unwrap_or_default()
    }

    fn note(&mut self, top: Top, seen: Seen) {
        if self.tops.len() > MOST_THREADS {
            self.tops.clear();
        }
        self.tops.insert(top.place, seen);
    }

    fn frame_at(&self, address: u64, among: Range<usize>, hint: usize) -> Option<(Frame, usize)> {
        let (bytes, index) = self.batch.at(address, self.layout.size, among, hint)?;
        Some((Frame::parse(&self.layout, address, bytes)?, index))
    }
}

fn word(bytes: &[u8]) -> Option<u64> {
    array(bytes, 0).map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests;
