//! Processes as `/proc` shows them, under a root path so that tests can lay out a small one of their own.
//!
//! A process is a pid *and* its start time: pids are reused, start times in clock ticks since boot are not.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use procfs::FromRead;
use procfs::process::{Limits, Stat, Status};
use serde::{Deserialize, Serialize};

use crate::os::root::TargetRoot;
use crate::redact::Raw;

/// Which process is meant, for good: a pid and when that process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    /// The pid in the namespace that this tool runs in.
    pub pid: i32,
    /// Field 22 of `/proc/PID/stat`: clock ticks since boot.
    pub start_ticks: u64,
}

/// A `/proc`, real or laid out by a test.
#[derive(Debug, Clone)]
pub struct Procfs {
    root: PathBuf,
}

impl Default for Procfs {
    fn default() -> Self {
        Self::at("/proc")
    }
}

impl Procfs {
    /// The `/proc` at a path.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Every pid listed now, ascending.
    pub fn pids(&self) -> io::Result<Vec<i32>> {
        let mut pids: Vec<i32> = numbers_in(&self.root)?;
        pids.sort_unstable();
        Ok(pids)
    }

    /// The process with this pid; nothing is read yet.
    pub fn process(&self, pid: i32) -> Process {
        Process { pid, dir: self.root.join(pid.to_string()) }
    }

    /// This very process, through `/proc/self`; its pid is given as 0, which nobody has.
    pub fn own(&self) -> Process {
        Process { pid: 0, dir: self.root.join("self") }
    }

    /// The process, if it is still the one that was meant.
    pub fn same(&self, id: ProcessId) -> Option<Process> {
        let process = self.process(id.pid);
        (process.id().ok()? == id).then_some(process)
    }

    /// The PID namespace that this tool runs in, such as `pid:[4026531836]`.
    pub fn own_pid_namespace(&self) -> io::Result<PathBuf> {
        fs::read_link(self.root.join("self/ns/pid"))
    }

    /// The network namespace that this tool runs in, such as `net:[4026531840]`.
    pub fn own_network_namespace(&self) -> io::Result<PathBuf> {
        fs::read_link(self.root.join("self/ns/net"))
    }

    /// The path of a file of `/proc` itself.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A file of `/proc` itself, such as `cpuinfo`.
    pub fn read(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.root.join(name))
    }
}

/// One process. Every method reads afresh and fails with the file's own error when the process is gone or closed to us.
#[derive(Debug, Clone)]
pub struct Process {
    /// The pid in the namespace that this tool runs in.
    pub pid: i32,
    dir: PathBuf,
}

impl Process {
    /// `/proc/PID/stat`, parsed.
    pub fn stat(&self) -> io::Result<Stat> {
        Stat::from_read(fs::read(self.dir.join("stat"))?.as_slice()).map_err(io::Error::other)
    }

    /// `/proc/PID/status`, parsed.
    pub fn status(&self) -> io::Result<Status> {
        Status::from_read(fs::read(self.dir.join("status"))?.as_slice()).map_err(io::Error::other)
    }

    /// One line of `/proc/PID/status`, by its name. Sandboxes such as gVisor leave out many, so that the whole of it
    /// does not parse there.
    pub fn status_field(&self, name: &str) -> io::Result<Option<String>> {
        let text = fs::read(self.dir.join("status"))?;
        let text = String::from_utf8_lossy(&text);
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(value.map(|value| value.trim().to_owned()))
    }

    /// The PID namespace of the process, such as `pid:[4026531836]`.
    pub fn pid_namespace(&self) -> io::Result<PathBuf> {
        fs::read_link(self.dir.join("ns/pid"))
    }

    /// The network namespace of the process, such as `net:[4026531840]`.
    pub fn network_namespace(&self) -> io::Result<PathBuf> {
        fs::read_link(self.dir.join("ns/net"))
    }

    /// `/proc/PID/cgroup`: a line `id:controllers:path` for each hierarchy.
    pub fn cgroup(&self) -> io::Result<String> {
        fs::read_to_string(self.dir.join("cgroup"))
    }

    /// `/proc/PID/limits`, parsed.
    pub fn limits(&self) -> io::Result<Limits> {
        Limits::from_read(fs::read(self.dir.join("limits"))?.as_slice()).map_err(io::Error::other)
    }

    /// The pid together with its start time.
    pub fn id(&self) -> io::Result<ProcessId> {
        Ok(ProcessId { pid: self.pid, start_ticks: self.stat()?.starttime })
    }

    /// The command line, one argument each.
    pub fn argv(&self) -> io::Result<Vec<Raw>> {
        Ok(nul_separated(&fs::read(self.dir.join("cmdline"))?).map(Raw::from_bytes).collect())
    }

    /// The environment the process was started with. What it set later by itself is not in it.
    pub fn environ(&self) -> io::Result<Vec<(Raw, Raw)>> {
        let bytes = fs::read(self.dir.join("environ"))?;
        let pairs = nul_separated(&bytes).filter_map(|entry| {
            let split = entry.iter().position(|&byte| byte == b'=')?;
            Some((Raw::from_bytes(&entry[..split]), Raw::from_bytes(&entry[split + 1..])))
        });
        Ok(pairs.collect())
    }

    /// The executable, as a path in the target's own root.
    pub fn exe(&self) -> io::Result<PathBuf> {
        fs::read_link(self.dir.join("exe"))
    }

    /// The working directory, as a path in the target's own root.
    pub fn cwd(&self) -> io::Result<PathBuf> {
        fs::read_link(self.dir.join("cwd"))
    }

    /// The file tree the process sees.
    pub fn root(&self) -> io::Result<TargetRoot> {
        TargetRoot::open(&self.dir.join("root"))
    }

    /// The effective uid that owns the process.
    pub fn uid(&self) -> io::Result<u32> {
        Ok(fs::metadata(&self.dir)?.uid())
    }

    /// The ids of the process's threads, ascending.
    pub fn threads(&self) -> io::Result<Vec<i32>> {
        let mut tids = numbers_in(&self.dir.join("task"))?;
        tids.sort_unstable();
        Ok(tids)
    }

    /// The kernel's name of a thread, at most 15 bytes.
    pub fn thread_comm(&self, tid: i32) -> io::Result<Raw> {
        let bytes = fs::read(self.dir.join(format!("task/{tid}/comm")))?;
        Ok(Raw::from_bytes(bytes.trim_ascii_end()))
    }

    /// A thread's id in its own PID namespace (`NSpid` of its status, innermost last), which its interpreter knows it by.
    pub fn inner_tid(&self, tid: i32) -> io::Result<i32> {
        let status = fs::read_to_string(self.dir.join(format!("task/{tid}/status")))?;
        let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        // Kernels before 4.1 have no such line; there the one id is all there is.
        Ok(ids.and_then(|ids| ids.split_whitespace().last()?.parse().ok()).unwrap_or(tid))
    }

    /// Distinct paths of the files mapped into the process, in order of first appearance.
    pub fn mapped_files(&self) -> io::Result<Vec<PathBuf>> {
        let text = fs::read(self.dir.join("maps"))?;
        let text = String::from_utf8_lossy(&text);
        let mut seen = Vec::new();
        // Fields: address perms offset dev inode path; the path may hold spaces.
        for path in text.lines().filter_map(|line| line.split_once('/').map(|(_, rest)| rest)) {
            let path = PathBuf::from(format!("/{path}"));
            if seen.last() != Some(&path) && !seen.contains(&path) {
                seen.push(path);
            }
        }
        Ok(seen)
    }

    /// The folder of this process below `/proc`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

fn nul_separated(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.strip_suffix(b"\0").unwrap_or(bytes).split(|&byte| byte == 0)
}

fn numbers_in(dir: &Path) -> io::Result<Vec<i32>> {
    let names = fs::read_dir(dir)?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(names.collect())
}
