//! From a work folder to the files of a bundle: join, redact, analyse, render.
//!
//! A capture that ended well and one that was killed go the same way, so that `capture pack` gives the same bundle
//! as far as the facts reach.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Instant;

use anyhow::Result;
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};

use crate::analyse::evidence::{Evidence, WorkerCpu};
use crate::analyse::quality::Grade;
use crate::analyse::{Facts, Verdict, analyse};
use crate::begin::Begun;
use crate::bundle::archive::Artifact;
use crate::bundle::facts::{self, BASELINE, EVIDENCE, Files, REDACTIONS, SAMPLES};
use crate::bundle::manifest::{Manifest, Overhead, Status};
use crate::bundle::work::{self, Work};
use crate::collect::{Gap, Weight};
use crate::os::clock::utc_now;
use crate::os::proc::ProcessId;
use crate::products::{REPORT, products, texts};
use crate::redact::{Clean, Gate, Raw, Redactor};
use crate::render::report::data::block;
use crate::sample::clocks::ProcessRecord;
use crate::sample::join::{Traced, join};
use crate::sample::native::gil::{WorkerGil, gil_times};
use crate::sample::native::record::NativeSlice;
use crate::sample::native::witness::Witness;
use crate::sample::pyspy::Segment;
use crate::sample::{OwnCost, Sampler, What, native};
use crate::series::{Reading, Series};
use crate::traffic::Tally;
use crate::traffic::rows::traffic_rows;
use crate::workload::requests::SHAPES_FILE;
use crate::workload::{Shape, counted};

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
    /// What a second engine said of the first one's stacks.
    #[serde(default)]
    pub witness: Option<Witness>,
    /// What went missing on the way.
    pub gaps: Vec<Gap>,
    /// What was said so far.
    pub log: String,
}

/// A bundle in pieces.
#[derive(Debug)]
pub struct Assembled {
    /// What all is made of; its manifest has no list of files yet, [`Assembled::seal`] makes it.
    pub facts: Facts,
    /// What the facts say.
    pub verdict: Verdict,
    /// Every file but the manifest.
    pub artifacts: Vec<Artifact>,
    /// With the list of all files.
    pub manifest: Manifest,
}

/// Reads the work folder and makes everything of it.
pub fn assemble(work: &Work, redactor: &mut Redactor, aside: Aside) -> Result<Assembled> {
    let mut assembled = assemble_facts(work, redactor, aside)?;
    assembled.artifacts.extend(products(&assembled.facts, &assembled.verdict)?);
    Ok(assembled)
}

/// The same without anything drawn or written for people: as much as another capture can be held against.
pub fn assemble_facts(work: &Work, redactor: &mut Redactor, aside: Aside) -> Result<Assembled> {
    let began = Instant::now();
    let mut facts = Kept { work, redactor }.facts(&aside)?;
    let verdict = analyse(&facts);
    facts.manifest.gaps.extend(gaps_of(&facts.evidence, &verdict));

    let mut artifacts = facts::write(&facts)?;
    artifacts.extend(work.clean_files()?.into_iter().map(|(name, bytes)| Artifact { name, bytes }));
    artifacts.push(Artifact::new(work::LOG, redactor.kept_text(work::LOG, &Raw::new(aside.log)).to_string()));
    facts.redactions = redactor.report();
    artifacts.push(Artifact::json(REDACTIONS, &facts.redactions)?);

    let manifest = &mut facts.manifest;
    manifest.redactions = facts.redactions.removed.iter().map(|redaction| redaction.count).sum();
    manifest.ended_utc = Some(utc_now());
    manifest.interrupted_by = aside.interrupted_by;
    let whole = manifest.gaps.iter().all(|gap| gap.weight == Weight::Note) && manifest.interrupted_by.is_none();
    manifest.status = if whole { Status::Complete } else { Status::Partial };
    manifest.quality = Some(verdict.quality.clone());
    manifest.overhead = Overhead::of(&facts.evidence, &verdict, began.elapsed().as_secs_f64());
    Ok(Assembled { manifest: facts.manifest.clone(), facts, verdict, artifacts })
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
            // What is packed within the page is no other text than what is packed beside it.
            if artifact.name == REPORT
                && let Some(hit) = block::unpacked(&artifact.bytes).and_then(|bytes| gate.scan(&bytes))
            {
                return Err(format!("{}: {hit}", artifact.name));
            }
        }
        let manifest = serde_json::to_vec(&self.manifest).unwrap_or_default();
        gate.scan(&manifest).map_or(Ok(()), |hit| Err(format!("manifest.json: {hit}")))
    }

    /// Adds the manifest with the list of all other files.
    pub fn seal(&mut self) -> Result<()> {
        self.artifacts.retain(|artifact| artifact.name != work::MANIFEST);
        self.artifacts.sort_by(|a, b| a.name.cmp(&b.name));
        self.manifest = self.facts.manifest.clone();
        self.manifest.files = self.artifacts.iter().map(Artifact::entry).collect();
        self.artifacts.push(Artifact::json(work::MANIFEST, &self.manifest)?);
        Ok(())
    }

    /// Leaves out what a reader misses least, and says so; false when nothing is left to leave out.
    pub fn shed(&mut self) -> Result<bool> {
        let order =
            [BASELINE, "profiles/samples.json.gz", "flamegraphs/slice-", "flamegraphs/worker-", "profiles/worker-"];
        let victim =
            order.iter().find_map(|prefix| self.artifacts.iter().position(|file| file.name.starts_with(prefix)));
        let Some(index) = victim else { return Ok(false) };
        let mut name = self.artifacts.remove(index).name;
        if name.starts_with(BASELINE) {
            // A part of it would be no facts to compare with.
            self.artifacts.retain(|file| !file.name.starts_with(BASELINE));
            BASELINE.clone_into(&mut name);
        }
        self.facts.manifest.status = Status::Partial;
        self.facts.manifest.gaps.push(Gap::new(
            name,
            "with it the bundle would be larger than an attachment may be (25 MB)",
            "capture for a shorter time or at a lower rate",
        ));
        // Ticket and page tell of every gap.
        let again = texts(&self.facts, &self.verdict)?;
        self.artifacts.retain(|file| again.iter().all(|text| text.name != file.name));
        self.artifacts.extend(again);
        Ok(true)
    }
}

/// What the engine's records say beside the profile.
struct Sampled {
    workers: Vec<WorkerCpu>,
    samplers: Vec<Sampler>,
    gil: Vec<WorkerGil>,
}

/// What a capture kept in its work folder, and the redactor that all of it goes through once more.
struct Kept<'a> {
    work: &'a Work,
    redactor: &'a mut Redactor,
}

impl Kept<'_> {
    fn facts(&mut self, aside: &Aside) -> Result<Facts> {
        let work = self.work;
        // What was laid in as clean files is read as it will be read from the bundle.
        let mut files: Files = work.clean_files()?.into_iter().collect();
        files.insert(work::MANIFEST.to_owned(), work.read(work::MANIFEST)?);
        let records: Vec<ProcessRecord> = work.records(work::CLOCKS)?;
        let traces = work.records::<Segment>(work::SEGMENTS)?.into_iter().map(|segment| {
            let json = work.read(&segment.file).unwrap_or_default();
            Traced { segment, json }
        });
        let slices: Vec<NativeSlice> = work.records(work::NATIVE)?;
        let joined =
            if slices.is_empty() { join(&records, traces.collect()) } else { native::join::join(&slices, &records) };
        let profile = joined.profile.map(|raw| self.redactor.kept_text(SAMPLES, raw));
        let spans = records.iter().map(WorkerCpu::from).chain(slices.iter().map(WorkerCpu::from));
        let sampled = Sampled { workers: worker_cpu(spans), samplers: joined.samplers, gil: gil_times(&slices) };
        let evidence = self.evidence(sampled, aside)?;
        let mut readings: Vec<Reading> = work.records(work::READINGS)?;
        readings.extend(traffic_rows(&evidence.tallies));
        let mut facts = facts::complete(&files, evidence, profile, Series::gather(readings))?;
        facts.shapes = self.shapes()?;
        facts.shapes.extend(counted::shapes(&facts.evidence.tallies));
        facts.manifest.gaps.extend(aside.gaps.iter().cloned());
        facts.manifest.gaps.extend(work.records::<Gap>(work::GAPS)?);
        Ok(facts)
    }

    fn evidence(&mut self, sampled: Sampled, aside: &Aside) -> Result<Evidence> {
        let work = self.work;
        let begun = work.read(work::BEGUN).ok().and_then(|bytes| serde_json::from_slice::<Begun>(&bytes).ok());
        let begun = begun.unwrap_or_default();
        let manifest: Manifest = serde_json::from_slice(&work.read(work::MANIFEST)?)?;
        let samplers = sampled.samplers.into_iter().map(|mut sampler| {
            let fault = sampler.fault.take();
            sampler.fault = fault.map(|fault| self.clean(EVIDENCE, fault).to_string());
            sampler
        });
        let samplers = samplers.collect();
        let mut tallies = Vec::new();
        for tally in work.records::<Tally<String>>(work::TALLIES)? {
            tallies.push(tally.map(|text| self.clean(EVIDENCE, text.clone())));
        }
        tallies.sort_by_key(|tally| (tally.source, tally.at_us));
        Ok(Evidence {
            started_utc: manifest.started_utc,
            epoch_utc: begun.epoch_utc,
            trigger: begun.trigger,
            stacks: begun.stacks,
            slices: work.records(work::SLICES)?,
            workers: sampled.workers,
            samplers,
            gil: sampled.gil,
            events: work.records(work::EVENTS)?,
            own: aside.own,
            witness: aside.witness.clone(),
            lifetime: begun.lifetime,
            tallies,
            findings: work.records(work::FINDINGS)?,
            reporter: begun.reporter,
        })
    }

    fn shapes(&mut self) -> Result<Vec<Shape<Clean>>> {
        let shapes: Vec<Shape<String>> = self.work.records(work::SHAPES)?;
        Ok(shapes.into_iter().map(|shape| shape.map(|text| self.clean(SHAPES_FILE, text.clone()))).collect())
    }

    fn clean(&mut self, file: &str, text: String) -> Clean {
        self.redactor.kept_text(file, &Raw::new(text))
    }
}

impl From<&ProcessRecord> for WorkerCpu {
    fn from(record: &ProcessRecord) -> Self {
        let ProcessRecord { process, from_us, to_us, kernel_cpu_us, .. } = *record;
        Self { process, from_us, to_us, kernel_cpu_us }
    }
}

impl From<&NativeSlice> for WorkerCpu {
    fn from(slice: &NativeSlice) -> Self {
        let NativeSlice { process, from_us, to_us, kernel_cpu_us, .. } = *slice;
        Self { process, from_us, to_us, kernel_cpu_us }
    }
}

/// Each worker's records of all slices as one.
fn worker_cpu(records: impl Iterator<Item = WorkerCpu>) -> Vec<WorkerCpu> {
    let mut workers: BTreeMap<ProcessId, WorkerCpu> = BTreeMap::new();
    for record in records {
        let first = WorkerCpu { kernel_cpu_us: Some(0), ..record };
        let entry = workers.entry(record.process).or_insert(first);
        entry.from_us = entry.from_us.min(record.from_us);
        entry.to_us = entry.to_us.max(record.to_us);
        entry.kernel_cpu_us = entry.kernel_cpu_us.zip(record.kernel_cpu_us).map(|(sum, more)| sum + more);
    }
    workers.into_values().collect()
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
            What::DetachedForProxy => gaps.push(Gap::new(
                format!("stacks of worker {pid} from {since:.1} s on"),
                "/health/liveliness had answered before the sampling and did not any longer",
                "capture again at a lower rate: --rate 10; if it happens again, the proxy stands still by itself",
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
            What::WorkerJoined | What::RateSteppedDown { .. } | What::SlowedForProxy { .. } | What::SamplerLost => {}
        }
    }
    let nothing_yet = gaps.iter().all(|gap| gap.weight == Weight::Note);
    if evidence.slices.is_empty() {
        gaps.push(Gap::new("CPU time", "the capture ended before its first slice was finished", "capture for longer"));
    } else if !evidence.stacks.are_taken() {
        // That gap was known before the capture began.
    } else if verdict.quality.stacks == 0 && nothing_yet {
        let native = evidence.samplers.iter().any(|sampler| sampler.counts.is_some());
        let cure = if native {
            "capture for longer, or with --engine py-spy"
        } else {
            "capture for longer; see what py-spy says by itself: py-spy dump --pid PID"
        };
        gaps.push(Gap::new("stacks", "no stack was sampled before the capture ended", cure));
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
