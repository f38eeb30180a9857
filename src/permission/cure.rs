//! The next command: what opens the target from where we are, by the rule that closes it.

use crate::permission::facts::{Credentials, Facts};
use crate::permission::rule::Rule;
use crate::permission::surroundings::{Neighbour, Surroundings};

/// What a new program must be, so that the rule lets it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// The same user and group. No capability is needed.
    ToBe { uid: u32, gid: u32 },
    /// Root, with what the target's own root has, or `CAP_SYS_PTRACE`.
    ToBeRoot,
    /// Root with `CAP_SYS_PTRACE`.
    Ptrace,
}

/// The next command, or what to change first.
pub fn cure(rule: &Rule, facts: &Facts, surroundings: &Surroundings) -> String {
    match rule {
        Rule::Yama { scope: 3.., .. } => {
            "set kernel.yama.ptrace_scope=1 in /etc/sysctl.d of the host and boot it again".to_owned()
        }
        Rule::Yama { .. } => {
            format!(
                "{}   or, for all users of the host: sudo sysctl kernel.yama.ptrace_scope=0",
                command(facts, surroundings, Need::Ptrace)
            )
        }
        Rule::OtherUserNamespace => {
            "run it on the host, outside of the user namespaces, where the pid is another: sudo \
             capture (LiteLLM is found by itself)"
                .to_owned()
        }
        Rule::Hidden { .. } | Rule::NotDumpable(_) | Rule::MoreCapable { .. } => {
            command(facts, surroundings, Need::Ptrace)
        }
        Rule::OtherUser { theirs, .. } => {
            let need = match facts.theirs {
                // The next rule would forbid it to the same user too.
                _ if facts.yama.is_some_and(|scope| scope > 0) || !is_dumpable(facts) => Need::Ptrace,
                _ if theirs.uid == 0 => Need::ToBeRoot,
                Some(credentials) if is_plain(&credentials) => Need::ToBe { uid: theirs.uid, gid: theirs.gid },
                _ => Need::Ptrace,
            };
            command(facts, surroundings, need)
        }
        Rule::Label(_) | Rule::Unknown => {
            format!("look for the denial with dmesg on the host; {}", unconfined(facts, surroundings))
        }
    }
}

/// Whether another process of the same user and group would be let in without a capability.
fn is_plain(theirs: &Credentials) -> bool {
    let alike = |ids: [u32; 3]| ids == [ids[0]; 3];
    alike(theirs.uids) && alike(theirs.gids) && theirs.permitted.0 == 0
}

fn is_dumpable(facts: &Facts) -> bool {
    facts.theirs.is_some_and(|theirs| facts.files_owner == Some(theirs.uids[0]))
}

fn command(facts: &Facts, surroundings: &Surroundings, need: Need) -> String {
    let pid = facts.pid;
    match (surroundings, need) {
        (Surroundings::Host { program }, _) if facts.ours.uids[0] == 0 => format!(
            "start it from a shell of root's that has CAP_SYS_PTRACE, outside of what dropped it (a service, a \
             sandbox): {program} --pid {pid}"
        ),
        (Surroundings::Host { program }, _) => format!("run as root: sudo {program} --pid {pid}"),
        (Surroundings::Container { engine, target: Neighbour::Here }, Need::ToBe { uid, gid }) => {
            format!("on the host: {engine} exec -u {uid}:{gid} CONTAINER capture --pid {pid}")
        }
        // Whoever enters a container as root holds what its own root holds.
        (Surroundings::Container { engine, target: Neighbour::Here }, Need::ToBeRoot) => {
            format!("on the host: {engine} exec -u 0:0 CONTAINER capture --pid {pid}")
        }
        (Surroundings::Container { engine, target: Neighbour::Here }, Need::Ptrace) => {
            format!("on the host: {engine} exec --privileged -u 0:0 CONTAINER capture --pid {pid}")
        }
        (Surroundings::Container { engine, target: Neighbour::Next }, Need::ToBe { uid, gid }) => {
            format!(
                "on the host: {engine} run --rm -it --pid=container:TARGET -u {uid}:{gid} IMAGE capture --pid {pid}"
            )
        }
        (Surroundings::Container { engine, target: Neighbour::Next }, Need::ToBeRoot | Need::Ptrace) => format!(
            "on the host: {engine} run --rm -it --pid=container:TARGET -u 0:0 --cap-add=SYS_PTRACE IMAGE capture --pid \
             {pid}"
        ),
        (Surroundings::Kubernetes { pod, namespace }, need) => debug(pod, namespace.as_deref(), need, pid),
    }
}

/// An ephemeral container beside the target. As the target's user it needs no capability, and is allowed where Pod
/// Security is `restricted`; as root it needs the profile `general`, which adds `SYS_PTRACE`.
fn debug(pod: &str, namespace: Option<&str>, need: Need, pid: i32) -> String {
    let namespace = namespace.map_or_else(String::new, |namespace| format!(" -n {namespace}"));
    let (profile, uid, gid) = match need {
        Need::ToBe { uid, gid } => ("restricted", uid, gid),
        Need::ToBeRoot | Need::Ptrace => ("general", 0, 0),
    };
    let who = format!(r#""runAsUser":{uid},"runAsGroup":{gid},"runAsNonRoot":{}"#, uid != 0);
    format!(
        "echo '{{\"securityContext\":{{{who}}}}}' > who.json && kubectl debug{namespace} {pod} -it --image=IMAGE \
         --target=CONTAINER --profile={profile} --custom=who.json -- capture --pid {pid}"
    )
}

/// The same without the confinement of a security module or of seccomp.
fn unconfined(facts: &Facts, surroundings: &Surroundings) -> String {
    let pid = facts.pid;
    match surroundings {
        Surroundings::Host { program } => format!("as root, outside of any sandbox: sudo {program} --pid {pid}"),
        Surroundings::Container { engine, target: Neighbour::Here } => {
            format!("without confinement: {engine} exec --privileged -u 0:0 CONTAINER capture --pid {pid}")
        }
        Surroundings::Container { engine, target: Neighbour::Next } => format!(
            "without confinement: {engine} run --rm -it --privileged --pid=container:TARGET IMAGE capture --pid {pid}"
        ),
        Surroundings::Kubernetes { pod, namespace } => {
            let namespace = namespace.as_deref().map_or_else(String::new, |namespace| format!(" -n {namespace}"));
            format!(
                "without confinement: kubectl debug{namespace} {pod} -it --image=IMAGE --target=CONTAINER \
                 --profile=sysadmin -- capture --pid {pid}"
            )
        }
    }
}
