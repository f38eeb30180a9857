//! Stacks laid out in an image, still and moving.

use std::cell::Cell;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::sample::native::image::{Image, Pages};
use crate::sample::native::layout::{Gil, Instruction, Layout, OWNED_BY_GENERATOR, Ownership, Version};
use crate::sample::native::tables::known;

/// As in 3.13: code, caller, six words, instruction, then the owner.
const LAYOUT: FrameLayout = FrameLayout {
    size: 80,
    previous: 8,
    executable: 0,
    executable_tag: 0,
    instruction: Instruction::Address(56),
    owner: Ownership::Byte(74),
    shim_owner: 3,
};
/// Where a thread says which frame is its topmost, and who it is.
const THREAD_LAYOUT: ThreadLayout = ThreadLayout {
    size: 40,
    next: 24,
    interpreter: 16,
    current_frame: 0,
    current_frame_is: Indirection::Direct,
    stack_top: Some(32),
    thread_id: 8,
    native_thread_id: None,
    gil_requested: None,
};
const THREAD: PythonThread = PythonThread { address: 0x7000_0000, ident: 0x7777 };
/// Where its interpreter is, and what that says of the GIL and the collector.
const INTERPRETER: u64 = 0x7000_1000;
/// Where the thread's stack of frames begins.
const STACK: u64 = 0x1000_0000;
/// Where coroutines are.
const HEAP: u64 = 0x5000_0000;

#[derive(Debug, Clone, Copy)]
struct Laid {
    address: u64,
    code: u64,
    instruction: u64,
    owner: u8,
}

fn on_stack(slot: u64, code: u64) -> Laid {
    Laid { address: STACK + slot * 160, code: code * 8, instruction: code + 1, owner: 0 }
}

fn coroutine(slot: u64, code: u64) -> Laid {
    Laid { address: HEAP + slot * 8_192, code: code * 8, instruction: code + 1, owner: OWNED_BY_GENERATOR }
}

/// Lays out frames that call each other, the root first.
fn lay(pages: &mut Pages, frames: &[Laid]) {
    let mut previous = 0;
    for frame in frames {
        let mut bytes = [0; 80];
        bytes[0..8].copy_from_slice(&frame.code.to_ne_bytes());
        bytes[8..16].copy_from_slice(&u64::to_ne_bytes(previous));
        bytes[56..64].copy_from_slice(&frame.instruction.to_ne_bytes());
        bytes[74] = frame.owner;
        pages.write(frame.address, &bytes);
        previous = frame.address;
    }
    let on_stack = frames.iter().filter(|frame| frame.owner == 0).map(|frame| frame.address + 80);
    pages.write_u64(THREAD.address, previous);
    pages.write_u64(THREAD.address + 32, on_stack.max().unwrap_or(STACK));
    pages.write_u64(THREAD.address + 8, THREAD.ident);
    pages.write_u64(THREAD.address + 16, INTERPRETER);
    pages.write_u64(INTERPRETER, THREAD.address);
    pages.write_u64(INTERPRETER + 8, 0);
}

fn interpreter() -> Interpreter {
    let (layout, _) = known(Version { minor: 12, patch: 0 }).unwrap();
    Interpreter {
        layout: Layout { thread: THREAD_LAYOUT, frame: LAYOUT, ..layout },
        address: INTERPRETER,
        threads_head: 0,
        gil: Gil::Current(INTERPRETER),
        gc_collecting: INTERPRETER + 8,
        modules: 0,
        code_generation: None,
        subinterpreters: 0,
    }
}

fn laid(frames: &[Laid]) -> Pages {
    let mut pages = Pages::default();
    lay(&mut pages, frames);
    pages
}

/// An image is slow to read, which is no interruption.
fn walker() -> Walker {
    Walker { pace: Pace { usual_ns: 0, most: u64::MAX }, ..Walker::new(LAYOUT) }
}

fn walk_with(walker: &mut Walker, image: &Image, frames: &[Laid]) -> (Proof, Vec<u64>) {
    let root = frames.first().map(|frame| frame.address);
    let (glimpse, proof) = walker.walk(image, &interpreter(), &THREAD, root).unwrap().unwrap();
    assert_eq!(glimpse.gil_holder, THREAD.address);
    let codes = walker.frames().iter().rev().map(|frame| frame.executable).collect();
    (proof, codes)
}

fn walk(image: &Image, frames: &[Laid]) -> (Proof, Vec<u64>) {
    walk_with(&mut walker(), image, frames)
}

fn codes(frames: &[Laid]) -> Vec<u64> {
    frames.iter().map(|frame| frame.code).collect()
}

#[test]
fn a_still_stack_is_read_whole_from_root_to_leaf() {
    let frames: Vec<Laid> = (0..90).map(|slot| on_stack(slot, 0x9000 + slot * 16)).collect();
    assert_eq!(walk(&Image::of(laid(&frames)), &frames), (Proof::Whole, codes(&frames)));
}

#[test]
fn coroutines_stand_between_frames_of_the_stack() {
    let mut frames: Vec<Laid> = (0..4).map(|slot| on_stack(slot, 0x9000 + slot)).collect();
    frames.extend((0..30).map(|slot| coroutine(slot, 0xa000 + slot)));
    frames.extend((4..9).map(|slot| on_stack(slot, 0xb000 + slot)));
    assert_eq!(walk(&Image::of(laid(&frames)), &frames), (Proof::Whole, codes(&frames)));
}

#[test]
fn a_stack_seen_before_costs_one_call_and_few_stretches() {
    let mut frames: Vec<Laid> = (0..40).map(|slot| on_stack(slot, 0x9000 + slot)).collect();
    frames.extend((0..20).map(|slot| coroutine(slot, 0xa000 + slot)));
    let image = Image::of(laid(&frames));
    let mut walker = walker();
    // Each time it is as it was, more of it is read along.
    for _ in 0..5 {
        walk_with(&mut walker, &image, &frames);
    }
    let before = image.copied();
    assert_eq!(walk_with(&mut walker, &image, &frames).0, Proof::Whole);
    // The GIL, the collector, the thread, twenty coroutines, two stretches of the stack's pages, and what shows that
    // they stayed.
    assert!(image.copied() - before <= 36, "{}", image.copied() - before);
}

#[test]
fn no_frames_are_a_stack_too() {
    assert_eq!(walk(&Image::of(laid(&[])), &[]), (Proof::Whole, vec![]));
}

#[test]
fn a_leaf_that_comes_and_goes_takes_nothing_from_its_callers() {
    let callers: Vec<Laid> = (0..20).map(|slot| on_stack(slot, 0x9000 + slot)).collect();
    let mut deep = callers.clone();
    deep.push(on_stack(20, 0x9999));
    let (shallow, deeper) = (callers.clone(), deep.clone());
    let image = Image::of(laid(&deep)).before_each(move |pages, copied| {
        lay(pages, if copied % 2 == 0 { &deeper } else { &shallow });
    });
    let (proof, read) = walk(&image, &deep);
    assert!(read == codes(&callers) || read == codes(&deep), "{proof:?}");
}

#[test]
fn two_stacks_of_coroutines_that_take_turns_are_never_mixed_unnoticed() {
    let chain = |first: u64| -> Vec<Laid> {
        let mut chain = vec![on_stack(0, 0x9000)];
        chain.extend((0..12).map(|slot| coroutine(slot, first + slot)));
        chain
    };
    let (a, b) = (chain(0xa000), chain(0xb000));
    // A batch copies 28 stretches: the pointer, twelve coroutines and the stack, all twice.
    for period in 28..90 {
        let (first, second) = (a.clone(), b.clone());
        let image = Image::of(laid(&a)).before_each(move |pages, copied| {
            lay(pages, if copied / period % 2 == 0 { &first } else { &second });
        });
        let mut walker = walker();
        let mut whole = 0;
        for _ in 0..20 {
            let (proof, read) = walk_with(&mut walker, &image, &a);
            whole += usize::from(proof == Proof::Whole);
            assert!(proof != Proof::Whole || read == codes(&a) || read == codes(&b), "period {period}: {read:x?}");
        }
        assert!(period < 60 || whole >= 8, "period {period}: {whole} of 20, though most fall between two changes");
    }
}

#[test]
fn what_an_ended_call_left_behind_is_not_joined_to_what_came_after_it() {
    // Wherever the boundary between two pages lies, and whenever it happens.
    for (depth, moment) in (10..40).flat_map(|depth| (0..12).map(move |moment| (depth, moment))) {
        let with = |first: u64, more: u64| -> Vec<Laid> {
            let callers = (0..depth).map(|slot| on_stack(slot, 0x9000 + slot));
            callers.chain((depth..depth + more).map(|slot| on_stack(slot, first + slot))).collect()
        };
        let (before, after) = (with(0xa000, 4), with(0xb000, 1));
        let (first, second) = (before.clone(), after.clone());
        let change = Rc::new(Cell::new(usize::MAX));
        let changes = Rc::clone(&change);
        let image = Image::of(laid(&before)).before_each(move |pages, copied| {
            lay(pages, if copied < changes.get() { &first } else { &second });
        });
        let mut walker = walker();
        for _ in 0..5 {
            walk_with(&mut walker, &image, &before);
        }
        change.set(image.copied() + moment);
        let (proof, read) = walk_with(&mut walker, &image, &before);
        let is_one = read == codes(&before) || read == codes(&after);
        assert!(proof != Proof::Whole || is_one, "depth {depth}, moment {moment}: {read:x?}");
    }
}

#[test]
fn a_stack_that_ends_at_a_suspended_coroutine_ends_elsewhere() {
    let frames = [on_stack(0, 0x9000), coroutine(0, 0xa000), coroutine(1, 0xa001)];
    let mut pages = laid(&frames);
    pages.write_u64(frames[1].address + 8, 0);
    assert_eq!(walk(&Image::of(pages), &frames), (Proof::Elsewhere, codes(&frames[1..])));
}

#[test]
fn a_circle_ends() {
    let frames = [on_stack(0, 0x9000), on_stack(1, 0x9001), on_stack(2, 0x9002)];
    let mut pages = laid(&frames);
    pages.write_u64(frames[0].address + 8, frames[2].address);
    let (proof, read) = walk(&Image::of(pages), &frames);
    assert_eq!(proof, Proof::Broken);
    assert!(read.len() <= MOST_FRAMES);
}

#[test]
fn a_pointer_to_nowhere_is_flagged() {
    let frames = [on_stack(0, 0x9000), on_stack(1, 0x9001), on_stack(2, 0x9002)];
    for wild in [1, 0xdead_beef_0000, u64::MAX, u64::MAX - 40] {
        let mut pages = laid(&frames);
        pages.write_u64(frames[0].address + 8, wild);
        let (proof, read) = walk(&Image::of(pages), &frames);
        assert_eq!(proof, Proof::Broken, "{wild:x}");
        assert!(read.len() <= frames.len(), "{wild:x}");
    }
}

proptest! {
    #[test]
    fn whatever_the_memory_holds_it_ends_with_a_bounded_number_of_reads(
        words in proptest::collection::vec((0_u64..64, 0_u64..64), 0..400),
        head in 0_u64..64,
    ) {
        // Pointers that mostly point at each other.
        let mut pages = Pages::default();
        for (at, to) in words {
            pages.write_u64(STACK + at * 40, STACK + to * 40);
        }
        lay(&mut pages, &[]);
        pages.write_u64(THREAD.address, STACK + head * 40);
        let image = Image::of(pages);
        let mut walker = walker();
        let _ = walker.walk(&image, &interpreter(), &THREAD, None);
        prop_assert!(walker.frames().len() <= MOST_FRAMES);
        prop_assert!(image.copied() < 20_000);
    }

    #[test]
    fn a_stack_that_changes_at_any_one_moment_is_one_of_both_or_is_flagged(moment in 0_usize..80, depth in 1_u64..12) {
        let stacks: Vec<Vec<Laid>> = [0xa000, 0xb000].into_iter().map(|first| {
            let mut stack = vec![on_stack(0, 0x9000)];
            stack.extend((1..depth).map(|slot| on_stack(slot, first + slot)));
            stack.extend((0..depth).map(|slot| coroutine(slot, first + 100 + slot)));
            stack.extend((depth..depth + 3).map(|slot| on_stack(slot, first + slot)));
            stack
        }).collect();
        let moving = stacks.clone();
        let image = Image::of(laid(&stacks[0])).before_each(move |pages, copied| {
            lay(pages, &moving[usize::from(copied >= moment)]);
        });
        let (proof, read) = walk(&image, &stacks[0]);
        prop_assert!(proof != Proof::Whole || stacks.iter().any(|stack| codes(stack) == read), "{read:x?}");
    }
}
