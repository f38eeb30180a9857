//! The code objects that were met, by address, and the watch that an address is still of the code it was read from.
//!
//! A code object can be freed and another one come to lie where it was. Two things give that away, neither of which
//! costs a read of its own while nothing changes: a frame's instruction has to lie within its code, and once in a while
//! the heads of all code that was used are read again, in batches. From 3.14 on the interpreter counts code objects
//! that it destroys, so that then only this number is read for as long as it stays the same.

use rustc_hash::FxHashMap;

use super::code::{self, Code, Identity, unit_of};
use super::layout::{Interpreter, Layout};
use super::mentions::Mentions;
use super::object::{Object, Unreadable};
use crate::os::memory::{Fault, Memory};

/// Most code objects that are kept.
const MOST_CODES: usize = 1 << 16;

/// Most bytes that they take.
const MOST_BYTES: usize = 128 << 20;

/// Most code objects that one recheck looks at; the others wait for the next one.
const MOST_CHECKED: usize = 128;

/// A code object as it was once read. Samples keep it, whatever is at its address later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodeId(pub u32);

/// What a frame says of its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The code object's address, without a tag.
    pub code: u64,
    /// What stands at [`FrameLayout::instruction`](super::layout::FrameLayout::instruction).
    pub instruction: u64,
}

/// Where a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// In which code.
    pub code: CodeId,
    /// At which code unit of it.
    pub unit: u32,
}

/// All code objects of one process.
#[derive(Debug, Default)]
pub struct Codes {
    kept: Vec<Kept>,
    bytes: usize,
    at: FxHashMap<u64, Known>,
    /// Addresses that were used since they were checked; some twice, or of code that was forgotten.
    used: Vec<u64>,
    /// The interpreter's generation of code objects when it was last looked at, or the number of looks where it has
    /// none.
    epoch: u64,
}

/// The code that is believed to be at an address.
#[derive(Debug, Clone, Copy)]
struct Known {
    id: CodeId,
    /// The last epoch in which that was seen to be so; `None` before the first.
    checked: Option<u64>,
}

/// A code object, and where it was found.
#[derive(Debug)]
struct Kept {
    code: Code,
    address: u64,
    /// Whether it was used since it was checked.
    is_used: bool,
    /// What it speaks of, once that was asked for; nothing where it could not be read.
    mentions: Option<Mentions>,
}

impl Codes {
    /// Where a frame is by its claim. Reads only where the code was not met before, or where claim and code do not fit.
    pub fn get(&mut self, memory: &impl Memory, layout: &Layout, claim: Claim) -> Result<Place, Unreadable> {
        if let Some(place) = self.known(layout, claim)
            && (!self.code(place.code).is_passing() || self.is_still(memory, layout, claim.code, place.code))
        {
            return Ok(place);
        }
        if let Some(known) = self.at.get(&claim.code) {
            // Most likely the frame was torn. Only the head tells, and is cheaper than the whole.
            if Identity::read(memory, layout, claim.code)? == self.code(known.id).identity() {
                return Err(Unreadable::Odd("a frame's instruction is not in its code"));
            }
            self.at.remove(&claim.code);
        }
        if self.kept.len() >= MOST_CODES || self.bytes >= MOST_BYTES {
            return Err(Unreadable::Full);
        }
        let code = Code::read(memory, layout, claim.code)?;
        let unit = unit_of(layout.frame.instruction, claim.instruction, &code)
            .ok_or(Unreadable::Odd("a frame's instruction is not in its code"))?;
        Ok(Place { code: self.keep(claim.code, code), unit })
    }

    /// The code of an id that this gave.
    ///
    /// # Panics
    /// For the id of another `Codes`.
    pub fn code(&self, id: CodeId) -> &Code {
        &self.kept[id.0 as usize].code
    }

    /// Whether the first code speaks of the second, so that it can call it. What it speaks of is read when first asked for.
    pub fn speaks_of(&mut self, memory: &impl Memory, layout: &Layout, (code, other): (CodeId, CodeId)) -> bool {
        let kept = &self.kept[code.0 as usize];
        if kept.mentions.is_none() {
            let head = code::head(memory, layout, kept.address).ok();
            let head = head.filter(|head| Identity::of(head, layout) == Ok(kept.code.identity()));
            let mentions = head.and_then(|head| Mentions::read(memory, layout, &head).ok()).unwrap_or_default();
            self.bytes += mentions.bytes();
            self.kept[code.0 as usize].mentions = Some(mentions);
        }
        let other = &self.kept[other.0 as usize];
        let mentions = self.kept[code.0 as usize].mentions.as_ref();
        mentions.is_some_and(|mentions| mentions.have(other.code.identity().name()) || mentions.have(other.address))
    }

    /// Notes that this code was met again: the next recheck looks whether it still is where it was.
    pub fn touch(&mut self, id: CodeId) {
        let kept = &mut self.kept[id.0 as usize];
        if !kept.is_used {
            kept.is_used = true;
            self.used.push(kept.address);
        }
    }

    /// Forgets where they were, but not what they are.
    pub fn move_away(&mut self) {
        self.at.clear();
        self.used.clear();
    }

    /// How many code objects are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none was met.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Reads again what tells code objects apart, of those that were used since the last time. Gives those whose address
    /// is no longer theirs: what was seen of them since then can belong to a successor.
    pub fn recheck(&mut self, memory: &impl Memory, interpreter: &Interpreter) -> Result<Vec<CodeId>, Unreadable> {
        let layout = &interpreter.layout;
        self.epoch = match interpreter.code_generation {
            Some(address) => memory.read_u64(address)?,
            None => self.epoch + 1,
        };
        let waiting = self.used.split_off(self.used.len().min(MOST_CHECKED));
        let used = std::mem::replace(&mut self.used, waiting);
        let (proven, in_doubt): (Vec<u64>, Vec<u64>) = used
            .into_iter()
            .partition(|address| self.at.get(address).is_some_and(|known| known.checked == Some(self.epoch)));
        for address in proven {
            self.prove(address);
        }
        let heads = match Object::read_many(memory, &in_doubt, layout.code.size) {
            Ok(heads) => heads,
            Err(why) => {
                self.used.extend(in_doubt);
                return Err(why);
            }
        };
        let mut stale = Vec::new();
        for (&address, head) in in_doubt.iter().zip(&heads) {
            let Some(known) = self.at.get(&address).copied() else { continue };
            let identity = head.as_ref().ok_or(Unreadable::Memory(Fault::Unmapped));
            if identity.and_then(|head| Identity::of(head, layout)) == Ok(self.code(known.id).identity()) {
                self.prove(address);
            } else {
                self.at.remove(&address);
                stale.push(known.id);
            }
        }
        Ok(stale)
    }

    fn is_still(&self, memory: &impl Memory, layout: &Layout, address: u64, id: CodeId) -> bool {
        Identity::read(memory, layout, address) == Ok(self.code(id).identity())
    }

    fn known(&mut self, layout: &Layout, claim: Claim) -> Option<Place> {
        let code = self.at.get(&claim.code)?.id;
        let unit = unit_of(layout.frame.instruction, claim.instruction, self.code(code))?;
        self.touch(code);
        Some(Place { code, unit })
    }

    fn keep(&mut self, address: u64, code: Code) -> CodeId {
        let id = CodeId(self.kept.len() as u32);
        self.bytes += code.bytes();
        self.kept.push(Kept { code, address, is_used: true, mentions: None });
        self.at.insert(address, Known { id, checked: None });
        self.used.push(address);
        id
    }

    /// Nothing but this code was at the address since it was last proven, as far as can be told.
    fn prove(&mut self, address: u64) {
        if let Some(known) = self.at.get_mut(&address) {
            known.checked = Some(self.epoch);
            self.kept[known.id.0 as usize].is_used = false;
        }
    }
}
