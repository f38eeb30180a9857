//! The order of things. Every stage is one call; what a stage does is told in its own room.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use anyhow::Context;

use crate::analyse::Verdict;
use crate::assemble::{Aside, assemble};
use crate::attend::Attendance;
use crate::begin::{Beginning, Given, open_work_folder};
use crate::bundle::facts::FINGERPRINT;
use crate::bundle::manifest::{Kind, Manifest, Status};
use crate::bundle::open::{Bundle, Tarball};
use crate::bundle::work::{self, Work};
use crate::cli::{Cli, Command};
use crate::collect::{self, CgroupRoot, CollectOptions, Gap};
use crate::doctor;
use crate::engines::Chosen;
use crate::environment::{self, Own};
use crate::error::{Failure, Kept, exit};
use crate::fleet;
use crate::k8s::{self, K8sPlan};
use crate::notice::Notices;
use crate::observe::door::Access;
use crate::observe::observers::{Observers, Scene};
use crate::observe::spend::Database;
use crate::observe::{Epoch, Roster};
use crate::os::clock::monotonic_us;
use crate::os::proc::Procfs;
use crate::os::signals::{Interrupt, Interrupts};
use crate::plan::{
    Attended, CapturePlan, DiffPlan, DoctorPlan, InspectPlan, MergePlan, PackPlan, ReportPlan, ResultForm,
};
use crate::products::SUMMARY;
use crate::publish::{Goal, Report, exit_code, finish, output_failure, say_result};
use crate::redact::{Gate, Raw, Redactions, Redactor};
use crate::render::summary;
use crate::review;
use crate::sample::record::Recorder;
use crate::sample::session::{End, Ended, Session, StacksWanted, Subject};
use crate::target::{choose_proxy, named_workers, refused_failure, require_permission};

/// Carries out what was typed; the exit code of a bundle that was written says how complete it is.
///
/// # Errors
/// When there is no bundle, with the reason and the cure.
pub fn run(cli: Cli, arguments: Vec<OsString>) -> Result<u8, Failure> {
    match cli.command {
        None => capture(&CapturePlan::try_from(cli.capture)?, &own(arguments)),
        Some(Command::Doctor(args)) => doctor::run(&DoctorPlan::try_from(args)?, &own(arguments)),
        Some(Command::K8s(args)) => k8s::run(&K8sPlan::try_from(*args)?, &own(arguments)),
        Some(Command::Pack(args)) => pack(&PackPlan::try_from(args)?, &own(arguments)),
        Some(Command::Inspect(args)) => inspect(&InspectPlan::from(args)),
        Some(Command::Report(args)) => review::report(&ReportPlan::from(args)),
        Some(Command::Ticket(args)) => review::ticket(&args.bundle),
        Some(Command::Diff(args)) => review::diff(&DiffPlan::from(args)),
        Some(Command::Merge(args)) => fleet::merge(MergePlan::try_from(args)?),
    }
}

fn capture(plan: &CapturePlan, own: &Own) -> Result<u8, Failure> {
    let notices = Notices::new(plan.output.loudness);
    let interrupts = Interrupts::install().context("signals")?;
    let attendance = match plan.attendance {
        Attended::ByStandardInput => Some(Attendance::begin(&interrupts, plan.orders.duration).context("a thread")?),
        Attended::No => None,
    };
    let procfs = Procfs::default();
    let given = Given::read(plan)?;
    let proxy = choose_proxy(&procfs, &plan.target, &notices)?;
    if plan.orders.stacks == StacksWanted::Yes {
        require_permission(&procfs, &proxy, plan.orders.sampling)?;
    }
    let chosen = Chosen::choose(&procfs, plan, &proxy, &notices)?;
    let epoch = Epoch::now();

    let options = CollectOptions { config: plan.config.as_deref(), deadline: collect::DEADLINE };
    let collected = collect::collect(&procfs, &CgroupRoot::default(), &proxy, &options);
    let access = Access::of(&procfs, &plan.observe, &proxy, &collected);
    let mut redactor = environment::redactor_for(&collected, own, access.key.as_ref());
    let beginning = Beginning {
        plan,
        proxy: &proxy,
        engine: &chosen,
        collected: &collected,
        arguments: &own.arguments,
        epoch,
        given: &given,
    };
    let work = open_work_folder(&beginning, &mut redactor)?;
    if let Some(attendance) = &attendance {
        attendance.clears(&work);
    }
    notices.detail(format!("work folder: {}", work.dir().display()));

    let how = match plan.orders.stacks {
        StacksWanted::Yes => "sampling",
        StacksWanted::No => "without stacks: watching",
    };
    notices.say(format!("{how} {} for {} s", named_workers(&proxy), plan.orders.duration.as_secs_f64()));
    let recorder = Recorder::new(&work, redactor.gate(), &notices);
    let roster = Roster::default();
    let scene = Scene {
        proxy: &proxy,
        roster: roster.clone(),
        access,
        database: Database::of(&proxy, &collected),
        log: &plan.observe.log,
        epoch,
        duration: plan.orders.duration,
    };
    let observers = Observers::start(scene, &work, &mut redactor);
    keep_redactions(&work, &redactor);
    observers.settle();
    let engine = chosen.engine(&plan.orders, epoch);
    let subject = Subject { orders: &plan.orders, engine, proxy: &proxy, epoch, roster, pulse: observers.pulse() };
    let mut ended = Session::new(subject, recorder).run(&interrupts);
    ended.own.observers_cpu_us = Some(observers.finish(&work, &mut redactor));
    keep_redactions(&work, &redactor);
    if let (Some(refused), None) = (&ended.refused, interrupts.requested()) {
        let _ = work.remove();
        return Err(refused_failure(&procfs, refused));
    }
    let mut aside = aside(&ended, plan, &notices);
    if interrupts.requested().is_none() {
        match chosen.ask_witness(&work, &proxy) {
            Ok(witness) => aside.witness = witness,
            Err(gap) => aside.gaps.push(gap),
        }
    }
    keep_end(&work, &redactor.gate(), &aside);
    let assembled = assemble(&work, &mut redactor, aside).map_err(|error| why_not_assembled(&work, &ended, error))?;

    // A signal that comes when all is sampled takes nothing from the bundle, but whoever sent it waits for its code.
    let exit_code = exit_code(&assembled, interrupts.requested());
    let goal = Goal { output: &plan.output, notices: &notices, exit_code };
    finish(assembled, &redactor.gate(), work, &goal)?;
    let after_us = monotonic_us() - ended.last_sample_us;
    notices.detail(format!("finished {:.2} s after the last sample", after_us as f64 / 1e6));
    Ok(interrupts.requested().map_or(exit_code, Interrupt::exit_code))
}

fn pack(plan: &PackPlan, own: &Own) -> Result<u8, Failure> {
    let notices = Notices::new(plan.output.loudness);
    let work = claim_work_folder(&plan.dir)?;
    let kept = work.read(work::END).ok().and_then(|bytes| serde_json::from_slice::<Aside>(&bytes).ok());
    let mut aside = kept.unwrap_or_else(|| Aside { gaps: gaps_of_killed(), ..Aside::default() });
    aside.log += &notices.log();
    let mut redactor = environment::redactor_for_kept(own);
    redactor.add(kept_redactions(&work));
    let assembled = assemble(&work, &mut redactor, aside)?;
    let exit_code = exit_code(&assembled, None);
    finish(assembled, &redactor.gate(), work, &Goal { output: &plan.output, notices: &notices, exit_code })?;
    Ok(exit_code)
}

fn inspect(plan: &InspectPlan) -> Result<u8, Failure> {
    let tarball = Tarball::open(&plan.bundle)?;
    if tarball.kind() == Kind::Fleet {
        return fleet::open::inspect(tarball, plan);
    }
    let bundle = Bundle::try_from(tarball)?;
    let verified = if plan.verify { Some(bundle.verify(&plan.bundle)?) } else { None };
    let verdict = bundle.file(SUMMARY).map(serde_json::from_slice::<Verdict>).transpose();
    let verdict = verdict.ok().flatten();
    let text = match plan.result {
        ResultForm::Json => {
            let report = Report { manifest: &bundle.manifest, summary: verdict.as_ref(), path: None, exit_code: None };
            serde_json::to_string_pretty(&report).context("JSON")?
        }
        ResultForm::Path => {
            let fingerprint = bundle.file(FINGERPRINT).and_then(|bytes| serde_json::from_slice(bytes).ok());
            let versions = summary::versions(fingerprint.as_ref());
            let mut lines = vec![format!("{} ({})", bundle.manifest.name, bundle.manifest.started_utc)];
            match &verdict {
                Some(verdict) => lines.extend(summary::lines(&bundle.manifest, verdict, &versions)),
                None => lines.push("it holds no summary.json that this version can read".to_owned()),
            }
            lines.extend(verified.map(|files| format!("verified  {files} files are what the manifest says")));
            lines.join("\n")
        }
    };
    say_result(&text, Kept::Bundle(plan.bundle.clone()))?;
    Ok(exit::COMPLETE)
}

/// What is known beside the work folder's records.
fn aside(ended: &Ended, plan: &CapturePlan, notices: &Notices) -> Aside {
    Aside {
        interrupted_by: match ended.end {
            End::Interrupted(interrupt) => Some(interrupt.name().to_owned()),
            End::TimeOver | End::NobodyLeft | End::CannotWrite => None,
        },
        gaps: gap_of_end(ended, plan).into_iter().collect(),
        own: Some(ended.own),
        witness: None,
        log: notices.log(),
    }
}

/// For a pack after a failure from here on; where this fails, that pack says what it misses.
fn keep_end(work: &Work, gate: &Gate, aside: &Aside) {
    let text = serde_json::to_string(aside).unwrap_or_default();
    let masked = gate.masked(&text).unwrap_or(text);
    let _ = work.write(work::END, masked.as_bytes());
}

/// What was removed from files that will not be looked at again, for a pack after the capture was killed.
fn keep_redactions(work: &Work, redactor: &Redactor) {
    let _ = work.write(work::REDACTIONS, &serde_json::to_vec(&redactor.report()).unwrap_or_default());
}

fn kept_redactions(work: &Work) -> Redactions {
    work.read(work::REDACTIONS).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn why_not_assembled(work: &Work, ended: &Ended, error: anyhow::Error) -> Failure {
    let folder = work.dir().display().to_string();
    match &ended.write_fault {
        Some(why) => output_failure(work, folder, why),
        None if !work.dir().is_dir() => output_failure(work, folder, "it was removed while the capture ran"),
        None => error.into(),
    }
}

/// What is missing of the capture when it ended before its time, unless a signal says it all.
fn gap_of_end(ended: &Ended, plan: &CapturePlan) -> Option<Gap> {
    let sampled = ended.own.elapsed_us as f64 / 1e6;
    let what = format!("the capture from {sampled:.1} s on, of {:.0} s", plan.orders.duration.as_secs_f64());
    match (&ended.write_fault, ended.end) {
        (Some(why), _) => Some(Gap::new(
            what,
            format!("what was sampled could not be written: {why}"),
            "make room where the bundle is to stand, or name another place with -o, and capture again",
        )),
        (None, End::NobodyLeft) => Some(Gap::new(
            what,
            "no worker was left that could be sampled",
            "see the other gaps for the reason, then capture again",
        )),
        (None, End::TimeOver | End::Interrupted(_) | End::CannotWrite) => None,
    }
}

/// What is missing of a capture that was killed.
fn gaps_of_killed() -> Vec<Gap> {
    vec![
        Gap::new("the end of the capture", "it was killed before it ended", "capture again"),
        Gap::note(
            "the log during the capture",
            "it is read when a capture ends, and this one was killed",
            "see what the proxy logged in that time, and add it to the ticket by hand",
        ),
    ]
}

/// The folder that a killed capture left, held against others who would pack it too.
fn claim_work_folder(dir: &Path) -> Result<Work, Failure> {
    let refuse = |why: String, cure: &str| Failure::Unreadable { path: dir.to_owned(), why, cure: cure.to_owned() };
    let other = "name the work folder of a killed capture: .litellm-cpu-HOST-TIME.work";
    let mut work = Work::open(dir);
    let manifest = work.read(work::MANIFEST).and_then(|bytes| Ok(serde_json::from_slice::<Manifest>(&bytes)?));
    let manifest = manifest.map_err(|error| refuse(format!("it holds no manifest of a capture ({error})"), other))?;
    // An unpacked bundle has a manifest too, and packing ends with the removal of the folder.
    if manifest.status != Status::Running {
        return Err(refuse("it is no work folder, but a bundle that was unpacked".to_owned(), other));
    }
    match work.lock() {
        Ok(()) => Ok(work),
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Err(refuse(
            "its capture still runs, or somebody packs it already".to_owned(),
            "wait for it, or end the capture with SIGINT: it then writes the bundle itself",
        )),
        Err(error) => Err(refuse(error.to_string(), "run capture pack as the user that captured")),
    }
}

fn own(arguments: Vec<OsString>) -> Own {
    let raw = |text: OsString| Raw::from_bytes(text.as_encoded_bytes());
    let variables = std::env::vars_os().map(|(name, value)| (raw(name), raw(value))).collect();
    Own { arguments: arguments.into_iter().map(raw).collect(), variables }
}
