//! `manifest.json`: what the bundle is, how it came to be, how good it is and what is missing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::analyse::evidence::Evidence;
use crate::analyse::verdict::Verdict;
use crate::collect::Gap;
use crate::discover::Member;
use crate::redact::Clean;
use crate::sample::pyspy::{Found, Sampling};

/// The format this program writes.
///
/// - 1.0: manifest, evidence, summary, environment, profiles, flamegraphs, redactions, log. The names `TICKET.md`,
///   `report.html`, `charts/`, `series/`, `logs/` and `workload/` are reserved.
/// - 1.1: those names have their files. The evidence gains time zero to the microsecond, the proxy's lifetime, tallies of
///   requests, findings in logs and what the reporter knows; the summary gains loads, classification, sizing, heat, stall,
///   owners, changes and the comparison with `baseline/`, which holds the facts of another bundle.
/// - 1.2: the manifest says why its engine was chosen, and the engine may be `native`. With it the evidence gains each
///   worker's GIL and counts of the readings, the profile frames without a file for what the interpreter does, of the kind
///   `interpreter`, and 2 in the column `mended` for stacks that were torn and stand as they were read.
/// - 1.3: a capture may have no stacks: evidence and summary then say why, the engine is `none`, and `flamegraphs/` and the
///   folded stacks are left out. One that came through a cluster has `environment/kubernetes.json`, perhaps
///   `environment/helm-values.redacted.yaml` and `logs/previous.log`.
/// - 1.4: a capture that a watch made says in its evidence what set it off. Its time zero lies before its beginning, and
///   its series, tallies and logs hold what was recorded since then.
pub const FORMAT: Format = Format { major: 1, minor: 4 };

/// Version of a stored format: a new minor adds, a new major changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// Readers refuse a larger one than they know.
    pub major: u32,
    /// Readers ignore what they do not know.
    pub minor: u32,
}

impl Format {
    /// Why a program that knows another format cannot read this one; none when it can.
    pub fn refusal(self, known: Self) -> Option<String> {
        (self.major > known.major).then(|| format!("it has format {self}, and this program knows {known} at most"))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What a bundle is of. The manifest of a single capture does not say it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One capture.
    #[default]
    Capture,
    /// Captures of several pods, see [`FleetManifest`](crate::fleet::manifest::FleetManifest).
    Fleet,
}

/// How far the capture came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A work folder whose capture did not end: it runs, or it was killed.
    Running,
    /// Nothing is missing.
    Complete,
    /// See the gaps.
    Partial,
}

/// The content of `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// Of all files in the bundle.
    pub format: Format,
    /// `capture` and its version.
    pub tool: Tool,
    /// How far it came.
    pub status: Status,
    /// The bundle's name and that of its folder.
    pub name: String,
    /// When the capture began.
    pub started_utc: String,
    /// When the bundle was put together.
    pub ended_utc: Option<String>,
    /// The command line of the capture, scrubbed.
    pub arguments: Vec<Clean>,
    /// How it was to sample.
    pub settings: Settings,
    /// What sampled.
    pub engine: Engine,
    /// Whether the target looks like LiteLLM.
    pub looks_like_litellm: bool,
    /// The processes of the proxy as they were found, each with the reason for its role.
    pub processes: Vec<Member>,
    /// The signal that ended it early.
    pub interrupted_by: Option<String>,
    /// How far to trust the profile.
    pub quality: Option<crate::analyse::quality::Quality>,
    /// The receipt: what the capture took from the machine.
    pub overhead: Option<Overhead>,
    /// What is missing, why, and how to get it.
    pub gaps: Vec<Gap>,
    /// How many values were withheld; `redactions.json` says by which rules.
    pub redactions: u64,
    /// Every other file of the bundle.
    pub files: Vec<FileEntry>,
}

/// Who wrote it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tool {
    /// `capture`.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Default for Tool {
    fn default() -> Self {
        Self { name: "capture".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// How it was to sample.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// Length asked for.
    pub duration_seconds: f64,
    /// Length of a slice.
    pub slice_seconds: f64,
    /// Samples a second, at most.
    pub rate_hz: u32,
    /// Whether workers were stopped for a sample.
    pub sampling: Sampling,
    /// What each worker's sampler may cost, in percent of one core.
    pub max_overhead_percent: f64,
}

/// What sampled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Engine {
    /// `py-spy`, `native`, or `none` where no stacks are taken.
    pub name: String,
    /// Its version; the native engine's is that of the tool.
    pub version: String,
    /// Where py-spy was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
    /// Why this one; none in bundles before format 1.2.
    #[serde(default)]
    pub why: Option<Clean>,
}

/// What the capture took from the machine while it sampled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Overhead {
    /// This program's own CPU.
    pub own_cpu_seconds: f64,
    /// The same as a share of one core.
    pub own_core_percent: f64,
    /// What of that the reading of counters and logs and the questions to LiteLLM took, as a share of one core.
    #[serde(default)]
    pub observers_core_percent: Option<f64>,
    /// The most memory it had resident while sampling; none where the kernel did not tell.
    pub own_peak_rss_bytes: Option<u64>,
    /// CPU of all samplers.
    pub samplers_cpu_seconds: f64,
    /// The same as a share of one core for each worker.
    pub samplers_core_percent_per_worker: f64,
    /// From the end of sampling to the manifest.
    pub analysis_seconds: f64,
}

impl Overhead {
    /// The receipt of a capture; none where it was killed before it could give one.
    pub fn of(evidence: &Evidence, verdict: &Verdict, analysis_seconds: f64) -> Option<Self> {
        let own = evidence.own?;
        let samplers_us: u64 = evidence.samplers.iter().map(|sampler| sampler.cpu_us).sum();
        let watched_seconds: f64 = verdict.workers.iter().map(|worker| worker.wall_seconds).sum();
        let round = |value: f64| (value * 100.0).round() / 100.0;
        let percent = |cpu_us: u64, seconds: f64| {
            if seconds > 0.0 { round(cpu_us as f64 / 1e4 / seconds) } else { 0.0 }
        };
        Some(Self {
            own_cpu_seconds: own.cpu_us as f64 / 1e6,
            own_core_percent: percent(own.cpu_us, own.elapsed_us as f64 / 1e6),
            observers_core_percent: own.observers_cpu_us.map(|us| percent(us, own.elapsed_us as f64 / 1e6)),
            own_peak_rss_bytes: own.peak_rss_bytes,
            samplers_cpu_seconds: samplers_us as f64 / 1e6,
            samplers_core_percent_per_worker: percent(samplers_us, watched_seconds),
            analysis_seconds: round(analysis_seconds),
        })
    }
}

/// One file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Path below the bundle's folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}
