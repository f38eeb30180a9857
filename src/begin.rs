//! Before the first sample: a work folder that says what is about to be captured, and where.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};

use crate::analyse::evidence::{Lifetime, Reporter, Stacks, Triggered};
use crate::baseline;
use crate::bundle::archive::fit_for_file_name;
use crate::bundle::manifest::{FORMAT, Manifest, Settings, Status, Tool};
use crate::bundle::open::Bundle;
use crate::bundle::work::{self, CLEAN, Work};
use crate::collect::Collected;
use crate::discover::Proxy;
use crate::engines::Chosen;
use crate::environment;
use crate::error::{Failure, Kept};
use crate::observe::{Epoch, lifetime};
use crate::os::clock::{utc, utc_for_file_name, utc_now};
use crate::os::proc::Procfs;
use crate::plan::{CapturePlan, Destination, RequestContent};
use crate::products::TICKET;
use crate::redact::{Raw, Redactor};
use crate::workload::requests::{CONTENT_FILE, Sample};

/// Steps that somebody will follow are shorter.
const LARGEST_STEPS_BYTES: u64 = 100_000;

/// What the evidence holds from the beginning on.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Begun {
    /// Time zero.
    pub epoch_utc: Option<Timestamp>,
    /// The proxy's life until then.
    pub lifetime: Option<Lifetime>,
    /// What the reporter knows.
    pub reporter: Reporter,
    /// Whether stacks are taken at all.
    #[serde(default)]
    pub stacks: Stacks,
    /// What set it off, where a watch made it.
    #[serde(default)]
    pub trigger: Option<Triggered>,
}

/// What is known before the first sample.
pub struct Beginning<'a> {
    /// What is to be done.
    pub plan: &'a CapturePlan,
    /// Whose workers are sampled.
    pub proxy: &'a Proxy,
    /// With what.
    pub engine: &'a Chosen,
    /// The facts collected.
    pub collected: &'a Collected,
    /// Our own command line.
    pub arguments: &'a [Raw],
    /// Time zero.
    pub epoch: Epoch,
    /// What the user gave along.
    pub given: &'a Given,
    /// Who began it.
    pub cause: Cause<'a>,
}

/// Who began a capture.
#[derive(Debug, Clone, Copy)]
pub enum Cause<'a> {
    /// A person, now.
    Asked,
    /// A watch, by one of its rules.
    Fired {
        /// What set it off.
        trigger: &'a Triggered,
        /// The figure that goes into the file's name.
        figure: &'a str,
    },
    /// A watch, while all was calm: something to hold a spike against.
    Calm,
}

/// Files that the user named. They are read before anything is attached, so that one that is no good costs no capture.
#[derive(Debug)]
pub struct Given {
    /// The bundle to hold it against.
    pub baseline: Option<Bundle>,
    /// The reporter's sample of requests.
    pub requests: Option<Sample>,
    /// How to reproduce it, in the reporter's words.
    pub repro_steps: Option<Raw>,
}

impl Given {
    /// Reads them.
    ///
    /// # Errors
    /// With the file's name and what to give instead.
    pub fn read(plan: &CapturePlan) -> Result<Self, Failure> {
        Ok(Self {
            baseline: plan.baseline.as_deref().map(Bundle::open).transpose()?,
            requests: plan.reporter.requests.as_deref().map(Sample::read).transpose()?,
            repro_steps: plan.reporter.repro_steps.as_deref().map(repro_steps).transpose()?,
        })
    }
}

impl Beginning<'_> {
    /// The manifest as far as it can be written now.
    fn manifest(&self, redactor: &mut Redactor) -> Manifest {
        let orders = &self.plan.orders;
        Manifest {
            format: FORMAT,
            tool: Tool::default(),
            status: Status::Running,
            name: self.name(redactor),
            started_utc: match self.cause {
                Cause::Asked => utc(self.epoch.utc),
                Cause::Fired { .. } | Cause::Calm => utc_now(),
            },
            ended_utc: None,
            arguments: redactor.argv(work::MANIFEST, self.arguments),
            settings: Settings {
                duration_seconds: orders.duration.as_secs_f64(),
                slice_seconds: orders.slice.as_secs_f64(),
                rate_hz: orders.rate_hz,
                sampling: orders.sampling,
                max_overhead_percent: orders.budget.share() * 100.0,
            },
            engine: self.engine.named(redactor),
            looks_like_litellm: self.proxy.looks_like_litellm,
            processes: self.proxy.members.clone(),
            interrupted_by: None,
            quality: None,
            overhead: None,
            gaps: self.engine.gap().into_iter().chain(self.collected.gaps.iter().cloned()).collect(),
            redactions: 0,
            files: Vec::new(),
        }
    }
}

impl Beginning<'_> {
    fn name(&self, redactor: &mut Redactor) -> String {
        let name = format!("litellm-cpu-{}-{}", host_name(self.collected, redactor), utc_for_file_name());
        match self.cause {
            Cause::Asked => name,
            Cause::Fired { figure, .. } => format!("{name}-{figure}"),
            Cause::Calm => format!("{name}-calm"),
        }
    }
}

/// The host's name, fit for a file name.
fn host_name(collected: &Collected, redactor: &mut Redactor) -> String {
    let name = collected.fingerprint.host.hostname.as_ref().map(|raw| redactor.text(work::MANIFEST, raw).to_string());
    name.and_then(|name| fit_for_file_name(&name)).unwrap_or_else(|| "host".to_owned())
}

/// Makes the work folder, with the manifest first and then the environment.
pub fn open_work_folder(beginning: &Beginning<'_>, redactor: &mut Redactor) -> Result<Work, Failure> {
    let plan = beginning.plan;
    let mut manifest = beginning.manifest(redactor);
    if let Destination::File(file) = &plan.output.destination
        && file.exists()
    {
        return Err(Failure::Output {
            target: file.display().to_string(),
            why: "it exists already and is not overwritten".to_owned(),
            kept: Kept::Nothing,
        });
    }
    let (work, name) = make_work_folder(&plan.output.destination, &manifest.name)?;
    manifest.name = name;
    let begun = begun(beginning, redactor);
    let mut fill = || -> io::Result<()> {
        work.write(work::MANIFEST, &serde_json::to_vec_pretty(&manifest)?)?;
        work.write(work::BEGUN, &serde_json::to_vec(&begun)?)?;
        environment::store(&work, redactor, beginning.collected, &mut manifest.gaps)?;
        if let Some(bundle) = &beginning.given.baseline {
            manifest.gaps.extend(baseline::lay_in(&work, redactor, bundle)?);
        }
        if let Some(sample) = &beginning.given.requests {
            lay_in_requests(&work, redactor, sample, plan.reporter.content)?;
        }
        work.write(work::MANIFEST, &serde_json::to_vec_pretty(&manifest)?)
    };
    if let Err(error) = fill() {
        let parent = work.dir().parent().unwrap_or(work.dir()).to_owned();
        let _ = work.remove();
        return Err(cannot_write(&parent, &error));
    }
    Ok(work)
}

/// In the first of the possible places that takes it, with the name that it came to.
fn make_work_folder(destination: &Destination, name: &str) -> Result<(Work, String), Failure> {
    let make_in = |parent: &Path| std::fs::create_dir_all(parent).and_then(|()| Work::create(parent, name));
    let mut first = None;
    for parent in destination.work_parents() {
        match make_in(&parent) {
            Ok(work) => return Ok(work),
            Err(error) => first = first.or(Some(cannot_write(&parent, &error))),
        }
    }
    Err(first.unwrap_or_else(|| anyhow::anyhow!("no place for the work folder is known").into()))
}

fn cannot_write(parent: &Path, error: &io::Error) -> Failure {
    Failure::Output {
        target: parent.display().to_string(),
        why: if parent.exists() && !parent.is_dir() { "it is no folder".to_owned() } else { error.to_string() },
        kept: Kept::Nothing,
    }
}

/// The shapes of the reporter's requests, and their content where that was asked for by name.
fn lay_in_requests(work: &Work, redactor: &mut Redactor, sample: &Sample, content: RequestContent) -> io::Result<()> {
    for shape in sample.shapes(redactor) {
        work.append(work::SHAPES, &shape)?;
    }
    if content == RequestContent::Kept {
        let text = sample.content(redactor);
        work.write(&format!("{CLEAN}/{CONTENT_FILE}"), text.as_str().as_bytes())?;
    }
    Ok(())
}

fn begun(beginning: &Beginning<'_>, redactor: &mut Redactor) -> Begun {
    let plan = &beginning.plan.reporter;
    Begun {
        // To what is stored of it, so that what is computed from it does not change by storing.
        epoch_utc: beginning.epoch.utc.round(Unit::Microsecond).ok(),
        lifetime: lifetime(&Procfs::default(), beginning.proxy, beginning.epoch),
        reporter: Reporter {
            classification: plan.classification,
            repro_steps: beginning.given.repro_steps.as_ref().map(|steps| redactor.text(TICKET, steps)),
            prompts_included: plan.requests.is_some() && plan.content == RequestContent::Kept,
        },
        stacks: beginning.engine.stacks(),
        trigger: match beginning.cause {
            Cause::Fired { trigger, .. } => Some(trigger.clone()),
            Cause::Asked | Cause::Calm => None,
        },
    }
}

/// The reporter's own words.
fn repro_steps(path: &Path) -> Result<Raw, Failure> {
    let refuse = |why: String| Failure::Unreadable {
        path: path.to_owned(),
        why,
        cure: "give --repro-steps a text file that says how to reproduce the issue".to_owned(),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| refuse(error.to_string()))?;
    file.take(LARGEST_STEPS_BYTES + 1).read_to_end(&mut bytes).map_err(|error| refuse(error.to_string()))?;
    if bytes.len() as u64 > LARGEST_STEPS_BYTES {
        return Err(refuse(format!("it is larger than {} kB", LARGEST_STEPS_BYTES / 1_000)));
    }
    Ok(Raw::from_bytes(&bytes))
}
