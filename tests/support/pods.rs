//! Bundles of several pods, made of the spike of which everything is known: alike but for what each test gives them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use litellm_capture::{
    analyse::{Facts, analyse},
    assemble::Assembled,
    bundle::{
        archive::{Artifact, pack},
        facts,
        manifest::Status,
        work::MANIFEST,
    },
    collect::Weight,
    traffic::{Count, Source, Tally},
};

use super::spike::{self, Words};

const SECOND_US: u64 = 1_000_000;

/// One pod and its capture of three seconds.
pub struct Pod {
    pub facts: Facts,
    /// Files beside the facts.
    pub files: Vec<Artifact>,
}

impl Pod {
    /// So many of the cores that the spike takes, which are 1.07 on a limit of 1, and so many requests a second.
    pub fn new(name: &str, share: f64, requests_per_second: f64) -> Self {
        Self::with_words(spike::plain, name, share, requests_per_second)
    }

    pub fn with_words(words: Words, name: &str, share: f64, requests_per_second: f64) -> Self {
        let mut facts = Facts { baseline: None, ..spike::facts(words) };
        facts.manifest.name = format!("litellm-cpu-{name}-20261124T061500Z");
        if let Some(print) = &mut facts.fingerprint {
            print.container.pod = Some(spike::clean(name));
            print.host.hostname = Some(spike::clean(name));
        }
        for environ in &mut facts.variables {
            environ.variables.insert("HOSTNAME".to_owned(), name.to_owned());
        }
        let scaled = |value: u64| (value as f64 * share) as u64;
        facts.profile.samples.iter_mut().for_each(|sample| sample.cpu_ns = scaled(sample.cpu_ns));
        facts.evidence.workers.iter_mut().for_each(|worker| worker.kernel_cpu_us = worker.kernel_cpu_us.map(scaled));
        facts.evidence.tallies = [1, 4].map(|second| tally(second, requests_per_second)).to_vec();
        Self { facts, files: Vec::new() }
    }

    /// Changed as a test needs it.
    pub fn but(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(&mut self.facts);
        self
    }

    pub fn with_file(mut self, name: &str, bytes: Vec<u8>) -> Self {
        self.files.push(Artifact::new(name, bytes));
        self
    }

    /// Its bundle in a folder, named after the pod.
    pub fn write(self, folder: &Path) -> PathBuf {
        self.write_without(folder, &[])
    }

    /// The same, without some of its files.
    pub fn write_without(self, folder: &Path, left_out: &[&str]) -> PathBuf {
        let Self { mut facts, files } = self;
        let whole = facts.manifest.gaps.iter().all(|gap| gap.weight == Weight::Note);
        facts.manifest.status = if whole { Status::Complete } else { Status::Partial };
        let mut artifacts = facts::write(&facts).expect("facts can be written");
        artifacts.push(Artifact::json(facts::FINGERPRINT, &facts.fingerprint).expect("JSON"));
        artifacts.push(Artifact::json(facts::VARIABLES, &facts.variables).expect("JSON"));
        artifacts.extend(facts.config.as_ref().map(|config| Artifact::new(facts::CONFIG, config.as_str())));
        artifacts.extend(files);
        artifacts.retain(|file| !left_out.contains(&file.name.as_str()));
        let path = folder.join(format!("{}.tar.gz", facts.manifest.name));
        let mut assembled = Assembled { verdict: analyse(&facts), manifest: facts.manifest.clone(), facts, artifacts };
        assembled.seal().expect("a manifest");
        assert!(assembled.artifacts.iter().any(|file| file.name == MANIFEST));
        let name = assembled.facts.manifest.name.clone();
        fs::write(&path, pack(&name, &mut assembled.artifacts, 0).expect("a tarball")).expect("a file");
        path
    }
}

/// What LiteLLM's metric files say at one second.
fn tally(second: u64, requests_per_second: f64) -> Tally<litellm_capture::redact::Clean> {
    let requests = 1_000.0 + requests_per_second * second as f64;
    Tally {
        source: Source::MetricFiles,
        at_us: second * SECOND_US,
        took_us: 900,
        counts: vec![Count { route: None, status: Some(200), model: None, requests }],
        latencies: BTreeMap::new(),
        in_flight: None,
        prompt_tokens: None,
        completion_tokens: None,
    }
}
