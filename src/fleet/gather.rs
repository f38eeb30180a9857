//! The bundles of all pods, read one after another: only one is in memory at a time, and of each is kept what the whole
//! is made of.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::analyse::{Facts, analyse};
use crate::bundle::archive::{Artifact, LARGEST_BYTES, fit_for_file_name, sha256};
use crate::bundle::facts::{lacks, read};
use crate::bundle::manifest::{Manifest, Status};
use crate::bundle::open::{Bundle, Tarball};
use crate::collect::{Gap, Weight};
use crate::error::Failure;
use crate::fleet::Member;
use crate::fleet::differences::Traits;
use crate::fleet::functions::Functions;
use crate::fleet::manifest::{MemberEntry, MemberStatus};
use crate::fleet::pod::Pod;
use crate::fleet::stacks::Stacks;
use crate::notice::Notices;

/// A bundle that is larger than an attachment has left out what it could, so that none is much larger.
const LARGEST_BUNDLE_BYTES: usize = 4 * LARGEST_BYTES;
/// Faults named of a bundle that is damaged.
const FAULTS_NAMED: usize = 3;

/// What is kept of all bundles.
#[derive(Debug)]
pub struct Gathered {
    /// Every pod, in the order in which they came.
    pub entries: Vec<MemberEntry>,
    /// The figures of those that gave them.
    pub pods: Vec<Pod>,
    /// Their settings.
    pub traits: Traits,
    /// Their stacks.
    pub stacks: Stacks,
    /// Their functions.
    pub functions: Functions,
    /// Where the bundles are.
    pub sources: Vec<Source>,
    /// What came with the pods beside their bundles.
    pub extra: Vec<Artifact>,
    /// What is missing of the whole.
    pub gaps: Vec<Gap>,
    /// When the captures began, and when they were put together.
    pub times: Vec<(String, Option<String>)>,
}

/// A bundle that was read.
#[derive(Debug)]
pub struct Source {
    /// Its pod.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: usize,
    /// What it was when it was read.
    pub sha256: String,
}

/// A bundle in memory, and where it came from.
struct Opened {
    bundle: Bundle,
    path: PathBuf,
    bytes: usize,
    sha256: String,
}

/// Reads every member's bundle.
///
/// # Errors
/// When none can be read.
pub fn gather(members: Vec<Member>, notices: &Notices) -> Result<Gathered, Failure> {
    let count = members.len();
    let mut gathered = Gathered {
        entries: Vec::new(),
        pods: Vec::new(),
        traits: Traits::default(),
        stacks: Stacks::of(count),
        functions: Functions::default(),
        sources: Vec::new(),
        extra: Vec::new(),
        gaps: Vec::new(),
        times: Vec::new(),
    };
    let mut failures = Vec::new();
    for (index, member) in members.into_iter().enumerate() {
        let label = member.label();
        notices.detail(format!("reading {label}"));
        notices.progress(index as f64 / count as f64, &label);
        failures.extend(gathered.add(member, notices));
    }
    notices.progress_done();
    match failures.len() {
        1 if count == 1 => Err(failures.remove(0)),
        failed if failed == count || gathered.sources.is_empty() => Err(Failure::NoneReadable {
            faults: gathered.gaps.iter().map(|gap| format!("{}: {}", gap.what.replace('`', ""), gap.why)).collect(),
        }),
        _ => Ok(gathered),
    }
}

impl Gathered {
    /// One pod; the failure where its bundle cannot be read.
    fn add(&mut self, member: Member, notices: &Notices) -> Option<Failure> {
        let label = member.label();
        let (name, failure) = match member.bundle {
            Err(gap) => (self.add_missing(&label, None, gap), None),
            Ok(path) => match Opened::read(&path) {
                Ok(opened) => (self.add_bundle(member.name, opened, notices), None),
                Err(failure) => {
                    let of = if member.name.is_some() { "the bundle of " } else { "" };
                    let gap = gap_of(format!("{of}`{label}`"), &failure);
                    (self.add_missing(&label, Some(file_name(&path)), gap), Some(failure))
                }
            },
        };
        let below = |file: Artifact| Artifact { name: format!("pods/{name}/{}", file.name), ..file };
        self.extra.extend(member.extra.into_iter().map(below));
        failure
    }

    /// A pod that gave a bundle; the name that it goes by.
    fn add_bundle(&mut self, name: Option<String>, opened: Opened, notices: &Notices) -> String {
        let given = file_name(&opened.path);
        if let Some(first) = self.entries.iter().find(|entry| entry.sha256.as_ref() == Some(&opened.sha256)) {
            let (what, name) = (format!("a second bundle in `{given}`"), first.name.clone());
            let why = format!("it is the very bundle of `{name}`, which counts once");
            self.gaps.push(Gap::note(what, why, "if another pod was meant, name its own bundle"));
            return name;
        }
        let manifest = &opened.bundle.manifest;
        let facts = read(opened.bundle.files());
        let told = name.or_else(|| name_told(manifest, facts.as_ref().ok())).unwrap_or_else(|| given.clone());
        let name = self.free_name(&told);
        self.gaps.extend(same_pod(&told, &name));
        let mut gaps: Vec<Gap> = manifest.gaps.iter().filter(|gap| gap.weight == Weight::Partial).cloned().collect();
        gaps.extend(lacks(manifest.format).map(|lacks| {
            Gap::note("figures over time, requests and logs", lacks, "capture that pod with the newest release")
        }));
        match &facts {
            Ok(facts) => {
                self.add_facts(&name, facts);
                warn_of_content(facts, &name, notices);
            }
            Err(error) => gaps.push(Gap::new(
                "figures and stacks",
                format!("{error:#}"),
                "open what its own bundle still holds: `report.html`, `flamegraphs/all.svg`",
            )),
        }
        self.times.push((manifest.started_utc.clone(), manifest.ended_utc.clone()));
        let whole = manifest.status == Status::Complete && gaps.iter().all(|gap| gap.weight == Weight::Note);
        self.entries.push(MemberEntry {
            name: name.clone(),
            host: facts.ok().and_then(|facts| host(&facts)),
            status: if whole { MemberStatus::Complete } else { MemberStatus::Partial },
            given: Some(given),
            sha256: Some(opened.sha256.clone()),
            bundle: None,
            gaps,
        });
        let Opened { path, bytes, sha256, .. } = opened;
        self.sources.push(Source { name: name.clone(), path, bytes, sha256 });
        name
    }

    fn add_facts(&mut self, name: &str, facts: &Facts) {
        self.pods.push(Pod::of(name.to_owned(), facts, &analyse(facts)));
        self.traits.add(name, facts);
        self.stacks.add(name, &facts.profile);
        self.functions.add(name, &facts.profile);
    }

    /// A pod that gave none; the name that it goes by.
    fn add_missing(&mut self, label: &str, given: Option<String>, gap: Gap) -> String {
        let name = self.free_name(label);
        self.gaps.push(gap.clone());
        self.entries.push(MemberEntry {
            name: name.clone(),
            host: None,
            status: MemberStatus::Missing,
            given,
            sha256: None,
            bundle: None,
            gaps: vec![gap],
        });
        name
    }

    /// A name that can be part of a file's, and that no other pod has.
    fn free_name(&self, wanted: &str) -> String {
        let name = fit_for_a_pod(wanted);
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let is_free = |name: &String| self.entries.iter().all(|entry| entry.name != *name);
        std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or_default()
    }
}

impl Opened {
    fn read(path: &Path) -> Result<Self, Failure> {
        let packed = packed(path)?;
        let bundle = Bundle::try_from(Tarball::read(path, packed.as_slice())?)?;
        // What was changed after the capture went through no redaction.
        bundle.verify(path)?;
        Ok(Self { bundle, path: path.to_owned(), bytes: packed.len(), sha256: sha256(&packed) })
    }
}

impl Source {
    /// Its bytes once more.
    ///
    /// # Errors
    /// When it is not any longer what it was.
    pub fn packed(&self) -> Result<Vec<u8>, Failure> {
        let packed = packed(&self.path)?;
        if sha256(&packed) == self.sha256 {
            return Ok(packed);
        }
        Err(Failure::Damaged { path: self.path.clone(), faults: vec!["it was changed while it was read".to_owned()] })
    }
}

fn packed(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |why: String| Failure::Unreadable {
        path: path.to_owned(),
        why,
        cure: "name a bundle: litellm-cpu-HOST-TIME.tar.gz".to_owned(),
    };
    let mut packed = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST_BUNDLE_BYTES as u64 + 1).read_to_end(&mut packed));
    let read = read.map_err(|error: io::Error| unreadable(error.to_string()))?;
    if read > LARGEST_BUNDLE_BYTES {
        return Err(unreadable(format!("it is larger than {} MB, as no bundle is", LARGEST_BUNDLE_BYTES / 1_000_000)));
    }
    Ok(packed)
}

/// The gap that a bundle leaves which cannot be read.
fn gap_of(what: String, failure: &Failure) -> Gap {
    let why = match failure {
        Failure::Unreadable { why, .. } => why.clone(),
        Failure::Damaged { faults, .. } => {
            let more = faults.len().checked_sub(FAULTS_NAMED).filter(|more| *more > 0);
            let more = more.map_or_else(String::new, |more| format!(", and {more} more"));
            format!("it is damaged: {}{more}", faults[..faults.len().min(FAULTS_NAMED)].join(", "))
        }
        other => other.to_string(),
    };
    Gap::new(what, why, failure.cure().unwrap_or_default())
}

/// A pod's name as it goes into names of files.
fn fit_for_a_pod(name: &str) -> String {
    fit_for_file_name(name.trim_end_matches(".tar.gz")).unwrap_or_else(|| "pod".to_owned())
}

/// What is to be known of a bundle that had to take another name than it told.
fn same_pod(told: &str, name: &str) -> Option<Gap> {
    let first = fit_for_a_pod(told);
    (first != name).then(|| {
        Gap::note(
            format!("whether `{name}` is another pod than `{first}`"),
            "both bundles tell the same name",
            "name one bundle of each pod; to compare two captures of one pod: capture diff BEFORE AFTER",
        )
    })
}

/// The name of the pod, else of the host, else what the bundle's own name holds.
fn name_told(manifest: &Manifest, facts: Option<&Facts>) -> Option<String> {
    let pod = || Some(facts?.fingerprint.as_ref()?.container.pod.as_ref()?.to_string());
    let of_bundle = || {
        let name = manifest.name.strip_prefix("litellm-cpu-")?;
        name.rsplit_once('-').map(|(host, _)| host.to_owned())
    };
    pod().or_else(|| host(facts?)).or_else(of_bundle)
}

fn host(facts: &Facts) -> Option<String> {
    Some(facts.fingerprint.as_ref()?.host.hostname.as_ref()?.to_string())
}

/// The content of requests is in a bundle only where its reporter asked for it by name, of that bundle alone.
fn warn_of_content(facts: &Facts, name: &str, notices: &Notices) {
    if facts.evidence.reporter.prompts_included {
        notices.warn(format!(
            "the bundle of {name} holds the content of requests, as --include-prompts asked for, and everyone who gets \
             the fleet bundle can read it"
        ));
    }
}

/// The last part of a path: where it lies is nobody's business.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
