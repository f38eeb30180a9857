//! What the page is told: everything that its script draws, tables and cards, as one block.
//!
//! The head names everything; what there is many of stands in columns behind it. A time is in microseconds since time
//! zero, CPU in microseconds.

pub mod block;
mod cards;
mod code;
mod events;
mod logs;
mod samples;
mod series;
mod tables;

use std::io;

use serde::Serialize;
use serde_json::Value;

use crate::analyse::facts::{Facts, SharedEnviron};
use crate::analyse::figures::ratio;
use crate::analyse::load::Load;
use crate::analyse::onset::onset;
use crate::analyse::verdict::Verdict;
use crate::bundle::manifest::{Format, Overhead, Status};
use crate::collect::Gap;
use crate::collect::cluster::Cluster;
use crate::collect::fingerprint::Package;
use crate::redact::{Clean, Redactions};
use crate::render::report::data::block::Columns;
use crate::render::report::data::code::{Code, Merged};
use crate::render::report::data::samples::Weights;
use crate::traffic::Source;

pub use crate::render::report::data::cards::sentence;

/// The version of the head: a new minor adds, a new major changes.
const SCHEMA: Format = Format { major: 1, minor: 0 };
/// How the name of a watch's calm moment ends.
const CALM: &str = "-calm";

#[derive(Serialize)]
struct Head<'a> {
    schema: Format,
    capture: Capture<'a>,
    verdict: cards::Told,
    #[serde(flatten)]
    code: Code,
    workers: Vec<samples::Worker>,
    threads: Vec<samples::Thread<'a>>,
    samples: samples::Samples,
    baseline: Option<Baseline<'a>>,
    series: Vec<series::Stored<'a>>,
    slices: Vec<(u64, u64)>,
    events: Vec<events::Event>,
    logs: logs::Logs<'a>,
    tables: tables::Tables<'a>,
    environment: Environment<'a>,
    redactions: &'a Redactions,
    gaps: &'a [Gap],
    overhead: Option<&'a Overhead>,
    ticket: Option<&'a str>,
}

/// The capture itself.
#[derive(Serialize)]
struct Capture<'a> {
    name: &'a str,
    /// When it began.
    started_utc: String,
    /// Time zero, in microseconds since the epoch.
    zero_utc_us: i64,
    /// The sampled stretch.
    from_us: u64,
    to_us: u64,
    /// When the spike began; none where nothing tells.
    spike_from_us: Option<u64>,
    /// What set it off, where a watch made it.
    trigger: Option<Trigger<'a>>,
    status: String,
    tool: String,
    format: String,
    litellm_version: Option<&'a str>,
    python_version: Option<&'a str>,
    host: Option<&'a str>,
    /// Why there are no stacks; none where there are some.
    stacks_missing: Option<&'a str>,
    wall_seconds: f64,
    /// Requests for the CPU that was sampled: CPU over this is the verdict's CPU per request.
    requests: Option<f64>,
    workers: usize,
    /// The usual distance of two samples of a thread.
    interval_us: Option<u64>,
}

#[derive(Serialize)]
struct Trigger<'a> {
    at_us: u64,
    words: &'a str,
}

/// What the capture is held against.
#[derive(Serialize)]
struct Baseline<'a> {
    name: &'a str,
    started_utc: &'a str,
    kind: BaselineKind,
    seconds: f64,
    requests: Option<f64>,
    /// Why there are no stacks; none where there are some.
    stacks_missing: Option<&'a str>,
    #[serde(flatten)]
    weights: Weights,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum BaselineKind {
    /// A bundle that was named.
    Baseline,
    /// What a watch sampled while nothing was wrong.
    Calm,
}

/// Where it ran.
#[derive(Serialize)]
struct Environment<'a> {
    /// Without the packages.
    fingerprint: Value,
    variables: &'a [SharedEnviron],
    config: Option<&'a str>,
    cluster: Option<&'a Cluster>,
    packages: &'a [Package<Clean>],
}

/// The element of the page that holds it all.
pub fn element(facts: &Facts, verdict: &Verdict, ticket: Option<&str>) -> io::Result<String> {
    let mut columns = Columns::default();
    let baseline = facts.baseline.as_deref();
    let merged = Merged::of(&facts.profile, baseline.map(|baseline| &baseline.profile));
    let head = Head {
        schema: SCHEMA,
        capture: capture(facts, verdict),
        verdict: cards::told(facts, verdict),
        code: merged.code(&mut columns),
        workers: samples::workers(facts),
        threads: samples::threads(facts),
        samples: samples::samples(&facts.profile, &mut columns),
        baseline: baseline.map(|baseline| self::baseline(baseline, verdict, &merged, &mut columns)),
        series: series::series(&facts.series, &mut columns),
        slices: facts.evidence.slices.iter().map(|slice| (slice.from_us, slice.to_us)).collect(),
        events: events::events(facts, verdict),
        logs: logs::logs(facts),
        tables: tables::tables(facts, verdict),
        environment: environment(facts)?,
        redactions: &facts.redactions,
        gaps: &facts.manifest.gaps,
        overhead: facts.manifest.overhead.as_ref(),
        ticket,
    };
    block::element(&head, &columns)
}

fn capture<'a>(facts: &'a Facts, verdict: &'a Verdict) -> Capture<'a> {
    let manifest = &facts.manifest;
    let print = facts.fingerprint.as_ref();
    let (from_us, to_us) = facts.sampled_us();
    let trigger = facts.evidence.trigger.as_ref();
    Capture {
        name: &manifest.name,
        started_utc: facts.began().to_string(),
        zero_utc_us: facts.epoch().as_microsecond(),
        from_us,
        to_us,
        spike_from_us: onset(facts).map(|rise| rise.at_us).or(trigger.map(|trigger| trigger.since_us)),
        trigger: trigger.map(|trigger| Trigger { at_us: trigger.at_us, words: &trigger.words }),
        status: match (manifest.status, &manifest.interrupted_by) {
            (_, Some(signal)) => format!("interrupted by {signal}"),
            (Status::Complete, None) => "complete".to_owned(),
            (Status::Partial | Status::Running, None) => "partial".to_owned(),
        },
        tool: format!("{} {}", manifest.tool.name, manifest.tool.version),
        format: manifest.format.to_string(),
        litellm_version: facts.litellm_version(),
        python_version: print.and_then(|print| print.python.version.as_ref()).map(Clean::as_str),
        host: print.and_then(|print| print.host.hostname.as_ref()).map(Clean::as_str),
        stacks_missing: verdict.stacks.missing(),
        wall_seconds: verdict.cpu.wall_seconds,
        requests: requests(verdict.cpu.sampled_seconds, &verdict.loads.during),
        workers: verdict.workers.len(),
        interval_us: samples::interval_us(&facts.profile),
    }
}

fn baseline<'a>(baseline: &'a Facts, verdict: &Verdict, merged: &Merged, columns: &mut Columns) -> Baseline<'a> {
    let (from_us, to_us) = baseline.sampled_us();
    let sampled_ns: u64 = baseline.profile.samples.iter().map(|sample| sample.cpu_ns).sum();
    let load = verdict.comparison.as_ref().map(|comparison| &comparison.before);
    Baseline {
        name: &baseline.manifest.name,
        started_utc: &baseline.manifest.started_utc,
        kind: if baseline.manifest.name.ends_with(CALM) { BaselineKind::Calm } else { BaselineKind::Baseline },
        seconds: to_us.saturating_sub(from_us) as f64 / 1e6,
        requests: load.and_then(|load| requests(sampled_ns as f64 / 1e9, load)),
        stacks_missing: baseline.evidence.stacks.missing(),
        weights: samples::weights(&baseline.profile, &merged.second, columns),
    }
}

/// The requests that the sampled CPU was for. They were counted over their own window, which may be somewhat longer
/// than the profile's.
fn requests(sampled_seconds: f64, load: &Load) -> Option<f64> {
    let each = load.cpu_seconds_per_request.filter(|_| load.counted_by.is_some_and(Source::counts_requests))?;
    ratio(sampled_seconds, each)
}

fn environment(facts: &Facts) -> io::Result<Environment<'_>> {
    let mut fingerprint = serde_json::to_value(&facts.fingerprint)?;
    if let Some(python) = fingerprint.get_mut("python").and_then(Value::as_object_mut) {
        python.remove("packages");
    }
    Ok(Environment {
        fingerprint,
        variables: &facts.variables,
        config: facts.config.as_deref(),
        cluster: facts.cluster.as_ref(),
        packages: facts.fingerprint.as_ref().map_or(&[], |print| &print.python.packages),
    })
}
