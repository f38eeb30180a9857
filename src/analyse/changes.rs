//! What was changed before the CPU rose: files newer than the process, and differences to a baseline.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::analyse::config::{self, Settings};
use crate::analyse::facts::{Facts, SharedEnviron};
use crate::analyse::figures::{gib, limit};
use crate::collect::fingerprint::{Fingerprint, Package};
use crate::discover::Role;
use crate::redact::Clean;

/// The distribution's name.
const LITELLM: &str = "litellm";

/// What kind of thing changed, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// LiteLLM's own version.
    LiteLlm,
    /// LiteLLM's config file.
    Config,
    /// Variables of the environment.
    Environment,
    /// Workers, server, event loop.
    Workers,
    /// Limits of CPU and memory.
    Limits,
    /// Python, or a package.
    Package,
    /// Machine, kernel, image.
    Host,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What kind of thing changed.
    pub area: Area,
    /// What changed: a package's name, a path in the config, a variable.
    pub what: String,
    /// What it was; none where it was not there.
    pub before: Option<String>,
    /// What it is; none where it is gone.
    pub after: Option<String>,
    /// Since when, and why it matters, where that is known.
    pub note: Option<String>,
}

/// Everything that is known to have changed: since the processes started, and against the baseline.
pub fn changes(facts: &Facts) -> Vec<Change> {
    let mut changes = since_start(facts);
    if let Some(baseline) = &facts.baseline {
        changes.extend(between(baseline, facts));
    }
    changes.sort_by_key(|change| change.area);
    changes
}

/// What is different in two captures.
pub fn between(before: &Facts, after: &Facts) -> Vec<Change> {
    let mut changes = Vec::new();
    if let (Some(before), Some(after)) = (&before.fingerprint, &after.fingerprint) {
        changes.extend(between_fingerprints(before, after));
        changes.extend(between_packages(before, after));
    }
    if let (Some(before), Some(after)) = (&before.config, &after.config) {
        changes.extend(between_configs(before, after));
    }
    if !before.variables.is_empty() && !after.variables.is_empty() {
        changes.extend(differing(Area::Environment, &variables(&before.variables), &variables(&after.variables)));
    }
    changes.sort_by_key(|change| change.area);
    changes
}

/// Files that are newer than a process that may have read them.
fn since_start(facts: &Facts) -> Vec<Change> {
    let Some(print) = &facts.fingerprint else { return Vec::new() };
    let serving = print.processes.iter().filter(|process| matches!(process.role, Role::Supervisor | Role::Worker));
    let started: Vec<Timestamp> = serving.filter_map(|process| process.started_utc.as_ref()?.parse().ok()).collect();
    // Both times are kept to the second: within the same one, nothing is known to be newer.
    let newer_than_some = |utc: &Option<String>| {
        let at: Timestamp = utc.as_ref()?.parse().ok()?;
        let older = started.iter().filter(|started| **started < at).count();
        let note = format!("{older} of {} running processes started before that", started.len());
        (older > 0).then_some((at, note))
    };
    let mut changes = Vec::new();
    if let Some((at, note)) = newer_than_some(&print.litellm.config_modified_utc) {
        let path = print.litellm.config_path.as_ref();
        changes.push(Change {
            area: Area::Config,
            what: path.map_or("config file", Clean::as_str).to_owned(),
            before: None,
            after: Some(format!("changed at {at}")),
            note: Some(note),
        });
    }
    for package in &print.python.packages {
        if let Some((at, note)) = newer_than_some(&package.installed_utc) {
            changes.push(Change {
                area: area_of(package.name.as_str()),
                what: package.name.to_string(),
                before: None,
                after: Some(format!("{}, installed at {at}", package.version)),
                note: Some(note),
            });
        }
    }
    changes
}

/// What a fingerprint says once, in the order in which it is told; none where it could not be read.
pub fn said_once(print: &Fingerprint<Clean>) -> [(Area, &'static str, Option<String>); 14] {
    let text = |value: &Option<Clean>| value.as_ref().map(Clean::to_string);
    let word = |value: serde_json::Result<serde_json::Value>| value.ok()?.as_str().map(str::to_owned);
    [
        (Area::LiteLlm, "LiteLLM", text(&print.litellm.version)),
        (Area::Workers, "workers asked for", print.litellm.workers_configured.map(|workers| workers.to_string())),
        (Area::Workers, "workers running", Some(print.litellm.workers_running.to_string())),
        (Area::Workers, "server", word(serde_json::to_value(print.litellm.server))),
        (Area::Workers, "way of starting workers", word(serde_json::to_value(print.litellm.worker_mode))),
        (Area::Workers, "event loop", text(&print.litellm.event_loop)),
        (Area::Limits, "CPU limit", Some(limit_of(print.cgroup.cpu_quota_cores.map(|cores| limit(cores) + " cores")))),
        (Area::Limits, "memory limit", Some(limit_of(print.cgroup.memory_limit_bytes.map(gib)))),
        (Area::Limits, "CPUs to run on", print.host.cpus_allowed.map(|cpus| cpus.to_string())),
        (Area::Package, "Python", text(&print.python.version)),
        (Area::Host, "kernel", text(&print.host.kernel)),
        (Area::Host, "operating system", text(&print.host.os)),
        (Area::Host, "CPU model", text(&print.host.cpu_model)),
        (Area::Host, "image", text(&print.container.image)),
    ]
}

fn between_fingerprints(before: &Fingerprint<Clean>, after: &Fingerprint<Clean>) -> Vec<Change> {
    // What only one of the captures could read is no change.
    let both = said_once(before).into_iter().zip(said_once(after));
    let changed = both.filter_map(|((area, what, before), (_, _, after))| {
        let (before, after) = (before?, after?);
        let change = Change { area, what: what.to_owned(), before: Some(before), after: Some(after), note: None };
        (change.before != change.after).then_some(change)
    });
    changed.collect()
}

fn limit_of(limit: Option<String>) -> String {
    limit.unwrap_or_else(|| "none".to_owned())
}

fn between_packages(before: &Fingerprint<Clean>, after: &Fingerprint<Clean>) -> Vec<Change> {
    let both = packages(before).zip(packages(after));
    both.map_or_else(Vec::new, |(before, after)| differing(Area::Package, &before, &after))
}

/// The version of each package but LiteLLM, which is told first and by its own name. None where packages were not read:
/// a container without their metadata is one of those.
pub fn packages(print: &Fingerprint<Clean>) -> Option<Settings> {
    let all: &[Package<Clean>] = &print.python.packages;
    let others = all.iter().filter(|package| area_of(package.name.as_str()) == Area::Package);
    let versions = others.map(|package| (package.name.to_string(), package.version.to_string())).collect();
    (!all.is_empty()).then_some(versions)
}

fn between_configs(before: &str, after: &str) -> Vec<Change> {
    match (config::settings(before), config::settings(after)) {
        (Some(before), Some(after)) => differing(Area::Config, &before, &after),
        _ if before == after => Vec::new(),
        _ => vec![Change {
            area: Area::Config,
            what: "config file".to_owned(),
            before: None,
            after: None,
            note: Some("it differs, but one of the two is no YAML that could be read".to_owned()),
        }],
    }
}

/// One value for each variable; where processes differ, all of them.
pub fn variables(environs: &[SharedEnviron]) -> Settings {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in environs.iter().flat_map(|environ| &environ.variables) {
        let known = values.entry(name).or_default();
        if !known.contains(&value.as_str()) {
            known.push(value);
        }
    }
    values.into_iter().map(|(name, values)| (name.to_owned(), values.join(" | "))).collect()
}

fn differing(area: Area, before: &Settings, after: &Settings) -> Vec<Change> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let changed = after.keys().filter(|name| before.get(*name) != after.get(*name));
    let change = |what: &String| Change {
        area,
        what: what.clone(),
        before: before.get(what).cloned(),
        after: after.get(what).cloned(),
        note: None,
    };
    let mut all: Vec<Change> = gone.chain(changed).map(change).collect();
    all.sort_by(|a, b| a.what.cmp(&b.what));
    all
}

fn area_of(package: &str) -> Area {
    if package == LITELLM { Area::LiteLlm } else { Area::Package }
}
