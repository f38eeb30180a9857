//! Strings, functions, frames and stacks, which all threads share, and the categories that colour them.
//!
//! A node of the tree of stacks has the category of whose work it is, with the kind of work as its subcategory, so that
//! the reader's sums by category are those of the ticket. A frame below several owners is in the table once for each.

use serde::Serialize;

use crate::analyse::frames::Kind;
use crate::analyse::owners::{by_owner, work_at};
use crate::analyse::work::Work;
use crate::export::without_stack;
use crate::redact::Clean;
use crate::sample::profile::{Interner, Place, Profile};

/// What a reader needs for things without a category; its colour says so, and its first subcategory too.
const OTHER: &str = "Other";
/// The colours that readers know and that are not reserved, for the owners with most CPU first.
const COLOURS: [&str; 10] =
    ["orange", "blue", "red", "green", "purple", "yellow", "lightblue", "magenta", "brown", "lightred"];
/// An address that is none.
const NO_ADDRESS: i32 = -1;
/// A resource that is none.
const NO_RESOURCE: i32 = -1;

/// Whose work, and the kinds of it.
#[derive(Debug, Serialize)]
pub struct Category {
    name: String,
    color: &'static str,
    subcategories: Vec<String>,
}

/// The tables, as they are stored.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shared {
    /// All names and texts; they grow until the last marker is written.
    pub string_array: Vec<String>,
    sources: Sources,
    stack_table: Stacks,
    frame_table: Frames,
    func_table: Functions,
    resource_table: Resources,
    native_symbols: NativeSymbols,
}

#[derive(Debug, Default, Serialize)]
struct Sources {
    length: usize,
    id: Vec<Option<String>>,
    filename: Vec<u32>,
}

#[derive(Debug, Default, Serialize)]
struct Stacks {
    length: usize,
    frame: Vec<u32>,
    prefix: Vec<Option<u32>>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Frames {
    length: usize,
    address: Vec<i32>,
    inline_depth: Vec<u32>,
    category: Vec<usize>,
    subcategory: Vec<usize>,
    func: Vec<u32>,
    native_symbol: Vec<Option<u32>>,
    #[serde(rename = "innerWindowID")]
    inner_window_id: Vec<u32>,
    line: Vec<Option<u32>>,
    column: Vec<Option<u32>>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Functions {
    length: usize,
    name: Vec<u32>,
    #[serde(rename = "isJS")]
    is_js: Vec<bool>,
    #[serde(rename = "relevantForJS")]
    relevant_for_js: Vec<bool>,
    resource: Vec<i32>,
    source: Vec<Option<u32>>,
    line_number: Vec<Option<u32>>,
    column_number: Vec<Option<u32>>,
}

/// The kinds of code, so that a reader can collapse one to a single function.
#[derive(Debug, Default, Serialize)]
struct Resources {
    length: usize,
    lib: Vec<Option<u32>>,
    name: Vec<u32>,
    host: Vec<Option<u32>>,
    #[serde(rename = "type")]
    kind: Vec<u32>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct NativeSymbols {
    length: usize,
    lib_index: Vec<u32>,
    address: Vec<u32>,
    name: Vec<u32>,
    function_size: Vec<Option<u32>>,
}

/// The tables and what they are made with.
#[derive(Debug, Default)]
pub struct Tables {
    /// Strings by their numbers, to which others add.
    pub strings: Interner<String>,
    /// Whose work there is.
    pub categories: Vec<Category>,
    /// Everything else.
    pub shared: Shared,
}

/// A function: its name, its file and the kind of its code, each by its place in its table.
type Function = (u32, Option<u32>, i32);
/// A frame: its function, its line, and its category with subcategory.
type Frame = (u32, Option<u32>, (usize, usize));

impl Tables {
    /// The tables of a profile.
    pub fn of(profile: &Profile<Clean>) -> Self {
        let mut tables = Self::default();
        tables.add_categories(profile);
        tables.add_resources();
        let (mut sources, mut functions, mut frames) = (Interner::default(), Interner::default(), Interner::default());
        let of_frames: Vec<u32> = profile
            .frames
            .iter()
            .map(|frame| {
                let file = frame.file.as_str();
                let source = (!file.is_empty()).then(|| sources.id(tables.strings.id(file.to_owned())));
                let resource = Kind::ALL.iter().position(|kind| *kind == Kind::of(frame));
                let resource = resource.and_then(|index| index.try_into().ok()).unwrap_or(NO_RESOURCE);
                functions.id((tables.strings.id(frame.function.as_str().to_owned()), source, resource))
            })
            .collect();
        for (index, node) in (0..).zip(&profile.stacks) {
            let line = profile.frames[node.frame as usize].line;
            let category = tables.category(&work_at(profile, Place::Stack(index)));
            let function = of_frames[node.frame as usize];
            let frame = frames.id((function, Some(line).filter(|line| *line > 0), category));
            tables.shared.stack_table.add(frame, node.parent);
        }
        for place in WITHOUT_STACK {
            let name = without_stack(place).unwrap_or_default();
            let function = functions.id((tables.strings.id(name.to_owned()), None, NO_RESOURCE));
            let category = tables.category(&work_at(profile, place));
            let frame = frames.id((function, None, category));
            tables.shared.stack_table.add(frame, None);
        }
        tables.shared.frame_table = Frames::of(frames.items());
        tables.shared.func_table = Functions::of(functions.items());
        tables.shared.sources = Sources::of(sources.into_items());
        tables
    }

    /// The owners with most CPU first, as they have the best colours; one that has none itself but is on the way to
    /// others comes when it is met.
    fn add_categories(&mut self, profile: &Profile<Clean>) {
        let other = || vec![OTHER.to_owned()];
        self.categories.push(Category { name: OTHER.to_owned(), color: "grey", subcategories: other() });
        for share in by_owner(profile) {
            for below in &share.mechanisms {
                self.category_of(&share.owner, &below.mechanism);
            }
        }
    }

    fn category(&mut self, work: &Work) -> (usize, usize) {
        self.category_of(&work.owner, work.mechanism)
    }

    /// The place of a category, and that of its subcategory in it.
    fn category_of(&mut self, owner: &str, mechanism: &str) -> (usize, usize) {
        let index = self.categories.iter().position(|known| known.name == owner).unwrap_or_else(|| {
            let color = COLOURS[(self.categories.len() - 1) % COLOURS.len()];
            self.categories.push(Category { name: owner.to_owned(), color, subcategories: vec![OTHER.to_owned()] });
            self.categories.len() - 1
        });
        let subcategories = &mut self.categories[index].subcategories;
        let below = subcategories.iter().position(|known| known == mechanism).unwrap_or_else(|| {
            subcategories.push(mechanism.to_owned());
            subcategories.len() - 1
        });
        (index, below)
    }

    fn add_resources(&mut self) {
        let name: Vec<u32> = Kind::ALL.iter().map(|kind| self.strings.id(kind.label().to_owned())).collect();
        let length = name.len();
        self.shared.resource_table =
            Resources { length, lib: vec![None; length], name, host: vec![None; length], kind: vec![0; length] };
    }
}

/// The places that are no stack have a node each, behind those of the stacks.
const WITHOUT_STACK: [Place; 2] = [Place::Native, Place::NotSampled];

/// The node of a place.
pub fn node(profile: &Profile<Clean>, place: Place) -> u32 {
    match place {
        Place::Stack(stack) => stack,
        Place::Native => profile.stacks.len() as u32,
        Place::NotSampled => profile.stacks.len() as u32 + 1,
    }
}

impl Sources {
    fn of(filename: Vec<u32>) -> Self {
        Self { length: filename.len(), id: vec![None; filename.len()], filename }
    }
}

impl Stacks {
    fn add(&mut self, frame: u32, prefix: Option<u32>) {
        self.length += 1;
        self.frame.push(frame);
        self.prefix.push(prefix);
    }
}

impl Frames {
    fn of(frames: &[Frame]) -> Self {
        let length = frames.len();
        Self {
            length,
            address: vec![NO_ADDRESS; length],
            inline_depth: vec![0; length],
            category: frames.iter().map(|(_, _, (category, _))| *category).collect(),
            subcategory: frames.iter().map(|(_, _, (_, subcategory))| *subcategory).collect(),
            func: frames.iter().map(|(function, ..)| *function).collect(),
            native_symbol: vec![None; length],
            inner_window_id: vec![0; length],
            line: frames.iter().map(|(_, line, _)| *line).collect(),
            column: vec![None; length],
        }
    }
}

impl Functions {
    fn of(functions: &[Function]) -> Self {
        let length = functions.len();
        Self {
            length,
            name: functions.iter().map(|(name, ..)| *name).collect(),
            is_js: vec![false; length],
            relevant_for_js: vec![false; length],
            resource: functions.iter().map(|(.., resource)| *resource).collect(),
            source: functions.iter().map(|(_, source, _)| *source).collect(),
            line_number: vec![None; length],
            column_number: vec![None; length],
        }
    }
}
