//! A bundle that came out of a pod, with the cluster's word added: judged and drawn anew, since the log that only the
//! cluster has may change what is said of the spike.

use std::path::Path;

use anyhow::Context;

use super::clean;
use super::evidence::Seen;
use super::object::Pod;
use crate::analyse::{Facts, analyse};
use crate::assemble::Assembled;
use crate::bundle::archive::Artifact;
use crate::bundle::facts::{self, CLUSTER, REDACTIONS, read};
use crate::bundle::manifest::{FORMAT, Status};
use crate::bundle::open::Bundle;
use crate::bundle::work::MANIFEST;
use crate::collect::{Gap, NO_IMAGE, Weight};
use crate::error::Failure;
use crate::logs::{BEFORE_FILE, DURING_FILE, Digest, Gathered, Logged, NO_LOGS, PREVIOUS_FILE, cleaned};
use crate::products::products;
use crate::publish::seal_and_pack;
use crate::redact::{Raw, Redactions, Redactor};
use crate::series::Series;
use crate::traffic::rows::traffic_rows;

/// What helm was given, redacted.
const HELM_VALUES: &str = "environment/helm-values.redacted.yaml";

/// Whose bundle it is.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The pod before its capture.
    pub pod: &'a Pod,
    /// The container that was captured.
    pub container: &'a str,
    /// This program's own environment, in which secrets of the cluster may be too.
    pub own: &'a [(Raw, Raw)],
}

/// A bundle, complete.
pub struct Enriched {
    /// Its file's bytes.
    pub tarball: Vec<u8>,
    /// What it is made of.
    pub assembled: Assembled,
}

/// Reads the bundle and makes it anew with what the cluster said.
///
/// # Errors
/// When it is no whole bundle, or a secret would be in it.
pub fn enrich(path: &Path, origin: Origin<'_>, seen: &Seen) -> Result<Enriched, Failure> {
    let bundle = Bundle::open(path)?;
    bundle.verify(path)?;
    let mut facts = read(bundle.files())?;
    let mut redactor = clean::redactor_for(seen, origin.pod, origin.own);
    let earlier = bundle.file(REDACTIONS).and_then(|bytes| serde_json::from_slice::<Redactions>(bytes).ok());
    redactor.add(earlier.unwrap_or_default());

    let mut files = add(&mut facts, origin, seen, &mut redactor)?;
    facts.redactions = redactor.report();
    files.push(Artifact::json(REDACTIONS, &facts.redactions).context("JSON")?);
    let manifest = &mut facts.manifest;
    manifest.format = FORMAT;
    // By the pod: one in its node's network has its node's name, as all others there have.
    let (_, time) = manifest.name.rsplit_once('-').unwrap_or_default();
    manifest.name = format!("litellm-cpu-{}-{time}", origin.pod.metadata.name);
    manifest.redactions = facts.redactions.removed.iter().map(|redaction| redaction.count).sum();
    let whole = manifest.gaps.iter().all(|gap| gap.weight == Weight::Note) && manifest.interrupted_by.is_none();
    manifest.status = if whole { Status::Complete } else { Status::Partial };
    let verdict = analyse(&facts);
    files.extend(facts::write(&facts)?);
    files.extend(products(&facts, &verdict).context("the report")?);

    // Facts stay as they came, and what was made of them gives way.
    let kept = bundle.files().iter().filter(|(name, _)| name.as_str() != MANIFEST);
    let kept = kept.filter(|(name, _)| files.iter().all(|newer| newer.name != **name));
    let kept: Vec<Artifact> = kept.map(|(name, bytes)| Artifact::new(name.clone(), bytes.clone())).collect();
    files.extend(kept);
    let mut assembled = Assembled { manifest: facts.manifest.clone(), facts, verdict, artifacts: files };
    if let Err(hit) = assembled.pass_gate(&redactor.gate()) {
        return Err(Failure::SecretInBundle { hit, kept: path.to_owned() });
    }
    let tarball = seal_and_pack(&mut assembled)?;
    Ok(Enriched { tarball, assembled })
}

/// Adds the facts, and gives those that are files.
fn add(facts: &mut Facts, origin: Origin<'_>, seen: &Seen, redactor: &mut Redactor) -> Result<Vec<Artifact>, Failure> {
    let cluster = clean::cluster(seen, origin.pod, origin.container, redactor);
    let mut files = vec![Artifact::json(CLUSTER, &cluster).context("JSON")?];
    facts.cluster = Some(cluster);
    facts.manifest.gaps.retain(|gap| gap.what != NO_IMAGE);
    let mut gaps = seen.gaps.clone();
    if let Some(values) = &seen.helm_values {
        match redactor.config(HELM_VALUES, values) {
            Ok(yaml) => files.push(Artifact::new(HELM_VALUES, yaml.as_str())),
            Err(unreadable) => gaps.push(Gap::note(
                "the values that helm was given",
                format!("they are not YAML that can be redacted: {}", unreadable.why),
                "add what matters of them by hand",
            )),
        }
    }
    if let Some(text) = &seen.previous {
        files.push(Artifact::new(PREVIOUS_FILE, cleaned(PREVIOUS_FILE, text, redactor).as_str()));
    }
    // What the pod itself read is nearer to the source.
    if let (Some(text), None, None) = (&seen.log, &facts.logs.before, &facts.logs.during) {
        let seconds = facts.sampled_us().1 / 1_000_000 + 1;
        let gathered = Gathered::of_text(text, facts.epoch(), seconds);
        facts.manifest.gaps.retain(|gap| gap.what != NO_LOGS);
        let logged = Digest::default().finish(gathered, redactor);
        gaps.extend(logged.gaps.iter().cloned());
        files.extend(add_log(facts, logged));
    }
    // The words of a cluster are in them.
    facts.manifest.gaps.extend(gaps.into_iter().map(|gap| {
        let why = redactor.text(MANIFEST, &Raw::new(gap.why)).to_string();
        Gap { why, ..gap }
    }));
    Ok(files)
}

/// The log's text and figures, as a capture beside the file would have had them.
fn add_log(facts: &mut Facts, logged: Logged) -> Vec<Artifact> {
    let mut readings = logged.readings;
    readings.extend(traffic_rows(&logged.tallies));
    facts.series.0.extend(Series::gather(readings).0);
    facts.shapes.extend(logged.shapes);
    let evidence = &mut facts.evidence;
    evidence.findings = logged.findings;
    evidence.tallies.extend(logged.tallies);
    evidence.tallies.sort_by_key(|tally| (tally.source, tally.at_us));
    let mut files = Vec::new();
    for (file, text, kept) in
        [(BEFORE_FILE, logged.before, &mut facts.logs.before), (DURING_FILE, logged.during, &mut facts.logs.during)]
    {
        if let Some(text) = text {
            files.push(Artifact::new(file, text.as_str()));
            *kept = Some(text.to_string());
        }
    }
    files
}
