//! The file tree of a target, which may be another container's.
//!
//! A symbolic link inside it must be followed inside it: `/proc/PID/root/etc/x -> /data/x` means the target's
//! `/data/x`, not ours. `openat2` with `RESOLVE_IN_ROOT` (Linux 5.6) does just that.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

/// An open handle on a root folder.
#[derive(Debug)]
pub struct TargetRoot {
    path: PathBuf,
    fd: OwnedFd,
}

impl TargetRoot {
    /// Opens `/proc/PID/root`, or a folder that stands for it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fd = nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Self { path: path.to_owned(), fd })
    }

    /// Opens a file of the target for reading; `path` is absolute in the target's tree.
    pub fn file(&self, path: &Path) -> io::Result<File> {
        let relative = path.strip_prefix("/").unwrap_or(path);
        // O_NONBLOCK: a FIFO where a config file is expected must not hang us.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_IN_ROOT);
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        match openat2(self.fd.as_fd(), relative, how) {
            Ok(fd) => Ok(File::from(fd)),
            // Kernels before 5.6, and seccomp profiles that do not know the call.
            Err(Errno::ENOSYS | Errno::EPERM) => File::open(self.path.join(relative)),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The first `limit` bytes of a regular file.
    pub fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let file = self.file(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// What the file system says of a path.
    pub fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.file(path)?.metadata()
    }

    /// The names in a folder, sorted.
    pub fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let folder = self.file(path)?;
        let through_fd = format!("/proc/self/fd/{}", folder.as_raw_fd());
        let mut names: Vec<OsString> =
            fs::read_dir(through_fd)?.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
        names.sort();
        Ok(names)
    }
}
