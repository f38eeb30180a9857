//! The form in which the page holds its facts: a head in JSON and columns of numbers, deflated, in base64.
//!
//! What comes from the target stands in it alone, so that no text of it is ever markup, whatever it holds.

use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;

/// The first bytes of an unpacked block, with the version of its form. The length of the head follows in four bytes,
/// the lowest first, then the head, then the columns.
const MAGIC: &[u8; 4] = b"LCR1";
/// Where the block stands in the page.
const OPENING: &str = "<script type=\"application/octet-stream\" id=\"data\">";
const CLOSING: &str = "</script>";

/// How the numbers of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// Unsigned, seven bits a byte, the lowest first; a set eighth bit says that more follow (LEB128).
    Varint,
    /// Signed: 0, -1, 1, -2 … are 0, 1, 2, 3 … of the same.
    Zigzag,
    /// Eight bytes, the lowest first; what is missing is not a number.
    F64,
}

/// Where a column is.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Column {
    coding: Coding,
    /// Its first byte, counted from the end of the head.
    at: usize,
    /// Numbers in it.
    count: usize,
}

/// All columns, one after the other.
#[derive(Debug, Default)]
pub struct Columns(Vec<u8>);

impl Columns {
    /// Adds a column of unsigned numbers.
    pub fn varints(&mut self, numbers: impl IntoIterator<Item = u64>) -> Column {
        self.column(Coding::Varint, numbers, varint)
    }

    /// Adds a column of signed numbers.
    pub fn zigzags(&mut self, numbers: impl IntoIterator<Item = i64>) -> Column {
        self.column(Coding::Zigzag, numbers, |bytes, number| varint(bytes, zigzag(number)))
    }

    /// Adds a column of figures.
    pub fn floats(&mut self, numbers: impl IntoIterator<Item = Option<f64>>) -> Column {
        self.column(Coding::F64, numbers, |bytes, number| {
            bytes.extend_from_slice(&number.unwrap_or(f64::NAN).to_le_bytes());
        })
    }

    fn column<T>(
        &mut self,
        coding: Coding,
        numbers: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Vec<u8>, T),
    ) -> Column {
        let at = self.0.len();
        let mut count = 0;
        for number in numbers {
            write(&mut self.0, number);
            count += 1;
        }
        Column { coding, at, count }
    }
}

/// The element that holds a head and its columns.
pub fn element(head: &impl Serialize, columns: &Columns) -> io::Result<String> {
    let head = serde_json::to_vec(head)?;
    let length = u32::try_from(head.len()).map_err(io::Error::other)?;
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
    for part in [MAGIC, &length.to_le_bytes(), head.as_slice(), columns.0.as_slice()] {
        deflate.write_all(part)?;
    }
    let packed = deflate.finish()?;
    let mut element = String::with_capacity(OPENING.len() + packed.len().div_ceil(3) * 4 + CLOSING.len());
    element.push_str(OPENING);
    STANDARD.encode_string(&packed, &mut element);
    element.push_str(CLOSING);
    Ok(element)
}

/// What a page's block holds, as it was before it was packed; none where the page has no such block.
pub fn unpacked(page: &[u8]) -> Option<Vec<u8>> {
    let (block, _) = str::from_utf8(page).ok()?.split_once(OPENING)?.1.split_once(CLOSING)?;
    let packed = STANDARD.decode(block).ok()?;
    let mut bytes = Vec::new();
    DeflateDecoder::new(packed.as_slice()).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_short_and_signs_take_one_bit() {
        let mut columns = Columns::default();
        columns.varints([0, 127, 128, 300]);
        assert_eq!(columns.0, [0, 127, 0x80, 1, 0xac, 2]);
        assert_eq!([0, -1, 1, -2, i64::MIN].map(zigzag), [0, 1, 2, 3, u64::MAX]);
    }

    #[test]
    fn a_column_says_where_it_is() {
        let mut columns = Columns::default();
        columns.zigzags([1, -100]);
        let Column { at, count, .. } = columns.floats([Some(1.5), None]);
        assert_eq!((at, count, columns.0.len()), (3, 2, 19));
    }

    #[test]
    fn an_element_gives_back_what_it_was_made_of_and_holds_no_markup() {
        let mut columns = Columns::default();
        columns.varints([7]);
        let element = element(&["</script><!--"], &columns).unwrap();
        let block = element.strip_prefix(OPENING).unwrap().strip_suffix(CLOSING).unwrap();
        assert!(!block.contains('<'), "{block}");
        let bytes = unpacked(format!("<p>{element}</p>").as_bytes()).unwrap();
        assert_eq!(bytes, [b"LCR1\x11\0\0\0".as_slice(), b"[\"</script><!--\"]", &[7]].concat());
        assert_eq!(unpacked(b"<p>no block</p>"), None);
    }
}
