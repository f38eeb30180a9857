//! Dicts and attributes of the target, as far as the way to its threads' names leads through them.
//!
//! A dict is a table of keys with an index before it that is of no use here: entries are walked in order. Values stand
//! beside their keys, or, in a split table, in an array of their own, which for the attributes of an object can lie
//! within the object itself.

use super::layout::{Layout, Version};
use super::object::{Object, Unreadable};
use super::text::text;
use crate::os::memory::Memory;

/// Most entries of a dict that are walked. A large program's `sys.modules` has some 5,000.
const MOST_ENTRIES: u64 = 10_000;

/// Most attributes of an object that are walked.
const MOST_ATTRIBUTES: u64 = 1000;

/// Size of `PyDictObject` with `ma_keys` and `ma_values` in it (`Include/cpython/dictobject.h`, the same from 3.10 to
/// 3.15).
const DICT: usize = 48;
const MA_KEYS: usize = 32;
const MA_VALUES: usize = 40;

/// `PyTypeObject` up to `tp_dictoffset`, and what is read of it (`Include/cpython/object.h`, the same from 3.10 to 3.15).
const TYPE: usize = 296;
const TP_BASICSIZE: usize = 32;
const TP_FLAGS: usize = 168;
const TP_DICTOFFSET: usize = 288;

/// `Py_TPFLAGS_INLINE_VALUES` (3.13 on) and `Py_TPFLAGS_MANAGED_DICT` (3.11 on), `Include/object.h`.
const INLINE_VALUES: u64 = 1 << 2;
const MANAGED_DICT: u64 = 1 << 4;

/// Where a managed dict is, relative to the object (`MANAGED_DICT_OFFSET` in `Include/internal/pycore_object.h`).
const MANAGED: i64 = -24;
/// Where 3.11 has the pointer to the values of an object without a dict (`_PyObject_ValuesPointer` there).
const VALUES_3_11: i64 = -32;

/// `ob_type` of `PyObject`.
const OB_TYPE: u64 = 8;

/// A key and its value: addresses of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub key: u64,
    pub value: u64,
}

/// The entries of a dict that have a value.
pub(super) fn entries(memory: &impl Memory, version: Version, dict: u64) -> Result<Vec<Entry>, Unreadable> {
    entries_up_to(MOST_ENTRIES, memory, version, dict)
}

fn entries_up_to(most: u64, memory: &impl Memory, version: Version, dict: u64) -> Result<Vec<Entry>, Unreadable> {
    let dict = Object::read(memory, dict, DICT)?;
    let keys = table(most, memory, version, dict.u64(MA_KEYS)?)?;
    match dict.u64(MA_VALUES)? {
        0 => Ok(keys.into_iter().filter(|entry| entry.key != 0 && entry.value != 0).collect()),
        values => split(memory, &keys, values.wrapping_add(values_at(version))),
    }
}

/// The value of a key that is ASCII text.
pub(super) fn value(
    memory: &impl Memory,
    layout: &Layout,
    entries: &[Entry],
    key: &str,
) -> Result<Option<u64>, Unreadable> {
    let keys: Vec<u64> = entries.iter().map(|entry| entry.key).collect();
    let heads = Object::read_many(memory, &keys, layout.object.text_ascii)?;
    // Keys that are no strings have something else where strings have their length; their text tells in the end.
    let has_length = |head: &Object| head.u64(layout.object.text_length).is_ok_and(|length| length == key.len() as u64);
    let candidates = entries.iter().zip(&heads).filter(|(_, head)| head.as_ref().is_some_and(has_length));
    let mut found = candidates
        .filter(|(entry, _)| text(memory, &layout.object, entry.key, key.len()).is_ok_and(|text| text.expose() == key));
    Ok(found.next().map(|(entry, _)| entry.value))
}

/// The attributes that an object itself has, not its class.
pub(super) fn attributes(memory: &impl Memory, version: Version, object: u64) -> Result<Vec<Entry>, Unreadable> {
    let class = memory.read_u64(object.wrapping_add(OB_TYPE))?;
    let head = Object::read(memory, class, TYPE)?;
    let flags = head.u64(TP_FLAGS)?;
    let near = |offset: i64| object.wrapping_add_signed(offset);
    let of_dict = |dict| entries_up_to(MOST_ATTRIBUTES, memory, version, dict);
    // The keys of a class's objects, `ht_cached_keys`, for values that are apart from a dict.
    let keys =
        || table(MOST_ATTRIBUTES, memory, version, memory.read_u64(class.wrapping_add(cached_keys_at(version)))?);
    if version.minor < 11 || flags & MANAGED_DICT == 0 {
        return match head.u64(TP_DICTOFFSET)?.cast_signed() {
            offset @ 1.. => of_dict(memory.read_u64(near(offset))?),
            _ => Err(Unreadable::Odd("an object has no dict at a fixed place")),
        };
    }
    let dict = memory.read_u64(near(MANAGED))?;
    match version.minor {
        11 => match memory.read_u64(near(VALUES_3_11))? {
            0 => of_dict(dict),
            values => split(memory, &keys()?, values),
        },
        // Either is in the same place; the pointer to values is one less than it should be, and thus odd.
        12 if dict & 1 == 1 => split(memory, &keys()?, dict.wrapping_add(1)),
        13.. if dict == 0 && flags & INLINE_VALUES != 0 => {
            let values = near(head.u64(TP_BASICSIZE)?.cast_signed());
            split(memory, &keys()?, values.wrapping_add(values_at(version)))
        }
        _ => of_dict(dict),
    }
}

/// A table of keys with the values beside them, some of which are not there.
fn table(most: u64, memory: &impl Memory, version: Version, keys: u64) -> Result<Vec<Entry>, Unreadable> {
    let shape = Shape::read(memory, version, keys)?;
    if shape.entries > most {
        return Err(Unreadable::Odd("a dict has too many entries"));
    }
    let mut bytes = vec![0; shape.entries as usize * shape.entry];
    memory.read_exact(keys.wrapping_add(shape.begin), &mut bytes)?;
    let words: Vec<u64> = bytes.as_chunks().0.iter().copied().map(u64::from_ne_bytes).collect();
    // `me_key` and `me_value` are the last two; an entry of general keys has the hash before them.
    Ok(words
        .chunks_exact(shape.entry / 8)
        .filter_map(|words| words.last_chunk().map(|&[key, value]| Entry { key, value }))
        .collect())
}

/// The keys of a split table with the values that are an array at an address.
fn split(memory: &impl Memory, keys: &[Entry], values: u64) -> Result<Vec<Entry>, Unreadable> {
    let mut bytes = vec![0; keys.len() * 8];
    memory.read_exact(values, &mut bytes)?;
    let values = bytes.as_chunks().0.iter().copied().map(u64::from_ne_bytes);
    let entries = keys.iter().zip(values).map(|(entry, value)| Entry { key: entry.key, value });
    Ok(entries.filter(|entry| entry.key != 0 && entry.value != 0).collect())
}

/// The shape of a table of keys: `struct _dictkeysobject`.
struct Shape {
    /// Bytes from its beginning to the first entry.
    begin: u64,
    /// Bytes of an entry.
    entry: usize,
    /// `dk_nentries`.
    entries: u64,
}

impl Shape {
    /// Bytes of `PyDictKeyEntry` and `PyDictUnicodeEntry`.
    const GENERAL: usize = 24;
    const UNICODE: usize = 16;

    fn read(memory: &impl Memory, version: Version, keys: u64) -> Result<Self, Unreadable> {
        if version.minor <= 10 { Self::of_3_10(memory, keys) } else { Self::of_3_11(memory, keys) }
    }

    /// `Objects/dict-common.h` of 3.10: `dk_size` at 8, `dk_nentries` at 32, `dk_indices` at 40; an index is as wide as
    /// `dk_size` needs.
    fn of_3_10(memory: &impl Memory, keys: u64) -> Result<Self, Unreadable> {
        let head = Object::read(memory, keys, 40)?;
        let size = head.u64(8)?;
        let width = match size {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => return Err(Unreadable::Odd("a dict is too large")),
        };
        Ok(Self { begin: 40 + size * width, entry: Self::GENERAL, entries: head.u64(32)? })
    }

    /// `Include/internal/pycore_dict.h` from 3.11 to 3.15: `dk_log2_index_bytes` at 9, `dk_kind` at 10, `dk_nentries` at
    /// 24, `dk_indices` at 32.
    fn of_3_11(memory: &impl Memory, keys: u64) -> Result<Self, Unreadable> {
        /// `DICT_KEYS_GENERAL`; the others have entries without a hash.
        const GENERAL_KEYS: u8 = 0;
        let head = Object::read(memory, keys, 32)?;
        let index = 1_u64.checked_shl(u32::from(head.u8(9)?)).ok_or(Unreadable::Odd("a dict is too large"))?;
        let entry = if head.u8(10)? == GENERAL_KEYS { Self::GENERAL } else { Self::UNICODE };
        Ok(Self { begin: index.saturating_add(32), entry, entries: head.u64(24)? })
    }
}

/// Where the array begins in `struct _dictvalues` (`Include/internal/pycore_dict.h`); in 3.10 there is only the array.
fn values_at(version: Version) -> u64 {
    if version.minor <= 12 { 0 } else { 8 }
}

/// `ht_cached_keys` of `PyHeapTypeObject` (`Include/cpython/object.h`).
fn cached_keys_at(version: Version) -> u64 {
    match version.minor {
        ..=11 => 872,
        12..=14 => 880,
        15.. => 888,
    }
}
