//! Firefox Profiler's processed profile, as <https://profiler.firefox.com> opens it.
//! <https://github.com/firefox-devtools/profiler/blob/main/docs-developer/processed-profile-format.md>
//!
//! [`tables`] has the stacks, which all threads share, [`threads`] the samples of each, [`markers`] what happened and
//! when, and [`counters`] each worker's memory and CPU. Of what a watch recorded, the time since the spike began is
//! here: the hours before would leave the stacks no room.

pub mod counters;
pub mod markers;
pub mod tables;
pub mod threads;

use serde::Serialize;

use crate::analyse::Facts;
use crate::collect::fingerprint::Host;
use crate::export::exporter;
use crate::redact::Clean;
use counters::Counter;
use markers::{Markers, Schema};
use tables::{Category, Shared, Tables};
use threads::Thread;

/// The first version of the format in which threads share their stacks; readers upgrade it to theirs.
const PROCESSED_VERSION: u32 = 60;
/// The version of the format that Firefox itself writes, which a processed profile names too.
const GECKO_VERSION: u32 = 31;

/// A profile.
#[derive(Debug, Serialize)]
pub struct Profile {
    meta: Meta,
    /// Libraries with symbols yet to be found: there are none.
    libs: [(); 0],
    shared: Shared,
    threads: Vec<Thread>,
    counters: Vec<Counter>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    product: String,
    imported_from: String,
    interval: f64,
    start_time: f64,
    process_type: u32,
    stackwalk: u32,
    version: u32,
    preprocessed_profile_version: u32,
    symbolicated: bool,
    /// Python alone: there is no choice of native or JavaScript frames to be offered.
    uses_only_one_stack_type: bool,
    source_code_is_not_on_searchfox: bool,
    categories: Vec<Category>,
    marker_schema: [Schema; 1],
    sample_units: SampleUnits,
    #[serde(flatten)]
    machine: Machine,
    extra: [Section; 1],
}

/// The units of the samples' columns.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SampleUnits {
    time: &'static str,
    event_delay: &'static str,
    #[serde(rename = "threadCPUDelta")]
    thread_cpu_delta: &'static str,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Machine {
    #[serde(skip_serializing_if = "Option::is_none")]
    oscpu: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    #[serde(rename = "CPUName", skip_serializing_if = "Option::is_none")]
    cpu_name: Option<String>,
    #[serde(rename = "logicalCPUs", skip_serializing_if = "Option::is_none")]
    logical_cpus: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    main_memory: Option<u64>,
}

/// More about the profile, in the reader's panel about it.
#[derive(Debug, Serialize)]
struct Section {
    label: &'static str,
    entries: [Entry; 3],
}

#[derive(Debug, Serialize)]
struct Entry {
    label: &'static str,
    format: &'static str,
    value: String,
}

/// The profile of a bundle's facts.
pub fn profile(facts: &Facts) -> Profile {
    let clock = Clock::of(facts);
    let Tables { mut strings, categories, mut shared } = Tables::of(&facts.profile);
    let threads::Listed { order, main_threads } = threads::listed(&facts.profile);
    let counters = counters::of(facts, clock, &main_threads);
    let mut threads = Vec::new();
    for listed in &order {
        let markers = if listed.is_main { markers::of(facts, clock, listed.process, &mut strings) } else { Vec::new() };
        threads.push(Thread::of(&facts.profile, clock, listed, Markers::of(clock, markers)));
    }
    shared.string_array = strings.into_items();
    Profile { meta: meta(facts, clock, categories), libs: [], shared, threads, counters }
}

/// The profile's time zero: the capture's own, or the beginning of the spike that a watch waited for.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    zero_us: u64,
}

impl Clock {
    fn of(facts: &Facts) -> Self {
        Self { zero_us: facts.spike_from_us() }
    }

    /// Milliseconds since then.
    fn ms(self, at_us: u64) -> f64 {
        at_us.saturating_sub(self.zero_us) as f64 / 1e3
    }

    /// Whether it is part of the profile.
    fn has(self, at_us: u64) -> bool {
        at_us >= self.zero_us
    }
}

fn meta(facts: &Facts, clock: Clock, categories: Vec<Category>) -> Meta {
    let manifest = &facts.manifest;
    let text = |label, value: &str| Entry { label, format: "string", value: value.to_owned() };
    let engine = format!("{} {}", manifest.engine.name, manifest.engine.version);
    Meta {
        product: product(facts),
        imported_from: exporter(),
        interval: 1e3 / f64::from(manifest.settings.rate_hz.max(1)),
        start_time: facts.epoch().as_microsecond().saturating_add_unsigned(clock.zero_us) as f64 / 1e3,
        process_type: 0,
        stackwalk: 1,
        version: GECKO_VERSION,
        preprocessed_profile_version: PROCESSED_VERSION,
        symbolicated: true,
        uses_only_one_stack_type: true,
        source_code_is_not_on_searchfox: true,
        categories,
        marker_schema: [Schema::default()],
        sample_units: SampleUnits { time: "ms", event_delay: "ms", thread_cpu_delta: "ns" },
        machine: facts.fingerprint.as_ref().map(|print| machine(&print.host)).unwrap_or_default(),
        extra: [Section {
            label: "Capture",
            entries: [
                text("Bundle", &manifest.name),
                text("Captured by", &format!("{} {}", manifest.tool.name, manifest.tool.version)),
                text("Sampled by", &engine),
            ],
        }],
    }
}

fn product(facts: &Facts) -> String {
    let name = if facts.manifest.looks_like_litellm { "LiteLLM" } else { "Python" };
    let python = || facts.fingerprint.as_ref()?.python.version.as_ref().map(Clean::as_str);
    let version = if facts.manifest.looks_like_litellm { facts.litellm_version() } else { python() };
    version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}"))
}

fn machine(host: &Host<Clean>) -> Machine {
    let text = |text: &Option<Clean>| text.as_ref().map(|text| text.as_str().to_owned());
    let known: Vec<&str> = [&host.os, &host.arch].into_iter().flatten().map(Clean::as_str).collect();
    Machine {
        oscpu: (!known.is_empty()).then(|| known.join(", ")),
        platform: text(&host.os),
        cpu_name: text(&host.cpu_model),
        logical_cpus: host.cpus_online,
        main_memory: host.memory_bytes,
    }
}
