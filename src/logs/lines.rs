//! Lines of any length, read in bounded memory, and freed of what a terminal would do with them.

use std::borrow::Cow;
use std::io::{self, BufRead};
use std::sync::LazyLock;

use regex::Regex;

/// So much of a line is read; LiteLLM writes single lines of megabytes at level DEBUG. JSON logs are parsed as a whole,
/// so that this is far more than what is shown.
const READ_BYTES: usize = 64 * 1024;

/// So many characters of a line are looked at to show it; nothing that a line's form can keep stands further behind.
const SHOWN_CHARACTERS: usize = 2000;

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its beginning; what is not UTF-8 became the replacement character.
    pub text: String,
    /// Its length in bytes, its end not counted.
    pub length: u64,
    /// Offset behind its end, from where reading began.
    pub end: u64,
}

/// Reads lines; those that are too long are cut.
pub struct Lines<R> {
    reader: R,
    offset: u64,
}

impl<R: BufRead> Lines<R> {
    /// Lines of what a reader yields.
    pub fn new(reader: R) -> Self {
        Self { reader, offset: 0 }
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let (mut length, mut ended) = (0, false);
        while !ended {
            let chunk = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            if chunk.is_empty() {
                break;
            }
            let found = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..found.unwrap_or(chunk.len())];
            bytes.extend_from_slice(&part[..part.len().min(READ_BYTES - bytes.len())]);
            length += part.len() as u64;
            ended = found.is_some();
            let used = part.len() + usize::from(ended);
            self.reader.consume(used);
            self.offset += used as u64;
        }
        if !ended && length == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(&bytes)).into_owned();
        Ok(Some(Line { text, length, end: self.offset }))
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// The text without colours and other control characters: one between the characters of a secret would hide it.
pub fn plain(text: &str) -> Cow<'_, str> {
    // A sequence with parameters, an operating system command, and every other one of two characters.
    const SEQUENCES: &str =
        r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?|[\x00-\x08\x0b-\x1f\x7f\u{80}-\u{9f}]";
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| Regex::new(SEQUENCES).expect("a constant"));
    PATTERN.replace_all(text, "")
}

/// The part of a line that is looked at, and how many characters that leaves out.
pub fn shown(text: &str) -> (&str, usize) {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((at, _)) => (&text[..at], text[at..].chars().count()),
        None => (text, 0),
    }
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(bytes: &[u8]) -> Vec<Line> {
        Lines::new(io::BufReader::with_capacity(7, bytes)).map(Result::unwrap).collect()
    }

    #[test]
    fn a_line_of_megabytes_is_cut_and_its_length_is_known() {
        let long = "x".repeat(3_000_000);
        let read = lines(format!("a\r\n{long}\n\nb").as_bytes());
        let shown: Vec<_> = read.iter().map(|line| (line.text.len(), line.length, line.end)).collect();
        assert_eq!(shown, [(1, 2, 3), (READ_BYTES, 3_000_000, 3_000_004), (0, 0, 3_000_005), (1, 1, 3_000_006)]);
    }

    #[test]
    fn colours_and_control_characters_are_gone() {
        for (text, expected) in [
            ("sk-\x1b[31mabc\x1b[0m\x1b[1;37mdef", "sk-abcdef"),
            ("\x1b]0;title\x07a\x1b(b\tc\0", "ab\tc"),
            ("a\u{9b}31mb\x1b", "a31mb"),
            ("ünïcødé 🚅", "ünïcødé 🚅"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!([1, 123, 1234, 1_234_567].map(grouped), ["1", "123", "1,234", "1,234,567"]);
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_standard_library(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200)) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let expected: Vec<&str> = text.split_terminator('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
            let read = lines(&bytes);
            prop_assert_eq!(read.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), expected);
            prop_assert_eq!(read.last().map_or(0, |line| line.end), bytes.len() as u64);
        }
    }
}
