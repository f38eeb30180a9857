//! The stacks seen: each frame and each stack once, by number, and which calls were read beyond doubt.

use rustc_hash::FxHashSet;

use crate::sample::profile::{Interner, StackNode};

/// So many stacks are told apart; what comes after that is counted at its deepest known caller.
const MOST_STACKS: usize = 400_000;

/// A function at a line: number of the code object, line.
pub type Place = (u32, u32);

/// Whether it is known how many frames a stack had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// It had those that were found.
    Known,
    /// Some may be missing or of another time.
    Unknown,
}

/// Everything that was seen of one worker's stacks.
#[derive(Debug, Default)]
pub struct Tree {
    places: Interner<Place>,
    stacks: Interner<StackNode>,
    /// Calls from one function to another that were seen in a stack that is whole.
    calls: FxHashSet<(u32, u32)>,
    /// Functions that call themselves: how often they do, only the very same stack tells.
    recursive: FxHashSet<u32>,
    /// Whether all calls of a stack are noted, by its number; as long as the highest number that was noted.
    confirmed: Vec<bool>,
}

impl Tree {
    /// The number of the stack in which `parent` calls this place.
    pub fn stack(&mut self, parent: Option<u32>, place: Place) -> Option<u32> {
        if self.stacks.items().len() >= MOST_STACKS {
            return parent;
        }
        let frame = self.places.id(place);
        Some(self.stacks.id(StackNode { parent, frame }))
    }

    /// All places, by number.
    pub fn places(&self) -> &[Place] {
        self.places.items()
    }

    /// All stacks, by number.
    pub fn stacks(&self) -> &[StackNode] {
        self.stacks.items()
    }

    /// Notes that every call of this stack was seen beyond doubt. With a stack its callers' are confirmed too, so one
    /// that is seen again costs one look.
    pub fn confirm(&mut self, stack: u32) {
        let mut next = Some(stack);
        while let Some(stack) = next.filter(|&stack| !self.is_noted(stack)) {
            if self.confirmed.len() <= stack as usize {
                self.confirmed.resize(self.stacks.items().len().max(stack as usize + 1), false);
            }
            self.confirmed[stack as usize] = true;
            if let Some(call) = self.call(stack) {
                self.note_call(call);
            }
            next = self.parent(stack);
        }
    }

    /// Whether every call of this stack is known.
    pub fn is_confirmed(&self, stack: u32, depth: Depth) -> bool {
        self.unknown_call(stack, depth).is_none()
    }

    /// The topmost call of this stack that is not known: the functions that call and are called. Where it is not known how
    /// deep the stack was, calls of functions that call themselves are not known either.
    pub fn unknown_call(&self, stack: u32, depth: Depth) -> Option<(u32, u32)> {
        let is_unclear = |call: &(u32, u32)| depth == Depth::Unknown && self.recursive.contains(&call.1);
        let mut next = Some(stack);
        while let Some(stack) = next.filter(|&stack| !self.is_noted(stack)) {
            if let Some(call) = self.call(stack).filter(|call| !self.has_call(*call) || is_unclear(call)) {
                return Some(call);
            }
            next = self.parent(stack);
        }
        None
    }

    /// Notes that there is such a call.
    pub fn note_call(&mut self, call: (u32, u32)) {
        if call.0 == call.1 {
            self.recursive.insert(call.0);
        }
        self.calls.insert(call);
    }

    /// Whether there is such a call.
    pub fn has_call(&self, call: (u32, u32)) -> bool {
        self.calls.contains(&call)
    }

    fn is_noted(&self, stack: u32) -> bool {
        self.confirmed.get(stack as usize).copied().unwrap_or(false)
    }

    fn parent(&self, stack: u32) -> Option<u32> {
        self.stacks.items().get(stack as usize)?.parent
    }

    /// The call that made the leaf of a stack: the function that calls and the one that is called; none at the root.
    fn call(&self, stack: u32) -> Option<(u32, u32)> {
        let node = self.stacks.items().get(stack as usize)?;
        let caller = self.stacks.items().get(node.parent? as usize)?;
        let function = |frame: u32| self.places.items().get(frame as usize).map(|place| place.0);
        Some((function(caller.frame)?, function(node.frame)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stack of these places, the root first.
    fn stack(tree: &mut Tree, places: &[Place]) -> u32 {
        places.iter().fold(None, |parent, &place| tree.stack(parent, place)).unwrap()
    }

    #[test]
    fn a_stack_is_numbered_once() {
        let mut tree = Tree::default();
        let first = stack(&mut tree, &[(1, 10), (2, 20)]);
        assert_eq!(first, stack(&mut tree, &[(1, 10), (2, 20)]));
        assert_ne!(first, stack(&mut tree, &[(1, 11), (2, 20)]));
        assert_eq!((tree.places().len(), tree.stacks().len()), (3, 4));
    }

    #[test]
    fn a_stack_made_of_calls_that_were_seen_is_confirmed_at_whatever_lines() {
        let mut tree = Tree::default();
        let seen = [stack(&mut tree, &[(1, 10), (2, 20)]), stack(&mut tree, &[(2, 21), (3, 30)])];
        for seen in seen {
            tree.confirm(seen);
        }
        let possible = stack(&mut tree, &[(1, 11), (2, 22), (3, 99)]);
        let impossible = stack(&mut tree, &[(1, 10), (3, 30)]);
        assert!(tree.is_confirmed(possible, Depth::Known));
        assert!(!tree.is_confirmed(impossible, Depth::Known));
    }

    #[test]
    fn how_often_a_function_calls_itself_is_not_told_by_another_stack() {
        let mut tree = Tree::default();
        let seen = stack(&mut tree, &[(1, 10), (2, 20), (2, 20), (2, 20)]);
        tree.confirm(seen);
        let shorter = stack(&mut tree, &[(1, 10), (2, 20), (2, 20)]);
        let longer = stack(&mut tree, &[(1, 10), (2, 20), (2, 20), (2, 20), (2, 20)]);
        assert!(tree.is_confirmed(shorter, Depth::Unknown));
        assert!(!tree.is_confirmed(longer, Depth::Unknown));
        assert!(tree.is_confirmed(longer, Depth::Known));
    }

    #[test]
    fn where_a_function_calls_itself_one_call_of_it_alone_may_stand_for_many() {
        let mut tree = Tree::default();
        let seen = stack(&mut tree, &[(1, 10), (2, 20), (2, 20), (3, 30)]);
        tree.confirm(seen);
        tree.note_call((2, 3));
        let once = stack(&mut tree, &[(1, 10), (2, 21), (3, 30)]);
        assert!(!tree.is_confirmed(once, Depth::Unknown));
        assert!(tree.is_confirmed(once, Depth::Known));
    }

    #[test]
    fn one_frame_alone_calls_nothing_and_needs_no_confirmation() {
        let mut tree = Tree::default();
        let alone = stack(&mut tree, &[(1, 10)]);
        assert!(tree.is_confirmed(alone, Depth::Unknown));
    }
}
