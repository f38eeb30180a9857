//! What the kernel goes by when one process asks for another's memory: `__ptrace_may_access` in `kernel/ptrace.c`,
//! `cap_ptrace_access_check` in `security/commoncap.c`, `yama_ptrace_access_check` in `security/yama/yama_lsm.c`.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::os::proc::{Process, Procfs};

/// `CAP_SYS_PTRACE` in `include/uapi/linux/capability.h`.
const CAP_SYS_PTRACE: u32 = 19;
/// Yama's switch below `/proc`; absent where the kernel has no Yama.
const PTRACE_SCOPE: &str = "sys/kernel/yama/ptrace_scope";

/// A set of capabilities, as `/proc/PID/status` has it: bit by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// Whether `CAP_SYS_PTRACE` is in it.
    pub fn ptrace(self) -> bool {
        self.0 >> CAP_SYS_PTRACE & 1 == 1
    }

    /// How many it has that the other has not.
    pub fn beyond(self, other: Self) -> u32 {
        (self.0 & !other.0).count_ones()
    }
}

/// Who a process is to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Credentials {
    /// Real, effective and saved uid.
    pub uids: [u32; 3],
    /// Real, effective and saved gid.
    pub gids: [u32; 3],
    /// What it may take up.
    pub permitted: Capabilities,
    /// What counts at a check.
    pub effective: Capabilities,
    /// What a program that it starts could get at most.
    pub bounding: Capabilities,
}

impl Credentials {
    fn of(status: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let ids = |name: &str| -> Option<[u32; 3]> {
            let ids: Vec<u32> = status(name)?.split_whitespace().filter_map(|id| id.parse().ok()).collect();
            ids.get(..3)?.try_into().ok()
        };
        // Sandboxes that emulate a kernel leave these lines out.
        let set = |name: &str| {
            let bits = status(name).and_then(|bits| u64::from_str_radix(&bits, 16).ok());
            Capabilities(bits.unwrap_or_default())
        };
        Some(Self {
            uids: ids("Uid")?,
            gids: ids("Gid")?,
            permitted: set("CapPrm"),
            effective: set("CapEff"),
            bounding: set("CapBnd"),
        })
    }
}

/// How two processes stand to a namespace or a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shared {
    /// The same.
    Same,
    /// Another.
    Other,
    /// Cannot be told.
    #[default]
    Unknown,
}

impl Shared {
    fn of<T: PartialEq>(ours: Option<T>, theirs: Option<T>) -> Self {
        match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours == theirs => Self::Same,
            (Some(_), Some(_)) => Self::Other,
            _ => Self::Unknown,
        }
    }
}

/// What a security module calls two processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Ours, such as `docker-default (enforce)`.
    pub ours: String,
    /// The target's; none where it may not be read.
    pub theirs: Option<String>,
}

/// All of it for one target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The target.
    pub pid: i32,
    /// Who we are.
    pub ours: Credentials,
    /// Who the target is; none where `/proc` hides it.
    pub theirs: Option<Credentials>,
    /// Owner of the target's files in `/proc`: root for a process that is not dumpable (`task_dump_owner` in
    /// `fs/proc/base.c`). The folder itself belongs to its user even then.
    pub files_owner: Option<u32>,
    /// Yama's `ptrace_scope`.
    pub yama: Option<u32>,
    /// `hidepid` of the mount at `/proc`, where it hides anything.
    pub hidepid: Option<String>,
    /// The user namespaces.
    pub user_namespace: Shared,
    /// The labels of the security module that is at work, if any.
    pub labels: Option<Labels>,
    /// The number of the kernel's last capability.
    pub last_capability: Option<u32>,
}

impl Facts {
    /// Reads them. Only what every user may read is needed.
    pub fn gather(procfs: &Procfs, pid: i32) -> Self {
        let process = procfs.process(pid);
        let us = procfs.own();
        Self {
            pid,
            ours: Credentials::of(|name| us.status_field(name).ok()?).unwrap_or_default(),
            theirs: Credentials::of(|name| process.status_field(name).ok()?),
            files_owner: fs::metadata(process.dir().join("status")).ok().map(|about| about.uid()),
            yama: procfs.read(PTRACE_SCOPE).ok().and_then(|text| text.trim().parse().ok()),
            hidepid: hidepid(procfs),
            user_namespace: user_namespace(&us, &process),
            labels: labels(&us, &process),
            last_capability: procfs.read("sys/kernel/cap_last_cap").ok().and_then(|text| text.trim().parse().ok()),
        }
    }

    /// Whether the effective set holds `CAP_SYS_PTRACE`.
    pub fn privileged(&self) -> bool {
        self.ours.effective.ptrace()
    }

    /// Whether `CAP_SYS_PTRACE` was given in vain: Kubernetes, which knows no ambient capabilities, puts it for a user
    /// other than root into the bounding set alone. Where that set is full, as outside of containers, nobody gave it.
    pub fn inert(&self) -> bool {
        let all = self.last_capability.map(|last| u64::MAX >> (63 - last.min(63)));
        let bounding = self.ours.bounding;
        self.ours.uids[0] != 0 && bounding.ptrace() && !self.privileged() && all.is_some_and(|all| bounding.0 != all)
    }
}

/// The option of the mount at `/proc`, as `mounts` has it: 1 or `noaccess`, 2 or `invisible`, 4 or `ptraceable`.
pub fn hidepid(procfs: &Procfs) -> Option<String> {
    let mounts = procfs.read("mounts").ok()?;
    let options = mounts.lines().rev().find_map(|line| {
        let mut fields = line.split_whitespace();
        let (at, kind, options) = (fields.nth(1)?, fields.next()?, fields.next()?);
        (at == "/proc" && kind == "proc").then_some(options)
    })?;
    let value = options.split(',').find_map(|option| option.strip_prefix("hidepid="))?;
    (!matches!(value, "0" | "off")).then(|| value.to_owned())
}

/// The link tells it, to those who may read the process; the map of its ids tells it to all others. Two namespaces may
/// have the same map, and then they count as one.
fn user_namespace(us: &Process, process: &Process) -> Shared {
    let by_link = |process: &Process| fs::read_link(process.dir().join("ns/user")).ok();
    let by_map = |process: &Process| fs::read_to_string(process.dir().join("uid_map")).ok();
    match Shared::of(by_link(us), by_link(process)) {
        Shared::Unknown => Shared::of(by_map(us), by_map(process)),
        told => told,
    }
}

fn labels(us: &Process, process: &Process) -> Option<Labels> {
    let label = |process: &Process| {
        let text = fs::read_to_string(process.dir().join("attr/current")).ok()?;
        Some(text.trim_matches(['\0', '\n']).to_owned()).filter(|label| !label.is_empty())
    };
    Some(Labels { ours: label(us)?, theirs: label(process) })
}
