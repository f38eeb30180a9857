//! The figures of one pod, as far as a table over all of them needs them.

use serde::{Deserialize, Serialize};

use crate::analyse::classify::{Class, Confidence};
use crate::analyse::figures::ratio;
use crate::analyse::quality::Grade;
use crate::analyse::{Facts, Verdict};
use crate::bundle::archive::sha256;
use crate::collect::cluster::Cluster;
use crate::fleet::heat::{HotBy, PodHeat};
use crate::redact::Clean;

/// One pod. What could not be had is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    /// Its name in this fleet bundle.
    pub name: String,
    /// Whether it is hot.
    pub heat: PodHeat,
    /// By what it is hot.
    pub hot_by: Vec<HotBy>,
    /// When its capture began.
    pub started_utc: String,
    /// How long it was sampled, in seconds.
    pub wall_seconds: f64,
    /// CPU of all its workers while it was sampled.
    pub cpu_seconds: f64,
    /// The same as cores busy on average.
    pub cores: Option<f64>,
    /// Its workers.
    pub workers: usize,
    /// The busiest worker's CPU as a share of one core.
    pub busiest_worker_percent: Option<f64>,
    /// Its CPU limit in cores; none without one.
    pub quota_cores: Option<f64>,
    /// The cores busy as a share of that limit.
    pub quota_percent: Option<f64>,
    /// Quota periods in which the quota ran out, in percent.
    pub throttled_percent: Option<f64>,
    /// Requests a second, where something counted them.
    pub requests_per_second: Option<f64>,
    /// CPU-seconds for each of them.
    pub cpu_seconds_per_request: Option<f64>,
    /// The class of its spike.
    pub class: Option<Class>,
    /// How far to trust the class.
    pub confidence: Option<Confidence>,
    /// The function with most CPU of its own.
    pub top_function: Option<TopFunction>,
    /// How far to trust its profile.
    pub quality: Grade,
    /// LiteLLM's version.
    pub litellm_version: Option<String>,
    /// Python's version.
    pub python_version: Option<String>,
    /// Its image.
    pub image: Option<String>,
    /// SHA-256 of its config file as it stands in its bundle, redacted.
    pub config_sha256: Option<String>,
}

/// The function with most CPU of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopFunction {
    /// Qualified name.
    pub name: String,
    /// Where it stands, or what it is instead.
    pub place: String,
    /// Its own CPU as a share of the pod's.
    pub self_percent: f64,
}

impl Pod {
    /// What a bundle tells of its pod. Whether that is hot shows beside the others.
    pub fn of(name: String, facts: &Facts, verdict: &Verdict) -> Self {
        let print = facts.fingerprint.as_ref();
        let text = |value: Option<&Clean>| value.map(Clean::to_string);
        let container = facts.cluster.as_ref().and_then(Cluster::captured);
        let image = container.map(|container| container.image_id.as_ref().unwrap_or(&container.image));
        let cores = (verdict.cpu.wall_seconds > 0.0).then_some(verdict.cpu.cores);
        let sizing = verdict.sizing.as_ref();
        let quota_cores = sizing.and_then(|sizing| sizing.quota_cores);
        let during = &verdict.loads.during;
        let requests_per_second = during.counted_rps();
        let top = verdict.functions.first().filter(|function| function.self_seconds > 0.0);
        Self {
            name,
            heat: PodHeat::Unknown,
            hot_by: Vec::new(),
            started_utc: facts.manifest.started_utc.clone(),
            wall_seconds: verdict.cpu.wall_seconds,
            cpu_seconds: verdict.cpu.sampled_seconds,
            cores,
            workers: verdict.workers.len(),
            busiest_worker_percent: verdict.workers.iter().map(|worker| worker.core_percent).reduce(f64::max),
            quota_cores,
            quota_percent: cores.zip(quota_cores).and_then(|(cores, quota)| ratio(cores * 100.0, quota)),
            throttled_percent: sizing.and_then(|sizing| sizing.throttled_percent),
            requests_per_second,
            cpu_seconds_per_request: requests_per_second.and(during.cpu_seconds_per_request),
            class: verdict.classification.as_ref().map(|classification| classification.class),
            confidence: verdict.classification.as_ref().map(|classification| classification.confidence),
            top_function: top.map(|function| TopFunction {
                name: function.name.clone(),
                place: function.place().to_owned(),
                self_percent: function.self_percent,
            }),
            quality: verdict.quality.grade,
            litellm_version: facts.litellm_version().map(str::to_owned),
            python_version: text(print.and_then(|print| print.python.version.as_ref())),
            image: text(image.or_else(|| print.and_then(|print| print.container.image.as_ref()))),
            config_sha256: facts.config.as_ref().map(|config| sha256(config.as_bytes())),
        }
    }
}
