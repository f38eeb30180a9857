//! Which files of a bundle are facts, and how they are written and read. Everything else in a bundle is made of them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::analyse::evidence::Evidence;
use crate::analyse::facts::{Facts, Logs};
use crate::bundle::archive::Artifact;
use crate::bundle::manifest::{Format, Manifest};
use crate::bundle::samples;
use crate::bundle::work::MANIFEST;
use crate::logs::{BEFORE_FILE, DURING_FILE};
use crate::redact::Clean;
use crate::sample::profile::Profile;
use crate::series::{Series, Table};
use crate::workload::requests::SHAPES_FILE;

/// Files by their path below the bundle's folder.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What was measured.
pub const EVIDENCE: &str = "evidence.json";
/// Where the CPU went.
pub const SAMPLES: &str = "profiles/samples.json.gz";
/// Machine, container, interpreter, LiteLLM.
pub const FINGERPRINT: &str = "environment/fingerprint.json";
/// The environments of the processes.
pub const VARIABLES: &str = "environment/env.json";
/// The config file.
pub const CONFIG: &str = "environment/config.redacted.yaml";
/// What only the cluster knows; where a capture was made through one.
pub const CLUSTER: &str = "environment/kubernetes.json";
/// What was withheld, by rule and file.
pub const REDACTIONS: &str = "redactions.json";
/// The folder of the tables.
const SERIES: &str = "series/";
/// The folder that holds the facts of the bundle that this one is held against.
pub const BASELINE: &str = "baseline/";

/// The facts' files that are made when a capture ends; the others were laid into the work folder as they came.
pub fn write(facts: &Facts) -> Result<Vec<Artifact>> {
    let mut files =
        vec![Artifact::json(EVIDENCE, &facts.evidence)?, Artifact::new(SAMPLES, samples::write(&facts.profile)?)];
    for table in facts.series.0.values() {
        files.push(Artifact::new(format!("{SERIES}{}.csv", table.name), table.to_csv(facts.epoch())));
    }
    if !facts.shapes.is_empty() {
        let lines: Vec<String> = facts.shapes.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        files.push(Artifact::new(SHAPES_FILE, lines.join("\n") + "\n"));
    }
    Ok(files)
}

/// Reads the facts of a bundle.
///
/// # Errors
/// When a file that no bundle can do without is missing or damaged.
pub fn read(files: &Files) -> Result<Facts> {
    read_below(files, "")
}

/// The facts of a capture whose evidence, profile and series are known, and the rest of whose facts are in files.
pub fn complete(files: &Files, evidence: Evidence, profile: Profile<Clean>, series: Series) -> Result<Facts> {
    Below { files, prefix: "" }.complete(evidence, profile, series)
}

fn read_below(files: &Files, prefix: &'static str) -> Result<Facts> {
    let below = Below { files, prefix };
    let evidence: Evidence = below.json(EVIDENCE)?;
    let profile = samples::read(below.needed(SAMPLES)?).context(SAMPLES)?;
    let series = below.series(evidence.epoch());
    below.complete(evidence, profile, series)
}

/// The files of one bundle, or of the baseline in it.
struct Below<'a> {
    files: &'a Files,
    prefix: &'static str,
}

impl Below<'_> {
    fn complete(&self, evidence: Evidence, profile: Profile<Clean>, series: Series) -> Result<Facts> {
        let mut manifest: Manifest = self.json(MANIFEST)?;
        // The list is the archive's own business, and is not complete before the archive is.
        manifest.files = Vec::new();
        let shapes = self.text(SHAPES_FILE).unwrap_or_default();
        let has_baseline = self.prefix.is_empty() && self.files.contains_key(&format!("{BASELINE}{MANIFEST}"));
        let baseline = has_baseline.then(|| read_below(self.files, BASELINE).context("the baseline in it"));
        Ok(Facts {
            manifest,
            evidence,
            profile,
            series,
            fingerprint: self.file(FINGERPRINT).map(|_| self.json(FINGERPRINT)).transpose()?,
            variables: self.file(VARIABLES).map(|_| self.json(VARIABLES)).transpose()?.unwrap_or_default(),
            config: self.text(CONFIG),
            cluster: self.file(CLUSTER).map(|_| self.json(CLUSTER)).transpose()?,
            shapes: shapes.lines().map(|line| parse(SHAPES_FILE, line.as_bytes())).collect::<Result<_>>()?,
            logs: Logs { before: self.text(BEFORE_FILE), during: self.text(DURING_FILE) },
            redactions: self.file(REDACTIONS).map(|_| self.json(REDACTIONS)).transpose()?.unwrap_or_default(),
            baseline: baseline.transpose()?.map(Box::new),
        })
    }

    fn series(&self, epoch: Timestamp) -> Series {
        let folder = format!("{}{SERIES}", self.prefix);
        let mut series = Series::default();
        for (path, bytes) in self.files.range(folder.clone()..).take_while(|(path, _)| path.starts_with(&folder)) {
            if let Some(name) = path[folder.len()..].strip_suffix(".csv") {
                let table = Table::from_csv(name, &String::from_utf8_lossy(bytes), epoch);
                series.0.insert(name.to_owned(), table);
            }
        }
        series
    }

    fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(&format!("{}{name}", self.prefix)).map(Vec::as_slice)
    }

    fn needed(&self, name: &str) -> Result<&[u8]> {
        self.file(name).with_context(|| format!("it holds no {name}"))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.file(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        parse(name, self.needed(name)?)
    }
}

/// What a bundle of an older format does not hold, in words.
pub fn lacks(format: Format) -> Option<String> {
    (format.minor < 1).then(|| {
        format!(
            "a bundle of format {format} holds no figures over time, no requests, no logs and nothing to compare with: \
             what follows from those is missing below"
        )
    })
}

fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).with_context(|| format!("{name} cannot be read"))
}
