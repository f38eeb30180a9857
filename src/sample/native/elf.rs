//! Symbols and sections of a module: where in the target's memory something with a name is.
//!
//! A name is looked up as the dynamic linker does it, in the hash table that is mapped with the module: that takes a
//! few hundred bytes, needs no file, and is right for a file that was deleted or replaced since. Only a section needs
//! the file, because section headers are not mapped. Either may come from a hostile container: every table is bounded,
//! every address has to lie in the module.
//!
//! Layouts are those of `elf.h` for 64 bits and little endian, which all machines that this tool is built for have.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::os::maps::Module;
use crate::os::memory::{Fault, Memory};

/// `Elf64_Ehdr`.
const HEADER: usize = 64;
/// `Elf64_Phdr`.
const SEGMENT: usize = 56;
/// `Elf64_Shdr`.
const SECTION: usize = 64;
/// `Elf64_Sym`.
const SYMBOL: u64 = 24;
/// Magic number, `ELFCLASS64`, `ELFDATA2LSB`.
const IDENTITY: &[u8] = b"\x7fELF\x02\x01";
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PF_W: u32 = 2;
const DT_NULL: u64 = 0;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;

/// Most segments and sections that are looked at; CPython has a dozen and three dozen.
const MOST_HEADERS: usize = 256;
/// Most bytes of the dynamic section; CPython's has some 500.
const MOST_DYNAMIC: u64 = 16 << 10;
/// Most symbols of one hash bucket; there are a handful.
const MOST_IN_BUCKET: usize = 1024;
/// Most bytes of the names of sections; CPython's take some 400.
const MOST_NAMES: u64 = 64 << 10;
/// Smallest page; segments are mapped from the page they begin in.
const PAGE: u64 = 4096;

/// A module with its segments, read from the target's memory.
#[derive(Debug)]
pub struct Image<'a, M> {
    memory: &'a M,
    /// What has to be added to an address of the file.
    bias: u64,
    /// Addresses of the target between which the module lies.
    extent: Range<u64>,
    /// Those of its variables.
    variables: Vec<Range<u64>>,
    dynamic: Option<Range<u64>>,
}

impl<'a, M: Memory> Image<'a, M> {
    /// Reads the headers. None where the mapping does not show an ELF file that can be run.
    pub fn open(memory: &'a M, module: &Module) -> Result<Option<Self>, Fault> {
        absent(Self::headers(memory, module.beginning.start))
    }

    fn headers(memory: &'a M, start: u64) -> Result<Self, Fault> {
        let header: [u8; HEADER] = array(memory, start)?;
        if !header.starts_with(IDENTITY) {
            return Err(Fault::Unmapped);
        }
        let (table, size, count) = (u64_at(&header, 32)?, u16_at(&header, 54)?, u16_at(&header, 56)?);
        if usize::from(size) != SEGMENT || usize::from(count) > MOST_HEADERS {
            return Err(Fault::Unmapped);
        }
        let mut segments = vec![0; usize::from(count) * SEGMENT];
        memory.read_exact(start.wrapping_add(table), &mut segments)?;
        let mut bias = None;
        let mut extent: Option<Range<u64>> = None;
        let (mut variables, mut dynamic) = (Vec::new(), None);
        for segment in segments.chunks_exact(SEGMENT) {
            let (offset, address) = (u64_at(segment, 8)?, u64_at(segment, 16)?);
            let end = address.saturating_add(u64_at(segment, 40)?);
            match u32_at(segment, 0)? {
                PT_LOAD => {
                    if bias.is_none() && offset < PAGE {
                        bias = Some(start.wrapping_sub(address.wrapping_sub(offset)));
                    }
                    let all = extent.unwrap_or(address..end);
                    extent = Some(all.start.min(address)..all.end.max(end));
                    if u32_at(segment, 4)? & PF_W != 0 {
                        variables.push(address..end);
                    }
                }
                PT_DYNAMIC => dynamic = Some(address..end),
                _ => {}
            }
        }
        let (bias, extent) = bias.zip(extent).ok_or(Fault::Unmapped)?;
        let moved = |range: Range<u64>| range.start.wrapping_add(bias)..range.end.wrapping_add(bias);
        let variables = variables.into_iter().map(moved).collect();
        Ok(Self { memory, bias, extent: moved(extent), variables, dynamic: dynamic.map(moved) })
    }

    /// The address of a symbol that other modules may use; None where there is none of this name.
    pub fn symbol(&self, name: &str) -> Result<Option<u64>, Fault> {
        absent(self.look_up(name))
    }

    fn look_up(&self, name: &str) -> Result<u64, Fault> {
        let tables = self.tables()?;
        let symbol = match (tables.gnu_hash, tables.hash) {
            (Some(table), _) => self.in_gnu_hash(&tables, table, name)?,
            (None, Some(table)) => self.in_hash(&tables, table, name)?,
            (None, None) => return Err(Fault::Unmapped),
        };
        self.in_module(u64_at(&symbol, 8)?.wrapping_add(self.bias))
    }

    /// The tables that a dynamic linker uses.
    fn tables(&self) -> Result<Tables, Fault> {
        let place = self.dynamic.clone().ok_or(Fault::Unmapped)?;
        let mut section = vec![0; place.end.saturating_sub(place.start).min(MOST_DYNAMIC) as usize];
        self.memory.read_exact(place.start, &mut section)?;
        let entries = section.chunks_exact(16).map_while(|entry| {
            let tag = u64_at(entry, 0).ok().filter(|&tag| tag != DT_NULL)?;
            Some((tag, u64_at(entry, 8).ok()?))
        });
        let (mut symbols, mut names, mut hash, mut gnu_hash) = (None, None, None, None);
        for (tag, value) in entries {
            match tag {
                DT_SYMTAB => symbols = self.pointer(value),
                DT_STRTAB => names = self.pointer(value),
                DT_HASH => hash = self.pointer(value),
                DT_GNU_HASH => gnu_hash = self.pointer(value),
                _ => {}
            }
        }
        let missing = Fault::Unmapped;
        Ok(Tables { symbols: symbols.ok_or(missing)?, names: names.ok_or(missing)?, hash, gnu_hash })
    }

    /// glibc writes the addresses of the process over those of the file; musl leaves them.
    fn pointer(&self, value: u64) -> Option<u64> {
        [value, value.wrapping_add(self.bias)].into_iter().find(|address| self.extent.contains(address))
    }

    /// `DT_GNU_HASH`: four numbers, a Bloom filter, the first symbol of each bucket, the hash of each symbol, of which
    /// the lowest bit marks a bucket's last.
    fn in_gnu_hash(&self, tables: &Tables, table: u64, name: &str) -> Result<Found, Fault> {
        let header: [u8; 16] = array(self.memory, table)?;
        let (buckets, first) = (u32_at(&header, 0)?, u32_at(&header, 4)?);
        let first_bucket = table.wrapping_add(16 + 8 * u64::from(u32_at(&header, 8)?));
        let hashes = first_bucket.wrapping_add(4 * u64::from(buckets));
        let wanted = gnu_hash(name);
        let bucket = wanted.checked_rem(buckets).ok_or(Fault::Unmapped)?;
        let begin = self.number(first_bucket.wrapping_add(4 * u64::from(bucket)))?;
        for index in (begin..=u32::MAX).take(MOST_IN_BUCKET) {
            let hash =
                self.number(hashes.wrapping_add(4 * u64::from(index.checked_sub(first).ok_or(Fault::Unmapped)?)))?;
            if hash | 1 == wanted | 1
                && let Some(symbol) = self.defined(tables, index, name)?
            {
                return Ok(symbol);
            }
            if hash & 1 == 1 {
                break;
            }
        }
        Err(Fault::Unmapped)
    }

    /// `DT_HASH`: two numbers, the first symbol of each bucket, the next symbol after each.
    fn in_hash(&self, tables: &Tables, table: u64, name: &str) -> Result<Found, Fault> {
        let buckets = self.number(table)?;
        let chain = table.wrapping_add(8 + 4 * u64::from(buckets));
        let bucket = hash(name).checked_rem(buckets).ok_or(Fault::Unmapped)?;
        let mut index = self.number(table.wrapping_add(8 + 4 * u64::from(bucket)))?;
        for _ in 0..MOST_IN_BUCKET {
            if index == 0 {
                break;
            }
            if let Some(symbol) = self.defined(tables, index, name)? {
                return Ok(symbol);
            }
            index = self.number(chain.wrapping_add(4 * u64::from(index)))?;
        }
        Err(Fault::Unmapped)
    }

    /// The symbol, if it has this name and is defined here and not elsewhere.
    fn defined(&self, tables: &Tables, index: u32, name: &str) -> Result<Option<Found>, Fault> {
        let symbol: Found =
            array(self.memory, self.in_module(tables.symbols.wrapping_add(SYMBOL * u64::from(index)))?)?;
        let mut found = vec![0; name.len() + 1];
        let place = tables.names.wrapping_add(u64::from(u32_at(&symbol, 0)?));
        self.memory.read_exact(self.in_module(place)?, &mut found)?;
        let is_it = found.strip_suffix(&[0]) == Some(name.as_bytes()) && u16_at(&symbol, 6)? != 0;
        Ok(is_it.then_some(symbol))
    }

    /// A copy of the variables of the module, segment by segment; of each at most the first `most` bytes.
    pub fn variables(&self, most: u64) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.variables.iter().filter_map(move |addresses| {
            let mut bytes = vec![0; addresses.end.saturating_sub(addresses.start).min(most) as usize];
            self.memory.read_exact(addresses.start, &mut bytes).ok().map(|()| bytes)
        })
    }

    /// Where a section is in memory, after the headers of its file; None where the file has no such section.
    pub fn section(&self, file: &File, name: &str) -> io::Result<Option<u64>> {
        let address = section(file, name)?.map(|address| address.wrapping_add(self.bias));
        Ok(address.filter(|address| self.extent.contains(address)))
    }

    fn number(&self, address: u64) -> Result<u32, Fault> {
        u32_at(&array::<4>(self.memory, self.in_module(address)?)?, 0)
    }

    fn in_module(&self, address: u64) -> Result<u64, Fault> {
        self.extent.contains(&address).then_some(address).ok_or(Fault::Unmapped)
    }
}

/// An `Elf64_Sym`.
type Found = [u8; SYMBOL as usize];

/// Addresses of what the dynamic section tells of.
struct Tables {
    symbols: u64,
    names: u64,
    hash: Option<u64>,
    gnu_hash: Option<u64>,
}

/// The address that a file gives to a section.
fn section(file: &File, name: &str) -> io::Result<Option<u64>> {
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, 0)?;
    let bad = |_| io::Error::from(io::ErrorKind::InvalidData);
    let (table, size) = (u64_at(&header, 40).map_err(bad)?, u16_at(&header, 58).map_err(bad)?);
    let (count, names) = (u16_at(&header, 60).map_err(bad)?, u16_at(&header, 62).map_err(bad)?);
    if !header.starts_with(IDENTITY) || usize::from(size) != SECTION || usize::from(count) > MOST_HEADERS {
        return Ok(None);
    }
    let mut sections = vec![0; usize::from(count) * SECTION];
    file.read_exact_at(&mut sections, table)?;
    let Some(strings) = sections.chunks_exact(SECTION).nth(usize::from(names)) else { return Ok(None) };
    let mut text = vec![0; u64_at(strings, 32).map_err(bad)?.min(MOST_NAMES) as usize];
    file.read_exact_at(&mut text, u64_at(strings, 24).map_err(bad)?)?;
    let is_it = |section: &&[u8]| {
        let rest = u32_at(section, 0).ok().and_then(|begin| text.get(begin as usize..));
        rest.and_then(|rest| rest.split(|&byte| byte == 0).next()) == Some(name.as_bytes())
    };
    Ok(sections.chunks_exact(SECTION).find(is_it).and_then(|section| u64_at(section, 16).ok()))
}

/// `dl_new_hash` of glibc.
fn gnu_hash(name: &str) -> u32 {
    name.bytes().fold(5381, |hash: u32, byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)))
}

/// `elf_hash` of the System V ABI.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0, |hash: u32, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(byte));
        let high = hash & 0xf000_0000;
        (hash ^ (high >> 24)) & !high
    })
}

/// What leads nowhere is not there; all else is a reason to give up.
fn absent<T>(result: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Fault::Unmapped) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn array<const N: usize>(memory: &impl Memory, address: u64) -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    memory.read_exact(address, &mut bytes)?;
    Ok(bytes)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Fault> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Fault::Unmapped)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Fault> {
    field(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Fault> {
    field(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, Fault> {
    field(bytes, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests;
