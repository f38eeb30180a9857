//! `str` and `bytes` objects of the target.
//!
//! Only compact strings are read, whose text follows their head: names of code are never of another form. Everything is
//! cut at a length that the caller gives, since an object may say any.

use super::layout::ObjectLayout;
use super::object::{Object, Unreadable};
use crate::os::memory::Memory;
use crate::redact::Raw;

/// Stands where text was cut.
const CUT: char = '…';

/// What `state` of `PyASCIIObject` says of the text (`Include/cpython/unicodeobject.h`). Below `kind` there are two bits of
/// `interned` in every version from 3.10 to 3.15 that has a GIL; what comes above `ascii` differs, and is not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State(u32);

impl State {
    /// Bytes of a character, `kind`.
    fn width(self) -> Option<usize> {
        match self.0 >> 2 & 0b111 {
            1 => Some(1),
            2 => Some(2),
            4 => Some(4),
            _ => None,
        }
    }

    /// `compact`: the text follows the head.
    fn is_compact(self) -> bool {
        self.0 >> 5 & 1 == 1
    }

    /// `ascii`: and the head is the short one.
    fn is_ascii(self) -> bool {
        self.0 >> 6 & 1 == 1
    }
}

/// Reads a `str`, cut where it is longer than `most` bytes of UTF-8. Surrogates, which can stand alone in Python, become
/// the replacement character.
pub fn text(memory: &impl Memory, layout: &ObjectLayout, address: u64, most: usize) -> Result<Raw, Unreadable> {
    let head = Object::read(memory, address, layout.text_ascii)?;
    let state = State(head.u32(layout.text_state)?);
    let width = state.width().ok_or(Unreadable::Odd("a string has characters of no known width"))?;
    if !state.is_compact() || state.is_ascii() && width != 1 {
        return Err(Unreadable::Odd("a string is not compact"));
    }
    let length = length(head.u64(layout.text_length)?)?;
    let data = if state.is_ascii() { layout.text_ascii } else { layout.text_compact };
    let mut bytes = vec![0; length.min(most) * width];
    memory.read_exact(address.wrapping_add(data as u64), &mut bytes)?;
    let text: String = bytes.chunks_exact(width).map(character).collect();
    Ok(Raw::new(if length > most || text.len() > most { cut(text, most) } else { text }))
}

/// Reads a `bytes`; an error where it has more than `most`.
pub fn bytes(memory: &impl Memory, layout: &ObjectLayout, address: u64, most: usize) -> Result<Vec<u8>, Unreadable> {
    let length = bytes_length(memory, layout, address)?;
    if length > most {
        return Err(Unreadable::Odd("a bytes object is too long"));
    }
    let mut bytes = vec![0; length];
    memory.read_exact(address.wrapping_add(layout.bytes_data as u64), &mut bytes)?;
    Ok(bytes)
}

/// How long a `bytes` says it is.
pub fn bytes_length(memory: &impl Memory, layout: &ObjectLayout, address: u64) -> Result<usize, Unreadable> {
    length(Object::read(memory, address, layout.bytes_data)?.u64(layout.bytes_size)?)
}

/// A `Py_ssize_t` that counts something.
fn length(raw: u64) -> Result<usize, Unreadable> {
    usize::try_from(raw.cast_signed()).map_err(|_| Unreadable::Odd("a length is negative"))
}

fn character(bytes: &[u8]) -> char {
    let code = match *bytes {
        [a] => u32::from(a),
        [a, b] => u32::from(u16::from_ne_bytes([a, b])),
        [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]),
        _ => return char::REPLACEMENT_CHARACTER,
    };
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most.saturating_sub(CUT.len_utf8())));
    text.push(CUT);
    text
}
