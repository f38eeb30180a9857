//! One bundle over the bundles of several pods: which are hot, what differs between them, one flamegraph, one ticket.
//!
//! The seam is [`assemble`]: members go in, each with the path of its bundle or the reason why there is none, and the fleet
//! bundle comes to its place. [`tell`] says what it holds. `capture merge` is no more than these two.
//!
//! Bundles are read one after another, and a bundle's memory is given back before the next one is read. What is kept of
//! each is bounded: its figures, its stacks up to a share of a fixed number, and of its settings and functions only what
//! the pods before did not have. At the end the bundles that go in are read once more, 25 MB at most.

pub mod differences;
pub mod functions;
mod gather;
pub mod heat;
mod keep;
mod lines;
pub mod manifest;
pub mod open;
pub mod pod;
pub mod stacks;
pub mod summary;
mod ticket;

use std::path::PathBuf;

use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;

use crate::analyse::{analyse, figures::ratio};
use crate::bundle::archive::{Artifact, LARGEST_BYTES, pack};
use crate::bundle::facts::read;
use crate::bundle::manifest::{Kind, Status, Tool};
use crate::bundle::open::{Bundle, Tarball};
use crate::bundle::work::MANIFEST;
use crate::collect::{Gap, Weight};
use crate::error::{Failure, Kept, exit};
use crate::fleet::gather::{Gathered, Source, file_name, gather};
use crate::fleet::heat::{PodHeat, apart, judge};
use crate::fleet::manifest::{FORMAT, FleetManifest, MemberStatus};
use crate::fleet::summary::FleetSummary;
use crate::notice::Notices;
use crate::os::clock::utc_for_file_name;
use crate::plan::{Destination, MergePlan, OutputPlan, ResultForm};
use crate::products::TICKET;
use crate::publish::{deliver, say_result};
use crate::render::figures::{counted, span};
use crate::render::flamegraph::{Heading, draw};

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
    let mut files = drawn(&gathered, &summary).context("the fleet's pictures")?;
    files.append(&mut gathered.extra);
    let hottest = hottest_ticket(&gathered.sources, &summary);
    let seconds = began.map_or(0, |began| began.as_second().unsigned_abs());
    let tarball =
        seal(files, &mut manifest, &Content { summary: &summary, hottest, sources: &gathered.sources, seconds })?;
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

/// What is sealed beside the files that do not change any more.
struct Content<'a> {
    summary: &'a FleetSummary,
    hottest: Option<ticket::Hottest>,
    sources: &'a [Source],
    /// The time of every file.
    seconds: u64,
}

/// The tarball with as many of the bundles as keep it small enough to be attached.
fn seal(mut files: Vec<Artifact>, manifest: &mut FleetManifest, content: &Content<'_>) -> Result<Vec<u8>, Failure> {
    let own_bytes = pack(&manifest.name, &mut files, content.seconds).context("the tarball")?.len();
    let mut kept = keep::read(content.sources, content.summary, LARGEST_BYTES.saturating_sub(own_bytes));
    let gaps = manifest.gaps.clone();
    loop {
        manifest.gaps = gaps.iter().cloned().chain(kept.gaps()).collect();
        for entry in &mut manifest.members {
            entry.bundle = kept.bundle_of(&entry.name).map(|file| file.name.clone());
        }
        manifest.status = status(manifest);
        let ticket = ticket::ticket(manifest, content.summary, content.hottest.as_ref());
        let mut all: Vec<Artifact> = files.iter().chain(kept.bundles()).cloned().collect();
        all.push(Artifact::new(TICKET, ticket));
        all.sort_by(|one, other| one.name.cmp(&other.name));
        manifest.files = all.iter().map(Artifact::entry).collect();
        all.push(Artifact::json(MANIFEST, manifest).context("the manifest")?);
        let tarball = pack(&manifest.name, &mut all, content.seconds).context("the tarball")?;
        if tarball.len() <= LARGEST_BYTES || !kept.leave_out_another() {
            return Ok(tarball);
        }
    }
}

fn status(manifest: &FleetManifest) -> Status {
    let whole = manifest.gaps.iter().all(|gap| gap.weight == Weight::Note)
        && manifest.members.iter().all(|member| member.status == MemberStatus::Complete);
    if whole { Status::Complete } else { Status::Partial }
}

/// The files that do not depend on which bundles go in.
fn drawn(gathered: &Gathered, summary: &FleetSummary) -> anyhow::Result<Vec<Artifact>> {
    let stacks = &gathered.stacks;
    let folded = stacks.folded(summary.all_names());
    let mut files = vec![Artifact::json(SUMMARY, summary)?];
    let all = format!("CPU time of {}", counted(summary.pods.len(), "pod"));
    files.push(Artifact::new("flamegraphs/all.svg", draw(&folded, &heading(all, summary, None), stacks.palette())?));
    files.push(Artifact::new("profiles/all.folded", folded));
    let hot = summary.names(PodHeat::Hot).count();
    if hot > 0 && hot < summary.pods.len() {
        let title = format!("CPU time of the {} of {}", counted(hot, "hot pod"), summary.pods.len());
        let heading = heading(title, summary, Some(PodHeat::Hot));
        let folded = stacks.folded(summary.names(PodHeat::Hot));
        files.push(Artifact::new("flamegraphs/hot.svg", draw(&folded, &heading, stacks.palette())?));
    }
    Ok(files)
}

/// CPU of the pods that are so, or of all.
fn heading(title: String, summary: &FleetSummary, heat: Option<PodHeat>) -> Heading {
    let pods = || summary.pods.iter().filter(|pod| heat.is_none_or(|heat| pod.heat == heat));
    let cpu_seconds: f64 = pods().map(|pod| pod.cpu_seconds).sum();
    let cores: f64 = pods().filter_map(|pod| ratio(pod.cpu_seconds, pod.wall_seconds)).sum();
    let longest = pods().map(|pod| pod.wall_seconds).fold(0.0, f64::max);
    let subtitle = format!("{cpu_seconds:.2} CPU-seconds in {} at most ({cores:.2} cores on average)", span(longest));
    Heading { title, subtitle }
}

/// The ticket of the hottest pod, written anew from the facts in its bundle.
fn hottest_ticket(sources: &[Source], summary: &FleetSummary) -> Option<ticket::Hottest> {
    let name = summary.heat.hottest.clone()?;
    let source = sources.iter().find(|source| source.name == name)?;
    let packed = source.packed().ok()?;
    let bundle = Bundle::try_from(Tarball::read(&source.path, packed.as_slice()).ok()?).ok()?;
    let facts = read(bundle.files()).ok()?;
    Some(ticket::Hottest { text: crate::render::ticket::ticket(&facts, &analyse(&facts)), name })
}

/// When the first capture began.
fn began(gathered: &Gathered) -> Option<Timestamp> {
    gathered.times.iter().filter_map(|(started, _)| started.parse().ok()).min()
}

fn for_file_name(moment: Timestamp) -> String {
    moment.strftime("%Y%m%dT%H%M%SZ").to_string()
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
