//! May the workers be read? The real calls, tried on the real processes, and what stands in the way beside the rules.

use std::io;

use crate::discover::Proxy;
use crate::doctor::probe::{Outcome, Probe};
use crate::os::attach::{Door, readv_is_allowed, try_door};
use crate::os::proc::{Process, Procfs};
use crate::permission::{Access, Denied, tracer, try_read};

/// `Seccomp:` in `/proc/PID/status` of a process under a filter: `SECCOMP_MODE_FILTER` in
/// `include/uapi/linux/seccomp.h`.
const SECCOMP_FILTER: &str = "2";

const TRACERS: &str = "other tracers";
const NAMESPACE: &str = "PID namespace";

/// Every way into one worker.
pub fn memory(procfs: &Procfs, pid: i32) -> Probe {
    let what = format!("reading worker {pid}");
    let process = procfs.process(pid);
    match try_read(procfs, &process) {
        Err(_) => Probe::new(what, Outcome::NotTried, "it has ended"),
        Ok(Access::Denied(Denied { rule, cure })) => Probe::new(what, Outcome::Refused, rule).cured(Some(cure)),
        Ok(Access::FileAlone { why }) => {
            let proof = format!(
                "process_vm_readv is refused ({why}{}), and /proc/{pid}/mem is open, by which py-spy can read it",
                filtered(procfs)
            );
            let cure = "use py-spy, which is the default; for the native engine, the container's seccomp profile must \
                        allow the call";
            Probe::new(what, Outcome::Warning, proof).cured(Some(cure.to_owned()))
        }
        Ok(Access::Open) => beside_memory(what, &process),
    }
}

/// The file tree, the executable and the threads, where the memory is open.
fn beside_memory(what: String, process: &Process) -> Probe {
    let shut: Vec<String> = Door::ALL
        .into_iter()
        .filter_map(|door| try_door(process, door).err().map(|why| (door, why)))
        .filter(|(door, why)| *door != Door::Mem && why.kind() != io::ErrorKind::NotFound)
        .map(|(door, why)| format!("/proc/{}/{}: {why}", process.pid, door.name()))
        .collect();
    if shut.is_empty() {
        return Probe::new(what, Outcome::Ok, "process_vm_readv, maps, root, exe and task are open");
    }
    let cure = "run capture as root, or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH";
    Probe::new(what, Outcome::Gap, format!("its memory is open, but not {}", shut.join(", ")))
        .cured(Some(cure.to_owned()))
}

/// What tells that a filter of system calls is the reason.
fn filtered(procfs: &Procfs) -> &'static str {
    let mode = procfs.own().status_field("Seccomp").ok().flatten();
    match (mode.as_deref(), readv_is_allowed()) {
        (Some(SECCOMP_FILTER), false) => ", even on this program itself, which runs under a seccomp filter",
        (_, false) => ", even on this program itself: this kernel does not offer it",
        (Some(SECCOMP_FILTER), true) => "; this program runs under a seccomp filter",
        (_, true) => "",
    }
}

/// Whether somebody traces a worker already.
pub fn tracers(procfs: &Procfs, proxy: &Proxy) -> Probe {
    let traced: Vec<String> = proxy
        .workers()
        .filter_map(|worker| {
            let pid = worker.id.pid;
            let tracer = tracer(procfs, pid)?;
            let name = procfs.process(tracer).thread_comm(tracer);
            let name = name.map_or_else(|_| String::new(), |name| format!(" ({})", name.expose()));
            Some(format!("worker {pid} is traced by process {tracer}{name}"))
        })
        .collect();
    if traced.is_empty() {
        return Probe::new(TRACERS, Outcome::Ok, "nobody traces a worker");
    }
    let proof = format!("{}; samples are taken without tracing, but --blocking cannot be used", traced.join(", "));
    Probe::new(TRACERS, Outcome::Warning, proof)
        .cured(Some("end it for exact stacks by --blocking, else leave it".to_owned()))
}

/// Whether the workers know their threads by the numbers that we know.
pub fn namespaces(procfs: &Procfs, proxy: &Proxy) -> Probe {
    let apart: Vec<String> = proxy
        .workers()
        .filter_map(|worker| {
            let pid = worker.id.pid;
            inner_pid(procfs, pid).map(|inner| format!("worker {pid} is {inner} in a PID namespace of its own"))
        })
        .collect();
    if apart.is_empty() {
        return Probe::new(NAMESPACE, Outcome::Ok, "the workers' is this program's");
    }
    let proof = format!("{}; from outside of it py-spy takes sleeping threads for active", apart.join(", "));
    let cure = "run capture inside of its container, or use --engine native";
    Probe::new(NAMESPACE, Outcome::Warning, proof).cured(Some(cure.to_owned()))
}

/// The pid by which the process knows itself, where that is in another namespace than ours: `NSpid` lists one for each
/// level from ours down. Kernels before 4.1 have no such line, and the link is not readable to all.
fn inner_pid(procfs: &Procfs, pid: i32) -> Option<String> {
    let process = procfs.process(pid);
    let levels = process.status_field("NSpid").ok().flatten().unwrap_or_default();
    let mut levels = levels.split_whitespace();
    let link = || {
        let theirs = process.pid_namespace().ok()?;
        (procfs.own_pid_namespace().ok()? != theirs).then(|| "known by another pid".to_owned())
    };
    levels.next();
    levels.last().map(|inner| format!("pid {inner}")).or_else(link)
}
