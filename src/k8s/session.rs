//! One pod, from the look into it to its bundle at home.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::debug::{self, Added};
use super::enrich::{Enriched, Origin, enrich};
use super::evidence::{Asked, gather};
use super::kubectl::{Exit, Kubectl, Place};
use super::object::Pod;
use super::payload::Payload;
use super::plan::K8sPlan;
use super::pods::Chosen;
use super::refusal::Refusal;
use super::survey::{Survey, look};
use super::way::{NoWay, Via, Way, choose};
use crate::assemble::Assembled;
use crate::bundle::archive::publish;
use crate::bundle::manifest::Status;
use crate::error::{Failure, exit};
use crate::os::piped::{Input, Wish};
use crate::os::signals::Interrupts;
use crate::redact::Raw;
use crate::render::summary;

/// From a Ctrl-C to the last byte of the bundles that the pods then finish early.
const LAST_WORDS: Duration = Duration::from_mins(1);
/// What the cluster's word may take after a pod's time is over.
const AFTERMATH: Duration = Duration::from_secs(30);

/// What all pods have in common.
pub struct Mission<'a> {
    /// What is to be done.
    pub plan: &'a K8sPlan,
    /// How the cluster is talked to.
    pub kubectl: &'a Kubectl,
    /// The program to send, or why there is none.
    pub payload: Result<&'a Payload, &'a str>,
    /// Ctrl-C.
    pub interrupts: &'a Interrupts,
    /// This program's own environment.
    pub own: &'a [(Raw, Raw)],
}

/// What came of a pod.
#[derive(Debug)]
pub struct Home {
    /// Its bundle.
    pub bundle: PathBuf,
    /// Whether it lacks something.
    pub complete: bool,
    /// What it says, for the terminal.
    pub told: Vec<String>,
    /// What is left in the pod.
    pub left_behind: Option<String>,
}

/// A pod of which there is no bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Why.
    pub why: String,
    /// What to do next.
    pub cure: String,
    /// Of which kind.
    pub reason: Reason,
    /// What is left in the pod.
    pub left_behind: Option<String>,
}

/// Why there is no bundle, in kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The pod's own containers let nobody in, or nobody read.
    Closed,
    /// We gave it up: its time was over, or somebody pressed Ctrl-C.
    GivenUp,
    /// Anything else.
    Failed,
}

impl Missing {
    /// A pod in which nothing is left.
    pub fn new(why: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { why: why.into(), cure: cure.into(), reason: Reason::Failed, left_behind: None }
    }

    fn closed(self) -> Self {
        Self { reason: Reason::Closed, ..self }
    }
}

impl From<Refusal> for Missing {
    fn from(refusal: Refusal) -> Self {
        let reason = if refusal == Refusal::Abandoned { Reason::GivenUp } else { Reason::Failed };
        Self { reason, ..Self::new(refusal.why(), refusal.cure()) }
    }
}

impl From<NoWay> for Missing {
    fn from(NoWay { why, cure }: NoWay) -> Self {
        Self::new(why, cure).closed()
    }
}

impl From<Failure> for Missing {
    fn from(failure: Failure) -> Self {
        Self::new(failure.to_string(), failure.cure().unwrap_or_default())
    }
}

/// A capture that came home from a pod, as it left it.
pub struct Ran {
    file: Partial,
    container: String,
    left_behind: Option<String>,
}

/// Captures one pod; `say` hears of each step.
pub fn capture(mission: &Mission<'_>, chosen: &Chosen, say: &mut dyn FnMut(&str)) -> Result<Ran, Missing> {
    let deadline = Instant::now() + mission.plan.deadline;
    let mut session = Session { mission, pod: &chosen.pod, deadline, say };
    session.enter(chosen.container.as_deref()).map_err(|missing| session.explain(missing))
}

/// Adds the cluster's word and brings the bundle to its place.
pub fn finish(mission: &Mission<'_>, pod: &Pod, ran: Ran, say: &mut dyn FnMut(&str)) -> Result<Home, Missing> {
    let plan = mission.plan;
    let since = plan.since + plan.duration + AFTERMATH;
    let asked = Asked { pod, container: &ran.container, since_seconds: since.as_secs() };
    let until = Instant::now() + AFTERMATH;
    let mut wish = || if Instant::now() > until { Wish::Abandon } else { Wish::GoOn };
    let seen = gather(mission.kubectl, asked, &mut wish);
    let origin = Origin { pod, container: &ran.container, own: mission.own };
    let Enriched { tarball, assembled } = enrich(&ran.file.path, origin, &seen)?;
    let bundle = plan.folder.join(format!("{}.tar.gz", assembled.manifest.name));
    publish(&tarball, &bundle).map_err(|error| Missing {
        left_behind: ran.left_behind.clone(),
        ..Missing::new(
            format!("{} cannot be written: {error}", bundle.display()),
            "make room, or choose another folder with -o",
        )
    })?;
    say(&format!("{} ({} kB)", bundle.display(), tarball.len() / 1_000));
    let Assembled { facts, verdict, manifest, .. } = assembled;
    let told = summary::lines(&manifest, &verdict, &summary::versions(facts.fingerprint.as_ref()));
    Ok(Home { bundle, complete: manifest.status == Status::Complete, told, left_behind: ran.left_behind })
}

struct Session<'a> {
    mission: &'a Mission<'a>,
    pod: &'a Pod,
    deadline: Instant,
    say: &'a mut dyn FnMut(&str),
}

impl Session<'_> {
    /// The ways in, the most harmless first.
    fn enter(&mut self, container: Option<&str>) -> Result<Ran, Missing> {
        if self.mission.plan.via == Some(Via::Debug) {
            return self.beside(container);
        }
        let entered = self.inside(container);
        let may_add = self.mission.plan.via.is_none() && self.mission.plan.image.is_some();
        match entered {
            Err(Missing { why, reason: Reason::Closed, .. }) if may_add => {
                (self.say)(&why);
                self.beside(container)
            }
            entered => entered,
        }
    }

    fn inside(&mut self, container: Option<&str>) -> Result<Ran, Missing> {
        let (container, survey) = self.survey(container)?;
        let way = choose(&survey, self.mission.plan.via, self.mission.payload)?;
        let file = self.capture_by(&way, &container)?;
        Ok(Ran { file, container, left_behind: None })
    }

    fn beside(&mut self, container: Option<&str>) -> Result<Ran, Missing> {
        let plan = self.mission.plan;
        let image = plan.image.as_deref().unwrap_or_default();
        let target = container.or_else(|| self.pod.spec.containers.first().map(|first| first.name.as_str()));
        let target = target.unwrap_or_default().to_owned();
        let wanted = debug::Wanted { image, profile: plan.profile.as_deref(), longest: plan.deadline };
        let kubectl = self.mission.kubectl;
        (self.say)(&format!("adding a debug container of {image}, which stays in the pod's spec"));
        let added = Added::to(kubectl, self.pod, &target, &wanted, &mut self.wish())?;
        let left_behind = Some(format!(
            "the debug container {} stays in the spec of pod {} until the pod is deleted",
            added.name, self.pod.metadata.name
        ));
        let runs = added.await_start(kubectl, self.pod, &mut self.wish()).map_err(Missing::from);
        let entered = runs.and_then(|()| self.survey(Some(&added.name))).and_then(|(name, survey)| {
            let way = choose(&survey, None, self.mission.payload)?;
            self.capture_by(&way, &name)
        });
        if let Err(refusal) = added.end(kubectl, &self.pod.metadata.name, &mut || Wish::GoOn) {
            (self.say)(&format!("the debug container ends by itself at the deadline: {}", refusal.why()));
        }
        match entered {
            Ok(file) => Ok(Ran { file, container: target, left_behind }),
            Err(missing) => Err(Missing { left_behind, ..missing }),
        }
    }

    /// The container with LiteLLM in it, and what else is there.
    fn survey(&mut self, container: Option<&str>) -> Result<(String, Survey), Missing> {
        let names: Vec<&str> = match container {
            Some(name) => vec![name],
            None => self.pod.spec.containers.iter().map(|container| container.name.as_str()).collect(),
        };
        let mut refused = None;
        for name in &names {
            (self.say)(&format!("looking into container {name}"));
            let place = Place { pod: &self.pod.metadata.name, container: name };
            match look(self.mission.kubectl, place, &mut self.wish()) {
                Ok(survey) if survey.litellm || names.len() == 1 => return Ok(((*name).to_owned(), survey)),
                Ok(_) => {}
                Err(refusal) => refused = Some(refusal),
            }
        }
        match refused {
            Some(Refusal::NoProgram) => Err(Missing::new(
                "the container has neither a Python nor a shell to take the program in",
                "add a container beside it: --via debug --image IMAGE",
            )
            .closed()),
            Some(refusal) => Err(refusal.into()),
            None => Err(Missing::new(
                format!("in none of its containers LiteLLM was seen: {}", names.join(", ")),
                "name one: -c CONTAINER",
            )),
        }
    }

    fn capture_by(&mut self, way: &Way, container: &str) -> Result<Partial, Missing> {
        let plan = self.mission.plan;
        let place = Place { pod: &self.pod.metadata.name, container };
        let payload = self.mission.payload.ok();
        let mut uploaded = String::new();
        let sent: &[u8] = match (way, payload) {
            (Way::Memory { .. }, Some(payload)) => &payload.gzip,
            (Way::File { folder }, Some(payload)) => {
                uploaded = format!("{folder}/.capture-{:08x}", fastrand::u32(..));
                self.upload(place, &uploaded, payload)?;
                &[]
            }
            _ => &[],
        };
        let seconds = format!("{}s", plan.duration.as_secs_f64());
        let mut arguments = ["-o", "-", "--attended", "--quiet", "--duration", &seconds].map(str::to_owned).to_vec();
        arguments.extend(plan.arguments.iter().cloned());
        let command = way.command(payload, &uploaded, &arguments);
        (self.say)(&format!("sampling for {} s, by way of {}", plan.duration.as_secs_f64(), way.via().name()));
        let mut file = Partial::create(&plan.folder, &self.pod.metadata.name).map_err(|error| {
            Missing::new(format!("{} takes no file: {error}", plan.folder.display()), "choose another folder with -o")
        })?;
        let kubectl = self.mission.kubectl;
        let ended = kubectl.exec(place, &command, Input::HeldOpen(sent), &mut file.file, &mut self.wish());
        match ended {
            Ok(exit) if wrote_bundle(exit.code) => Ok(file),
            Ok(exit) => Err(in_the_pods_words(&exit)),
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn upload(&mut self, place: Place<'_>, file: &str, payload: &Payload) -> Result<(), Missing> {
        let program = payload.read().map_err(|error| {
            Missing::new(format!("the program to send cannot be read: {error}"), "name another with --binary FILE")
        })?;
        (self.say)(&format!("putting {} kB into {file}", program.len() / 1_000));
        let command = Way::upload(file, payload.bytes);
        let mut wish = self.wish();
        let exit = self.mission.kubectl.exec(place, &command, Input::Whole(&program), &mut io::sink(), &mut wish)?;
        if exit.code == 0 { Ok(()) } else { Err(in_the_pods_words(&exit)) }
    }

    /// What is wished of whatever runs: to go on, to come to an end after a Ctrl-C, to be gone when the time is over.
    fn wish(&self) -> impl FnMut() -> Wish + use<> {
        let (interrupts, deadline) = (self.mission.interrupts.clone(), self.deadline);
        let mut interrupted = None;
        move || {
            let now = Instant::now();
            if interrupts.requested().is_some() {
                let since = *interrupted.get_or_insert(now);
                return if now > since + LAST_WORDS || now > deadline { Wish::Abandon } else { Wish::Finish };
            }
            if now > deadline { Wish::Abandon } else { Wish::GoOn }
        }
    }

    /// What was given up is told by the reason.
    fn explain(&self, missing: Missing) -> Missing {
        if missing.reason != Reason::GivenUp {
            return missing;
        }
        let (why, cure) = if self.mission.interrupts.requested().is_some() {
            ("it was interrupted before there was a bundle".to_owned(), "capture again".to_owned())
        } else {
            let seconds = self.mission.plan.deadline.as_secs();
            let cure = "see whether the pod's node is well, or give more time with --deadline".to_owned();
            (format!("it did not come to an end within {seconds} s"), cure)
        };
        Missing { why, cure, ..missing }
    }
}

/// Whether a capture with this exit code has written its bundle.
fn wrote_bundle(code: i32) -> bool {
    let code = u8::try_from(code).unwrap_or(exit::INTERNAL);
    matches!(code, exit::COMPLETE | exit::PARTIAL | exit::NOTHING_SAMPLED | 129 | 130 | 143)
}

/// Why a capture in a pod gave no bundle, as it said itself.
fn in_the_pods_words(ended: &Exit) -> Missing {
    let lines: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| !line.starts_with("command terminated") && !line.trim().is_empty())
        .collect();
    let said = lines.iter().position(|line| line.starts_with("capture: "));
    let closed = ended.code == i32::from(exit::CANNOT_ATTACH);
    let (why, cure) = match (said, ended.code) {
        (Some(at), _) => {
            let why = lines[at].trim_start_matches("capture: ").to_owned();
            (why, lines.get(at + 1).map_or("", |line| line.trim()).to_owned())
        }
        (None, 137) => (
            "the capture was killed: the container ended, or its memory limit was reached".to_owned(),
            "see how the container ended: kubectl describe pod".to_owned(),
        ),
        (None, code) => {
            let last = lines.last().map_or_else(String::new, |line| format!(": {}", line.trim()));
            (
                format!("the capture in the pod ended with exit code {code}{last}"),
                "see what the container went through: kubectl describe pod".to_owned(),
            )
        }
    };
    let missing = Missing::new(why, cure);
    if closed { missing.closed() } else { missing }
}

/// What came home so far, in a file that is gone when it is not wanted any more.
struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    fn create(folder: &Path, pod: &str) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!(".{pod}.{:08x}.partial", fastrand::u32(..)));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, file })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
