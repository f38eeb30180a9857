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
//! A step that is not proven makes the stack doubtful, not wrong: whether there are such calls is told elsewhere. It is
//! not read again until it stands still, which would lose just those functions that are called often and shortly, and
//! hand their time to others.
//!
//! The topmost frames are expected where they were at the last sample, and where a `_PyCFrame` stands in between, which
//! is another one all the time, they are looked for just before. Which callers they have is guessed from what was last
//! seen: allocators give the same places again and again, so that a function's frame that lies where it lay before mostly
//! has the caller that it had there. Those are read along; what was not guessed takes a call for each step.

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
mod callers;
mod proof;

use ask::First;
use callers::{Callers, Place};

/// Deeper stacks are cut: Python's own limit is 1,000 unless it was raised.
pub const MOST_FRAMES: usize = 4_096;
/// How often something is read that was not asked for.
const MOST_READS: u32 = 512;
/// No more callers than these are read along.
const MOST_AHEAD: usize = 40;
/// So often it is looked anew where a thread's topmost frames are.
const MOST_AIMS: u32 = 8;
/// Frames of a thread's stack of frames lie together in chunks of this size (`DATA_STACK_CHUNK_SIZE` in
/// `Python/pystate.c`).
const CHUNK: u64 = 16 << 10;
/// More threads than are ever read.
const MOST_THREADS: usize = 4_096;
/// A call that came so many times as late as they do was interrupted.
const INTERRUPTED: u64 = 3;

/// Whether the frames can have stood there together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// They did.
    Whole,
    /// They did, but do not end where this thread's stacks end.
    Elsewhere,
    /// The topmost ones changed while they were copied. There were so many.
    Moved,
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
    /// Where it keeps up to where its stack of frames is used.
    pub stack: Option<u64>,
}

/// Reads frames; what it remembers of one process makes the next reading cheap.
#[derive(Debug)]
pub struct Walker {
    layout: FrameLayout,
    batch: Batch,
    /// What last called a function whose frame was there.
    callers: Callers,
    /// What was last seen of each thread, by the place of its pointer to the topmost frame.
    tops: FxHashMap<u64, Seen>,
    frames: Vec<Frame>,
    /// The stretches in which callers are looked for.
    copies: Vec<Range<usize>>,
    /// How many frames, from the leaf on, are not known to have stood there together with the others.
    doubted: usize,
    pace: Pace,
    /// When something was read last.
    read: Instant,
}

/// How long calls take.
#[derive(Debug)]
struct Pace {
    /// For each stretch.
    usual_ns: u64,
    /// So many times as long is out of the usual.
    most: u64,
}

/// What was last seen of a thread.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    /// Up to where its stack of frames was used.
    highest: u64,
    /// The lowest of the frames near that: what is below may not be there.
    lowest: u64,
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

/// Where following frames ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// At the root.
    Root,
    /// At what is likely to be the root.
    Guessed,
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

impl Seen {
    /// Notes where the pointer to the topmost frame is.
    fn aim_at(&mut self, cframe: u64) {
        self.cframe = cframe;
        let (lowest, highest) = self.c_stack;
        self.c_stack = (if lowest == 0 { cframe } else { lowest.min(cframe) }, highest.max(cframe));
    }
}

impl Top {
    /// Of the thread whose `PyThreadState` is at an address.
    pub fn of(layout: &ThreadLayout, thread: u64) -> Self {
        let field = |offset: usize| thread.wrapping_add(offset as u64);
        let (place, stack) = (field(layout.current_frame), layout.stack_top.map(field));
        Self { place, is: layout.current_frame_is, stack }
    }

    /// The stretch that holds both.
    fn extent(self) -> (u64, u64) {
        let stack = self.stack.unwrap_or(self.place);
        (self.place.min(stack), self.place.max(stack).saturating_add(8))
    }
}

impl Walker {
    /// Of a process whose frames look like this.
    pub fn new(layout: FrameLayout) -> Self {
        Self {
            layout,
            batch: Batch::default(),
            callers: Callers::default(),
            tops: FxHashMap::default(),
            frames: Vec::new(),
            copies: Vec::new(),
            doubted: 0,
            pace: Pace { usual_ns: 0, most: INTERRUPTED },
            read: Instant::now(),
        }
    }

    /// The frames that were read last, the leaf first.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// How many of them, from the root on, are proven to have stood there together.
    pub fn proven(&self) -> usize {
        self.frames.len() - self.doubted
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
        if top.is != Indirection::Direct || self.seen(top).highest == 0 {
            self.aim(memory, top);
        }
        for tries in 1.. {
            self.batch.clear();
            let around = Glimpse::ask_around(&mut self.batch, interpreter);
            let before = self.ask_before(top);
            let state = Glimpse::ask_thread(&mut self.batch, interpreter, thread);
            let start = Start { top, first: self.ask_after(top, before), root, is_last: tries >= MOST_AIMS };
            self.read = Instant::now();
            let is_usual = self.read_on(memory, self.batch.count())?;
            let glimpse = Glimpse::tell(&self.batch, (around, state), interpreter, thread);
            if glimpse.is_none() && self.batch.stretch(state).is_none() && !start.is_last {
                // What was asked for before it is not there any more.
                self.note(top, Seen { highest: 0, ..self.seen(top) });
                continue;
            }
            let Some(glimpse) = glimpse else { return Ok(None) };
            let expected = self.topmost_extent(top);
            self.take_aim(top, state);
            let highest = self.seen(top).highest;
            let is_near = expected.is_none_or(|expected| expected.start < highest && highest <= expected.end);
            if tries == 1 && !is_near {
                // Where its frames were at the last sample they are not any more.
                continue;
            }
            let end = self.follow(memory, glimpse.pointer.unwrap_or(0), &start);
            if end != End::Missed {
                return Ok(Some((glimpse, self.judge(end, &start, is_usual))));
            }
        }
        Ok(None)
    }

    /// Reads what was asked for, so many stretches, and tells whether it came as soon as such calls do: else what stood in
    /// their midst can have gone and come again.
    fn read_on(&mut self, memory: &impl Memory, stretches: usize) -> Result<bool, Fault> {
        self.batch.read(memory)?;
        let now = Instant::now();
        let took = now.duration_since(std::mem::replace(&mut self.read, now));
        Ok(self.pace.is_usual(took, stretches))
    }

    /// The topmost frame, by the pointer to it or to its `_PyCFrame`; none where that was not read along.
    fn head(&self, top: Top, pointer: u64, copies: Range<usize>) -> Option<u64> {
        let Indirection::ThroughCFrame(offset) = top.is else { return Some(pointer) };
        let place = pointer.wrapping_add(offset as u64);
        self.batch.at(place, 8, copies).and_then(|(bytes, _)| word(bytes))
    }

    /// Follows the frames from the topmost one to the root.
    fn follow(&mut self, memory: &impl Memory, pointer: u64, start: &Start) -> End {
        self.frames.clear();
        self.doubted = 0;
        let Start { top, first, root, is_last } = start;
        let miss = if *is_last { End::Nowhere } else { End::Missed };
        let Some(head) = self.head(*top, pointer, first.cframe.clone()) else { return miss };
        self.copies.clear();
        self.copies.push(first.after.clone());
        let (mut next, mut hint, mut reads) = (head, first.after.start, 0);
        // The last frame that tells its end and had not come to it; and whether what follows may not have called it.
        let (mut anchor, mut is_adrift, mut circle) = (None, false, u64::MAX);
        let mut end = End::Root;
        while next != 0 {
            if self.frames.len() == MOST_FRAMES {
                return End::Nowhere;
            }
            let Some((mut frame, index)) = self.find(next, hint) else {
                reads += 1;
                is_adrift = match self.step(memory, *top, next, anchor) {
                    _ if reads > MOST_READS => return End::Nowhere,
                    Step::Failed => return End::Nowhere,
                    Step::Doubted => true,
                    Step::Proven => false,
                };
                if is_adrift {
                    (self.doubted, anchor) = (self.frames.len(), None);
                }
                continue;
            };
            if !frame.is_plausible() {
                return End::Nowhere;
            }
            let is_beginning = frame.owner == Owner::Beginning && self.frames.is_empty();
            let is_cut_off = frame.previous == 0 && Some(next) != *root;
            let known = if is_cut_off { self.callers.get(Place::of(&frame)) } else { None };
            if !frame.is_executed() && !is_beginning {
                // What it says of its caller is of another time.
                (anchor, is_adrift, end) = (None, true, End::Guessed);
            } else if let Some(caller) = known {
                // What was suspended meanwhile has no caller any more; the one that it last had was its.
                (frame.previous, anchor, is_adrift) = (caller.address, None, true);
            } else if frame.is_executed() && frame.previous != 0 && self.tells_its_end(frame.owner) {
                // It runs: so what follows called it.
                (anchor, is_adrift) = (Some(frame), false);
            }
            self.frames.push(frame);
            if is_adrift {
                self.doubted = self.frames.len();
            }
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

    /// Reads a frame that was not asked for, and its callers as they were when last seen. Whether it still called what it
    /// called is looked at after it: by the anchor, or without one by what is topmost by then.
    fn step(&mut self, memory: &impl Memory, top: Top, frame: u64, anchor: Option<Frame>) -> Step {
        let first = self.batch.count();
        let (from, to) = self.extent(frame);
        if !self.batch.add(from, (to - from) as usize) {
            return Step::Failed;
        }
        // What is topmost is so for a moment only. A frame that tells its end shows itself that its callers are there.
        let shows_itself = anchor.is_none() && self.tells_its_end(self.owner_of(top, frame));
        let soon = shows_itself.then(|| self.ask_again(top));
        let callers = self.batch.count();
        self.ask_callers(top, frame, first);
        let again = self.batch.count();
        let late = (anchor.is_none() && !shows_itself).then(|| self.ask_again(top));
        if let Some(shown) = anchor.map(|anchor| anchor.address).or(shows_itself.then_some(frame)) {
            self.batch.add(shown, self.layout.size);
        }
        // What comes of it is seen below.
        let is_usual = self.read_on(memory, self.batch.count() - first).unwrap_or(false);
        if self.batch.stretch(first).is_none() {
            return Step::Failed;
        }
        self.copies.push(first..first + 1);
        let found = self.frame_at(frame, first..first + 1).map(|(found, _)| found);
        if !shows_itself || self.is_still(found.filter(|found| self.tells_its_end(found.owner)), again) {
            self.copies.push(callers..again);
        }
        let is_proven = match soon.or(late) {
            Some(asked) => self.is_there(top, &asked, found),
            None => self.is_still(anchor, again),
        };
        if is_proven && is_usual { Step::Proven } else { Step::Doubted }
    }

    /// Whether a frame has no caller any more once it ended or was suspended. What was on the thread's stack stays
    /// there until another frame comes to lie there.
    fn tells_its_end(&self, owner: Owner) -> bool {
        owner == Owner::Generator || self.layout.is_of_objects()
    }

    /// Remembers which callers were found, and how far down the frames on the thread's stack go.
    fn remember(&mut self, top: Top) {
        let on_stack = self.frames.iter().find(|frame| frame.owner == Owner::Thread).map(|frame| frame.address);
        let on_stack = on_stack.filter(|_| top.stack.is_some());
        let is_near = |frame: &Frame| {
            frame.owner == Owner::Thread && on_stack.is_some_and(|top| frame.address.abs_diff(top) < CHUNK)
        };
        for pair in self.frames[self.doubted..].windows(2) {
            // What is near the top is read anyway.
            if !is_near(&pair[0]) || !is_near(&pair[1]) {
                self.callers.note(Place::of(&pair[0]), Place::of(&pair[1]));
            }
        }
        let lowest = self.frames.iter().filter(|frame| is_near(frame)).map(|frame| frame.address).min();
        if let Some(lowest) = lowest {
            self.note(top, Seen { lowest, ..self.seen(top) });
        }
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
