//! The order of things. Every stage is one call; what a stage does is told in its own room.

use std::ffi::OsString;
use std::sync::Arc;

use anyhow::Context;

use crate::analyse::Verdict;
use crate::assemble::assemble;
use crate::attend::Attendance;
use crate::begin::{Beginning, Cause, Given, open_work_folder};
use crate::bundle::facts::FINGERPRINT;
use crate::bundle::manifest::Kind;
use crate::bundle::open::{Bundle, Tarball};
use crate::cli::{Cli, Command};
use crate::collect::{self, CgroupRoot, CollectOptions};
use crate::doctor;
use crate::ending::{aside, keep_end, keep_redactions, why_not_assembled};
use crate::engines::Chosen;
use crate::environment::{self, Own};
use crate::error::{Failure, Kept, exit};
use crate::export;
use crate::fleet;
use crate::k8s::{self, K8sPlan};
use crate::logs::LogWatch;
use crate::notice::Notices;
use crate::observe::door::Access;
use crate::observe::logbook::Logbook;
use crate::observe::observers::{Observers, Scene};
use crate::observe::pace::Tempo;
use crate::observe::spend::Database;
use crate::observe::{Epoch, Keeper, Roster};
use crate::os::clock::monotonic_us;
use crate::os::proc::Procfs;
use crate::os::signals::{Interrupt, Interrupts};
use crate::pack::pack;
use crate::plan::{
    Attended, CapturePlan, DiffPlan, DoctorPlan, ExportPlan, InspectPlan, MergePlan, PackPlan, ReportPlan, ResultForm,
};
use crate::products::SUMMARY;
use crate::publish::{Goal, Report, exit_code, finish, say_result};
use crate::redact::Raw;
use crate::render::summary;
use crate::review;
use crate::sample::record::Recorder;
use crate::sample::session::{Session, StacksWanted, Subject};
use crate::target::{choose_proxy, named_workers, refused_failure, require_permission};
use crate::watch;

/// Carries out what was typed; the exit code of a bundle that was written says how complete it is.
///
/// # Errors
/// When there is no bundle, with the reason and the cure.
pub fn run(cli: Cli, arguments: Vec<OsString>) -> Result<u8, Failure> {
    match cli.command {
        None => capture(&CapturePlan::try_from(cli.capture)?, &own(arguments)),
        Some(Command::Doctor(args)) => doctor::run(&DoctorPlan::try_from(args)?, &own(arguments)),
        Some(Command::Watch(args)) => watch::run(*args, &own(arguments)),
        Some(Command::K8s(args)) => k8s::run(&K8sPlan::try_from(*args)?, &own(arguments)),
        Some(Command::Pack(args)) => pack(&PackPlan::try_from(args)?, &own(arguments)),
        Some(Command::Inspect(args)) => inspect(&InspectPlan::from(args)),
        Some(Command::Report(args)) => review::report(&ReportPlan::from(args)),
        Some(Command::Ticket(args)) => review::ticket(&args.bundle),
        Some(Command::Diff(args)) => review::diff(&DiffPlan::from(args)),
        Some(Command::Merge(args)) => fleet::merge(MergePlan::try_from(args)?),
        Some(Command::Export(args)) => export::run(&ExportPlan::try_from(args)?),
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
        cause: Cause::Asked,
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
        epoch,
        tempo: Tempo::capture(plan.orders.duration),
        keeper: Arc::new(Keeper::new(work.dir(), redactor.gate())),
    };
    let log = LogWatch::open(&procfs, &proxy, &plan.observe.log, epoch);
    let logbook = Logbook::begin(log, &work, &mut redactor);
    let observers = Observers::start(scene);
    keep_redactions(&work, &redactor);
    observers.settle();
    let engine = chosen.engine(&plan.orders, epoch);
    let subject =
        Subject { orders: &plan.orders, engine, proxy: &proxy, epoch, roster, pulse: observers.pulse(), until: None };
    let mut ended = Session::new(subject, recorder).run(&interrupts);
    ended.own.observers_cpu_us = Some(observers.finish(logbook, &work, &mut redactor));
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

fn own(arguments: Vec<OsString>) -> Own {
    let raw = |text: OsString| Raw::from_bytes(text.as_encoded_bytes());
    let variables = std::env::vars_os().map(|(name, value)| (raw(name), raw(value))).collect();
    Own { arguments: arguments.into_iter().map(raw).collect(), variables }
}
