//! Objects of the target, copied: bytes with numbers at offsets, and why one could not be read.
//!
//! The target goes on running while it is read, and may be hostile. So nothing that stands in these bytes is believed
//! before it is checked, and what they ask for is bounded.

use std::fmt;

use crate::os::memory::{Fault, Memory, Stretch};

/// Why an object could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The memory it should be in.
    Memory(Fault),
    /// What is there is not such an object: it was freed meanwhile, or never was one. Says what gave it away.
    Odd(&'static str),
    /// It became another object while it was read.
    Changed,
    /// As much as is kept is kept already.
    Full,
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Self {
        Self::Memory(fault)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(Fault::Gone) => f.write_str("the process has ended"),
            Self::Memory(Fault::Denied) => f.write_str("its memory may not be read"),
            Self::Memory(Fault::Unmapped) => f.write_str("an address is not mapped"),
            Self::Odd(what) => f.write_str(what),
            Self::Changed => f.write_str("the object changed while it was read"),
            Self::Full => f.write_str("as much as is kept is kept already"),
        }
    }
}

/// Largest head of an object that is read, in bytes; CPython's largest (`PyHeapTypeObject`) has less than 1,000.
const LARGEST: usize = 4096;

/// Objects read by one call. A call that meets an unmapped address has to be made again for what comes after it; short
/// ones keep that cheap.
const AT_ONCE: usize = 64;

/// The beginning of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    bytes: Vec<u8>,
}

impl Object {
    /// Copies `size` bytes.
    pub fn read(memory: &impl Memory, address: u64, size: usize) -> Result<Self, Unreadable> {
        let mut bytes = vec![0; checked(size)?];
        memory.read_exact(address, &mut bytes)?;
        Ok(Self { bytes })
    }

    /// Copies `size` bytes of many objects, in as few calls as their being mapped allows; `None` for those that are not.
    /// An error where none can be read at all.
    pub fn read_many(memory: &impl Memory, addresses: &[u64], size: usize) -> Result<Vec<Option<Self>>, Unreadable> {
        let size = checked(size)?;
        let mut objects = Vec::with_capacity(addresses.len());
        let mut buffer = vec![0; size * AT_ONCE.min(addresses.len())];
        while objects.len() < addresses.len() {
            let rest = &addresses[objects.len()..];
            let stretches: Vec<Stretch> =
                rest.iter().take(AT_ONCE).map(|&address| Stretch { base: address as usize, len: size }).collect();
            let got = match memory.read(&stretches, &mut buffer) {
                Ok(got) => got,
                Err(Fault::Unmapped) => 0,
                Err(fault) => return Err(fault.into()),
            };
            let whole = (got / size).min(stretches.len());
            objects.extend(buffer.chunks_exact(size).take(whole).map(|bytes| Some(Self { bytes: bytes.to_vec() })));
            if whole < stretches.len() {
                objects.push(None);
            }
        }
        Ok(objects)
    }

    /// One byte.
    pub fn u8(&self, offset: usize) -> Result<u8, Unreadable> {
        self.field(offset).map(u8::from_ne_bytes)
    }

    /// 32 bits.
    pub fn u32(&self, offset: usize) -> Result<u32, Unreadable> {
        self.field(offset).map(u32::from_ne_bytes)
    }

    /// 64 bits.
    pub fn u64(&self, offset: usize) -> Result<u64, Unreadable> {
        self.field(offset).map(u64::from_ne_bytes)
    }

    fn field<const N: usize>(&self, offset: usize) -> Result<[u8; N], Unreadable> {
        let bytes = self.bytes.get(offset..).and_then(|bytes| bytes.first_chunk());
        bytes.copied().ok_or(Unreadable::Odd("a field lies outside of its object"))
    }
}

fn checked(size: usize) -> Result<usize, Unreadable> {
    if (1..=LARGEST).contains(&size) { Ok(size) } else { Err(Unreadable::Odd("an object is said to be huge or empty")) }
}
