//! From frames to a numbered stack: functions and lines instead of addresses.

use crate::os::memory::Memory;
use crate::sample::native::codes::{Claim, Codes};
use crate::sample::native::frame::{Frame, Owner};
use crate::sample::native::layout::Layout;
use crate::sample::native::object::Unreadable;
use crate::sample::native::tree::{Place, Tree};

/// The stacks of one worker, and the code objects that they are made of.
#[derive(Debug, Default)]
pub struct Stacks {
    /// Code objects.
    pub codes: Codes,
    /// Stacks.
    pub tree: Tree,
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
            match self.spot(memory, layout, frame) {
                Ok(Spot::At(place)) => stack = self.tree.stack(stack, place),
                Ok(Spot::None) => {}
                Err(_) => unreadable += 1,
            }
            trail.steps.push((*frame, stack));
        }
        if unreadable > 0 {
            trail.steps.clear();
        }
        Resolved { stack, unreadable }
    }

    fn spot(&mut self, memory: &impl Memory, layout: &Layout, frame: &Frame) -> Result<Spot, Unreadable> {
        if frame.owner == Owner::Shim {
            return Ok(Spot::None);
        }
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
    /// No function: a piece of C stack, a frame that is still being made, or one of the interpreter's own, as that which
    /// since 3.13 calls an `__init__`.
    None,
}
