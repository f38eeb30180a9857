//! From a work folder to the files of a bundle: join, redact, analyse, render.
//!
//! A capture that ended well and one that was killed go the same way, so that `capture pack` gives the same bundle
//! as far as the facts reach.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Instant;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};

use crate::analyse::Verdict;
use crate::analyse::evidence::{Evidence, Reporter, WorkerCpu};
use crate::analyse::quality::Grade;
use crate::analyse::verdict::profiled;
use crate::bundle::archive::Artifact;
use crate::bundle::manifest::{Manifest, Overhead, Status};
use crate::bundle::samples;
use crate::bundle::work::{self, Work};
use crate::collect::fingerprint::Fingerprint;
use crate::collect::{Gap, Weight};
use crate::os::clock::utc_now;
use crate::os::proc::ProcessId;
use crate::redact::{Clean, Gate, Raw, Redactor};
use crate::render::flamegraph::{Heading, Palette, draw};
use crate::render::folded::{Detail, fold};
use crate::render::summary;
use crate::sample::clocks::ProcessRecord;
use crate::sample::join::{Traced, join};
use crate::sample::profile::{Profile, Sample};
use crate::sample::pyspy::Segment;
use crate::sample::{Event, OwnCost, Sampler, Slice, What};

/// The first bytes of a compressed file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What is known at the end of the sampling, beside the records. It is kept in the work folder, so that a capture
/// whose bundle could not be written misses nothing when it is packed later.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Aside {
    /// The signal that ended the capture.
    pub interrupted_by: Option<String>,
    /// What the capture took while it sampled.
    pub own: Option<OwnCost>,
    /// What went missing on the way.
    pub gaps: Vec<Gap>,
    /// What was said so far.
    pub log: String,
}

/// A bundle in pieces.
#[derive(Debug)]
pub struct Assembled {
    /// Without the files' list; [`Assembled::seal`] adds it.
    pub manifest: Manifest,
    /// What the evidence says.
    pub verdict: Verdict,
    /// Every file but the manifest.
    pub artifacts: Vec<Artifact>,
    /// Versions for the summary's first line.
    pub versions: String,
}

/// Reads the work folder and makes everything of it.
pub fn assemble(work: &Work, redactor: &mut Redactor, aside: Aside) -> Result<Assembled> {
    let began = Instant::now();
    let mut manifest: Manifest =
        serde_json::from_slice(&work.read(work::MANIFEST)?).context("the work folder's manifest")?;
    let records: Vec<ProcessRecord> = work.records(work::CLOCKS)?;
    let slices: Vec<Slice> = work.records(work::SLICES)?;
    let events: Vec<Event> = work.records(work::EVENTS)?;
    let segments: Vec<Segment> = work.records(work::SEGMENTS)?;

    let traces = segments.into_iter().map(|segment| {
        let json = work.read(&segment.file).unwrap_or_default();
        Traced { segment, json }
    });
    let joined = join(&records, traces.collect());
    let profile = joined.profile.map(|raw| redactor.kept_text("profiles/samples.json.gz", raw));
    let samplers = joined.samplers.into_iter().map(|mut sampler| {
        let fault = sampler.fault.take();
        sampler.fault = fault.map(|fault| redactor.kept_text("evidence.json", &Raw::new(fault)).to_string());
        sampler
    });
    let evidence = Evidence {
        started_utc: manifest.started_utc.clone(),
        slices,
        workers: worker_cpu(&records),
        samplers: samplers.collect(),
        events,
        own: aside.own,
        epoch_utc: None,
        lifetime: None,
        tallies: Vec::new(),
        findings: Vec::new(),
        reporter: Reporter::default(),
    };
    let verdict = profiled(&evidence, &profile);

    manifest.gaps.extend(aside.gaps);
    manifest.gaps.extend(gaps_of(&evidence, &verdict));
    let mut artifacts = clean_files(work)?;
    let versions = versions(&artifacts);
    artifacts.push(json("evidence.json", &evidence)?);
    artifacts.push(json("summary.json", &verdict)?);
    artifacts.extend(profiles(&profile, &evidence)?);
    artifacts.extend(flamegraphs(&profile, &evidence, &verdict)?);
    artifacts.push(Artifact::new(work::LOG, redactor.kept_text(work::LOG, &Raw::new(aside.log)).to_string()));
    let report = redactor.report();
    manifest.redactions = report.removed.iter().map(|redaction| redaction.count).sum();
    artifacts.push(json("redactions.json", &report)?);

    manifest.ended_utc = Some(utc_now());
    manifest.interrupted_by = aside.interrupted_by;
    let whole = manifest.gaps.iter().all(|gap| gap.weight == Weight::Note) && manifest.interrupted_by.is_none();
    manifest.status = if whole { Status::Complete } else { Status::Partial };
    manifest.quality = Some(verdict.quality.clone());
    manifest.overhead = Overhead::of(&evidence, &verdict, began.elapsed().as_secs_f64());
    Ok(Assembled { manifest, verdict, artifacts, versions })
}

impl Assembled {
    /// Scans every finished file for secrets.
    ///
    /// # Errors
    /// With the file and the kind of the first hit.
    pub fn pass_gate(&self, gate: &Gate) -> Result<(), String> {
        for artifact in &self.artifacts {
            let mut unpacked = Vec::new();
            let bytes = if artifact.bytes.starts_with(&GZIP_MAGIC) {
                let read = GzDecoder::new(artifact.bytes.as_slice()).read_to_end(&mut unpacked);
                read.map_err(|error| format!("{} cannot be checked: {error}", artifact.name))?;
                &unpacked
            } else {
                &artifact.bytes
            };
            if let Some(hit) = gate.scan(bytes) {
                return Err(format!("{}: {hit}", artifact.name));
            }
        }
        let manifest = serde_json::to_vec(&self.manifest).unwrap_or_default();
        gate.scan(&manifest).map_or(Ok(()), |hit| Err(format!("manifest.json: {hit}")))
    }

    /// Adds the manifest with the list of all other files.
    pub fn seal(&mut self) -> Result<()> {
        self.artifacts.sort_by(|a, b| a.name.cmp(&b.name));
        self.manifest.files = self.artifacts.iter().map(Artifact::entry).collect();
        let manifest = json(work::MANIFEST, &self.manifest)?;
        self.artifacts.push(manifest);
        Ok(())
    }

    /// Leaves out the file that a reader misses least, and says so; false when none is left to leave out.
    pub fn shed(&mut self) -> bool {
        self.artifacts.retain(|artifact| artifact.name != work::MANIFEST);
        let order = ["profiles/samples.json.gz", "flamegraphs/slice-", "flamegraphs/worker-", "profiles/worker-"];
        let victim =
            order.iter().find_map(|prefix| self.artifacts.iter().position(|file| file.name.starts_with(prefix)));
        let Some(index) = victim else { return false };
        let name = self.artifacts.remove(index).name;
        self.manifest.status = Status::Partial;
        self.manifest.gaps.push(Gap::new(
            name,
            "with it the bundle would be larger than an attachment may be (25 MB)",
            "capture for a shorter time or at a lower rate",
        ));
        true
    }
}

/// Each worker's records of all slices as one.
fn worker_cpu(records: &[ProcessRecord]) -> Vec<WorkerCpu> {
    let mut workers: BTreeMap<ProcessId, WorkerCpu> = BTreeMap::new();
    for record in records {
        let entry = workers.entry(record.process).or_insert(WorkerCpu {
            process: record.process,
            from_us: record.from_us,
            to_us: record.to_us,
            kernel_cpu_us: Some(0),
        });
        entry.to_us = record.to_us;
        entry.kernel_cpu_us = entry.kernel_cpu_us.zip(record.kernel_cpu_us).map(|(sum, more)| sum + more);
    }
    workers.into_values().collect()
}

fn clean_files(work: &Work) -> Result<Vec<Artifact>> {
    Ok(work.clean_files()?.into_iter().map(|(name, bytes)| Artifact { name, bytes }).collect())
}

fn versions(artifacts: &[Artifact]) -> String {
    let fingerprint = artifacts.iter().find(|artifact| artifact.name == "environment/fingerprint.json");
    versions_in(fingerprint.map(|file| file.bytes.as_slice()))
}

/// The versions that a stored fingerprint names.
pub fn versions_in(fingerprint: Option<&[u8]>) -> String {
    let fingerprint: Option<Fingerprint<Clean>> = fingerprint.and_then(|bytes| serde_json::from_slice(bytes).ok());
    let (litellm, python) = fingerprint.map_or((None, None), |print| (print.litellm.version, print.python.version));
    summary::versions(litellm.as_ref(), python.as_ref())
}

fn profiles(profile: &Profile<Clean>, evidence: &Evidence) -> Result<Vec<Artifact>> {
    let mut files = vec![
        Artifact::new("profiles/all.folded", fold(profile, Detail::Lines, |_, _| true)),
        Artifact::new("profiles/samples.json.gz", samples::write(profile)?),
    ];
    for worker in &evidence.workers {
        let name = format!("profiles/worker-{}.folded", name_of(worker.process, evidence));
        files.push(Artifact::new(name, fold(profile, Detail::Lines, |_, process| process == worker.process)));
    }
    Ok(files)
}

fn flamegraphs(profile: &Profile<Clean>, evidence: &Evidence, verdict: &Verdict) -> Result<Vec<Artifact>> {
    let palette = Palette::of(profile);
    let begin_us = evidence.slices.first().map_or(0, |slice| slice.from_us);
    let mut files = Vec::new();
    let mut add = |file: String, title: String, seconds: f64, include: &dyn Fn(&Sample, ProcessId) -> bool| {
        let chosen = || {
            let process = |sample: &Sample| profile.threads[sample.thread as usize].process;
            profile.samples.iter().filter(move |sample| sample.cpu_ns > 0 && include(sample, process(sample)))
        };
        let cpu_seconds = chosen().map(|sample| sample.cpu_ns).sum::<u64>() as f64 / 1e9;
        let cores = if seconds > 0.0 { cpu_seconds / seconds } else { 0.0 };
        let idle = if cores * 100.0 < summary::IDLE_CORE_PERCENT { "nearly idle: " } else { "" };
        let subtitle = format!(
            "{idle}{cpu_seconds:.2} CPU-s in {seconds:.1} s ({:.1} % of a core), {} samples, quality {}",
            cores * 100.0,
            chosen().count(),
            verdict.quality.grade.word(),
        );
        let svg = draw(&fold(profile, Detail::Functions, include), &Heading { title, subtitle }, &palette)?;
        files.push(Artifact::new(file, svg));
        anyhow::Ok(())
    };
    let count = evidence.workers.len();
    let all = if count == 1 { "CPU time of the worker".to_owned() } else { format!("CPU time of all {count} workers") };
    add("flamegraphs/all.svg".to_owned(), all, verdict.cpu.wall_seconds, &|_, _| true)?;
    for worker in &evidence.workers {
        let seconds = (worker.to_us - worker.from_us) as f64 / 1e6;
        let name = name_of(worker.process, evidence);
        add(
            format!("flamegraphs/worker-{name}.svg"),
            format!("CPU time of worker {}", worker.process.pid),
            seconds,
            &|_, process| process == worker.process,
        )?;
    }
    for (index, slice) in evidence.slices.iter().enumerate() {
        let from_to = [slice.from_us, slice.to_us].map(|us| us.saturating_sub(begin_us) as f64 / 1e6);
        add(
            format!("flamegraphs/slice-{:03}.svg", index + 1),
            format!("CPU time from {:.0} s to {:.0} s", from_to[0], from_to[1]),
            from_to[1] - from_to[0],
            &|sample, _| (slice.from_us..slice.to_us).contains(&sample.at_us),
        )?;
    }
    Ok(files)
}

/// The pid; with the start time where a pid was used twice.
fn name_of(process: ProcessId, evidence: &Evidence) -> String {
    let twice = evidence.workers.iter().filter(|worker| worker.process.pid == process.pid).count() > 1;
    if twice { format!("{}-{}", process.pid, process.start_ticks) } else { process.pid.to_string() }
}

/// What the evidence lacks.
fn gaps_of(evidence: &Evidence, verdict: &Verdict) -> Vec<Gap> {
    let begin_us = evidence.slices.first().map_or(0, |slice| slice.from_us);
    let mut gaps: Vec<Gap> = Vec::new();
    // A sampler that fails again and again says the same each time.
    for gap in evidence.samplers.iter().filter_map(gap_of_sampler) {
        if !gaps.contains(&gap) {
            gaps.push(gap);
        }
    }
    for event in &evidence.events {
        let pid = event.process.pid;
        let since = event.at_us.saturating_sub(begin_us) as f64 / 1e6;
        match event.what {
            What::Detached { cost_percent } => gaps.push(Gap::new(
                format!("stacks of worker {pid} from {since:.1} s on"),
                format!("sampling cost {cost_percent} % of a core even at the lowest rate"),
                "give more with --max-overhead",
            )),
            What::WorkerGone => gaps.push(Gap::note(
                format!("worker {pid} from {since:.1} s on"),
                "it ended",
                "its own log and its supervisor's may say why",
            )),
            What::WorkerStopped => {
                let gap = Gap::note(
                    format!("what worker {pid} does when it runs"),
                    "it was found stopped, by SIGSTOP or a debugger, when a slice ended",
                    format!("if nobody meant that: kill -CONT {pid}, then capture again"),
                );
                if !gaps.contains(&gap) {
                    gaps.push(gap);
                }
            }
            What::WorkerJoined | What::RateSteppedDown { .. } | What::SamplerLost => {}
        }
    }
    let nothing_yet = gaps.iter().all(|gap| gap.weight == Weight::Note);
    if evidence.slices.is_empty() {
        gaps.push(Gap::new("CPU time", "the capture ended before its first slice was finished", "capture for longer"));
    } else if verdict.quality.stacks == 0 && nothing_yet {
        gaps.push(Gap::new(
            "stacks",
            "no stack was sampled before the capture ended",
            "capture for longer; see what py-spy says by itself: py-spy dump --pid PID",
        ));
    } else if verdict.quality.grade == Grade::Unusable && nothing_yet {
        gaps.push(Gap::new("a profile to rely on", verdict.quality.reasons.join("; "), "capture again, for longer"));
    }
    gaps
}

fn gap_of_sampler(sampler: &Sampler) -> Option<Gap> {
    let pid = sampler.process.pid;
    let what = format!("stacks of worker {pid} for one sampler's time");
    match (&sampler.fault, sampler.cut_short) {
        (Some(fault), _) => Some(Gap::new(
            what,
            format!("py-spy {fault}"),
            format!("see what it says by itself: py-spy dump --pid {pid}"),
        )),
        (None, true) => Some(Gap::new(what, "its trace file ends too early", "free space in the output's folder")),
        (None, false) => None,
    }
}

fn json(name: &str, value: &impl Serialize) -> Result<Artifact> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(Artifact::new(name, bytes))
}
