//! Torn stacks, told apart and completed.
//!
//! A sampler that does not stop the worker walks a stack from the leaf to the root while it changes. When a coroutine
//! it has reached is suspended meanwhile, its link to the caller is gone and the walk ends there: the leaf's side is
//! right, the root's side is missing. On a long stream more than a third of the stacks of an event loop are torn so.
//! Left as they are, they would hide the very callers that lead.
//!
//! A thread has one outermost function, so a stack that begins with another is torn. It is hung below the caller that
//! its outermost function has most often in the thread's whole stacks; where it was never seen whole, below a name that
//! says so. Frames without a name are misread ones and are left out. What was mended is marked and counted.

use std::collections::HashMap;

use crate::redact::Raw;
use crate::sample::deal::Piece;
use crate::sample::profile::{Frame, Shape, StackNode};
use crate::sample::pyspy::trace::Stacks;

/// Stands for callers that were never seen.
pub const CALLERS_NOT_SEEN: &str = "[callers not seen]";

/// Completes the torn stacks of one thread.
pub fn mend(pieces: &mut [Piece], stacks: &mut Stacks) {
    let mut seen: HashMap<u32, u64> = HashMap::new();
    for piece in pieces.iter() {
        *seen.entry(piece.stack).or_default() += 1;
    }
    let chains: HashMap<u32, Vec<u32>> = seen.keys().map(|&stack| (stack, chain(stack, stacks))).collect();
    let mut roots: HashMap<Function, u64> = HashMap::new();
    for (stack, count) in &seen {
        if let Some(&root) = chains[stack].first() {
            *roots.entry(function(stacks, root)).or_default() += count;
        }
    }
    // Ties are broken by name, so that the same traces give the same profile.
    let Some(root) = roots.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0))).map(|entry| entry.0)
    else {
        return;
    };
    let is_whole = |stack: &u32, stacks: &Stacks| {
        chains[stack].first().is_some_and(|&first| function(stacks, first) == root) && !has_misread(*stack, stacks)
    };
    let callers = callers(seen.iter().filter(|(stack, _)| is_whole(stack, stacks)), stacks);
    let mut torn: Vec<u32> = seen.keys().copied().filter(|stack| !is_whole(stack, stacks)).collect();
    torn.sort_unstable();
    let mended: HashMap<u32, u32> = torn
        .into_iter()
        .filter_map(|stack| Some((stack, complete(&chains[&stack], &root, &callers, stacks)?)))
        .collect();
    for piece in pieces {
        if let Some(&whole) = mended.get(&piece.stack) {
            piece.stack = whole;
            piece.shape = Shape::Mended;
        }
    }
}

/// Name and file: lines of one function are one.
type Function = (Raw, Raw);

fn function(stacks: &Stacks, frame: u32) -> Function {
    let frame = &stacks.frames.items()[frame as usize];
    (frame.function.clone(), frame.file.clone())
}

fn is_misread(stacks: &Stacks, frame: u32) -> bool {
    stacks.frames.items()[frame as usize].function.expose().is_empty()
}

fn has_misread(stack: u32, stacks: &Stacks) -> bool {
    nodes(stack, stacks).any(|(_, node)| is_misread(stacks, node.frame))
}

/// The stack's nodes from the leaf to the root, each with its number.
fn nodes(stack: u32, stacks: &Stacks) -> impl Iterator<Item = (u32, StackNode)> {
    let mut next = Some(stack);
    std::iter::from_fn(move || {
        let number = next?;
        let node = stacks.nodes.items()[number as usize];
        next = node.parent;
        Some((number, node))
    })
}

/// The stack's frames from the root to the leaf, without misread ones.
fn chain(stack: u32, stacks: &Stacks) -> Vec<u32> {
    let mut frames: Vec<u32> =
        nodes(stack, stacks).map(|(_, node)| node.frame).filter(|&frame| !is_misread(stacks, frame)).collect();
    frames.reverse();
    frames
}

/// For each function of whole stacks, the stack that called it most often.
fn callers<'a>(whole: impl Iterator<Item = (&'a u32, &'a u64)>, stacks: &Stacks) -> HashMap<Function, u32> {
    let mut counts: HashMap<Function, HashMap<u32, u64>> = HashMap::new();
    for (&stack, count) in whole {
        for (_, node) in nodes(stack, stacks) {
            if let Some(caller) = node.parent {
                *counts.entry(function(stacks, node.frame)).or_default().entry(caller).or_default() += count;
            }
        }
    }
    let most = |callers: HashMap<u32, u64>| {
        callers.into_iter().max_by_key(|&(caller, count)| (count, std::cmp::Reverse(caller))).map(|entry| entry.0)
    };
    counts.into_iter().filter_map(|(function, callers)| Some((function, most(callers)?))).collect()
}

/// The torn chain hung where it belongs; none where nothing of it could be read.
fn complete(chain: &[u32], root: &Function, callers: &HashMap<Function, u32>, stacks: &mut Stacks) -> Option<u32> {
    let outermost = function(stacks, *chain.first()?);
    let mut below = if outermost == *root {
        None
    } else if let Some(&caller) = callers.get(&outermost) {
        Some(caller)
    } else {
        let nobody = Frame { function: Raw::new(CALLERS_NOT_SEEN), file: Raw::default(), line: 0 };
        let frame = stacks.frames.id(nobody);
        Some(stacks.nodes.id(StackNode { parent: None, frame }))
    };
    for &frame in chain {
        below = Some(stacks.nodes.id(StackNode { parent: below, frame }));
    }
    below
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stacks written as `a;b;c`, each a piece.
    fn mended(written: &[&str]) -> Vec<(String, Shape)> {
        let mut stacks = Stacks::default();
        let mut pieces: Vec<Piece> = Vec::new();
        for (index, stack) in written.iter().enumerate() {
            let mut parent = None;
            for name in stack.split(';') {
                let frame = Frame { function: Raw::new(name), file: Raw::new("f.py"), line: 1 };
                let frame = stacks.frames.id(frame);
                parent = Some(stacks.nodes.id(StackNode { parent, frame }));
            }
            let from_us = index as u64 * 10;
            pieces.push(Piece {
                from_us,
                to_us: from_us + 10,
                stack: parent.unwrap(),
                gap_us: 10,
                shape: Shape::Whole,
            });
        }
        mend(&mut pieces, &mut stacks);
        let name = |frame: u32| stacks.frames.items()[frame as usize].function.expose().to_owned();
        let written = |stack| chain(stack, &stacks).into_iter().map(name).collect::<Vec<_>>().join(";");
        pieces.iter().map(|piece| (written(piece.stack), piece.shape)).collect()
    }

    fn whole(stack: &str) -> (String, Shape) {
        (stack.to_owned(), Shape::Whole)
    }

    fn mended_to(stack: &str) -> (String, Shape) {
        (stack.to_owned(), Shape::Mended)
    }

    #[test]
    fn whole_stacks_stay_as_they_are() {
        assert_eq!(mended(&["main;loop", "main;loop;a"]), [whole("main;loop"), whole("main;loop;a")]);
    }

    #[test]
    fn a_torn_stack_hangs_below_its_usual_caller() {
        let stacks = ["main;loop;stream;chunk", "main;loop;stream;chunk", "main;other;chunk", "chunk;copy"];
        assert_eq!(mended(&stacks)[3], mended_to("main;loop;stream;chunk;copy"));
    }

    #[test]
    fn callers_that_were_never_seen_are_named_so() {
        assert_eq!(mended(&["main;loop", "main;loop", "x;y"])[2], mended_to("[callers not seen];x;y"));
    }

    #[test]
    fn a_misread_frame_is_left_out() {
        assert_eq!(mended(&["main;loop", "main;loop", "main;;b"])[2], mended_to("main;b"));
    }
}
