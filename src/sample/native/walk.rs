//! One thread's frames, read while they change, and whether what was read can have stood there.
//!
//! The target runs on while its frames are copied, so a copy can mix two stacks. Two facts tell that it does not. A
//! caller stays where it is for as long as what it called runs: so a copy of the caller is good if the callee was there
//! before it and is there after it. And the topmost frames, which come and go all the time, are copied just before the
//! pointer to them and twice just after it: what is the same before and after did not leave in between, and neither did
//! what is the same in both copies after it while the pointer still leads there.
//!
//! So the stack that stood at one moment is followed hand over hand from its leaf to its root, each step proven by a
//! copy of a callee that came after it in the same call. The leaf may be long gone by the time the root is reached: its
//! callers were its callers all the same.
//!
//! A step that is not proven makes the stack doubtful, not wrong. It is not read again until it stands still, which
//! would lose just those functions that are called often and shortly, and hand their time to others.
//!
//! Where the topmost frames are is looked at just before. Which callers they have is guessed from what was last seen:
//! each frame's caller is remembered by its address, and read along where that was right lately. What was not guessed
//! takes a call for each step.

use std::mem::take;
use std::ops::Range;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::os::memory::{Fault, Memory};
use crate::sample::native::batch::Batch;
use crate::sample::native::frame::{Frame, Owner, array};
use crate::sample::native::glimpse::Glimpse;
use crate::sample::native::layout::{FrameLayout, Indirection, Interpreter, ThreadLayout};
use crate::sample::native::threads::PythonThread;

mod ask;
mod proof;

use ask::First;

/// Deeper stacks are cut: Python's own limit is 1,000 unless it was raised.
pub const MOST_FRAMES: usize = 4_096;
/// How often something is read that was not asked for.
const MOST_READS: u32 = 512;
/// So many callers are read along at first where they were as before; each time that they still are, twice as many.
const FIRST_AHEAD: usize = 4;
/// But no more than that.
const MOST_AHEAD: usize = 64;
/// So often it is looked anew where a thread's topmost frames are.
const MOST_AIMS: u32 = 8;
/// Frames of a thread's stack of frames lie together in chunks of this size (`DATA_STACK_CHUNK_SIZE` in
/// `Python/pystate.c`).
const CHUNK: u64 = 16 << 10;
/// Callers are remembered for so many frames.
const MOST_LINKS: usize = 65_536;
/// More threads than are ever read.
const MOST_THREADS: usize = 4_096;
/// A first call that took so many times as long as they do was interrupted in its midst.
const INTERRUPTED: u64 = 4;

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
    /// The stretches in which callers are looked for.
    copies: Vec<Range<usize>>,
    proven: usize,
    pace: Pace,
    /// What to ask for, the last first.
    ahead: Vec<(u64, u64)>,
}

/// How long calls take.
#[derive(Debug)]
struct Pace {
    /// For each stretch.
    usual_ns: u64,
    /// So many times as long is out of the usual.
    most: u64,
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
    /// The lowest of those near it: what is below may not be there.
    lowest: u64,
    /// How many callers are worth reading along.
    ahead: usize,
    /// The topmost frame of the last stack that was read.
    last: u64,
    /// The place in its `_PyCFrame` that points to the topmost frame.
    cframe: u64,
    /// Between which addresses such places were seen: its C stack lies there.
    c_stack: (u64, u64),
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

impl Pace {
    /// Whether a call for so many stretches took about as long as they do.
    fn is_usual(&mut self, took: Duration, stretches: usize) -> bool {
        // The call itself takes as long as some stretches.
        let each_ns = took.as_nanos() as u64 / (stretches as u64 + 4);
        let most_ns = self.usual_ns.saturating_mul(self.most);
        let is_usual = self.usual_ns == 0 || each_ns <= most_ns;
        let counted_ns = if is_usual { each_ns } else { most_ns };
        self.usual_ns = if self.usual_ns == 0 { each_ns } else { (31 * self.usual_ns + counted_ns) / 32 };
        is_usual
    }
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
            copies: Vec::new(),
            proven: 0,
            pace: Pace { usual_ns: 0, most: INTERRUPTED },
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
        let mut looks_first = true;
        for aim in 1.. {
            if looks_first {
                self.aim(memory, top);
            }
            self.batch.clear();
            let around = Glimpse::ask_around(&mut self.batch, interpreter);
            let before = self.ask_before(top);
            let state = Glimpse::ask_thread(&mut self.batch, interpreter, thread);
            let start = Start { top, first: self.ask_after(top, before), root, is_last: aim >= MOST_AIMS };
            let interruption = self.read_at_once(memory)?;
            let glimpse = Glimpse::tell(&self.batch, (around, state), interpreter, thread);
            if glimpse.is_none() && self.batch.stretch(state).is_none() && self.forget(top) {
                // What was asked for before it is not there any more.
                looks_first = false;
                continue;
            }
            looks_first = true;
            let Some(glimpse) = glimpse else { return Ok(None) };
            let pointer = glimpse.pointer.unwrap_or(0);
            let end = self.follow(memory, pointer, &start).max(interruption);
            if end != End::Missed {
                return Ok(Some((glimpse, self.judge(end, &start))));
            }
        }
        Ok(None)
    }

    /// Reads what was asked for first, and tells whether all of it can be of one time.
    fn read_at_once(&mut self, memory: &impl Memory) -> Result<End, Fault> {
        let begun = Instant::now();
        self.batch.read(memory)?;
        let is_usual = self.pace.is_usual(begun.elapsed(), self.batch.count());
        Ok(if is_usual { End::Root } else { End::Doubted })
    }

    /// The topmost frame, by the pointer to it or to its `_PyCFrame`; none where that was not read along.
    fn head(&self, top: Top, pointer: u64, copies: Range<usize>) -> Option<u64> {
        let Indirection::ThroughCFrame(offset) = top.is else { return Some(pointer) };
        let place = pointer.wrapping_add(offset as u64);
        self.batch.at(place, 8, copies).and_then(|(bytes, _)| word(bytes))
    }

    /// The topmost frame, by the pointer that was asked for.
    fn told_head(&self, top: Top, asked: &Range<usize>) -> Option<u64> {
        let pointer = self.batch.stretch(asked.start).and_then(word)?;
        self.head(top, pointer, asked.clone())
    }

    /// Follows the frames from the topmost one to the root.
    fn follow(&mut self, memory: &impl Memory, pointer: u64, start: &Start) -> End {
        self.frames.clear();
        let Start { top, first, root, is_last } = start;
        let miss = if *is_last { End::Nowhere } else { End::Missed };
        let Some(head) = self.head(*top, pointer, first.cframe.clone()) else { return miss };
        // These were copied while what was called by the frames in them stood.
        self.copies.clear();
        self.copies.push(first.after.start..first.nearest.end);
        let mut is_ahead_left = !first.ahead.is_empty();
        let (mut next, mut hint, mut end) = (head, first.after.start, End::Root);
        let (mut reads, mut ahead, mut is_as_before) = (0_u32, 0, true);
        let (mut anchor, mut circle) = (None, u64::MAX);
        while next != 0 {
            if self.frames.len() == MOST_FRAMES {
                return End::Nowhere;
            }
            let Some((mut frame, index)) = self.find(next, hint) else {
                if take(&mut is_ahead_left) && self.is_still(anchor, first.ahead.end - 1) {
                    self.copies.push(first.ahead.clone());
                    continue;
                }
                if self.frames.is_empty() && !is_last {
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
                is_ahead_left = false;
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
                continue;
            };
            let link = self.links.get(&next).copied();
            let is_over = frame.owner == Owner::Nobody && !self.frames.is_empty();
            if !frame.is_plausible() {
                return End::Nowhere;
            }
            is_as_before = link.is_some_and(|link| link.previous == frame.previous);
            if frame.previous != 0 && self.tells_its_end(frame.owner) {
                anchor = Some(frame);
            }
            // What ended or was suspended meanwhile has no caller any more; the one that it had was seen before.
            let lost = (frame.previous == 0 && Some(next) != *root).then_some(link).flatten();
            if let Some(link) = lost.filter(|link| link.previous != 0) {
                frame.previous = link.previous;
                end = End::Doubted;
            } else if is_over {
                if frame.previous == 0 {
                    return End::Nowhere;
                }
                end = End::Doubted;
            }
            self.frames.push(frame);
            (next, hint) = (frame.previous, index);
            if next == circle {
                return End::Nowhere;
            }
            // In a circle one of these is met again, however long it is.
            if self.frames.len().is_power_of_two() {
                circle = next;
            }
        }
        end
    }

    /// Remembers what was found, and the caller that was read last, so that they are read at once.
    fn expect(&mut self, start: &Start, caller: u64) {
        self.remember(start);
        if let Some((frame, _)) = self.copies.last().and_then(|last| self.frame_at(caller, last.clone())) {
            self.links.insert(caller, Link { previous: frame.previous, owner: frame.owner });
        }
        let seen = self.seen(start.top);
        self.note(start.top, Seen { ahead: seen.ahead.max(FIRST_AHEAD), ..seen });
    }

    /// Reads a frame that was not asked for, and so many of its callers as they were when last seen.
    fn step(&mut self, memory: &impl Memory, top: Top, frame: u64, ahead: usize, witness: Witness) -> Step {
        let first = self.batch.count();
        let (from, to) = self.pages(frame);
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
        let again = self.batch.count();
        self.copies.push(first..again);
        let mut asked = None;
        match witness {
            Witness::None => {}
            Witness::Anchor(anchor) => {
                self.batch.add(anchor.address, self.layout.size);
            }
            Witness::Pointer => asked = Some(self.ask_again(top, self.frames.len())),
        }
        // What comes of it is seen below.
        let _ = self.batch.read(memory);
        if self.batch.stretch(first).is_none() {
            return Step::Failed;
        }
        let is_proven = match witness {
            Witness::None => false,
            Witness::Anchor(anchor) => self.is_still(Some(anchor), again),
            Witness::Pointer => asked.is_some_and(|asked| self.leads_to(top, &asked, self.frames.len(), frame)),
        };
        if is_proven { Step::Proven } else { Step::Doubted }
    }

    /// Whether a frame has no caller any more once it ended or was suspended. What was on the thread's stack stays
    /// there until another frame comes to lie there.
    fn tells_its_end(&self, owner: Owner) -> bool {
        owner == Owner::Generator || self.layout.is_of_objects()
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
        seen.last = self.frames.first().map_or(0, |frame| frame.address);
        let on_stack = self.frames.iter().find(|frame| frame.owner == Owner::Thread);
        let is_near = |frame: &Frame, top: u64| frame.owner == Owner::Thread && frame.address.abs_diff(top) < CHUNK;
        if let Some(on_stack) = on_stack {
            let near = self.frames.iter().filter(|frame| is_near(frame, on_stack.address));
            seen.on_stack = on_stack.address;
            seen.lowest = near.map(|frame| frame.address).min().unwrap_or(seen.on_stack);
        }
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

    /// A frame as it was copied, and in which stretch, looked for from number `hint` on first: frames that call each
    /// other mostly stand in the order in which they were asked for.
    fn find(&self, address: u64, hint: usize) -> Option<(Frame, usize)> {
        let after = self.copies.iter().map(|copies| copies.start.max(hint)..copies.end.max(hint));
        let before = self.copies.iter().map(|copies| copies.start.min(hint)..copies.end.min(hint));
        after.chain(before).find_map(|copies| self.frame_at(address, copies))
    }

    fn frame_at(&self, address: u64, among: Range<usize>) -> Option<(Frame, usize)> {
        let (bytes, index) = self.batch.at(address, self.layout.size, among)?;
        Some((Frame::parse(&self.layout, address, bytes)?, index))
    }
}

fn word(bytes: &[u8]) -> Option<u64> {
    array(bytes, 0).map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests;
