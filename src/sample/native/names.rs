//! The names that Python's own threads have, by the identity of their pthread.
//!
//! The kernel's names are cut at 15 bytes, and CPython sets them from 3.14 on only. The whole name is in `threading._active`,
//! a dict from identity to `Thread`. That is a long way through foreign objects: for now and then, not for each sample.

use std::collections::HashMap;

use super::dict::{Entry, attributes, entries, value};
use super::layout::{Interpreter, Layout, Version};
use super::object::{Object, Unreadable};
use super::text::text;
use crate::os::memory::Memory;
use crate::redact::Raw;

/// Most threads whose names are read.
const MOST_THREADS: usize = 4096;

/// Most attributes of all threads together that are looked at for the names.
const MOST_ATTRIBUTES: usize = 1 << 16;

/// Longest name of a thread that is kept, in bytes.
const LONGEST_NAME: usize = 256;

/// `md_dict` of `PyModuleObject` (`Include/internal/pycore_moduleobject.h`, the same from 3.10 to 3.15).
const MD_DICT: u64 = 16;

/// Reads the names of all threads that `threading` knows, by [`thread_id`](super::layout::ThreadLayout::thread_id): none
/// where the program does not use it. A thread whose name cannot be read is left out.
pub fn thread_names(memory: &impl Memory, interpreter: &Interpreter) -> Result<HashMap<u64, Raw>, Unreadable> {
    let layout = &interpreter.layout;
    let version = layout.version;
    let modules = entries(memory, version, memory.read_u64(interpreter.modules)?)?;
    let Some(threading) = value(memory, layout, &modules, "threading")? else { return Ok(HashMap::new()) };
    let globals = entries(memory, version, memory.read_u64(threading.wrapping_add(MD_DICT))?)?;
    let Some(active) = value(memory, layout, &globals, "_active")? else { return Ok(HashMap::new()) };
    let threads = entries(memory, version, active)?;
    let mut looked_at = 0;
    let mut names = HashMap::new();
    for thread in threads.iter().take(MOST_THREADS) {
        let Ok(attributes) = attributes(memory, version, thread.value) else { continue };
        looked_at += attributes.len();
        if looked_at > MOST_ATTRIBUTES {
            break;
        }
        if let (Ok(identity), Ok(Some(name))) =
            (integer(memory, version, thread.key), name(memory, layout, &attributes))
        {
            names.insert(identity, name);
        }
    }
    Ok(names)
}

/// What `Thread.name` gives, whose property reads it from there.
fn name(memory: &impl Memory, layout: &Layout, attributes: &[Entry]) -> Result<Option<Raw>, Unreadable> {
    let name = value(memory, layout, attributes, "_name")?;
    name.map(|name| text(memory, &layout.object, name, LONGEST_NAME)).transpose()
}

/// An `int` that is not negative and has no more than 64 bits (`Include/cpython/longintrepr.h`): digits of 30 bits, how
/// many is in `ob_size`, or from 3.12 on above three other bits in `lv_tag`.
fn integer(memory: &impl Memory, version: Version, address: u64) -> Result<u64, Unreadable> {
    const COUNT: usize = 16;
    const DIGITS: usize = 24;
    /// Sign (two bits) and a flag.
    const TAG_BITS: u32 = 3;
    const BITS: u32 = 30;
    let head = Object::read(memory, address, COUNT + 8)?;
    let count = head.u64(COUNT)? >> if version.minor < 12 { 0 } else { TAG_BITS };
    if !(1..=3).contains(&count) {
        return Err(Unreadable::Odd("a thread's identity is no number"));
    }
    let number = Object::read(memory, address, DIGITS + 4 * count as usize)?;
    let digits: Result<Vec<u32>, _> = (0..count as usize).map(|digit| number.u32(DIGITS + 4 * digit)).collect();
    Ok(digits?.iter().rev().fold(0, |number, &digit| number << BITS | u64::from(digit)))
}
