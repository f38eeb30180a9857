//! The rule that keeps us from a process, in the order in which the kernel asks.

use std::fmt;

use crate::permission::facts::{Credentials, Facts, Labels, Shared};

/// Yama's strictest: nobody attaches until the next boot.
const NO_ATTACH: u32 = 3;

/// The rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// `/proc` is mounted so that it hides the processes of others.
    Hidden {
        /// The mount's option.
        hidepid: Option<String>,
    },
    /// The target is in a user namespace in which our rights do not count.
    OtherUserNamespace,
    /// It belongs to another user, or group.
    OtherUser {
        /// The target's.
        theirs: Who,
        /// Ours.
        ours: Who,
        /// What our capability is worth.
        capability: Capability,
    },
    /// It cleared `PR_SET_DUMPABLE`, or changed its user since it began.
    NotDumpable(Capability),
    /// It has capabilities that we have not.
    MoreCapable {
        /// How many.
        count: u32,
        /// What our capability is worth.
        capability: Capability,
    },
    /// Yama asks for more.
    Yama {
        /// `kernel.yama.ptrace_scope`.
        scope: u32,
        /// What our capability is worth.
        capability: Capability,
    },
    /// A security module keeps the two apart.
    Label(Labels),
    /// None of them.
    Unknown,
}

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// Real uid.
    pub uid: u32,
    /// Real gid.
    pub gid: u32,
}

/// Why we have no `CAP_SYS_PTRACE` that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// It is in no set of ours.
    Missing,
    /// It is in the bounding set alone.
    Inert,
}

impl Rule {
    /// The first rule that forbids it.
    pub fn of(facts: &Facts) -> Self {
        let Some(theirs) = facts.theirs else { return Self::Hidden { hidepid: facts.hidepid.clone() } };
        if facts.user_namespace == Shared::Other {
            return Self::OtherUserNamespace;
        }
        let capability = if facts.inert() { Capability::Inert } else { Capability::Missing };
        let unprivileged = || {
            let ours = facts.ours;
            let more = theirs.permitted.beyond(ours.permitted);
            if theirs.uids != [ours.uids[0]; 3] || theirs.gids != [ours.gids[0]; 3] {
                Some(Self::OtherUser { theirs: who(&theirs), ours: who(&ours), capability })
            } else if facts.files_owner.is_some_and(|owner| owner != theirs.uids[0]) {
                Some(Self::NotDumpable(capability))
            } else if more > 0 {
                Some(Self::MoreCapable { count: more, capability })
            } else {
                facts.yama.filter(|scope| *scope > 0).map(|scope| Self::Yama { scope, capability })
            }
        };
        let forbidden = match facts.yama {
            Some(scope @ NO_ATTACH..) => Some(Self::Yama { scope, capability }),
            _ if facts.privileged() => None,
            _ => unprivileged(),
        };
        let label = || facts.labels.clone().filter(keeps_apart).map(Self::Label);
        forbidden.or_else(label).unwrap_or(Self::Unknown)
    }
}

fn who(credentials: &Credentials) -> Who {
    Who { uid: credentials.uids[0], gid: credentials.gids[0] }
}

/// A process without confinement is kept from nothing, and the profiles of containers let their own in.
fn keeps_apart(labels: &Labels) -> bool {
    !labels.ours.starts_with("unconfined") && labels.theirs.as_ref() != Some(&labels.ours)
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => Ok(()),
            Self::Inert => f.write_str(
                "; CAP_SYS_PTRACE is in the bounding set alone, where it is inert for a user other than root",
            ),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hidden { hidepid: Some(value) } => {
                write!(f, "/proc is mounted with hidepid={value}, which hides the processes of other users")
            }
            Self::Hidden { hidepid: None } => f.write_str("/proc shows nothing of it"),
            Self::OtherUserNamespace => {
                f.write_str("it runs in another user namespace, in which the capabilities of this program do not count")
            }
            Self::OtherUser { theirs, ours, capability } if theirs.uid == ours.uid => write!(
                f,
                "it runs as gid {} and this program as gid {} without CAP_SYS_PTRACE; the kernel lets only the same \
                 user and group or that capability read it{capability}",
                theirs.gid, ours.gid,
            ),
            Self::OtherUser { theirs, ours, capability } => write!(
                f,
                "it runs as uid {} and this program as uid {} without CAP_SYS_PTRACE; the kernel lets only the same \
                 user or that capability read it{capability}",
                theirs.uid, ours.uid,
            ),
            Self::NotDumpable(capability) => write!(
                f,
                "it is not dumpable (it changed its user or cleared PR_SET_DUMPABLE), so only CAP_SYS_PTRACE may read \
                 it{capability}",
            ),
            Self::MoreCapable { count, capability } => write!(
                f,
                "it holds {count} capabilities that this program lacks; the kernel lets only a process with all of \
                 them or CAP_SYS_PTRACE read it{capability}",
            ),
            Self::Yama { scope: NO_ATTACH.., .. } => {
                f.write_str("kernel.yama.ptrace_scope is 3: no process may be read until the next boot")
            }
            Self::Yama { scope, capability } => write!(
                f,
                "kernel.yama.ptrace_scope is {scope}: only CAP_SYS_PTRACE may read a process that is not one's own \
                 child{capability}",
            ),
            Self::Label(Labels { ours, theirs }) => write!(
                f,
                "a security module confines this program as {ours}, the process is {}, and no other rule forbids it",
                theirs.as_deref().unwrap_or("labelled so that it cannot be told from here"),
            ),
            Self::Unknown => f.write_str(
                "the kernel refused, and neither users, capabilities nor Yama forbid it: a security module (AppArmor, \
                 SELinux) or seccomp does",
            ),
        }
    }
}
