//! `capture doctor`: can it attach, read and write here? Each probe tries the very thing that a capture would do, as
//! cheaply as it can be tried, and tells its proof and what to do. Nothing is stopped, kept or left behind.

mod beside;
mod engine;
mod headroom;
mod output;
mod probe;
mod reading;

use anyhow::Context;
use serde::Serialize;

use crate::collect::{self, CgroupRoot, CollectOptions, Collected, Weight};
use crate::discover::Proxy;
use crate::environment::{self, Own};
use crate::error::{Failure, Kept, exit};
use crate::notice::{Loudness, Notices, visible};
use crate::observe::door::Access;
use crate::os::proc::Procfs;
use crate::plan::{DoctorPlan, ResultForm};
use crate::publish::say_result;
use crate::redact::{Raw, Redactor};
use crate::render::lines::Lines;
use crate::target::{choose_proxy, named_workers};

pub use crate::doctor::probe::{Outcome, Probe};

/// Where texts are counted that were redacted; there is no such file, since nothing is kept.
const NOWHERE: &str = "doctor";

/// The machine that is looked at: the real one, or one that a test laid out.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// Its processes.
    pub procfs: Procfs,
    /// Its cgroups.
    pub cgroups: CgroupRoot,
}

/// What a capture could do here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MayCapture {
    /// All of it, but for what is a gap.
    Yes,
    /// All but the stacks, by `--without-stacks`.
    WithoutStacks,
    /// Nothing: there is no single target, or nowhere to write to.
    No,
}

/// Who would be captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Meant {
    /// The supervisor, or the only process.
    pub pid: i32,
    /// The workers.
    pub workers: Vec<i32>,
    /// Whether it looks like LiteLLM.
    pub looks_like_litellm: bool,
}

/// Everything that was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// In the order in which a capture would come to them.
    pub probes: Vec<Probe>,
    /// None where there is none, or more than one.
    pub target: Option<Meant>,
    /// What a capture could do.
    pub may_capture: MayCapture,
    /// What this command ends with, and a capture would at best.
    pub exit_code: u8,
}

/// Tries everything on this machine and tells it.
///
/// # Errors
/// When standard output takes nothing.
pub fn run(plan: &DoctorPlan, own: &Own) -> Result<u8, Failure> {
    let diagnosis = examine(&Machine::default(), plan, own);
    let text = match plan.result {
        ResultForm::Json => serde_json::to_string_pretty(&diagnosis).context("JSON")?,
        ResultForm::Path => visible(&told(&diagnosis).join("\n")),
    };
    say_result(&text, Kept::Nothing)?;
    Ok(diagnosis.exit_code)
}

/// Tries everything.
pub fn examine(machine: &Machine, plan: &DoctorPlan, own: &Own) -> Diagnosis {
    match choose_proxy(&machine.procfs, &plan.target, &Notices::new(Loudness::Quiet)) {
        Ok(proxy) => of_proxy(machine, plan, own, &proxy),
        Err(failure) => without_target(&failure),
    }
}

/// Without a target there is nothing to try.
fn without_target(failure: &Failure) -> Diagnosis {
    let found = Probe::new("LiteLLM", Outcome::Refused, failure.to_string()).cured(failure.cure());
    let others = ["reading the workers", "sampling", "facts", "liveliness, metrics and logs", "output", "headroom"];
    let others = others.map(|what| Probe::new(what, Outcome::NotTried, "there is no single target"));
    Diagnosis {
        probes: std::iter::once(found).chain(others).collect(),
        target: None,
        may_capture: MayCapture::No,
        exit_code: failure.exit_code(),
    }
}

fn of_proxy(machine: &Machine, plan: &DoctorPlan, own: &Own, proxy: &Proxy) -> Diagnosis {
    let procfs = &machine.procfs;
    let options = CollectOptions { config: plan.config.as_deref(), deadline: collect::DEADLINE };
    let collected = collect::collect(procfs, &machine.cgroups, proxy, &options);
    let access = Access::of(procfs, &plan.observe, proxy, &collected);
    let mut redactor = environment::redactor_for(&collected, own, access.key.as_ref());

    let mut probes = vec![found(proxy)];
    probes.extend(proxy.workers().map(|worker| reading::memory(procfs, worker.id.pid)));
    let readable = probes.iter().all(|probe| probe.result != Outcome::Refused);
    probes.push(reading::tracers(procfs, proxy));
    probes.push(reading::namespaces(procfs, proxy));
    probes.extend(engine::probes(procfs, plan, proxy, readable));
    probes.push(facts(&collected));
    probes.extend(beside::probes(procfs, plan, proxy, &beside::Known { collected: &collected, access: &access }));
    probes.extend(output::probes(&plan.destination));
    probes.extend(headroom::probes(machine, proxy));
    for probe in &mut probes {
        probe.proof = clean(&mut redactor, &probe.proof);
    }

    let any = |result: Outcome| probes.iter().any(|probe| probe.result == result);
    let nowhere = probes.iter().any(|probe| probe.what == output::WHAT && probe.result == Outcome::Gap);
    let (may_capture, exit_code) = if any(Outcome::Refused) {
        (if nowhere { MayCapture::No } else { MayCapture::WithoutStacks }, exit::CANNOT_ATTACH)
    } else if nowhere {
        (MayCapture::No, exit::OUTPUT)
    } else if any(Outcome::Gap) {
        (MayCapture::Yes, exit::PARTIAL)
    } else {
        (MayCapture::Yes, exit::COMPLETE)
    };
    Diagnosis { probes, target: Some(meant(proxy)), may_capture, exit_code }
}

fn clean(redactor: &mut Redactor, text: &str) -> String {
    redactor.text(NOWHERE, &Raw::new(text)).to_string()
}

fn meant(proxy: &Proxy) -> Meant {
    Meant {
        pid: proxy.members.first().map_or(0, |member| member.id.pid),
        workers: proxy.workers().map(|worker| worker.id.pid).collect(),
        looks_like_litellm: proxy.looks_like_litellm,
    }
}

/// Who it is, and why it was taken for that.
fn found(proxy: &Proxy) -> Probe {
    let why: Vec<String> = proxy
        .members
        .iter()
        .map(|member| format!("{} {}: {}", member.role.name(), member.id.pid, member.why))
        .collect();
    if proxy.looks_like_litellm {
        return Probe::new("LiteLLM", Outcome::Ok, why.join("; "));
    }
    let proof = format!("{} would be captured as a plain Python process", named_workers(proxy));
    Probe::new("LiteLLM", Outcome::Warning, proof)
        .cured(Some("name the proxy's pid with --pid, or leave --pid out to have LiteLLM found".to_owned()))
}

/// What is read once, before the first sample. Gaps that have one reason have one cure, so the first stands for all.
fn facts(collected: &Collected) -> Probe {
    let mut missing = collected.gaps.iter().filter(|gap| gap.weight == Weight::Partial).peekable();
    if let Some(first) = missing.peek() {
        let (why, cure) = (first.why.clone(), first.cure.clone());
        let whats: Vec<&str> = missing.map(|gap| gap.what.as_str()).collect();
        return Probe::new("facts", Outcome::Gap, format!("missing are {}: {why}", whats.join(", "))).cured(Some(cure));
    }
    let version =
        |raw: Option<&Raw>| raw.map_or_else(|| "of unknown version".to_owned(), |raw| raw.expose().to_owned());
    let litellm = version(collected.fingerprint.litellm.version.as_ref());
    let python = version(collected.fingerprint.python.version.as_ref());
    let proof = format!("LiteLLM {litellm}, Python {python}; files, environment and limits can be read");
    Probe::new("facts", Outcome::Ok, proof)
}

/// One line for each probe, and below it what to do.
pub fn told(diagnosis: &Diagnosis) -> Vec<String> {
    let mut lines = Lines::default();
    for probe in &diagnosis.probes {
        lines.line(probe.result.word(), &format!("{}: {}", probe.what, probe.proof));
        if let Some(cure) = &probe.cure {
            lines.whole(&format!("cure: {cure}"));
        }
    }
    lines.line(
        "capture",
        match diagnosis.may_capture {
            MayCapture::Yes if diagnosis.exit_code == exit::COMPLETE => "it can capture here",
            MayCapture::Yes => "it can capture here; the bundle will lack what is marked as a gap",
            MayCapture::WithoutStacks => "it can capture everything but the stacks: capture --without-stacks",
            MayCapture::No if diagnosis.target.is_none() => "there is nothing to capture yet",
            MayCapture::No => "there is nowhere to write the bundle to",
        },
    );
    lines.into_lines()
}
