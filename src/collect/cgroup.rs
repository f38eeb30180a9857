//! The limits that the kernel holds the workers to. A limit anywhere on the way up binds, so the tightest one counts.

use std::fs;

use crate::collect::Gap;
use crate::collect::fingerprint::{Cgroup, CgroupVersion};
use crate::collect::subject::Subject;
use crate::os::cgroup::{CgroupRoot, Membership, Version, counter, memory_used};
use crate::os::proc::Procfs;
use crate::redact::Raw;

pub fn collect(procfs: &Procfs, mounts: &CgroupRoot, subject: &Subject<'_>, gaps: &mut Vec<Gap>) -> Cgroup<Raw> {
    let membership = match Membership::of(procfs, mounts, &subject.process) {
        Ok(membership) => membership,
        Err(error) => {
            gaps.push(Gap::unread("the cgroup of the workers", &error));
            return Cgroup::default();
        }
    };
    let Some(cpu) = membership.place("cpu") else {
        gaps.push(Gap::new(
            "CPU and memory limits of the workers' cgroup",
            "no cgroup file system shows the workers' cgroup here",
            "run capture in the same container as the proxy, or note the limits of the pod in the ticket",
        ));
        return Cgroup::default();
    };
    let memory = membership.place("memory");

    let quota = cpu.cpu_quota();
    let counters = quota.as_ref().map_or(&cpu.leaf, |(level, _)| level);
    let stat = fs::read_to_string(counters.join("cpu.stat")).unwrap_or_default();
    let (version, throttled_usec) = match cpu.version {
        Version::V1 => (CgroupVersion::V1, counter(&stat, "throttled_time").map(|nanoseconds| nanoseconds / 1000)),
        Version::V2 => (CgroupVersion::V2, counter(&stat, "throttled_usec")),
    };
    let cgroup = Cgroup {
        version,
        path: Some(Raw::new(cpu.named.clone())),
        cpu_quota_cores: quota.map(|(_, cores)| cores),
        periods: counter(&stat, "nr_periods"),
        throttled_periods: counter(&stat, "nr_throttled"),
        throttled_usec,
        memory_limit_bytes: memory.as_ref().and_then(|place| Some(place.memory_limit()?.1)),
        memory_used_bytes: memory.as_ref().and_then(|place| memory_used(&place.leaf)),
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
