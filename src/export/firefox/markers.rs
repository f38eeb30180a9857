//! What happened, and when. Readers show markers with the thread that they belong to, so that each worker's main thread
//! has those of the worker and those of the whole capture.

use serde::Serialize;

use crate::analyse::Facts;
use crate::analyse::stall::stall;
use crate::export::firefox::Clock;
use crate::os::proc::ProcessId;
use crate::render::ticket::event_words;
use crate::sample::What;
use crate::sample::profile::Interner;

/// The one type of markers, which all have a text.
const TYPE: &str = "Capture";
/// The category of markers: the one that stands for none.
const CATEGORY: u32 = 0;

/// How markers are shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
    name: &'static str,
    display: [&'static str; 3],
    chart_label: &'static str,
    tooltip_label: &'static str,
    table_label: &'static str,
    fields: [Field; 1],
}

#[derive(Debug, Serialize)]
struct Field {
    key: &'static str,
    label: &'static str,
    format: &'static str,
}

impl Default for Schema {
    fn default() -> Self {
        Self {
            name: TYPE,
            display: ["marker-chart", "marker-table", "timeline-overview"],
            chart_label: "{marker.data.text}",
            tooltip_label: "{marker.name}",
            table_label: "{marker.data.text}",
            fields: [Field { key: "text", label: "What", format: "string" }],
        }
    }
}

/// Something that happened.
#[derive(Debug)]
pub struct Marker {
    name: u32,
    from_us: u64,
    /// None where it happened in a moment.
    to_us: Option<u64>,
    text: String,
}

/// Markers in columns.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Markers {
    length: usize,
    name: Vec<u32>,
    start_time: Vec<f64>,
    end_time: Vec<Option<f64>>,
    phase: Vec<u32>,
    category: Vec<u32>,
    data: Vec<Payload>,
}

#[derive(Debug, Serialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
}

impl Markers {
    /// Markers by time.
    pub fn of(clock: Clock, markers: Vec<Marker>) -> Self {
        let mut columns = Self::default();
        for marker in markers {
            columns.length += 1;
            columns.name.push(marker.name);
            columns.start_time.push(clock.ms(marker.from_us));
            columns.end_time.push(marker.to_us.map(|to_us| clock.ms(to_us)));
            // A moment is of phase 0, a stretch with both its ends of phase 1.
            columns.phase.push(u32::from(marker.to_us.is_some()));
            columns.category.push(CATEGORY);
            columns.data.push(Payload { kind: TYPE, text: marker.text });
        }
        columns
    }
}

/// What happened to a worker or to all, by time.
pub fn of(facts: &Facts, clock: Clock, process: ProcessId, strings: &mut Interner<String>) -> Vec<Marker> {
    let mut markers = Vec::new();
    let mut add = |name: &str, from_us, to_us, text| {
        markers.push(Marker { name: strings.id(name.to_owned()), from_us, to_us, text });
    };
    for (index, slice) in facts.evidence.slices.iter().enumerate() {
        add("slice", slice.from_us, Some(slice.to_us), format!("slice {:03}", index + 1));
    }
    if let Some(trigger) = &facts.evidence.trigger {
        add("trigger", trigger.since_us, Some(trigger.at_us), trigger.words.clone());
        for happening in trigger.happenings.iter().filter(|happening| clock.has(happening.at_us)) {
            add("proxy", happening.at_us, None, happening.what.as_str().to_owned());
        }
    }
    if let Some(stall) = stall(facts).filter(|stall| stall.pid.is_none_or(|pid| pid == process.pid)) {
        add("stall", stall.from_us, Some(stall.from_us.saturating_add((stall.seconds * 1e6) as u64)), stall.sentence);
    }
    for event in facts.evidence.events.iter().filter(|event| event.process == process) {
        let words = event_words(&event.what, event.process.pid).replace('`', "");
        add(subject(&event.what), event.at_us, None, words);
    }
    markers.sort_by_key(|marker| marker.from_us);
    markers
}

/// What an event befell.
fn subject(what: &What) -> &'static str {
    match what {
        What::WorkerJoined | What::WorkerGone | What::WorkerStopped => "worker",
        What::RateSteppedDown { .. }
        | What::Detached { .. }
        | What::SlowedForProxy { .. }
        | What::DetachedForProxy
        | What::SamplerLost => "sampler",
    }
}
