//! A capture as large as they come, made of a recorded one: its samples again and again, with jitter, in every
//! worker, and its stacks at other lines too.

use std::{fs, path::Path};

use fastrand::Rng;
use litellm_capture::{
    analyse::{evidence::WorkerCpu, facts::Facts},
    bundle::{
        archive::{Artifact, pack},
        facts::{CONFIG, FINGERPRINT, REDACTIONS, VARIABLES, read, write},
        open::Bundle,
    },
    os::proc::ProcessId,
    redact::Clean,
    sample::{
        Slice,
        profile::{Frame, Place, Profile, Sample, Shape, StackNode, Thread},
    },
    series::{Row, Series, Table},
};

use super::support::repository;

/// A real LiteLLM under load, with a baseline.
const RECORDED: &str = "tests/bundles/1.1.tar.gz";
const SLICE_SECONDS: u64 = 10;
/// Lines of one function that are seen on a stack.
const LINES: u32 = 8;

/// How large.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub workers: i32,
    pub seconds: u64,
    /// Samples a second of each worker.
    pub rate_hz: u64,
    /// Distinct stacks for each recorded one.
    pub variants: u32,
}

/// The recorded facts, grown to a size; the same each time.
pub fn facts(size: Size) -> Facts {
    let mut facts = recorded();
    let to_us = size.seconds * 1_000_000;
    let processes: Vec<ProcessId> =
        (0..size.workers).map(|number| ProcessId { pid: 1000 + number, start_ticks: 77 }).collect();
    let worker = |process: &ProcessId| WorkerCpu { process: *process, from_us: 0, to_us, kernel_cpu_us: None };
    facts.evidence.workers = processes.iter().map(worker).collect();
    let begins = (0..size.seconds).step_by(SLICE_SECONDS as usize).map(|second| second * 1_000_000);
    facts.evidence.slices =
        begins.map(|from_us| Slice { from_us, to_us: to_us.min(from_us + SLICE_SECONDS * 1_000_000) }).collect();
    facts.evidence.events.clear();
    facts.series = series(&facts.series, &processes, size);
    facts.profile = grown(&facts.profile, &processes, size);
    facts
}

/// Writes the bundle that holds these facts.
pub fn write_bundle(facts: &Facts, path: &Path) {
    let bundle = Bundle::open(&repository().join(RECORDED)).expect("a bundle");
    let kept = [FINGERPRINT, VARIABLES, CONFIG, REDACTIONS].into_iter();
    let kept = kept.filter_map(|name| Some(Artifact::new(name, bundle.file(name)?)));
    let baseline = bundle.files().iter().filter(|(name, _)| name.starts_with("baseline/"));
    let mut files: Vec<Artifact> = write(facts).expect("the facts");
    files.extend(kept);
    files.extend(baseline.map(|(name, bytes)| Artifact::new(name.clone(), bytes.clone())));
    let mut manifest = facts.manifest.clone();
    manifest.files = files.iter().map(Artifact::entry).collect();
    files.push(Artifact::json("manifest.json", &manifest).expect("a manifest"));
    fs::write(path, pack(&manifest.name, &mut files, 0).expect("a tarball")).expect("a file");
}

fn recorded() -> Facts {
    read(Bundle::open(&repository().join(RECORDED)).expect("a bundle").files()).expect("its facts")
}

fn grown(recorded: &Profile<Clean>, processes: &[ProcessId], size: Size) -> Profile<Clean> {
    let mut random = Rng::with_seed(16);
    let stack_count = recorded.stacks.len() as u32;
    let frame_count = recorded.frames.len() as u32;
    let frames = (0..LINES)
        .flat_map(|more| recorded.frames.iter().map(move |frame| Frame { line: frame.line + more, ..frame.clone() }));
    let stacks = (0..size.variants).flat_map(|variant| {
        recorded.stacks.iter().map(move |node| StackNode {
            parent: node.parent.map(|parent| variant / LINES * stack_count + parent),
            frame: variant % LINES * frame_count + node.frame,
        })
    });
    let busiest =
        |thread: u32| recorded.samples.iter().filter(|sample| sample.thread == thread).map(|s| s.cpu_ns).sum::<u64>();
    let main = (0..recorded.threads.len() as u32).max_by_key(|thread| busiest(*thread)).expect("a thread");
    let template: Vec<&Sample> = recorded.samples.iter().filter(|sample| sample.thread == main).collect();
    let interval_us = 1_000_000 / size.rate_hz;
    let mut samples = Vec::new();
    for thread in 0..processes.len() as u32 {
        let mut next = random.usize(..template.len());
        let mut at_us = random.u64(..interval_us);
        while at_us < size.seconds * 1_000_000 {
            let span_us = interval_us - interval_us / 20 + random.u64(..=interval_us / 10);
            let sample = template[next % template.len()];
            // Few variants are frequent, most are rare, as lines are.
            let rarity = random.f64();
            let variant = (f64::from(size.variants) * rarity * rarity * rarity) as u32;
            let place = match sample.place {
                Place::Stack(stack) => Place::Stack(variant * stack_count + stack),
                place => place,
            };
            let cpu_ns = if sample.cpu_ns == 0 { 0 } else { random.u64(..span_us * 1_000) };
            samples.push(Sample { at_us, span_us, thread, place, shape: Shape::Whole, cpu_ns, run_delay_ns: 0 });
            at_us += span_us;
            next += 1;
        }
    }
    samples.sort_by_key(|sample| sample.at_us);
    let thread = |process: &ProcessId| Thread { process: *process, tid: process.pid, name: Clean::ours("MainThread") };
    Profile {
        frames: frames.collect(),
        stacks: stacks.collect(),
        threads: processes.iter().map(thread).collect(),
        samples,
    }
}

/// Each table's rows again and again, one a second, and a worker's for every worker.
fn series(recorded: &Series, processes: &[ProcessId], size: Size) -> Series {
    let stretched = |table: &Table, name: String| {
        let rows = (0..size.seconds).map(|second| Row {
            at_us: (second + 1) * 1_000_000,
            values: table.rows[second as usize % table.rows.len()].values.clone(),
        });
        Table { name, columns: table.columns.clone(), rows: rows.collect() }
    };
    let worker = recorded.workers().next().map(|(_, table)| table).expect("a worker's table");
    let others = recorded.0.values().filter(|table| !table.name.starts_with("worker-") && !table.rows.is_empty());
    let mut tables: Vec<Table> = others.map(|table| stretched(table, table.name.clone())).collect();
    tables.extend(processes.iter().map(|process| stretched(worker, format!("worker-{}", process.pid))));
    Series(tables.into_iter().map(|table| (table.name.clone(), table)).collect())
}
