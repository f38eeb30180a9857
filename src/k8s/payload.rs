//! The program that is sent into pods that do not have it: this one itself, where it is static, or one that was named.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzEncoder;

/// Where a machine's number stands in an ELF header, and that of the program headers' place, size and count.
const MACHINE: usize = 18;
const HEADERS_AT: usize = 32;
const HEADER_BYTES: usize = 54;
const HEADERS: usize = 56;
/// `EM_X86_64`, `EM_AARCH64` and `PT_INTERP` in `include/uapi/linux/elf*.h`.
const X86_64: u16 = 62;
const AARCH64: u16 = 183;
const PT_INTERP: u32 = 3;

/// A static program and its bytes, packed for the way.
#[derive(Debug)]
pub struct Payload {
    path: PathBuf,
    /// The machine that it runs on, as `uname -m` calls it.
    pub machine: &'static str,
    /// It, gzipped.
    pub gzip: Vec<u8>,
    /// Its size on arrival.
    pub bytes: u64,
}

impl Payload {
    /// Takes the program named, or this one.
    ///
    /// # Errors
    /// When it cannot be read or does not run everywhere.
    pub fn load(named: Option<&Path>) -> io::Result<Self> {
        let path = named.map_or_else(std::env::current_exe, |path| Ok(path.to_owned()))?;
        let mut head = Vec::new();
        File::open(&path)?.take(64 * 1024).read_to_end(&mut head)?;
        let machine = static_for(&head).map_err(io::Error::other)?;
        let mut gzip = Vec::new();
        GzEncoder::new(File::open(&path)?, Compression::fast()).read_to_end(&mut gzip)?;
        Ok(Self { bytes: fs::metadata(&path)?.len(), path, machine, gzip })
    }

    #[cfg(test)]
    pub(super) fn for_tests(machine: &'static str) -> Self {
        Self { path: PathBuf::new(), machine, gzip: vec![0; 7], bytes: 9 }
    }

    /// The program as it is, for those who cannot unpack.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        fs::read(&self.path)
    }
}

/// The machine of a static program; or why it is none.
fn static_for(head: &[u8]) -> Result<&'static str, String> {
    let number = |at: usize, bytes: usize| {
        let slice = head.get(at..at + bytes)?;
        Some(slice.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return Err("it is no 64-bit Linux program".to_owned());
    }
    let cut = || "it ends within its header".to_owned();
    let machine = match number(MACHINE, 2).ok_or_else(cut)? as u16 {
        X86_64 => "x86_64",
        AARCH64 => "aarch64",
        other => return Err(format!("it is for a machine that is not known here (ELF machine {other})")),
    };
    let [at, bytes, count] = [(HEADERS_AT, 8), (HEADER_BYTES, 2), (HEADERS, 2)]
        .map(|(at, bytes)| number(at, bytes).and_then(|number| usize::try_from(number).ok()));
    let (at, bytes, count) = (at.ok_or_else(cut)?, bytes.ok_or_else(cut)?, count.ok_or_else(cut)?);
    for header in 0..count {
        let place = header.checked_mul(bytes).and_then(|below| below.checked_add(at)).ok_or_else(cut)?;
        if number(place, 4).ok_or_else(cut)? as u32 == PT_INTERP {
            return Err("it needs the libraries of the machine it was built on".to_owned());
        }
    }
    Ok(machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least that is read of a program.
    fn program(machine: u16, kinds: &[u32]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(64, 0);
        bytes[MACHINE..MACHINE + 2].copy_from_slice(&machine.to_le_bytes());
        bytes[HEADERS_AT] = 64;
        bytes[HEADER_BYTES] = 56;
        bytes[HEADERS] = kinds.len() as u8;
        for kind in kinds {
            bytes.extend(kind.to_le_bytes());
            bytes.resize(bytes.len() + 52, 0);
        }
        bytes
    }

    #[test]
    fn a_static_program_is_told_from_one_that_needs_libraries() {
        assert_eq!(static_for(&program(X86_64, &[1, 1])), Ok("x86_64"));
        assert_eq!(static_for(&program(AARCH64, &[1])), Ok("aarch64"));
        assert!(static_for(&program(X86_64, &[6, PT_INTERP, 1])).unwrap_err().contains("libraries"));
        assert!(static_for(&program(8, &[])).unwrap_err().contains("ELF machine 8"));
        assert!(static_for(b"#!/bin/sh").is_err());
        let whole = program(X86_64, &[1, 1]);
        for length in 0..whole.len() - 52 {
            assert!(static_for(&whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_shared_program_is_refused_by_its_path() {
        let error = Payload::load(Some(Path::new("/bin/sh"))).unwrap_err();
        assert!(error.to_string().contains("libraries"), "{error}");
    }
}
