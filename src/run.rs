//! The order of things. Every stage is one call; what a stage does is told in its own room.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use crate::analyse::Verdict;
use crate::analyse::verdict::Grade;
use crate::assemble::{Aside, Assembled, assemble};
use crate::bundle::archive::{LARGEST_BYTES, pack as pack_archive, publish};
use crate::bundle::manifest::{Engine, FORMAT, Manifest, Settings, Status, Tool};
use crate::bundle::open::Bundle;
use crate::bundle::work::{self, Work};
use crate::cli::{Cli, Command};
use crate::collect::{self, CgroupRoot, CollectOptions, Collected, Gap};
use crate::discover::{self, DiscoverError, Proxy, Target};
use crate::environment;
use crate::error::{Failure, Kept, exit};
use crate::notice::Notices;
use crate::os::attach;
use crate::os::clock::{monotonic_us, utc_for_file_name, utc_now};
use crate::os::proc::Procfs;
use crate::os::signals::{Interrupt, Interrupts};
use crate::plan::{CapturePlan, Destination, InspectPlan, OutputPlan, PackPlan, ResultForm};
use crate::redact::{Raw, Redactor};
use crate::render::summary;
use crate::sample::pyspy::PySpy;
use crate::sample::session::{End, Ended, Refused, Session};

/// Collecting reads a few hundred small files; a network file system that hangs must not hold up the stacks.
const COLLECT_DEADLINE: Duration = Duration::from_secs(5);

/// Carries out what was typed; the exit code of a bundle that was written says how complete it is.
///
/// # Errors
/// When there is no bundle, with the reason and the cure.
pub fn run(cli: Cli, arguments: Vec<OsString>) -> Result<u8, Failure> {
    match cli.command {
        None => capture(&CapturePlan::try_from(cli.capture)?, &raw_arguments(arguments)),
        Some(Command::Pack(args)) => pack(&PackPlan::try_from(args)?, &raw_arguments(arguments)),
        Some(Command::Inspect(args)) => inspect(&InspectPlan::from(args)),
    }
}

fn capture(plan: &CapturePlan, arguments: &[Raw]) -> Result<u8, Failure> {
    let notices = Notices::new(plan.output.loudness);
    let interrupts = Interrupts::install().context("signals")?;
    let procfs = Procfs::default();
    let proxy = choose_proxy(&procfs, plan, &notices)?;
    require_permission(&procfs, &proxy)?;
    let py_spy = find_py_spy(&procfs, plan, &proxy, &notices)?;

    let options = CollectOptions { config: plan.config.as_deref(), deadline: COLLECT_DEADLINE };
    let collected = collect::collect(&procfs, &CgroupRoot::default(), &proxy, &options);
    let mut redactor = environment::redactor_for(&collected, arguments);
    let draft = draft_manifest(plan, &proxy, &py_spy, &collected, arguments, &mut redactor);
    let work = open_work_folder(plan, draft, &collected, &mut redactor)?;
    notices.detail(format!("work folder: {}", work.dir().display()));

    notices.say(format!("sampling {} for {} s", named_workers(&proxy), plan.orders.duration.as_secs_f64()));
    let ended = Session::new(&plan.orders, &py_spy, &proxy, &work, &notices).run(&interrupts);
    if let (Some(refused), None) = (&ended.refused, interrupts.requested()) {
        let _ = work.remove();
        return Err(refused_failure(&procfs, refused));
    }
    let aside = Aside {
        interrupted_by: match ended.end {
            End::Interrupted(interrupt) => Some(interrupt.name().to_owned()),
            End::TimeOver | End::NobodyLeft | End::CannotWrite => None,
        },
        gaps: gap_of_end(&ended, plan).into_iter().collect(),
        own: Some(ended.own),
        log: notices.log(),
    };
    // Best effort: where it fails, a later pack says what it misses.
    let _ = serde_json::to_vec(&aside).map(|end| work.write(work::END, &end));
    let assembled = assemble(&work, &mut redactor, aside).map_err(|error| match ended.write_fault {
        Some(why) => output_failure(&work, work.dir().display().to_string(), &why),
        None if !work.dir().is_dir() => {
            output_failure(&work, work.dir().display().to_string(), "it was removed while the capture ran")
        }
        None => error.into(),
    })?;
    // A signal that comes when all is sampled takes nothing from the bundle, but whoever sent it waits for its code.
    let exit_code = exit_code(&assembled, interrupts.requested());
    let path = finish(assembled, &redactor, work, &plan.output, &notices, exit_code)?;
    notices.detail(format!(
        "finished {:.2} s after the last sample{}",
        (monotonic_us() - ended.last_sample_us) as f64 / 1e6,
        path.map(|path| format!(": {}", path.display())).unwrap_or_default(),
    ));
    Ok(interrupts.requested().map_or(exit_code, Interrupt::exit_code))
}

fn pack(plan: &PackPlan, arguments: &[Raw]) -> Result<u8, Failure> {
    let notices = Notices::new(plan.output.loudness);
    let (work, manifest) = claim_work_folder(&plan.dir)?;
    // The secrets that the killed capture knew died with it; processes that still run are asked again.
    let procfs = Procfs::default();
    let survivors = manifest.processes.iter().filter(|member| procfs.same(member.id).is_some()).cloned().collect();
    let proxy = Proxy { members: survivors, looks_like_litellm: true, scope: discover::Scope::Named };
    let options = CollectOptions { config: None, deadline: COLLECT_DEADLINE };
    let ended = work.read(work::END).ok().and_then(|bytes| serde_json::from_slice::<Aside>(&bytes).ok());
    let mut aside = ended.unwrap_or_else(|| Aside {
        gaps: vec![Gap::new("the end of the capture", "it was killed before it ended", "capture again")],
        ..Aside::default()
    });
    let mut redactor = if proxy.members.is_empty() {
        aside.gaps.push(Gap::new(
            "a check against the secrets of the processes",
            "they have ended, so names in the stacks were checked by the shape of secrets alone",
            "look through profiles/all.folded before you share the bundle",
        ));
        Redactor::new(&crate::redact::Sources::default())
    } else {
        environment::redactor_for(&collect::collect(&procfs, &CgroupRoot::default(), &proxy, &options), arguments)
    };
    aside.log += &notices.log();
    let assembled = assemble(&work, &mut redactor, aside)?;
    let exit_code = exit_code(&assembled, None);
    finish(assembled, &redactor, work, &plan.output, &notices, exit_code)?;
    Ok(exit_code)
}

/// The folder that a killed capture left, held against others who would pack it too.
fn claim_work_folder(dir: &Path) -> Result<(Work, Manifest), Failure> {
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
        Ok(()) => Ok((work, manifest)),
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Err(refuse(
            "its capture still runs, or somebody packs it already".to_owned(),
            "wait for it, or end the capture with SIGINT: it then writes the bundle itself",
        )),
        Err(error) => Err(refuse(error.to_string(), "run capture pack as the user that captured")),
    }
}

fn inspect(plan: &InspectPlan) -> Result<u8, Failure> {
    let bundle = Bundle::open(&plan.bundle)?;
    let verified = if plan.verify { Some(bundle.verify(&plan.bundle)?) } else { None };
    let verdict = bundle.file("summary.json").map(serde_json::from_slice::<Verdict>).transpose();
    let verdict = verdict.ok().flatten();
    let text = match plan.result {
        ResultForm::Json => {
            let report = Report { manifest: &bundle.manifest, summary: verdict.as_ref(), path: None, exit_code: None };
            serde_json::to_string_pretty(&report).context("JSON")?
        }
        ResultForm::Path => {
            let versions = crate::assemble::versions_in(bundle.file("environment/fingerprint.json"));
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

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
    manifest: &'a Manifest,
    summary: Option<&'a Verdict>,
}

fn choose_proxy(procfs: &Procfs, plan: &CapturePlan, notices: &Notices) -> Result<Proxy, Failure> {
    let target = match (plan.pids.as_slice(), plan.only) {
        ([], _) => Target::Any,
        (pids, true) => Target::Only(pids),
        (pids, false) => Target::Pids(pids),
    };
    let no_worker = |what: String| Failure::NoWorker {
        what,
        cure: "name a process: capture --pid PID (the supervisor or any worker)".to_owned(),
    };
    let mut proxies = discover::find(procfs, target).map_err(|error| match error {
        DiscoverError::NotOurs { pid, .. } => Failure::NotPermitted {
            pid,
            rule: error.to_string(),
            cure: format!("run as root: sudo capture --pid {pid}"),
        },
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

fn named_workers(proxy: &Proxy) -> String {
    let pids: Vec<String> = proxy.workers().map(|worker| worker.id.pid.to_string()).collect();
    format!("{} {}", if pids.len() == 1 { "worker" } else { "workers" }, pids.join(", "))
}

fn require_permission(procfs: &Procfs, proxy: &Proxy) -> Result<(), Failure> {
    for worker in proxy.workers() {
        // A worker that has gone meanwhile is no matter of permission.
        if let Ok(Err(denied)) = attach::try_read(&procfs.process(worker.id.pid)) {
            return Err(Failure::NotPermitted { pid: worker.id.pid, rule: denied.rule, cure: denied.cure });
        }
    }
    Ok(())
}

/// The memory could be read before the sampler came, so that what stops it is a rule for system calls or programs.
fn refused_failure(procfs: &Procfs, refused: &Refused) -> Failure {
    let pid = refused.pid;
    let cure = attach::diagnose(&procfs.process(pid)).cure;
    Failure::NotPermitted { pid, rule: format!("py-spy {}", refused.complaint), cure }
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

fn find_py_spy(procfs: &Procfs, plan: &CapturePlan, proxy: &Proxy, notices: &Notices) -> Result<PySpy, Failure> {
    let target = proxy.members.first().map(|member| procfs.process(member.id.pid));
    let py_spy = PySpy::locate(plan.py_spy.as_deref(), target.as_ref())?;
    notices.detail(format!("py-spy {} at {}", py_spy.version, py_spy.path.display()));
    Ok(py_spy)
}

fn draft_manifest(
    plan: &CapturePlan,
    proxy: &Proxy,
    py_spy: &PySpy,
    collected: &Collected,
    arguments: &[Raw],
    redactor: &mut Redactor,
) -> Manifest {
    let orders = &plan.orders;
    Manifest {
        format: FORMAT,
        tool: Tool::default(),
        status: Status::Running,
        name: format!("litellm-cpu-{}-{}", host_name(collected, redactor), utc_for_file_name()),
        started_utc: utc_now(),
        ended_utc: None,
        arguments: redactor.argv(work::MANIFEST, arguments),
        settings: Settings {
            duration_seconds: orders.duration.as_secs_f64(),
            slice_seconds: orders.slice.as_secs_f64(),
            rate_hz: orders.rate_hz,
            sampling: orders.sampling,
            max_overhead_percent: orders.budget.share() * 100.0,
        },
        engine: Engine { name: "py-spy".to_owned(), version: py_spy.version.clone(), found: py_spy.found },
        looks_like_litellm: proxy.looks_like_litellm,
        processes: proxy.members.clone(),
        interrupted_by: None,
        quality: None,
        overhead: None,
        gaps: collected.gaps.clone(),
        redactions: 0,
        files: Vec::new(),
    }
}

/// The host's name, fit for a file name.
fn host_name(collected: &Collected, redactor: &mut Redactor) -> String {
    let name = collected.fingerprint.host.hostname.as_ref().map(|raw| redactor.text(work::MANIFEST, raw).to_string());
    let fit = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_');
    let name: String = name.unwrap_or_default().chars().filter(fit).take(63).collect();
    if name.is_empty() { "host".to_owned() } else { name }
}

fn open_work_folder(
    plan: &CapturePlan,
    mut manifest: Manifest,
    collected: &Collected,
    redactor: &mut Redactor,
) -> Result<Work, Failure> {
    let parent = plan.output.destination.work_parent();
    let cannot_write = |error: &io::Error| Failure::Output {
        target: parent.display().to_string(),
        why: if parent.exists() && !parent.is_dir() { "it is no folder".to_owned() } else { error.to_string() },
        kept: Kept::Nothing,
    };
    if let Destination::File(file) = &plan.output.destination
        && file.exists()
    {
        return Err(Failure::Output {
            target: file.display().to_string(),
            why: "it exists already and is not overwritten".to_owned(),
            kept: Kept::Nothing,
        });
    }
    std::fs::create_dir_all(&parent).map_err(|error| cannot_write(&error))?;
    let (work, name) = Work::create(&parent, &manifest.name).map_err(|error| cannot_write(&error))?;
    manifest.name = name;
    let first = serde_json::to_vec_pretty(&manifest).context("the manifest")?;
    let written = work
        .write(work::MANIFEST, &first)
        .and_then(|()| environment::store(&work, redactor, collected, &mut manifest.gaps))
        .and_then(|()| work.write(work::MANIFEST, &serde_json::to_vec_pretty(&manifest)?));
    if let Err(error) = written {
        let _ = work.remove();
        return Err(cannot_write(&error));
    }
    Ok(work)
}

fn exit_code(assembled: &Assembled, interrupt: Option<Interrupt>) -> u8 {
    match (interrupt, assembled.verdict.quality.grade, assembled.manifest.status) {
        (Some(interrupt), ..) => interrupt.exit_code(),
        (None, Grade::Unusable, _) if assembled.verdict.quality.stacks == 0 => exit::NOTHING_SAMPLED,
        (None, _, Status::Complete) => exit::COMPLETE,
        _ => exit::PARTIAL,
    }
}

/// From the finished pieces to the bundle at its place, the summary on the terminal and the result on standard output.
fn finish(
    mut assembled: Assembled,
    redactor: &Redactor,
    work: Work,
    output: &OutputPlan,
    notices: &Notices,
    exit_code: u8,
) -> Result<Option<PathBuf>, Failure> {
    if let Err(hit) = assembled.pass_gate(redactor) {
        return Err(Failure::SecretInBundle { hit, kept: work.dir().to_owned() });
    }
    let tarball = seal_and_pack(&mut assembled)?;
    let name = format!("{}.tar.gz", assembled.manifest.name);
    let target = match &output.destination {
        Destination::Stdout => None,
        Destination::Folder(folder) => Some(folder.join(name)),
        Destination::File(file) => Some(file.clone()),
    };
    let written = match &target {
        None => io::stdout().lock().write_all(&tarball).and_then(|()| io::stdout().flush()),
        Some(target) => publish(&tarball, target),
    };
    if let Err(error) = written {
        let target = target.map_or_else(|| output.destination.describe(), |path| path.display().to_string());
        return Err(output_failure(&work, target, &error.to_string()));
    }
    if let Err(error) = work.remove() {
        notices.warn(format!("the work folder could not be removed: {error}"));
    }
    for line in summary::lines(&assembled.manifest, &assembled.verdict, &assembled.versions) {
        notices.say(line);
    }
    let place = target.as_ref().map_or_else(|| output.destination.describe(), |path| path.display().to_string());
    notices.say(format!("bundle    {place} ({} kB)", tarball.len() / 1_000));
    if let Some(target) = &target {
        let text = match output.result {
            ResultForm::Path => target.display().to_string(),
            ResultForm::Json => {
                let report = Report {
                    path: Some(target),
                    exit_code: Some(exit_code),
                    manifest: &assembled.manifest,
                    summary: Some(&assembled.verdict),
                };
                serde_json::to_string_pretty(&report).context("JSON")?
            }
        };
        say_result(&text, Kept::Bundle(target.clone()))?;
    }
    Ok(target)
}

/// The tarball, small enough to be attached.
fn seal_and_pack(assembled: &mut Assembled) -> Result<Vec<u8>, Failure> {
    let time = jiff::Timestamp::now().as_second().unsigned_abs();
    loop {
        assembled.seal()?;
        let tarball = pack_archive(&assembled.manifest.name, &mut assembled.artifacts, time).context("the tarball")?;
        if tarball.len() <= LARGEST_BYTES || !assembled.shed() {
            return Ok(tarball);
        }
    }
}

fn output_failure(work: &Work, target: String, why: &str) -> Failure {
    // It stands where the output goes, so that both may have been removed.
    let kept = if work.dir().is_dir() { Kept::Work(work.dir().to_owned()) } else { Kept::Nothing };
    Failure::Output { target, why: why.to_owned(), kept }
}

fn say_result(text: &str, kept: Kept) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").map_err(|error| Failure::Output {
        target: "standard output".to_owned(),
        why: error.to_string(),
        kept,
    })
}

fn raw_arguments(arguments: Vec<OsString>) -> Vec<Raw> {
    arguments.into_iter().map(|argument| Raw::from_bytes(argument.as_encoded_bytes())).collect()
}
