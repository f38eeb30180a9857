//! Before the first sample: a work folder that says what is about to be captured, and where.

use std::io;

use anyhow::Context;

use crate::bundle::manifest::{Engine, FORMAT, Manifest, Settings, Status, Tool};
use crate::bundle::work::{self, Work};
use crate::collect::Collected;
use crate::discover::Proxy;
use crate::environment;
use crate::error::{Failure, Kept};
use crate::os::clock::{utc_for_file_name, utc_now};
use crate::plan::{CapturePlan, Destination};
use crate::redact::{Raw, Redactor};
use crate::sample::pyspy::PySpy;

/// What is known before the first sample.
pub struct Beginning<'a> {
    /// What is to be done.
    pub plan: &'a CapturePlan,
    /// Whose workers are sampled.
    pub proxy: &'a Proxy,
    /// With what.
    pub py_spy: &'a PySpy,
    /// The facts collected.
    pub collected: &'a Collected,
    /// Our own command line.
    pub arguments: &'a [Raw],
}

impl Beginning<'_> {
    /// The manifest as far as it can be written now.
    fn manifest(&self, redactor: &mut Redactor) -> Manifest {
        let orders = &self.plan.orders;
        Manifest {
            format: FORMAT,
            tool: Tool::default(),
            status: Status::Running,
            name: format!("litellm-cpu-{}-{}", host_name(self.collected, redactor), utc_for_file_name()),
            started_utc: utc_now(),
            ended_utc: None,
            arguments: redactor.argv(work::MANIFEST, self.arguments),
            settings: Settings {
                duration_seconds: orders.duration.as_secs_f64(),
                slice_seconds: orders.slice.as_secs_f64(),
                rate_hz: orders.rate_hz,
                sampling: orders.sampling,
                max_overhead_percent: orders.budget.share() * 100.0,
            },
            engine: Engine {
                name: "py-spy".to_owned(),
                version: self.py_spy.version.clone(),
                found: self.py_spy.found,
            },
            looks_like_litellm: self.proxy.looks_like_litellm,
            processes: self.proxy.members.clone(),
            interrupted_by: None,
            quality: None,
            overhead: None,
            gaps: self.collected.gaps.clone(),
            redactions: 0,
            files: Vec::new(),
        }
    }
}

/// The host's name, fit for a file name.
fn host_name(collected: &Collected, redactor: &mut Redactor) -> String {
    let name = collected.fingerprint.host.hostname.as_ref().map(|raw| redactor.text(work::MANIFEST, raw).to_string());
    let fit = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_');
    let name: String = name.unwrap_or_default().chars().filter(fit).take(63).collect();
    if name.is_empty() { "host".to_owned() } else { name }
}

/// Makes the work folder, with the manifest first and then the environment.
pub fn open_work_folder(beginning: &Beginning<'_>, redactor: &mut Redactor) -> Result<Work, Failure> {
    let plan = beginning.plan;
    let mut manifest = beginning.manifest(redactor);
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
        .and_then(|()| environment::store(&work, redactor, beginning.collected, &mut manifest.gaps))
        .and_then(|()| work.write(work::MANIFEST, &serde_json::to_vec_pretty(&manifest)?));
    if let Err(error) = written {
        let _ = work.remove();
        return Err(cannot_write(&error));
    }
    Ok(work)
}
