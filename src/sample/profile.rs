//! What every engine yields: interned frames and stacks, threads, and samples that carry CPU time.
//!
//! `Profile<Raw>` holds names as the target gave them, `Profile<Clean>` is what may be stored and drawn.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use serde::{Deserialize, Serialize};

use crate::os::proc::ProcessId;

/// Name of the frame on top of a stack in which garbage was collected. Such frames have no file.
pub const COLLECTING: &str = "<GC>";
/// Name of the frame on top of a stack that waited for the GIL.
pub const AWAITING_GIL: &str = "<waiting for GIL>";

/// A function at a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Frame<T> {
    /// Qualified name of the function.
    pub function: T,
    /// Full path of its file.
    pub file: T,
    /// Line that was being executed; 0 where it is not known.
    pub line: u32,
}

/// A node of the tree of stacks: a frame and the stack that called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StackNode {
    /// The caller's stack; none at the root.
    pub parent: Option<u32>,
    /// Index of the frame.
    pub frame: u32,
}

/// One thread of one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread<T> {
    /// The worker.
    pub process: ProcessId,
    /// The thread's id.
    pub tid: i32,
    /// Its name as Python knows it, else as the kernel does.
    pub name: T,
}

/// What is known of the stack at the time of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In this stack, by its index.
    Stack(u32),
    /// In native code of a thread that Python does not know.
    Native,
    /// Unknown: no sampler was attached or none got a stack.
    NotSampled,
}

/// Whether a sample's stack was read whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// As it was read.
    #[default]
    Whole,
    /// It was torn, and its callers are those that it usually has.
    Mended,
    /// It changed while it was read, and stands as it was read.
    Torn,
}

/// A stretch of one thread's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Beginning, in microseconds since the capture began.
    pub at_us: u64,
    /// Length.
    pub span_us: u64,
    /// Index of the thread.
    pub thread: u32,
    /// Where the thread was.
    pub place: Place,
    /// Whether its stack was read whole.
    pub shape: Shape,
    /// CPU time the thread used in this stretch.
    pub cpu_ns: u64,
    /// Time it was runnable but had no CPU.
    pub run_delay_ns: u64,
}

/// Stacks over time, weighed in CPU time.
#[derive(Debug, Clone)]
pub struct Profile<T> {
    /// Interned frames.
    pub frames: Vec<Frame<T>>,
    /// Interned stacks; a parent always stands before its children.
    pub stacks: Vec<StackNode>,
    /// The threads seen.
    pub threads: Vec<Thread<T>>,
    /// Samples of all threads, by time.
    pub samples: Vec<Sample>,
}

impl<T> Profile<T> {
    /// The frames of a stack, from the leaf to the root.
    pub fn leaf_to_root(&self, stack: u32) -> impl Iterator<Item = &Frame<T>> {
        self.indices_leaf_to_root(stack).map(|frame| &self.frames[frame as usize])
    }

    /// The same by their indices.
    pub fn indices_leaf_to_root(&self, stack: u32) -> impl Iterator<Item = u32> {
        let mut next = Some(stack);
        std::iter::from_fn(move || {
            let node = self.stacks[next? as usize];
            next = node.parent;
            Some(node.frame)
        })
    }

    /// The same profile with other text: this is where names are redacted, each distinct one once.
    pub fn map<U>(self, mut clean: impl FnMut(&T) -> U) -> Profile<U> {
        let frames = self
            .frames
            .iter()
            .map(|frame| Frame { function: clean(&frame.function), file: clean(&frame.file), line: frame.line })
            .collect();
        let threads = self
            .threads
            .iter()
            .map(|thread| Thread { process: thread.process, tid: thread.tid, name: clean(&thread.name) })
            .collect();
        Profile { frames, stacks: self.stacks, threads, samples: self.samples }
    }
}

/// Gives equal things equal small numbers.
#[derive(Debug)]
pub struct Interner<K> {
    ids: FxHashMap<K, u32>,
    items: Vec<K>,
}

impl<K> Default for Interner<K> {
    fn default() -> Self {
        Self { ids: FxHashMap::default(), items: Vec::new() }
    }
}

impl<K: Eq + Hash + Clone> Interner<K> {
    /// The number of this thing, a new one if it was not seen before.
    pub fn id(&mut self, item: K) -> u32 {
        if let Some(&id) = self.ids.get(&item) {
            return id;
        }
        let id = self.items.len() as u32;
        self.items.push(item.clone());
        self.ids.insert(item, id);
        id
    }

    /// Everything seen so far, by number.
    pub fn items(&self) -> &[K] {
        &self.items
    }

    /// Everything seen, by number.
    pub fn into_items(self) -> Vec<K> {
        self.items
    }
}
