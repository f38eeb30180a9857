//! The limits that the kernel holds the workers to, under either version of cgroups and under both at once.
//!
//! `/proc/PID/cgroup` names a path in each hierarchy; the files stand below `/sys/fs/cgroup`. Inside a container that
//! path may be the host's and not exist here: then the mount itself is the container's cgroup. A limit anywhere on the
//! way up binds, so the tightest one counts.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::collect::Gap;
use crate::collect::fingerprint::{Cgroup, CgroupVersion};
use crate::collect::subject::Subject;
use crate::os::proc::Procfs;
use crate::redact::Raw;

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

/// Version 1 writes "no limit" as the largest page count that fits a signed 64-bit number of bytes, which depends on
/// the page size; nothing real comes near half of that.
const UNLIMITED_BYTES: u64 = 1 << 62;

pub fn collect(procfs: &Procfs, mounts: &CgroupRoot, subject: &Subject<'_>, gaps: &mut Vec<Gap>) -> Cgroup<Raw> {
    let text = match subject.process.cgroup() {
        Ok(text) => text,
        Err(error) => {
            gaps.push(Gap::unread("the cgroup of the workers", &error));
            return Cgroup::default();
        }
    };
    let named = hierarchies(&text);
    let views = Views {
        ours: mounts.0.clone(),
        theirs: subject.process.dir().join("root/sys/fs/cgroup"),
        shared: procfs.read("self/cgroup").is_ok_and(|ours| ours == text),
    };
    let Some(cpu) = find(&views, &named, "cpu") else {
        gaps.push(Gap::new(
            "CPU and memory limits of the workers' cgroup",
            "no cgroup file system shows the workers' cgroup here",
            "run capture in the same container as the proxy, or note the limits of the pod in the ticket",
        ));
        return Cgroup::default();
    };
    let memory = find(&views, &named, "memory");

    let quota = cpu.tightest(quota_cores);
    let counters = quota.as_ref().map_or(&cpu.leaf, |(level, _)| level);
    let stat = fs::read_to_string(counters.join("cpu.stat")).unwrap_or_default();
    let throttled_usec = match cpu.version {
        CgroupVersion::V1 => counter(&stat, "throttled_time").map(|nanoseconds| nanoseconds / 1000),
        _ => counter(&stat, "throttled_usec"),
    };
    let cgroup = Cgroup {
        version: cpu.version,
        path: Some(Raw::new(cpu.named.clone())),
        cpu_quota_cores: quota.map(|(_, cores)| cores),
        periods: counter(&stat, "nr_periods"),
        throttled_periods: counter(&stat, "nr_throttled"),
        throttled_usec,
        memory_limit_bytes: memory.as_ref().and_then(|place| Some(place.tightest(memory_limit)?.1 as u64)),
        memory_used_bytes: memory.as_ref().and_then(Place::memory_used),
    };
    if cgroup.throttled_periods.is_none() {
        gaps.push(Gap::note(
            "CPU throttling",
            "the cgroup counts no periods; it is the root one, or the cpu controller is not enabled for it",
            "nothing to do unless the workers do have a CPU limit; then run capture inside their container",
        ));
    }
    if cgroup.memory_used_bytes.is_none() {
        gaps.push(Gap::note(
            "memory of the workers' cgroup",
            "the cgroup does not count memory; it is the root one, or the memory controller is not enabled for it",
            "nothing to do unless the workers do have a memory limit; then run capture inside their container",
        ));
    }
    cgroup
}

/// One line of `/proc/PID/cgroup`. Version 2 names no controllers.
struct Hierarchy<'a> {
    controllers: Vec<&'a str>,
    path: &'a str,
}

fn hierarchies(text: &str) -> Vec<Hierarchy<'_>> {
    let hierarchy = |line| {
        let mut fields = str::splitn(line, 3, ':').skip(1);
        let controllers = fields.next()?.split(',').filter(|name| !name.is_empty()).collect();
        Some(Hierarchy { controllers, path: fields.next()? })
    };
    text.lines().filter_map(hierarchy).collect()
}

/// The folder of a cgroup for one controller, and the mount that ends the way up.
struct Place {
    version: CgroupVersion,
    named: String,
    leaf: PathBuf,
    top: PathBuf,
}

impl Place {
    /// The smallest value on the way up and the level that sets it.
    fn tightest(&self, limit: impl Fn(&Path) -> Option<f64>) -> Option<(PathBuf, f64)> {
        let levels = self.leaf.ancestors().take_while(|level| level.starts_with(&self.top));
        levels
            .filter_map(|level| Some((level.to_owned(), limit(level)?)))
            .reduce(|tightest, level| if level.1 < tightest.1 { level } else { tightest })
    }

    fn memory_used(&self) -> Option<u64> {
        number(&self.leaf, "memory.current").or_else(|| number(&self.leaf, "memory.usage_in_bytes"))
    }
}

/// From where the cgroup file systems can be seen.
struct Views {
    ours: PathBuf,
    /// The same path in the target's file tree, which may be another container's.
    theirs: PathBuf,
    /// Whether the target is in our own cgroup.
    shared: bool,
}

fn find(views: &Views, named: &[Hierarchy<'_>], controller: &str) -> Option<Place> {
    let v1 = named.iter().find(|line| line.controllers.contains(&controller));
    let v2 = named.iter().find(|line| line.controllers.is_empty());
    let (version, line) = v1.map(|line| (CgroupVersion::V1, line)).or(v2.map(|line| (CgroupVersion::V2, line)))?;
    let ours = mount(&views.ours, version, controller);
    let theirs = mount(&views.theirs, version, controller);
    let place = |top: PathBuf, leaf: PathBuf| Place { version, named: line.path.to_owned(), leaf, top };

    let below = Path::new(line.path).strip_prefix("/").ok()?;
    // A path that climbs leads out of our cgroup namespace, into another container's.
    let visible = below.components().all(|part| matches!(part, Component::Normal(_)));
    if visible && let Some(top) = ours.iter().chain(&theirs).find(|top| top.join(below).is_dir()) {
        return Some(place(top.clone(), top.join(below)));
    }
    // The path is the host's. A mount of the target's own is the target's cgroup; ours is too, if we are in it.
    let apart = theirs.filter(|theirs| ours.as_ref().is_none_or(|ours| identity(ours) != identity(theirs)));
    apart.or(ours.filter(|_| views.shared)).map(|top| place(top.clone(), top))
}

/// Which folder a path leads to.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|about| (about.dev(), about.ino()))
}

/// The folder in which a hierarchy is mounted: `cpu` or `cpu,cpuacct` for version 1; for version 2 the root itself,
/// or `unified` beside version 1.
fn mount(view: &Path, version: CgroupVersion, controller: &str) -> Option<PathBuf> {
    if version == CgroupVersion::V1 {
        let names = fs::read_dir(view).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| name.split(',').any(|part| part == controller)).collect();
        names.sort();
        return names.first().map(|name| view.join(name));
    }
    let is_mount = |folder: &PathBuf| folder.join("cgroup.controllers").exists() || folder.join("cpu.stat").exists();
    [view.to_owned(), view.join("unified")].into_iter().find(is_mount)
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

fn memory_limit(level: &Path) -> Option<f64> {
    let limit = number(level, "memory.max").or_else(|| number(level, "memory.limit_in_bytes"))?;
    (limit < UNLIMITED_BYTES).then_some(limit as f64)
}

fn number(level: &Path, name: &str) -> Option<u64> {
    fs::read_to_string(level.join(name)).ok()?.trim().parse().ok()
}

fn counter(stat: &str, name: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}
