//! The exact version of an interpreter, read from its file, which is never run.
//!
//! `CPython` keeps `PY_VERSION`, such as `3.11.7`, as a string of its own. The linker may let it share the tail of a
//! longer string that ends the same way (`/opt/python/3.11.7`), so both forms are looked for; a tail counts only when
//! every one in the file says the same.

use std::io::{self, Read};

use regex::bytes::Regex;

/// The largest interpreters, static with debug symbols, are about this big.
const LIMIT_BYTES: u64 = 128 * 1024 * 1024;
/// The file is gone through in pieces of this size.
const PIECE_BYTES: usize = 1024 * 1024;
/// More than any version string takes; this much of a piece is looked at again with the next one.
const OVERLAP_BYTES: usize = 64;

/// Looks for the full version of `minor`, such as `3.11`, in an interpreter's file.
pub fn full_version(mut file: impl Read, minor: &str) -> io::Result<Option<String>> {
    let pattern = format!(r"(?-u)([^0-9.]){}\.[0-9]{{1,3}}(?:(?:a|b|rc)[0-9]{{1,2}})?\+?\x00", regex::escape(minor));
    let pattern = Regex::new(&pattern).map_err(io::Error::other)?;
    let mut tails: Vec<String> = Vec::new();
    let mut window: Vec<u8> = Vec::new();
    let mut seen = 0;
    while seen < LIMIT_BYTES {
        let read = file.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut window)?;
        seen += read as u64;
        for found in pattern.find_iter(&window) {
            let text = &found.as_bytes()[1..found.len() - 1];
            let version = String::from_utf8_lossy(text).into_owned();
            if found.as_bytes()[0] == 0 {
                return Ok(Some(version));
            }
            if !tails.contains(&version) {
                tails.push(version);
            }
        }
        if read == 0 {
            break;
        }
        window.drain(..window.len().saturating_sub(OVERLAP_BYTES));
    }
    Ok(if tails.len() == 1 { tails.pop() } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version_in(bytes: &[u8]) -> Option<String> {
        full_version(bytes, "3.11").expect("reading from memory")
    }

    #[test]
    fn a_string_of_its_own_wins_over_tails() {
        assert_eq!(version_in(b"..\0/opt/3.11.2\0x\x003.11.9\0..").as_deref(), Some("3.11.9"));
        assert_eq!(version_in(b"\x003.11.0rc1+\0").as_deref(), Some("3.11.0rc1+"));
    }

    #[test]
    fn tails_count_only_when_they_agree() {
        assert_eq!(version_in(b"/a/3.11.7\0 /b/Python-3.11.7\0").as_deref(), Some("3.11.7"));
        assert_eq!(version_in(b"/a/3.11.7\0 /b/3.11.8\0"), None);
    }

    #[test]
    fn other_numbers_are_not_versions() {
        assert_eq!(version_in(b"\x0013.11.7\0 3.11\0 3.11.7.1\0 3.12.1\0 3x11.2\0"), None);
    }

    #[test]
    fn a_version_across_two_pieces_is_found() {
        for shift in 0..12 {
            let mut bytes = vec![b'.'; PIECE_BYTES - shift];
            bytes.extend_from_slice(b"\x003.11.12\0 and on");
            assert_eq!(version_in(&bytes).as_deref(), Some("3.11.12"), "{shift}");
        }
    }
}
