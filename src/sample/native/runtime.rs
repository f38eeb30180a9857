//! Finds `_PyRuntime` in a process, and which CPython it belongs to.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::os::maps::{Access, Module};
use crate::os::memory::{Fault, Memory};
use crate::os::proc::Process;
use crate::sample::native::elf::Image;
use crate::sample::native::layout::{Layout, Version, Way};
use crate::sample::native::offsets::{self, HEAD};
use crate::sample::native::refusal::Refusal;
use crate::sample::native::tables::{self, OLDEST_MINOR};

/// The symbol (`pycore_runtime.h`).
const SYMBOL: &str = "_PyRuntime";
/// The section that holds nothing else, which stripping leaves (`GENERATE_DEBUG_SECTION` of `pycore_runtime.h`, before
/// that `pylifecycle.c`).
const SECTION: &str = ".PyRuntime";
/// `PY_VERSION_HEX` for others to read, from 3.11 on (`pylifecycle.h`).
const VERSION: &str = "Py_Version";

/// Bytes at the beginning of a file that tell it from another: headers and build id.
const IDENTIFYING: usize = 1024;
/// Bytes searched at a time, and most of them, for the text of a version. Constants of CPython have some 3 MB.
const BLOCK: usize = 256 << 10;
const MOST_SEARCHED: u64 = 64 << 20;
/// Longest text of a version that is looked for, and that with a zero on either side.
const LONGEST_TEXT: usize = "3.255.255+".len();
const OVERLAP: u64 = LONGEST_TEXT as u64 + 2;

/// An interpreter's static part.
#[derive(Debug)]
pub struct Runtime {
    /// Where `_PyRuntime` is.
    pub address: u64,
    /// Where its version keeps what is read.
    pub layout: Layout,
    /// How to get there.
    pub way: Way,
}

/// Finds the runtime in a module.
pub fn find(process: &Process, memory: &impl Memory, module: &Module) -> Result<Runtime, Refusal> {
    let none = || Refusal::NoRuntime(module.path.clone());
    let image = Image::open(memory, module).map_err(|fault| early(fault, module))?.ok_or_else(none)?;
    let address = match image.symbol(SYMBOL).map_err(|fault| early(fault, module))? {
        Some(address) => address,
        None => section(process, memory, module, &image)?.ok_or_else(none)?,
    };
    let mut head = [0; HEAD];
    memory.read_exact(address, &mut head).map_err(|fault| early(fault, module))?;
    let (layout, way) = match offsets::told(&head) {
        Some(told) => {
            let told = told?;
            let mut table = vec![0; told.size()];
            memory.read_exact(address, &mut table).map_err(|fault| Refusal::from_fault(fault, told.version()))?;
            told.read(&table)?
        }
        None => untold(version(memory, module, &image)?)?,
    };
    Ok(Runtime { address, layout, way })
}

/// A version that does not tell its offsets.
fn untold(version: Version) -> Result<(Layout, Way), Refusal> {
    match version.minor {
        ..OLDEST_MINOR => Err(Refusal::TooOld(version)),
        _ => tables::known(version).ok_or(Refusal::Offsets(version)),
    }
}

/// Before the version is known, what leads nowhere is no runtime.
fn early(fault: Fault, module: &Module) -> Refusal {
    match fault {
        Fault::Gone => Refusal::Gone,
        Fault::Denied => Refusal::Denied,
        Fault::Unmapped => Refusal::NoRuntime(module.path.clone()),
    }
}

/// Where the file says that the section is. The process is right about its memory, the file only if it is the same.
fn section<M: Memory>(
    process: &Process,
    memory: &M,
    module: &Module,
    image: &Image<'_, M>,
) -> Result<Option<u64>, Refusal> {
    let same = files(process, module).find(|file| is_mapped(file, memory, module));
    let same = same.ok_or_else(|| Refusal::FileReplaced(module.path.clone()))?;
    Ok(image.section(&same, SECTION).ok().flatten())
}

/// The files that the module may be: by its mapping, which holds for deleted ones too but takes a right, then by name.
fn files(process: &Process, module: &Module) -> impl Iterator<Item = File> {
    let mapping = module.mappings.first().map(|mapping| &mapping.addresses);
    let mapping = mapping.map(|addresses| format!("map_files/{:x}-{:x}", addresses.start, addresses.end));
    let mapped = mapping.and_then(|name| File::open(process.dir().join(name)).ok());
    let executable = File::open(process.dir().join("exe")).ok();
    let named = process.root().and_then(|root| root.file(&module.path)).ok();
    [mapped, executable, named].into_iter().flatten()
}

/// Whether the module's memory begins as the file does.
fn is_mapped(file: &File, memory: &impl Memory, module: &Module) -> bool {
    let begins = |file: &File| -> io::Result<[u8; IDENTIFYING]> {
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut bytes = [0; IDENTIFYING];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    };
    let mut mapped = [0; IDENTIFYING];
    begins(file).is_ok_and(|begin| memory.read_exact(module.start(), &mut mapped).is_ok() && begin == mapped)
}

/// By the symbol, or where there is none, by the text.
fn version<M: Memory>(memory: &M, module: &Module, image: &Image<'_, M>) -> Result<Version, Refusal> {
    if let Some(address) = image.symbol(VERSION).map_err(|fault| early(fault, module))?
        && let Ok(hex) = memory.read_u64(address)
    {
        return offsets::release(hex);
    }
    text(memory, module)
}

/// The version in the constants of a module: the one `PY_VERSION` (`patchlevel.h`) that agrees with the file's name.
/// Libraries linked into the same file have texts of that form as well, but hardly with the same minor version.
fn text(memory: &impl Memory, module: &Module) -> Result<Version, Refusal> {
    let named = minor_of(module.name());
    let mut found = None;
    let mut left = MOST_SEARCHED;
    let mut block = vec![0; BLOCK];
    for mapping in module.mappings.iter().filter(|mapping| mapping.access == Access::Constant) {
        let mut at = mapping.addresses.start;
        while at < mapping.addresses.end && left > 0 {
            let size = (mapping.addresses.end - at).min(BLOCK as u64).min(left);
            let Some(block) = block.get_mut(..size as usize) else { break };
            if memory.read_exact(at, block).is_err() {
                break;
            }
            for version in
                texts(block).filter(|version| named.map_or(version.minor < 13, |minor| minor == version.minor))
            {
                if found.is_some_and(|found| found != version) {
                    return Err(Refusal::UnknownVersion(module.path.clone()));
                }
                found = Some(version);
            }
            left -= size;
            // The next block begins a little before the end of this one, so that every text is whole in one of them.
            at = if at + size == mapping.addresses.end { at + size } else { at + size - OVERLAP };
        }
    }
    found.ok_or_else(|| Refusal::UnknownVersion(module.path.clone()))
}

/// The minor version in `python3.10` and `libpython3.10.so.1.0`.
fn minor_of(name: &[u8]) -> Option<u8> {
    let name = str::from_utf8(name).ok()?;
    let rest = name.strip_prefix("lib").unwrap_or(name).strip_prefix("python3.")?;
    rest.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

/// All texts between zeros that are versions such as `3.10.13`.
fn texts(block: &[u8]) -> impl Iterator<Item = Version> + '_ {
    // What stands before the first zero and after the last may be cut.
    let first = block.iter().position(|&byte| byte == 0).unwrap_or(block.len());
    let last = block.iter().rposition(|&byte| byte == 0).unwrap_or(first);
    let is_short = |text: &&[u8]| text.len() <= LONGEST_TEXT && text.starts_with(b"3.");
    block[first..last].split(|&byte| byte == 0).filter(is_short).filter_map(|text| {
        let text = str::from_utf8(text).ok()?.strip_prefix("3.")?;
        let (minor, patch) = text.strip_suffix('+').unwrap_or(text).split_once('.')?;
        Some(Version { minor: minor.parse().ok()?, patch: patch.parse().ok()? })
    })
}

#[cfg(test)]
mod tests;
