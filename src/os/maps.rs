//! Which files a process has mapped and where: the modules that something may be looked for in.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::os::proc::Process;

/// Most of `/proc/PID/maps` that is read, in bytes: ten times what 65,530 mappings (`vm.max_map_count`) come to.
const MOST: u64 = 64 << 20;
/// What the kernel writes behind the path of a file that has no name any more.
const DELETED: &[u8] = b" (deleted)";

/// A file as it is mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its path, without the mark of a deleted file; in the tree of the target, except for one in a `chroot`.
    pub path: PathBuf,
    /// Addresses of the mapping that shows the beginning of the file.
    pub beginning: Range<u64>,
}

impl Module {
    /// The name of the file.
    pub fn name(&self) -> &[u8] {
        self.path.file_name().map_or(&[], OsStrExt::as_bytes)
    }
}

/// The modules of a process, by ascending address. None in a zombie.
pub fn modules(process: &Process) -> io::Result<Vec<Module>> {
    let mut text = Vec::new();
    File::open(process.dir().join("maps"))?.take(MOST).read_to_end(&mut text)?;
    Ok(parse(&text))
}

/// The executable of a process, as [`Module::path`] names it.
pub fn executable(process: &Process) -> io::Result<PathBuf> {
    Ok(without_mark(process.exe()?.as_os_str().as_bytes()))
}

fn parse(text: &[u8]) -> Vec<Module> {
    text.split(|&byte| byte == b'\n').filter_map(beginning).collect()
}

/// The module that a line of the map begins. Fields: addresses, access, offset, device, inode, path; the path may hold
/// spaces.
fn beginning(line: &[u8]) -> Option<Module> {
    let slash = line.iter().position(|&byte| byte == b'/')?;
    let (fields, path) = line.split_at(slash);
    let mut fields = str::from_utf8(fields).ok()?.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let beginning = number(start)?..number(end)?;
    let offset = number(fields.nth(1)?)?;
    (offset == 0 && !beginning.is_empty()).then(|| Module { path: without_mark(path), beginning })
}

fn without_mark(path: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(path.strip_suffix(DELETED).unwrap_or(path))).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_is_one_module_from_its_beginning_on() {
        let modules = parse(
            b"00400000-00420000 r--p 00000000 fe:00 101 /usr/bin/python3.11\n\
              00420000-006c0000 r-xp 00020000 fe:00 101 /usr/bin/python3.11\n\
              00a5b000-00a80000 rw-p 0065a000 fe:00 101 /usr/bin/python3.11\n\
              00a80000-00b00000 rw-p 00000000 00:00 0 \n\
              01c00000-01d00000 rw-p 00000000 00:00 0 [heap]\n\
              7f0000000000-7f0000001000 r--s 00001000 fe:00 9 /tmp/middle of a file\n\
              7f0000002000-7f0000003000 r--p 00000000 fe:00 7 /opt/a b/libpython3.12.so.1.0 (deleted)\n",
        );
        let names: Vec<_> =
            modules.iter().map(|module| (module.path.to_str().expect("UTF-8"), module.beginning.start)).collect();
        assert_eq!(names, [("/usr/bin/python3.11", 0x40_0000), ("/opt/a b/libpython3.12.so.1.0", 0x7f00_0000_2000)]);
        assert_eq!(modules[1].name(), b"libpython3.12.so.1.0");
    }

    #[test]
    fn this_process_has_its_own_executable_mapped() {
        let process = crate::os::proc::Procfs::default().process(std::process::id().cast_signed());
        let executable = executable(&process).expect("our own");
        assert!(modules(&process).expect("our own").iter().any(|module| module.path == executable));
    }

    proptest! {
        #[test]
        fn any_text_gives_modules_that_begin_somewhere(text in "([0-9a-f]{1,4}-[0-9a-f]{1,17} [rwxp-]{0,4} [0-9]{0,3} 0:0 1 ?/?.{0,5}\n?){0,20}") {
            for module in parse(text.as_bytes()) {
                prop_assert!(!module.beginning.is_empty());
            }
        }
    }
}
