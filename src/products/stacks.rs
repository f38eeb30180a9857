//! What is folded and drawn of the stacks: of all, of each worker, of each slice, and against the baseline.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::Result;
use rustc_hash::FxHashMap;

use crate::analyse::heat::IDLE_CORE_PERCENT;
use crate::analyse::{Facts, Verdict};
use crate::bundle::archive::Artifact;
use crate::os::proc::ProcessId;
use crate::render::diff;
use crate::render::flamegraph::{Heading, Palette, draw};
use crate::render::folded::{Detail, Folder, Weight};

/// Of the samples of one slice at one place: there may be a hundred samples to each of these.
#[derive(Debug)]
struct Portion {
    process: ProcessId,
    weight: Weight,
    samples: usize,
}

/// All portions; those of a slice stand together.
#[derive(Debug)]
struct Portions {
    all: Vec<Portion>,
    /// Those of each slice.
    slices: Vec<Range<usize>>,
}

impl Portions {
    /// Samples that used CPU.
    fn of(facts: &Facts) -> Self {
        let slices = &facts.evidence.slices;
        // By slice, so that they stand together; none is behind all of them.
        let mut sums: BTreeMap<usize, FxHashMap<(u32, _), (u64, usize)>> = BTreeMap::new();
        for sample in facts.profile.samples.iter().filter(|sample| sample.cpu_ns > 0) {
            let slice = slices.partition_point(|slice| slice.to_us <= sample.at_us);
            let is_in = slices.get(slice).is_some_and(|slice| slice.from_us <= sample.at_us);
            let places = sums.entry(if is_in { slice } else { slices.len() }).or_default();
            let (cpu_ns, samples) = places.entry((sample.thread, sample.place)).or_default();
            *cpu_ns += sample.cpu_ns;
            *samples += 1;
        }
        let mut portions = Self { all: Vec::new(), slices: vec![0..0; slices.len()] };
        for (slice, places) in sums {
            let begin = portions.all.len();
            portions.all.extend(places.into_iter().map(|((thread, place), (cpu_ns, samples))| Portion {
                process: facts.profile.threads[thread as usize].process,
                weight: Weight { thread, place, cpu_ns },
                samples,
            }));
            if let Some(range) = portions.slices.get_mut(slice) {
                *range = begin..portions.all.len();
            }
        }
        portions
    }

    fn of_worker(&self, process: ProcessId) -> impl Iterator<Item = &Portion> + Clone {
        self.all.iter().filter(move |portion| portion.process == process)
    }
}

/// The stacks as text and as pictures. Without stacks there is nothing to fold, and nothing to draw.
pub fn stacks(facts: &Facts, verdict: &Verdict) -> Result<Vec<Artifact>> {
    if !facts.evidence.stacks.are_taken() {
        return Ok(Vec::new());
    }
    let portions = Portions::of(facts);
    let mut files = folded(facts, &portions);
    files.extend(flamegraphs(facts, verdict, &portions)?);
    Ok(files)
}

fn folded(facts: &Facts, portions: &Portions) -> Vec<Artifact> {
    let folder = Folder::of(&facts.profile, Detail::Lines);
    let all = folder.fold(portions.all.iter().map(|portion| portion.weight));
    let mut files = vec![Artifact::new("profiles/all.folded", all)];
    for worker in &facts.evidence.workers {
        let name = format!("profiles/worker-{}.folded", name_of(worker.process, facts));
        let of_worker = portions.of_worker(worker.process).map(|portion| portion.weight);
        files.push(Artifact::new(name, folder.fold(of_worker)));
    }
    files
}

fn flamegraphs(facts: &Facts, verdict: &Verdict, portions: &Portions) -> Result<Vec<Artifact>> {
    let evidence = &facts.evidence;
    let (palette, folder) = (Palette::of(&facts.profile), Folder::of(&facts.profile, Detail::Functions));
    let mut files = Vec::new();
    let count = evidence.workers.len();
    let all = if count == 1 { "CPU time of the worker".to_owned() } else { format!("CPU time of all {count} workers") };
    let drawing = Drawing { verdict, palette: &palette, folder: &folder };
    let svg = drawing.of(all, verdict.cpu.wall_seconds, portions.all.iter())?;
    files.push(Artifact::new("flamegraphs/all.svg", svg));
    for worker in &evidence.workers {
        let title = format!("CPU time of worker {}", worker.process.pid);
        let seconds = (worker.to_us - worker.from_us) as f64 / 1e6;
        let svg = drawing.of(title, seconds, portions.of_worker(worker.process))?;
        files.push(Artifact::new(format!("flamegraphs/worker-{}.svg", name_of(worker.process, facts)), svg));
    }
    let begin_us = evidence.slices.first().map_or(0, |slice| slice.from_us);
    for (index, (slice, range)) in evidence.slices.iter().zip(&portions.slices).enumerate() {
        let from_to = [slice.from_us, slice.to_us].map(|us| us.saturating_sub(begin_us) as f64 / 1e6);
        let title = format!("CPU time from {:.0} s to {:.0} s", from_to[0], from_to[1]);
        let svg = drawing.of(title, from_to[1] - from_to[0], portions.all[range.clone()].iter())?;
        files.push(Artifact::new(format!("flamegraphs/slice-{:03}.svg", index + 1), svg));
    }
    if let (Some(baseline), Some(comparison)) = (&facts.baseline, &verdict.comparison)
        && comparison.stacks.are_taken()
    {
        let svg = diff::flamegraph(baseline, facts, comparison)?;
        files.push(Artifact::new("flamegraphs/spike-minus-baseline.svg", svg));
    }
    Ok(files)
}

/// What all flamegraphs of a profile share.
struct Drawing<'a> {
    verdict: &'a Verdict,
    palette: &'a Palette,
    folder: &'a Folder,
}

impl Drawing<'_> {
    /// The flamegraph of some portions, which are what was sampled in so many seconds.
    fn of<'a>(
        &self,
        title: String,
        seconds: f64,
        portions: impl Iterator<Item = &'a Portion> + Clone,
    ) -> Result<String> {
        let cpu_seconds = portions.clone().map(|portion| portion.weight.cpu_ns).sum::<u64>() as f64 / 1e9;
        let samples: usize = portions.clone().map(|portion| portion.samples).sum();
        let cores = if seconds > 0.0 { cpu_seconds / seconds } else { 0.0 };
        let idle = if cores * 100.0 < IDLE_CORE_PERCENT { "nearly idle: " } else { "" };
        let quality = self.verdict.quality.grade.word();
        let subtitle = format!(
            "{idle}{cpu_seconds:.2} CPU-seconds in {seconds:.1} s ({cores:.2} cores on average), {samples} samples, \
             quality {quality}"
        );
        let folded = self.folder.fold(portions.map(|portion| portion.weight));
        Ok(draw(&folded, &Heading { title, subtitle }, self.palette)?)
    }
}

/// The pid; with the start time where a pid was used twice.
fn name_of(process: ProcessId, facts: &Facts) -> String {
    let twice = facts.evidence.workers.iter().filter(|worker| worker.process.pid == process.pid).count() > 1;
    if twice { format!("{}-{}", process.pid, process.start_ticks) } else { process.pid.to_string() }
}
