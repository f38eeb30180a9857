//! What is captured: the proxy, the right to read its workers, and the py-spy to do it with.

use std::path::Path;

use crate::discover::{self, DiscoverError, Proxy, Target};
use crate::error::Failure;
use crate::notice::Notices;
use crate::os::proc::Procfs;
use crate::permission::facts::hidepid;
use crate::permission::{Access, Denied, diagnose, tracer, try_read};
use crate::plan::TargetPlan;
use crate::sample::engine::Refused;
use crate::sample::pyspy::{PySpy, Sampling};

/// The one proxy that is meant.
pub fn choose_proxy(procfs: &Procfs, plan: &TargetPlan, notices: &Notices) -> Result<Proxy, Failure> {
    let target = match (plan.pids.as_slice(), plan.only) {
        ([], _) => Target::Any,
        (pids, true) => Target::Only(pids),
        (pids, false) => Target::Pids(pids),
    };
    let no_worker = |what: String| Failure::NoWorker {
        what,
        cure: match hidepid(procfs) {
            Some(value) => format!(
                "/proc is mounted with hidepid={value} and may hide it: run as the user that LiteLLM runs as, or as root"
            ),
            None => "name a process: capture --pid PID (the supervisor or any worker)".to_owned(),
        },
    };
    let mut proxies = discover::find(procfs, target).map_err(|error| match error {
        DiscoverError::NotOurs { pid, .. } => {
            let Denied { rule, cure } = diagnose(procfs, pid);
            Failure::Hidden { pid, rule, cure }
        }
        error => no_worker(error.to_string()),
    })?;
    if proxies.len() > 1 {
        return Err(Failure::SeveralProxies {
            example_pid: proxies[0].members.first().map_or(0, |member| member.id.pid),
            instances: proxies.iter().map(describe).collect(),
        });
    }
    let proxy = proxies.pop().ok_or_else(|| no_worker("no LiteLLM was found among the processes here".to_owned()))?;
    if proxy.workers().next().is_none() {
        return Err(no_worker(format!("the LiteLLM found here has no worker: {}", describe(&proxy))));
    }
    if !proxy.looks_like_litellm {
        let told = if proxy.workers().count() == 1 {
            "does not look like LiteLLM; it is captured as a plain Python process"
        } else {
            "do not look like LiteLLM; they are captured as plain Python processes"
        };
        notices.say(format!("{} {told}", named_workers(&proxy)));
    }
    for member in &proxy.members {
        notices.detail(format!("{} {}: {}", member.role.name(), member.id.pid, member.why));
    }
    Ok(proxy)
}

fn describe(proxy: &Proxy) -> String {
    let top = proxy.members.first().map_or(0, |member| member.id.pid);
    let workers: Vec<String> = proxy.workers().map(|worker| worker.id.pid.to_string()).collect();
    format!("  pid {top}, workers {}", workers.join(" "))
}

/// The workers by their pids.
pub fn named_workers(proxy: &Proxy) -> String {
    let pids: Vec<String> = proxy.workers().map(|worker| worker.id.pid.to_string()).collect();
    format!("{} {}", if pids.len() == 1 { "worker" } else { "workers" }, pids.join(", "))
}

/// Tries to read every worker, as a sampler would, and looks whether it may be stopped where it is to be.
pub fn require_permission(procfs: &Procfs, proxy: &Proxy, sampling: Sampling) -> Result<(), Failure> {
    for worker in proxy.workers() {
        let pid = worker.id.pid;
        if sampling == Sampling::Blocking
            && let Some(tracer) = tracer(procfs, pid)
        {
            return Err(Failure::NotPermitted {
                pid,
                rule: format!("process {tracer} traces it already, and --blocking would have to trace it too"),
                cure: format!("leave --blocking out, or end process {tracer} first"),
            });
        }
        // A worker that has gone meanwhile is no matter of permission.
        if let Ok(Access::Denied(denied)) = try_read(procfs, &procfs.process(pid)) {
            return Err(Failure::NotPermitted { pid, rule: denied.rule, cure: denied.cure });
        }
    }
    Ok(())
}

/// The memory could be read before the sampler came, so that what stops it is a rule for system calls or programs.
pub fn refused_failure(procfs: &Procfs, refused: &Refused) -> Failure {
    let pid = refused.pid;
    let cure = diagnose(procfs, pid).cure;
    Failure::NotPermitted { pid, rule: refused.complaint.clone(), cure }
}

/// The py-spy to use.
pub fn find_py_spy(procfs: &Procfs, named: Option<&Path>, proxy: &Proxy, notices: &Notices) -> Result<PySpy, Failure> {
    let target = proxy.members.first().map(|member| procfs.process(member.id.pid));
    let py_spy = PySpy::locate(named, target.as_ref())?;
    notices.detail(format!("py-spy {} at {}", py_spy.version, py_spy.path.display()));
    Ok(py_spy)
}
