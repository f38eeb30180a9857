//! speedscope's file format. <https://www.speedscope.app/file-format-schema.json>
//!
//! First all threads together, each below its worker, as in the flamegraph; then every thread that used CPU, with its
//! stacks in their order. A frame is a function without its line: speedscope tells frames apart by their place in the
//! table, and one function would be many in its list of functions.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analyse::Facts;
use crate::export::{exporter, without_stack};
use crate::redact::Clean;
use crate::sample::profile::{Interner, Place, Profile, Thread};

/// By which speedscope knows its own files.
const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

/// A file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    #[serde(rename = "$schema")]
    schema: &'static str,
    name: String,
    exporter: String,
    /// The one that is shown first.
    active_profile_index: usize,
    shared: Shared,
    profiles: Vec<Sampled>,
}

#[derive(Debug, Serialize)]
struct Shared {
    frames: Vec<Frame>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
struct Frame {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

/// Stacks from the root to the leaf, each with its weight.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sampled {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    unit: &'static str,
    start_value: f64,
    /// All weights together.
    end_value: f64,
    samples: Vec<Vec<u32>>,
    /// In microseconds of CPU.
    weights: Vec<f64>,
}

impl Sampled {
    fn new(name: String, stacks: impl IntoIterator<Item = (Vec<u32>, u64)>) -> Self {
        let (samples, cpu_ns): (Vec<_>, Vec<u64>) = stacks.into_iter().unzip();
        Self {
            kind: "sampled",
            name,
            unit: "microseconds",
            start_value: 0.0,
            end_value: cpu_ns.iter().sum::<u64>() as f64 / 1e3,
            samples,
            weights: cpu_ns.into_iter().map(|cpu_ns| cpu_ns as f64 / 1e3).collect(),
        }
    }
}

/// The profile as a file.
pub fn file(facts: &Facts) -> File {
    let profile = &facts.profile;
    let mut frames = Frames::of(profile);
    let mut profiles = vec![together(profile, &mut frames)];
    for (index, thread) in (0..).zip(&profile.threads) {
        let stretches = stretches(profile, index);
        if !stretches.is_empty() {
            let stacks = stretches.into_iter().map(|(place, cpu_ns)| (frames.stack(profile, place), cpu_ns));
            profiles.push(Sampled::new(name(thread), stacks));
        }
    }
    File {
        schema: SCHEMA,
        name: facts.manifest.name.clone(),
        exporter: exporter(),
        active_profile_index: 0,
        shared: Shared { frames: frames.known.into_items() },
        profiles,
    }
}

fn together(profile: &Profile<Clean>, frames: &mut Frames) -> Sampled {
    let mut sums: BTreeMap<(u32, Place), u64> = BTreeMap::new();
    for sample in profile.samples.iter().filter(|sample| sample.cpu_ns > 0) {
        *sums.entry((sample.thread, sample.place)).or_default() += sample.cpu_ns;
    }
    let stacks = sums.into_iter().map(|((thread, place), cpu_ns)| {
        let thread = &profile.threads[thread as usize];
        let mut stack = vec![
            frames.named(&format!("worker {}", thread.process.pid)),
            frames.named(&format!("{} ({})", thread.name, thread.tid)),
        ];
        stack.extend(frames.stack(profile, place));
        (stack, cpu_ns)
    });
    Sampled::new("all threads".to_owned(), stacks)
}

/// Where a thread spent its CPU, one place after the other.
fn stretches(profile: &Profile<Clean>, thread: u32) -> Vec<(Place, u64)> {
    let mut stretches: Vec<(Place, u64)> = Vec::new();
    for sample in profile.samples.iter().filter(|sample| sample.thread == thread && sample.cpu_ns > 0) {
        match stretches.last_mut() {
            Some((place, cpu_ns)) if *place == sample.place => *cpu_ns += sample.cpu_ns,
            _ => stretches.push((sample.place, sample.cpu_ns)),
        }
    }
    stretches
}

fn name(thread: &Thread<Clean>) -> String {
    format!("worker {}, {} ({})", thread.process.pid, thread.name, thread.tid)
}

/// The frames of all profiles.
struct Frames {
    known: Interner<Frame>,
    /// The function of each of the profile's frames.
    functions: Vec<u32>,
}

impl Frames {
    fn of(profile: &Profile<Clean>) -> Self {
        let mut known = Interner::default();
        let functions = profile.frames.iter().map(|frame| {
            let file = Some(frame.file.as_str().to_owned()).filter(|file| !file.is_empty());
            known.id(Frame { name: frame.function.as_str().to_owned(), file })
        });
        Self { functions: functions.collect(), known }
    }

    fn named(&mut self, name: &str) -> u32 {
        self.known.id(Frame { name: name.to_owned(), file: None })
    }

    /// From the root to the leaf.
    fn stack(&mut self, profile: &Profile<Clean>, place: Place) -> Vec<u32> {
        if let Place::Stack(stack) = place {
            let functions = profile.indices_leaf_to_root(stack).map(|frame| self.functions[frame as usize]);
            let mut functions: Vec<u32> = functions.collect();
            functions.reverse();
            return functions;
        }
        without_stack(place).map(|name| self.named(name)).into_iter().collect()
    }
}
