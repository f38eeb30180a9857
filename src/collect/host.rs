//! The machine: what `/proc` itself says, and the name that the target's own file tree gives the system.

use std::path::Path;

use crate::collect::Gap;
use crate::collect::fingerprint::Host;
use crate::collect::subject::Subject;
use crate::os::proc::Procfs;
use crate::redact::Raw;

/// Both files are a few hundred bytes everywhere.
const SMALL_FILE_BYTES: u64 = 64 * 1024;

pub fn collect(procfs: &Procfs, subject: &Subject<'_>, gaps: &mut Vec<Gap>) -> Host<Raw> {
    let cpuinfo = procfs.read("cpuinfo").unwrap_or_default();
    let host = Host {
        hostname: hostname(procfs, subject),
        os: os(subject),
        kernel: line(procfs.read("sys/kernel/osrelease").ok().as_deref()),
        arch: nix::sys::utsname::uname().ok().map(|name| Raw::from_bytes(name.machine().as_encoded_bytes())),
        cpu_model: cpu_model(&cpuinfo),
        cpus_online: cpus_online(&procfs.read("stat").unwrap_or_default()),
        cpus_allowed: subject.process.status_field("Cpus_allowed_list").ok().flatten().and_then(|list| count(&list)),
        memory_bytes: memory_bytes(&procfs.read("meminfo").unwrap_or_default()),
        load_1m: procfs.read("loadavg").ok().and_then(|text| text.split_whitespace().next()?.parse().ok()),
    };
    let missing = [
        ("the host name", host.hostname.is_none()),
        ("the name of the operating system", host.os.is_none()),
        ("the kernel release", host.kernel.is_none()),
        ("the machine architecture", host.arch.is_none()),
        ("the CPU model", host.cpu_model.is_none()),
        ("the number of CPUs online", host.cpus_online.is_none()),
        ("the CPUs that the workers may use", host.cpus_allowed.is_none()),
        ("the machine's memory", host.memory_bytes.is_none()),
        ("the load average", host.load_1m.is_none()),
    ];
    gaps.extend(missing.into_iter().filter(|(_, missing)| *missing).map(|(what, _)| {
        Gap::new(what, "the file that tells it is not readable here", "note it by hand when opening the ticket")
    }));
    host
}

/// The target may have a UTS namespace of its own, whose name its runtime writes to `/etc/hostname`; the kernel tells
/// the name of ours. Containers have both this and the PID namespace of their own, or neither.
fn hostname(procfs: &Procfs, subject: &Subject<'_>) -> Option<Raw> {
    let ours = procfs.own_pid_namespace().ok();
    let same_place = ours.is_some() && ours == subject.process.pid_namespace().ok();
    let kernel = || line(procfs.read("sys/kernel/hostname").ok().as_deref());
    let file = || {
        let bytes = subject.root().ok()?.read(Path::new("/etc/hostname"), SMALL_FILE_BYTES).ok()?;
        line(Some(&String::from_utf8_lossy(&bytes)))
    };
    if same_place { kernel().or_else(file) } else { file().or_else(kernel) }
}

fn os(subject: &Subject<'_>) -> Option<Raw> {
    let root = subject.root().ok()?;
    let read = |path: &str| root.read(Path::new(path), SMALL_FILE_BYTES).ok();
    let bytes = read("/etc/os-release").or_else(|| read("/usr/lib/os-release"))?;
    let text = String::from_utf8_lossy(&bytes);
    let value = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(value.trim().trim_matches(['"', '\'']).to_owned()).filter(|value| !value.is_empty())
    };
    value("PRETTY_NAME").or_else(|| value("NAME")).map(Raw::new)
}

fn cpu_model(cpuinfo: &str) -> Option<Raw> {
    let value = |key: &str| {
        cpuinfo.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim())
        })
    };
    if let Some(model) = value("model name").or_else(|| value("Model")) {
        return Some(Raw::new(model));
    }
    // 64-bit ARM tells numbers only; these parts, from the kernel's cputype.h, are the ones that clouds rent out.
    let (implementer, part) = (value("CPU implementer")?, value("CPU part")?);
    let name = match (implementer, part) {
        ("0x41", "0xd0c") => "Arm Neoverse-N1",
        ("0x41", "0xd40") => "Arm Neoverse-V1",
        ("0x41", "0xd49") => "Arm Neoverse-N2",
        ("0x41", "0xd4f") => "Arm Neoverse-V2",
        ("0xc0", "0xac3") => "Ampere-1",
        _ => return Some(Raw::new(format!("CPU implementer {implementer} part {part}"))),
    };
    Some(Raw::new(name))
}

/// `/proc/stat` has a line `cpuN` for every CPU that is online.
fn cpus_online(stat: &str) -> Option<u32> {
    let numbered =
        |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    Some(stat.lines().filter(numbered).count() as u32).filter(|&count| count > 0)
}

/// How many CPUs a list such as `0-3,8` names.
fn count(list: &str) -> Option<u32> {
    let range = |part: &str| -> Option<u32> {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (u32, u32) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
        to.checked_sub(from)?.checked_add(1)
    };
    list.split(',').map(range).sum()
}

/// `MemTotal`, which the kernel gives in units of 1024 bytes that it calls kB.
fn memory_bytes(meminfo: &str) -> Option<u64> {
    let kibibytes = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB"))?;
    kibibytes.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn line(text: Option<&str>) -> Option<Raw> {
    text?.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(Raw::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_counted_from_lists_and_lines() {
        assert_eq!(count("0-3,8"), Some(5));
        assert_eq!(count("7"), Some(1));
        assert_eq!(count("3-0"), None);
        assert_eq!(count(""), None);
        assert_eq!(cpus_online("cpu  1 2\ncpu0 1 2\ncpu1 1 2\nintr 9\n"), Some(2));
        assert_eq!(cpus_online(""), None);
    }

    #[test]
    fn a_cpu_without_a_name_is_told_by_its_numbers() {
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n";
        assert_eq!(cpu_model(arm).expect("a name").expose(), "Arm Neoverse-N1");
        assert_eq!(cpu_model("model name\t: Xeon: fast\n").expect("a name").expose(), "Xeon: fast");
        assert!(cpu_model("").is_none());
    }
}
