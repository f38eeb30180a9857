//! The code that was seen: texts, frames and stacks of the capture and of its baseline in one table, each stack with
//! whose work it is.

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::analyse::frames::{Kind, short_path};
use crate::analyse::work::work_of;
use crate::redact::Clean;
use crate::render::report::data::block::{Column, Columns};
use crate::sample::profile::{Frame, Interner, Profile, StackNode};

/// The name of what has no owner, no kind of work.
const NONE: &str = "";

/// Texts, frames and stacks.
#[derive(Debug, Serialize)]
pub struct Code {
    strings: Vec<String>,
    frames: Frames,
    kinds: Vec<&'static str>,
    owners: Vec<String>,
    mechanisms: Vec<String>,
    stacks: Stacks,
}

/// One entry a frame in each.
#[derive(Debug, Default, Serialize)]
struct Frames {
    function: Vec<u32>,
    file: Vec<u32>,
    short: Vec<u32>,
    line: Vec<u32>,
    kind: Vec<usize>,
}

/// One entry a stack in each.
#[derive(Debug, Serialize)]
struct Stacks {
    /// The number of the caller's stack less the own; 0 where there is no caller.
    parent: Column,
    frame: Column,
    owner: Column,
    mechanism: Column,
}

/// The frames and stacks of two profiles, those of the first under their own numbers.
#[derive(Debug)]
pub struct Merged {
    frames: Vec<Frame<Clean>>,
    stacks: Vec<StackNode>,
    /// For each stack of the second its number here.
    pub second: Vec<u32>,
}

impl Merged {
    /// Both profiles' frames and stacks.
    pub fn of(first: &Profile<Clean>, second: Option<&Profile<Clean>>) -> Self {
        let (mut frames, mut stacks) = (first.frames.clone(), first.stacks.clone());
        let Some(second) = second else { return Self { frames, stacks, second: Vec::new() } };
        let mut frame_numbers: FxHashMap<&Frame<Clean>, u32> =
            first.frames.iter().enumerate().map(|(number, frame)| (frame, number as u32)).collect();
        let frame_of: Vec<u32> = second
            .frames
            .iter()
            .map(|frame| {
                *frame_numbers.entry(frame).or_insert_with(|| {
                    frames.push(frame.clone());
                    frames.len() as u32 - 1
                })
            })
            .collect();
        let mut numbers: FxHashMap<StackNode, u32> =
            stacks.iter().enumerate().map(|(number, node)| (*node, number as u32)).collect();
        let mut stack_of: Vec<u32> = Vec::with_capacity(second.stacks.len());
        for node in &second.stacks {
            let parent = node.parent.map(|parent| stack_of[parent as usize]);
            let node = StackNode { parent, frame: frame_of[node.frame as usize] };
            stack_of.push(*numbers.entry(node).or_insert_with(|| {
                stacks.push(node);
                stacks.len() as u32 - 1
            }));
        }
        Self { frames, stacks, second: stack_of }
    }

    /// The same as it is stored.
    pub fn code(&self, columns: &mut Columns) -> Code {
        let Self { frames, stacks, .. } = self;
        let mut strings: Interner<String> = Interner::default();
        let mut stored = Frames::default();
        for frame in frames {
            let file = frame.file.as_str();
            stored.function.push(strings.id(frame.function.as_str().to_owned()));
            stored.file.push(strings.id(file.to_owned()));
            stored.short.push(strings.id(short_path(file).to_owned()));
            stored.line.push(frame.line);
            let kind = Kind::of(frame);
            stored.kind.push(Kind::ALL.iter().position(|known| *known == kind).unwrap_or_default());
        }
        let [mut owners, mut mechanisms]: [Interner<String>; 2] = Default::default();
        owners.id(NONE.to_owned());
        mechanisms.id(NONE.to_owned());
        let mut works = Vec::with_capacity(stacks.len());
        let mut leaf_to_root = Vec::new();
        for stack in stacks {
            leaf_to_root.clear();
            let mut next = Some(*stack);
            while let Some(node) = next {
                leaf_to_root.push(&frames[node.frame as usize]);
                next = node.parent.map(|parent| stacks[parent as usize]);
            }
            let work = work_of(&leaf_to_root);
            works.push((owners.id(work.owner), mechanisms.id(work.mechanism.to_owned())));
        }
        let callers = (0_i64..).zip(stacks);
        let callers = callers.map(|(number, node)| node.parent.map_or(0, |parent| i64::from(parent) - number));
        let stacks = Stacks {
            parent: columns.zigzags(callers),
            frame: columns.varints(stacks.iter().map(|node| u64::from(node.frame))),
            owner: columns.varints(works.iter().map(|(owner, _)| u64::from(*owner))),
            mechanism: columns.varints(works.iter().map(|(_, mechanism)| u64::from(*mechanism))),
        };
        Code {
            strings: strings.into_items(),
            frames: stored,
            kinds: Kind::ALL.map(Kind::label).to_vec(),
            owners: owners.into_items(),
            mechanisms: mechanisms.into_items(),
            stacks,
        }
    }
}
