//! A bundle's profile for other tools, whose readers are the judges of what is written here.
//!
//! Each format is a file of this room: [`firefox`], [`speedscope`], [`pprof`] on the wire format of [`protobuf`]; the
//! folded stacks are those of the bundle. All of them carry CPU time and not numbers of samples, and time without a
//! stack under the names that it has in the folded stacks, so that their totals are the CPU time that the kernel
//! counted.

pub mod firefox;
pub mod pprof;
pub mod protobuf;
pub mod speedscope;

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use flate2::{Compression, GzBuilder};
use serde::Serialize;

use crate::analyse::Facts;
use crate::analyse::functions::seconds;
use crate::error::{Failure, Kept, exit};
use crate::notice::{Loudness, Notices};
use crate::plan::{ExportPlan, ProfileFormat, ResultForm, usage};
use crate::publish::{deliver, say_result};
use crate::render::figures::counted;
use crate::render::folded::{Detail, NATIVE, NOT_SAMPLED, fold};
use crate::review;
use crate::sample::profile::Place;

/// What `--json` prints.
#[derive(Serialize)]
struct Exported<'a> {
    path: &'a Path,
    bytes: usize,
    cpu_seconds: f64,
    threads: usize,
}

/// `capture export`: the profile in a file of its own.
pub fn run(plan: &ExportPlan) -> Result<u8, Failure> {
    let notices = Notices::new(Loudness::Normal);
    // Older formats lack what stands beside the stacks, and for that the other tools have no place.
    let of_format = if plan.format == ProfileFormat::Firefox { &notices } else { &Notices::unheard() };
    let facts = review::open(&plan.bundle, of_format)?;
    if let Some(why) = nothing(&facts) {
        return Err(usage(
            format!("{} has nothing to export: {why}", plan.bundle.display()),
            "for all else that it has: capture report BUNDLE",
        ));
    }
    let file = plan.bundle.file_name().unwrap_or_default().to_string_lossy();
    let name = file.strip_suffix(".tar.gz").unwrap_or(&file);
    let target = plan.destination.file(&format!("{name}.{}", ending(plan.format)));
    let mut bytes = written(plan.format, &facts).context("the profile")?;
    // A pprof profile is compressed by itself.
    let packed = |path: &Path| plan.format != ProfileFormat::Pprof && path.extension().is_some_and(|end| end == "gz");
    if target.as_deref().is_some_and(packed) {
        bytes = gzip(&bytes).context("the profile")?;
    }
    deliver(&bytes, target.as_deref()).map_err(|error| Failure::Output {
        target: target.as_ref().map_or_else(|| plan.destination.describe(), |path| path.display().to_string()),
        why: error.to_string(),
        kept: Kept::Nothing,
    })?;
    let cpu_seconds = seconds(facts.profile.samples.iter().map(|sample| sample.cpu_ns).sum());
    let threads = facts.profile.threads.len();
    notices.say(format!("{cpu_seconds:.2} CPU-seconds of {}: {}", counted(threads, "thread"), opened_by(plan.format)));
    if let Some(path) = &target {
        let text = match plan.result {
            ResultForm::Path => path.display().to_string(),
            ResultForm::Json => {
                let exported = Exported { path, bytes: bytes.len(), cpu_seconds, threads };
                serde_json::to_string_pretty(&exported).context("JSON")?
            }
        };
        say_result(&text, Kept::Nothing)?;
    }
    Ok(exit::COMPLETE)
}

/// The name of the frame that stands for time without a stack; none where there is one.
pub fn without_stack(place: Place) -> Option<&'static str> {
    match place {
        Place::Stack(_) => None,
        Place::Native => Some(NATIVE),
        Place::NotSampled => Some(NOT_SAMPLED),
    }
}

/// `capture 0.1.0`, where a format asks who wrote it.
pub fn exporter() -> String {
    format!("capture {}", env!("CARGO_PKG_VERSION"))
}

/// Compressed, the same bytes for the same content.
pub fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    gzip.write_all(bytes)?;
    gzip.finish()
}

fn written(format: ProfileFormat, facts: &Facts) -> anyhow::Result<Vec<u8>> {
    Ok(match format {
        ProfileFormat::Firefox => serde_json::to_vec(&firefox::profile(facts))?,
        ProfileFormat::Speedscope => serde_json::to_vec(&speedscope::file(facts))?,
        ProfileFormat::Pprof => gzip(&pprof::profile(facts))?,
        ProfileFormat::Collapsed => fold(&facts.profile, Detail::Lines).into_bytes(),
    })
}

/// Why there would be nothing in a profile.
fn nothing(facts: &Facts) -> Option<String> {
    if let Some(because) = facts.evidence.stacks.missing() {
        return Some(format!("no stacks were taken, because {because}"));
    }
    let idle = facts.profile.samples.iter().all(|sample| sample.cpu_ns == 0);
    idle.then(|| "no CPU was used while it sampled".to_owned())
}

/// By which readers know a file.
fn ending(format: ProfileFormat) -> &'static str {
    match format {
        ProfileFormat::Firefox => "firefox.json.gz",
        ProfileFormat::Speedscope => "speedscope.json",
        ProfileFormat::Pprof => "pb.gz",
        ProfileFormat::Collapsed => "folded",
    }
}

fn opened_by(format: ProfileFormat) -> &'static str {
    match format {
        ProfileFormat::Firefox => "load it on https://profiler.firefox.com, which keeps it in the browser",
        ProfileFormat::Speedscope => "drop it on https://www.speedscope.app, which keeps it in the browser",
        ProfileFormat::Pprof => "go tool pprof -http=: FILE, Grafana and Parca read it",
        ProfileFormat::Collapsed => "flamegraph.pl, inferno-flamegraph and speedscope read it",
    }
}
