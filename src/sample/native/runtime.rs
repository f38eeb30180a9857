//! Finds `_PyRuntime` in a process, and which CPython it belongs to.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::os::maps::Module;
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
/// Most bytes of variables that are searched for the text of a version. CPython 3.10 has a quarter of a megabyte, in an
/// executable with everything linked in a few.
const MOST_SEARCHED: u64 = 16 << 20;

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
    let mapping = format!("map_files/{:x}-{:x}", module.beginning.start, module.beginning.end);
    let mapped = File::open(process.dir().join(mapping)).ok();
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
    begins(file).is_ok_and(|begin| memory.read_exact(module.beginning.start, &mut mapped).is_ok() && begin == mapped)
}

/// By the symbol, or where there is none, by the text.
fn version<M: Memory>(memory: &M, module: &Module, image: &Image<'_, M>) -> Result<Version, Refusal> {
    if let Some(address) = image.symbol(VERSION).map_err(|fault| early(fault, module))?
        && let Ok(hex) = memory.read_u64(address)
    {
        return offsets::release(hex);
    }
    let told = image.variables(MOST_SEARCHED).find_map(|variables| text(&variables));
    told.ok_or_else(|| Refusal::UnknownVersion(module.path.clone()))
}

/// The version in the text that `Py_GetVersion` (`getversion.c`) has put together, which becomes `sys.version`:
/// `3.10.13 (main, Aug 24 2023, 12:59:26) [GCC 12.2.0]`.
fn text(variables: &[u8]) -> Option<Version> {
    static SYS_VERSION: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?-u)3\.([0-9]{1,3})\.([0-9]{1,3})\+? \([^\x00]{1,80}\) \n?\[").expect("a valid pattern")
    });
    let [minor, patch] = SYS_VERSION.captures(variables)?.extract().1;
    let number = |digits| str::from_utf8(digits).ok()?.parse().ok();
    Some(Version { minor: number(minor)?, patch: number(patch)? })
}

#[cfg(test)]
mod tests;
