//! From frames to a numbered stack: functions and lines instead of addresses.

use rustc_hash::FxHashMap;

use crate::os::memory::Memory;
use crate::sample::native::code::Code;
use crate::sample::native::codes::{Claim, CodeId, Codes};
use crate::sample::native::frame::{Frame, Owner};
use crate::sample::native::layout::{Interpreter, Layout};
use crate::sample::native::object::Unreadable;
use crate::sample::native::tree::{Depth, Place, Tree};

/// So many steps are remembered.
const MOST_STEPS: usize = 1 << 16;

/// The stacks of one worker, and the code objects that they are made of.
#[derive(Debug, Default)]
pub struct Stacks {
    /// Stacks.
    pub tree: Tree,
    codes: Codes,
    /// From a stack to the one above it, by way of a frame: one look instead of one for its code, its line and its number.
    steps: FxHashMap<Step, (u32, CodeId)>,
}

/// A frame above a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Step {
    below: Option<u32>,
    executable: u64,
    instruction: u64,
}

/// A thread's last frames with the stacks they stood for, the root first: what did not change needs no second look.
#[derive(Debug, Default)]
pub struct Trail {
    steps: Vec<(Frame, Option<u32>)>,
}

/// A numbered stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// Its number; none where no frame stands for a function.
    pub stack: Option<u32>,
    /// Frames left out since their code objects could not be read.
    pub unreadable: u32,
}

impl Trail {
    /// The stack of the first `frames` frames from the root; none where none of them stands for a function.
    pub fn stack(&self, frames: usize) -> Option<u32> {
        self.steps.get(frames.checked_sub(1)?)?.1
    }
}

impl Stacks {
    /// The stack of these frames, the leaf first.
    pub fn resolve(&mut self, memory: &impl Memory, layout: &Layout, frames: &[Frame], trail: &mut Trail) -> Resolved {
        let same = trail.steps.iter().zip(frames.iter().rev()).take_while(|(step, frame)| step.0 == **frame).count();
        trail.steps.truncate(same);
        let mut stack = trail.steps.last().and_then(|step| step.1);
        let mut unreadable = 0;
        for frame in frames.iter().rev().skip(same) {
            match self.above(memory, layout, stack, frame) {
                Ok(above) => stack = above,
                Err(_) => unreadable += 1,
            }
            trail.steps.push((*frame, stack));
        }
        if unreadable > 0 {
            trail.steps.clear();
        }
        Resolved { stack, unreadable }
    }

    /// Whether every call of this stack is one that there is: it was seen beyond doubt, or its caller's code speaks of what
    /// it calls.
    pub fn is_possible(&mut self, memory: &impl Memory, layout: &Layout, (stack, depth): (u32, Depth)) -> bool {
        while let Some(call) = self.tree.unknown_call(stack, depth) {
            let is_new = call.0 != call.1 && !self.tree.has_call(call);
            if !is_new || !self.codes.speaks_of(memory, layout, (CodeId(call.0), CodeId(call.1))) {
                return false;
            }
            self.tree.note_call(call);
        }
        true
    }

    /// Looks again at the code objects that were met, whether they still are where they were.
    ///
    /// # Errors
    /// When they cannot be read now.
    pub fn recheck(&mut self, memory: &impl Memory, interpreter: &Interpreter) -> Result<(), Unreadable> {
        let stale = self.codes.recheck(memory, interpreter);
        if stale.as_ref().is_ok_and(|stale| !stale.is_empty()) {
            self.steps.clear();
        }
        stale.map(drop)
    }

    /// Forgets where code was: its process runs another program.
    pub fn move_away(&mut self) {
        self.codes.move_away();
        self.steps.clear();
    }

    /// The code of an id that is in a place of the tree.
    pub fn code(&self, id: u32) -> &Code {
        self.codes.code(CodeId(id))
    }

    /// The stack that this frame makes of the one below it.
    fn above(
        &mut self,
        memory: &impl Memory,
        layout: &Layout,
        below: Option<u32>,
        frame: &Frame,
    ) -> Result<Option<u32>, Unreadable> {
        if frame.owner == Owner::Shim {
            return Ok(below);
        }
        let step = Step { below, executable: frame.executable, instruction: frame.instruction };
        if let Some(&(above, code)) = self.steps.get(&step) {
            self.codes.touch(code);
            return Ok(Some(above));
        }
        let Spot::At(place) = self.spot(memory, layout, frame)? else { return Ok(below) };
        let above = self.tree.stack(below, place);
        // What is made and gone at once is looked at each time.
        if let Some(above) = above.filter(|_| !self.code(place.0).is_passing()) {
            if self.steps.len() == MOST_STEPS {
                self.steps.clear();
            }
            self.steps.insert(step, (above, CodeId(place.0)));
        }
        Ok(above)
    }

    fn spot(&mut self, memory: &impl Memory, layout: &Layout, frame: &Frame) -> Result<Spot, Unreadable> {
        let claim = Claim { code: frame.executable, instruction: frame.instruction };
        let at = self.codes.get(memory, layout, claim)?;
        let code = self.codes.code(at.code);
        let place = (at.code.0, code.line(at.unit));
        let has_begun = frame.owner == Owner::Generator || at.unit >= code.first_traceable;
        Ok(if has_begun { Spot::At(place) } else { Spot::None })
    }
}

/// What a frame stands for.
enum Spot {
    /// A function at a line.
    At(Place),
    /// No function: a frame that is still being made, or one of the interpreter's own, as that which since 3.13 calls an
    /// `__init__`.
    None,
}
