//! What a code object speaks of: the names that it uses and the constants that it has, among them the code of functions
//! that are made in it.
//!
//! Names are interned, so that a function's name and the one by which it is called are the same object. A call that its
//! caller's code can make needs no other proof that there is such a call.

use super::layout::Layout;
use super::object::{Object, Unreadable};
use crate::os::memory::Memory;

/// Most names and most constants of one code object that are looked at.
const MOST: usize = 2048;

/// Addresses of objects, in order.
#[derive(Debug, Default)]
pub struct Mentions(Box<[u64]>);

impl Mentions {
    /// Reads them, by the head of a code object.
    pub fn read(memory: &impl Memory, layout: &Layout, head: &Object) -> Result<Self, Unreadable> {
        let mut all = items(memory, layout, head.u64(layout.code.names)?)?;
        all.extend(items(memory, layout, head.u64(layout.code.consts)?)?);
        all.sort_unstable();
        all.dedup();
        Ok(Self(all.into()))
    }

    /// Whether the object at this address is among them.
    pub fn have(&self, address: u64) -> bool {
        self.0.binary_search(&address).is_ok()
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

/// The items of a tuple, or the first ones of a long one.
fn items(memory: &impl Memory, layout: &Layout, tuple: u64) -> Result<Vec<u64>, Unreadable> {
    let at = &layout.object;
    let count = Object::read(memory, tuple, at.tuple_items)?.u64(at.tuple_size)?;
    let count = usize::try_from(count.cast_signed()).map_err(|_| Unreadable::Odd("a length is negative"))?.min(MOST);
    let mut bytes = vec![0; 8 * count];
    memory.read_exact(tuple.wrapping_add(at.tuple_items as u64), &mut bytes)?;
    Ok(bytes.as_chunks().0.iter().map(|item| u64::from_ne_bytes(*item)).collect())
}
