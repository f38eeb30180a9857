//! Is there something that can take the stacks, and does it know the interpreter?

use crate::discover::Proxy;
use crate::doctor::probe::{Outcome, Probe};
use crate::engines::{Refusal, natively};
use crate::error::Failure;
use crate::os::proc::Procfs;
use crate::plan::DoctorPlan;
use crate::sample::engine::{Asked, DEFAULT};
use crate::sample::pyspy::{Found, PySpy, Sampling};

/// py-spy, then the native engine. What was asked for must be there; the other one may be missing.
pub fn probes(procfs: &Procfs, plan: &DoctorPlan, proxy: &Proxy, readable: bool) -> Vec<Probe> {
    let asked = plan.engine.unwrap_or(DEFAULT);
    let native = native(procfs, proxy, readable);
    let target = proxy.members.first().map(|member| procfs.process(member.id.pid));
    let py_spy = PySpy::locate(plan.py_spy.as_deref(), target.as_ref());
    let only_py_spy = asked == Asked::PySpy || (asked == Asked::Auto && native.is_err());
    let native = match native {
        Err(probe) if asked == Asked::Native && probe.result == Outcome::Warning => {
            Probe { result: Outcome::Refused, ..probe }.cured(Some("use --engine py-spy".to_owned()))
        }
        Ok(probe) | Err(probe) => probe,
    };
    vec![self::py_spy(&py_spy, only_py_spy, &native), native]
}

fn py_spy(found: &Result<PySpy, Failure>, needed: bool, native: &Probe) -> Probe {
    const WHAT: &str = "py-spy";
    match found {
        Ok(py_spy) => {
            let place = match py_spy.found {
                Found::Named => "named by --py-spy",
                Found::BesideUs => "beside this program",
                Found::OnPath => "on PATH",
                Found::Embedded => "built into this program",
                Found::InTarget => "in the target's environment",
            };
            Probe::new(WHAT, Outcome::Ok, format!("version {}, {place}: {}", py_spy.version, py_spy.path.display()))
        }
        Err(failure) => {
            let (result, without) = if needed {
                (Outcome::Refused, "")
            } else {
                (Outcome::Warning, "; the native engine goes without its word")
            };
            let native = if needed && native.result == Outcome::Ok { ", or use --engine native" } else { "" };
            let cure = failure.cure().map(|cure| cure + native);
            Probe::new(WHAT, result, format!("{failure}{without}")).cured(cure)
        }
    }
}

/// The engine's own check, which reads the stacks of every worker once; an error where it could not be used.
fn native(procfs: &Procfs, proxy: &Proxy, readable: bool) -> Result<Probe, Probe> {
    const WHAT: &str = "native engine";
    if !readable {
        return Err(Probe::new(WHAT, Outcome::NotTried, "a worker cannot be read"));
    }
    match natively(procfs, Sampling::Nonblocking, proxy) {
        Ok(0) => Err(Probe::new(WHAT, Outcome::NotTried, "no worker is left")),
        Ok(workers) => {
            let plural = if workers == 1 { "worker" } else { "workers" };
            Ok(Probe::new(WHAT, Outcome::Ok, format!("its self-check passed on {workers} {plural}")))
        }
        Err(Refusal { pid, why }) => {
            Err(Probe::new(WHAT, Outcome::Warning, format!("it cannot read worker {pid}: {why}; py-spy may")))
        }
    }
}
