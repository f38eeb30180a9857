//! One bundle over the bundles of several pods: which are hot, what differs between them, one flamegraph, one ticket.
//!
//! The seam is [`assemble`]: members go in, each with the path of its bundle or the reason why there is none, and the
//! fleet bundle comes to its place. [`tell`] says what it holds. `capture merge` is no more than these two.
//!
//! Bundles are read one after another, and a bundle's memory is given back before the next one is read. What is kept of
//! each is bounded: its figures, its stacks up to a share of a fixed number, and of its settings and functions only
//! what the pods before did not have. At the end the bundles that go in are read once more, 25 MB at most in all.

pub mod differences;
pub mod functions;
mod gather;
pub mod heat;
mod keep;
mod lines;
pub mod manifest;
pub mod open;
mod pictures;
pub mod pod;
mod seal;
pub mod stacks;
pub mod summary;
mod ticket;

use std::path::PathBuf;

use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;

use crate::bundle::archive::Artifact;
use crate::bundle::manifest::{Kind, Status, Tool};
use crate::collect::Gap;
use crate::error::{Failure, Kept, exit};
use crate::fleet::gather::{Gathered, file_name, gather};
use crate::fleet::heat::{apart, judge};
use crate::fleet::manifest::{FORMAT, FleetManifest};
use crate::fleet::pictures::draw_all;
use crate::fleet::seal::{Content, seal};
use crate::fleet::summary::FleetSummary;
use crate::notice::Notices;
use crate::os::clock::{for_file_name, utc_for_file_name};
use crate::plan::{Destination, MergePlan, OutputPlan, ResultForm};
use crate::publish::{deliver, say_result};

/// What is known of all pods together.
pub const SUMMARY: &str = "fleet.json";
/// The folder of the pods' own bundles.
pub const BUNDLES: &str = "bundles";
/// Fleet bundles of the same captures share a name up to its number.
const MOST_NAMESAKES: u32 = 100;

/// One pod that was to give a bundle.
#[derive(Debug)]
pub struct Member {
    /// Its name; none for the one that its bundle tells.
    pub name: Option<String>,
    /// Its bundle, or why there is none.
    pub bundle: Result<PathBuf, Gap>,
    /// What else is known of it: clean files, which go to `pods/NAME/`.
    pub extra: Vec<Artifact>,
}

impl Member {
    /// The pod that gave this bundle.
    pub fn of(bundle: PathBuf) -> Self {
        Self { name: None, bundle: Ok(bundle), extra: Vec::new() }
    }

    /// What it is called as long as its bundle was not read.
    fn label(&self) -> String {
        let of_bundle = || self.bundle.as_ref().ok().map(|path| file_name(path));
        self.name.clone().or_else(of_bundle).unwrap_or_else(|| "pod".to_owned())
    }
}

/// A fleet bundle in its place.
#[derive(Debug)]
pub struct FleetReport {
    /// Where it is; none on standard output.
    pub path: Option<PathBuf>,
    /// Its size.
    pub bytes: usize,
    /// What it says of itself.
    pub manifest: FleetManifest,
    /// What it says of the pods.
    pub summary: FleetSummary,
}

impl FleetReport {
    /// How complete it is.
    pub fn exit_code(&self) -> u8 {
        if self.manifest.status == Status::Complete { exit::COMPLETE } else { exit::PARTIAL }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
    manifest: &'a FleetManifest,
    summary: &'a FleetSummary,
}

/// `capture merge`: the bundles that were named, as one.
pub fn merge(plan: MergePlan) -> Result<u8, Failure> {
    let notices = Notices::new(plan.output.loudness);
    let members = plan.bundles.into_iter().map(Member::of).collect();
    let report = assemble(members, &plan.output.destination, &notices)?;
    tell(&report, &plan.output, &notices)?;
    Ok(report.exit_code())
}

/// Makes the fleet bundle and brings it to its place. The same bundles give the same bytes.
///
/// # Errors
/// When no member's bundle can be read, or the fleet bundle cannot be written.
pub fn assemble(members: Vec<Member>, destination: &Destination, notices: &Notices) -> Result<FleetReport, Failure> {
    refuse_taken(destination)?;
    let mut gathered = gather(members, notices)?;
    let heat = judge(&mut gathered.pods);
    gathered.gaps.extend(apart(&gathered.pods));
    let summary = FleetSummary {
        heat,
        differences: gathered.traits.differences(&gathered.pods),
        functions: std::mem::take(&mut gathered.functions).top(),
        pods: std::mem::take(&mut gathered.pods),
    };
    let began = began(&gathered);
    let name =
        free_name(destination, &format!("litellm-fleet-{}", began.map_or_else(utc_for_file_name, for_file_name)));
    let mut manifest = FleetManifest {
        kind: Kind::Fleet,
        format: FORMAT,
        tool: Tool::default(),
        status: Status::Complete,
        name,
        started_utc: gathered.times.iter().map(|(started, _)| started.clone()).min(),
        ended_utc: gathered.times.iter().filter_map(|(_, ended)| ended.clone()).max(),
        members: std::mem::take(&mut gathered.entries),
        gaps: std::mem::take(&mut gathered.gaps),
        files: Vec::new(),
    };
    let mut files = draw_all(&gathered.stacks, &summary).context("the fleet's pictures")?;
    files.push(Artifact::json(SUMMARY, &summary).context(SUMMARY)?);
    files.append(&mut gathered.extra);
    let seconds = began.map_or(0, |began| began.as_second().unsigned_abs());
    let content = Content { summary: &summary, sources: &gathered.sources, seconds };
    let tarball = seal(files, &mut manifest, &content)?;
    let path = destination.target(&manifest.name);
    deliver(&tarball, path.as_deref()).map_err(|error| Failure::Output {
        target: path.as_ref().map_or_else(|| destination.describe(), |path| path.display().to_string()),
        why: error.to_string(),
        kept: Kept::Nothing,
    })?;
    Ok(FleetReport { path, bytes: tarball.len(), manifest, summary })
}

/// Says what a fleet bundle holds on the terminal, and its path or JSON on standard output.
pub fn tell(report: &FleetReport, output: &OutputPlan, notices: &Notices) -> Result<(), Failure> {
    for line in lines::lines(&report.manifest, &report.summary) {
        notices.say(line);
    }
    let place = report.path.as_ref().map_or_else(|| output.destination.describe(), |path| path.display().to_string());
    notices.say(format!("bundle    {place} ({} kB)", report.bytes / 1_000));
    let Some(path) = &report.path else { return Ok(()) };
    let text = match output.result {
        ResultForm::Path => path.display().to_string(),
        ResultForm::Json => {
            let exit_code = Some(report.exit_code());
            let told = Told { path: Some(path), exit_code, manifest: &report.manifest, summary: &report.summary };
            serde_json::to_string_pretty(&told).context("JSON")?
        }
    };
    say_result(&text, Kept::Bundle(path.clone()))
}

/// When the first capture began.
fn began(gathered: &Gathered) -> Option<Timestamp> {
    gathered.times.iter().filter_map(|(started, _)| started.parse().ok()).min()
}

/// A file that was named and is there already is refused before any bundle is read.
fn refuse_taken(destination: &Destination) -> Result<(), Failure> {
    match destination {
        Destination::File(file) if file.exists() => Err(Failure::Output {
            target: file.display().to_string(),
            why: "it exists already and is not overwritten".to_owned(),
            kept: Kept::Nothing,
        }),
        _ => Ok(()),
    }
}

/// The name, with a number where the folder holds a bundle of that name already.
fn free_name(destination: &Destination, name: &str) -> String {
    let Destination::Folder(folder) = destination else { return name.to_owned() };
    let numbered = (2..=MOST_NAMESAKES).map(|number| format!("{name}-{number}"));
    let is_free = |name: &String| !folder.join(format!("{name}.tar.gz")).exists();
    std::iter::once(name.to_owned()).chain(numbered).find(is_free).unwrap_or_else(|| name.to_owned())
}
