use std::io::Write;

use proptest::prelude::*;
use tempfile::tempfile;

use super::*;
use crate::os::memory::Stretch;

/// Where the module lies in the target, and where its file wants to be.
const START: u64 = 0x7f00_0000_0000;
const WANTED: u64 = 0x40_0000;

const DYNAMIC: usize = 0x200;
const SYMBOLS: usize = 0x300;
const NAMES: usize = 0x400;
const TABLE: usize = 0x500;
const SECTIONS: usize = 0x600;
const SECTION_NAMES: usize = 0x700;
const END: usize = 0x800;

/// A module that is all there is in memory.
struct Mapped(Vec<u8>);

impl Memory for Mapped {
    fn read(&self, stretches: &[Stretch], into: &mut [u8]) -> Result<usize, Fault> {
        let mut copied = 0;
        for stretch in stretches {
            let begin = (stretch.base as u64).checked_sub(START).ok_or(Fault::Unmapped)? as usize;
            let Some(bytes) = self.0.get(begin..begin.saturating_add(stretch.len)) else { break };
            into[copied..][..bytes.len()].copy_from_slice(bytes);
            copied += bytes.len();
        }
        if copied == 0 { Err(Fault::Unmapped) } else { Ok(copied) }
    }
}

/// Which of the two hash tables a linker wrote.
#[derive(Debug, Clone, Copy)]
enum Style {
    Gnu,
    SystemV,
}

/// A file with the symbols `imported`, which is not defined, and `_PyRuntime`, at 0x1b8 in the file.
fn file(style: Style) -> Vec<u8> {
    let mut file = vec![0; END];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    let address = |at: usize| (WANTED + at as u64).to_le_bytes();
    let size = (END as u64).to_le_bytes();
    put(0, IDENTITY);
    put(32, &64_u64.to_le_bytes());
    put(40, &(SECTIONS as u64).to_le_bytes());
    put(54, &[56, 0, 2, 0, 64, 0, 2, 0, 1, 0]);
    put(64, &PT_LOAD.to_le_bytes());
    put(64 + 4, &PF_W.to_le_bytes());
    put(64 + 16, &address(0));
    put(64 + 40, &size);
    put(120, &PT_DYNAMIC.to_le_bytes());
    put(120 + 16, &address(DYNAMIC));
    put(120 + 40, &80_u64.to_le_bytes());
    let (tag, table) = match style {
        // One bucket, symbols from 1 on, one word of filter; the last of the bucket is marked.
        Style::Gnu => {
            let hashes = [gnu_hash("imported") & !1, gnu_hash("_PyRuntime") | 1];
            (DT_GNU_HASH, [1, 1, 1, 0, !0, !0, 1, hashes[0], hashes[1]])
        }
        // One bucket, three symbols: first 1, after 1 comes 2, after 2 none.
        Style::SystemV => (DT_HASH, [1, 3, 1, 0, 2, 0, 0, 0, 0]),
    };
    for (index, word) in table.into_iter().enumerate() {
        put(TABLE + 4 * index, &word.to_le_bytes());
    }
    for (index, (tag, at)) in [(DT_SYMTAB, SYMBOLS), (DT_STRTAB, NAMES), (tag, TABLE)].into_iter().enumerate() {
        put(DYNAMIC + 16 * index, &tag.to_le_bytes());
        put(DYNAMIC + 16 * index + 8, &address(at));
    }
    put(NAMES, b"\0imported\0_PyRuntime\0");
    put(SYMBOLS + 24, &[1]);
    put(SYMBOLS + 48, &[10, 0, 0, 0, 0x11, 0, 24, 0]);
    put(SYMBOLS + 48 + 8, &address(0x1b8));
    put(SECTIONS, &[1]);
    put(SECTIONS + 16, &address(0x1c0));
    put(SECTIONS + 64 + 24, &(SECTION_NAMES as u64).to_le_bytes());
    put(SECTIONS + 64 + 32, &12_u64.to_le_bytes());
    put(SECTION_NAMES, b"\0.PyRuntime\0");
    file
}

fn module() -> Module {
    Module { path: "/usr/bin/python3.11".into(), beginning: START..START + END as u64 }
}

fn image(memory: &Mapped) -> Image<'_, Mapped> {
    Image::open(memory, &module()).expect("it is readable").expect("it is an ELF file")
}

fn on_disk(bytes: &[u8]) -> File {
    let mut file = tempfile().expect("a file");
    file.write_all(bytes).expect("a file");
    file
}

#[test]
fn a_symbol_is_found_with_either_hash_table() {
    for style in [Style::Gnu, Style::SystemV] {
        let memory = Mapped(file(style));
        assert_eq!(image(&memory).symbol("_PyRuntime"), Ok(Some(START + 0x1b8)), "{style:?}");
        assert_eq!(image(&memory).symbol("Py_Version"), Ok(None), "{style:?}");
    }
}

#[test]
fn a_symbol_of_another_module_is_not_here() {
    let memory = Mapped(file(Style::Gnu));
    assert_eq!(image(&memory).symbol("imported"), Ok(None));
}

#[test]
fn tables_are_found_by_the_addresses_that_a_dynamic_linker_wrote_over_those_of_the_file() {
    let mut relocated = file(Style::Gnu);
    for (index, at) in [SYMBOLS, NAMES, TABLE].into_iter().enumerate() {
        relocated[DYNAMIC + 16 * index + 8..][..8].copy_from_slice(&(START + at as u64).to_le_bytes());
    }
    assert_eq!(image(&Mapped(relocated)).symbol("_PyRuntime"), Ok(Some(START + 0x1b8)));
}

#[test]
fn a_section_is_found_in_the_file_and_told_in_the_target() {
    let memory = Mapped(file(Style::Gnu));
    let on_disk = on_disk(&memory.0);
    assert_eq!(image(&memory).section(&on_disk, ".PyRuntime").expect("a file"), Some(START + 0x1c0));
    assert_eq!(image(&memory).section(&on_disk, ".text").expect("a file"), None);
}

#[test]
fn what_is_no_elf_file_is_no_image() {
    let memory = Mapped(vec![b'#'; END]);
    assert!(Image::open(&memory, &module()).expect("it is readable").is_none());
}

proptest! {
    #[test]
    fn a_damaged_file_gives_addresses_of_its_own_or_none(
        style in prop_oneof![Just(Style::Gnu), Just(Style::SystemV)],
        damage in prop::collection::vec((prop_oneof![0..END, 0..176_usize, DYNAMIC..DYNAMIC + 48, TABLE..TABLE + 36, SECTIONS..END], any::<u8>()), 1..12),
    ) {
        let mut bytes = file(style);
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        let on_disk = on_disk(&bytes);
        let memory = Mapped(bytes);
        if let Some(image) = Image::open(&memory, &module()).expect("all faults mean that it is not there") {
            for found in [image.symbol("_PyRuntime").expect("as above"), image.section(&on_disk, ".PyRuntime").ok().flatten()] {
                prop_assert!(found.is_none_or(|address| image.extent.contains(&address)));
            }
            for variables in image.variables(1 << 16) {
                prop_assert!(variables.len() <= 1 << 16);
            }
        }
    }
}
