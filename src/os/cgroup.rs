//! Where the cgroups of a process stand, under either version of cgroups and under both at once.
//!
//! `/proc/PID/cgroup` names a path in each hierarchy; the files stand below `/sys/fs/cgroup`. Inside a container that
//! path may be the host's and not exist here: then the mount itself is the container's cgroup.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::os::proc::{Process, Procfs};

/// Where the cgroup file systems are mounted.
#[derive(Debug, Clone)]
pub struct CgroupRoot(PathBuf);

impl Default for CgroupRoot {
    fn default() -> Self {
        Self::at("/sys/fs/cgroup")
    }
}

impl CgroupRoot {
    /// The mounts below a path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

/// The two interfaces of cgroups; their files differ in names and units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy for each controller.
    V1,
    /// The unified hierarchy.
    V2,
}

/// The folder of a cgroup in one hierarchy.
#[derive(Debug, Clone)]
pub struct Place {
    /// How its files are named.
    pub version: Version,
    /// Its path as `/proc/PID/cgroup` has it.
    pub named: String,
    /// The folder.
    pub leaf: PathBuf,
    /// The mount that ends the way up.
    top: PathBuf,
}

impl Place {
    /// The smallest value on the way up and the level that sets it: a limit anywhere on it binds.
    pub fn tightest(&self, limit: impl Fn(&Path) -> Option<f64>) -> Option<(PathBuf, f64)> {
        let levels = self.leaf.ancestors().take_while(|level| level.starts_with(&self.top));
        levels
            .filter_map(|level| Some((level.to_owned(), limit(level)?)))
            .reduce(|tightest, level| if level.1 < tightest.1 { level } else { tightest })
    }

    /// The memory limit in bytes and the level that sets it.
    pub fn memory_limit(&self) -> Option<(PathBuf, u64)> {
        self.tightest(memory_limit).map(|(level, limit)| (level, limit as u64))
    }

    /// The CPU quota in cores and the level that sets it, which is the one that counts its periods.
    pub fn cpu_quota(&self) -> Option<(PathBuf, f64)> {
        self.tightest(quota_cores)
    }
}

/// Version 1 writes "no limit" as the largest page count that fits a signed 64-bit number of bytes, which depends on
/// the page size; nothing real comes near half of that.
const UNLIMITED_BYTES: u64 = 1 << 62;

fn memory_limit(level: &Path) -> Option<f64> {
    let limit = number(level, "memory.max").or_else(|| number(level, "memory.limit_in_bytes"))?;
    (limit < UNLIMITED_BYTES).then_some(limit as f64)
}

/// The memory that a cgroup has in use, file cache included.
pub fn memory_used(level: &Path) -> Option<u64> {
    number(level, "memory.current").or_else(|| number(level, "memory.usage_in_bytes"))
}

/// `cpu.max` of version 2, else `cpu.cfs_quota_us` of version 1, in cores.
fn quota_cores(level: &Path) -> Option<f64> {
    if let Ok(text) = fs::read_to_string(level.join("cpu.max")) {
        let mut words = text.split_whitespace();
        let quota: f64 = words.next()?.parse().ok()?;
        // The kernel's default period, where a writer left it out.
        let period: f64 = words.next().map_or(Some(100_000.0), |period| period.parse().ok())?;
        return Some(quota / period).filter(|cores| cores.is_finite());
    }
    // -1 is no limit, and is no u64.
    let quota = number(level, "cpu.cfs_quota_us")? as f64;
    let period = number(level, "cpu.cfs_period_us")? as f64;
    Some(quota / period).filter(|cores| cores.is_finite())
}

/// A file that holds one number.
pub fn number(level: &Path, name: &str) -> Option<u64> {
    fs::read_to_string(level.join(name)).ok()?.trim().parse().ok()
}

/// A line `name number` of a file such as `cpu.stat`.
pub fn counter(stat: &str, name: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The cgroups that a process is in, and from where they can be seen.
#[derive(Debug)]
pub struct Membership {
    hierarchies: Vec<Hierarchy>,
    ours: PathBuf,
    /// The same path in the target's file tree, which may be another container's.
    theirs: PathBuf,
    /// Whether the target is in our own cgroup.
    shared: bool,
}

/// One line of `/proc/PID/cgroup`. Version 2 names no controllers.
#[derive(Debug)]
struct Hierarchy {
    controllers: Vec<String>,
    path: String,
}

impl Membership {
    /// The cgroups of a process, for mounts that we see at `mounts`.
    pub fn of(procfs: &Procfs, mounts: &CgroupRoot, process: &Process) -> io::Result<Self> {
        let text = process.cgroup()?;
        Ok(Self {
            hierarchies: text.lines().filter_map(hierarchy).collect(),
            ours: mounts.0.clone(),
            theirs: process.dir().join("root/sys/fs/cgroup"),
            shared: procfs.read("self/cgroup").is_ok_and(|ours| ours == text),
        })
    }

    /// The cgroup that a controller counts for, in whichever version it is at work.
    pub fn place(&self, controller: &str) -> Option<Place> {
        let names = |line: &&Hierarchy| line.controllers.iter().any(|name| name == controller);
        match self.hierarchies.iter().find(names) {
            Some(line) => self.seen(Version::V1, line, controller),
            None => self.unified(),
        }
    }

    /// The cgroup of version 2, whichever controllers are at work there.
    pub fn unified(&self) -> Option<Place> {
        self.seen(Version::V2, self.hierarchies.iter().find(|line| line.controllers.is_empty())?, "")
    }

    fn seen(&self, version: Version, line: &Hierarchy, controller: &str) -> Option<Place> {
        let ours = mount(&self.ours, version, controller);
        let theirs = mount(&self.theirs, version, controller);
        let place = |top: PathBuf, leaf: PathBuf| Place { version, named: line.path.clone(), leaf, top };

        let below = Path::new(&line.path).strip_prefix("/").ok()?;
        // A path that climbs leads out of our cgroup namespace, into another container's.
        let visible = below.components().all(|part| matches!(part, Component::Normal(_)));
        if visible && let Some(top) = ours.iter().chain(&theirs).find(|top| top.join(below).is_dir()) {
            return Some(place(top.clone(), top.join(below)));
        }
        // The path is the host's. A mount of the target's own is the target's cgroup; ours is too, if we are in it.
        let apart = theirs.filter(|theirs| ours.as_ref().is_none_or(|ours| identity(ours) != identity(theirs)));
        apart.or(ours.filter(|_| self.shared)).map(|top| place(top.clone(), top))
    }
}

fn hierarchy(line: &str) -> Option<Hierarchy> {
    let mut fields = line.splitn(3, ':').skip(1);
    let controllers = fields.next()?.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Some(Hierarchy { controllers, path: fields.next()?.to_owned() })
}

/// Which folder a path leads to.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|about| (about.dev(), about.ino()))
}

/// The folder in which a hierarchy is mounted: `cpu` or `cpu,cpuacct` for version 1; for version 2 the root itself,
/// or `unified` beside version 1.
fn mount(view: &Path, version: Version, controller: &str) -> Option<PathBuf> {
    if version == Version::V1 {
        let names = fs::read_dir(view).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| name.split(',').any(|part| part == controller)).collect();
        names.sort();
        return names.first().map(|name| view.join(name));
    }
    let is_mount = |folder: &PathBuf| folder.join("cgroup.controllers").exists() || folder.join("cpu.stat").exists();
    [view.to_owned(), view.join("unified")].into_iter().find(is_mount)
}
