//! Everything that verdict, ticket, charts and report are made of: clean, and all of it stored in the bundle.
//!
//! A capture makes its facts from its work folder, `capture report` reads them from a bundle; from there on the way is
//! the same, so that the same facts give the same bytes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::analyse::evidence::Evidence;
use crate::bundle::manifest::Manifest;
use crate::collect::cluster::Cluster;
use crate::collect::fingerprint::Fingerprint;
use crate::redact::{Clean, Redactions};
use crate::sample::profile::Profile;
use crate::series::Series;
use crate::workload::Shape;

/// The facts of one capture.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What the capture says of itself, its gaps included.
    pub manifest: Manifest,
    /// What was measured.
    pub evidence: Evidence,
    /// Where the CPU went.
    pub profile: Profile<Clean>,
    /// Figures over time.
    pub series: Series,
    /// Machine, container, interpreter, LiteLLM.
    pub fingerprint: Option<Fingerprint<Clean>>,
    /// The environments of the processes, as far as they may be shown.
    pub variables: Vec<SharedEnviron>,
    /// The config file, redacted YAML.
    pub config: Option<String>,
    /// What only the cluster knows of the pod; none where the capture did not go through one.
    pub cluster: Option<Cluster>,
    /// Shapes of requests.
    pub shapes: Vec<Shape<Clean>>,
    /// The logs' parts in the bundle.
    pub logs: Logs,
    /// What was withheld, by rule and file.
    pub redactions: Redactions,
    /// The capture that this one is held against.
    pub baseline: Option<Box<Facts>>,
}

/// Processes that were started with the same environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedEnviron {
    /// Their pids.
    pub pids: Vec<i32>,
    /// Name to value, or to `set` where the value is withheld.
    pub variables: BTreeMap<String, String>,
}

/// What the bundle holds of the logs, redacted; none where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logs {
    /// The end of the log before the spike.
    pub before: Option<String>,
    /// The log during the spike.
    pub during: Option<String>,
}

impl Facts {
    /// Time zero in UTC.
    pub fn epoch(&self) -> Timestamp {
        self.evidence.epoch()
    }

    /// When the capture began: at time zero, unless a watch recorded what came before.
    pub fn began(&self) -> Timestamp {
        let at_us = self.evidence.trigger.as_ref().map_or(0, |trigger| trigger.at_us);
        let micros = self.epoch().as_microsecond().saturating_add_unsigned(at_us);
        Timestamp::from_microsecond(micros).unwrap_or_else(|_| self.epoch())
    }

    /// From when on the figures over time are those of the spike, and not of what was recorded before it.
    pub fn spike_from_us(&self) -> u64 {
        self.evidence.trigger.as_ref().map_or(0, |trigger| trigger.since_us)
    }

    /// Beginning and end of what was sampled, in microseconds since time zero.
    pub fn sampled_us(&self) -> (u64, u64) {
        let slices = &self.evidence.slices;
        (slices.first().map_or(0, |slice| slice.from_us), slices.last().map_or(0, |slice| slice.to_us))
    }

    /// LiteLLM's version.
    pub fn litellm_version(&self) -> Option<&str> {
        self.fingerprint.as_ref()?.litellm.version.as_ref().map(Clean::as_str)
    }
}
