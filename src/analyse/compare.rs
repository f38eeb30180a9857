//! Two captures side by side: load, cost of each function, changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analyse::changes::{Change, between};
use crate::analyse::evidence::Stacks;
use crate::analyse::facts::Facts;
use crate::analyse::figures::ratio;
use crate::analyse::functions::by_function;
use crate::analyse::load::{Load, during};
use crate::analyse::owners::by_owner;
use crate::redact::Clean;
use crate::sample::profile::Profile;

/// Functions kept: those that grew or shrank most.
const FUNCTIONS_KEPT: usize = 100;

/// What the CPU of a function is divided by, so that two captures can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// CPU for each request.
    Request,
    /// CPU for each second: where requests were not counted on both sides, and of a spike that a watch holds against a
    /// calm moment.
    Second,
}

/// A function before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// Qualified name.
    pub name: String,
    /// Short path of its file.
    pub file: String,
    /// Its own CPU before, in seconds for each unit.
    pub self_before: f64,
    /// Its own CPU after.
    pub self_after: f64,
    /// CPU with all it called, before.
    pub total_before: f64,
    /// CPU with all it called, after.
    pub total_after: f64,
}

/// An owner before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnerGrowth {
    /// Whose work.
    pub owner: String,
    /// CPU before, in seconds for each unit.
    pub before: f64,
    /// CPU after.
    pub after: f64,
}

/// Two captures side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What CPU is divided by.
    pub per: Per,
    /// Load before.
    pub before: Load,
    /// Load after.
    pub after: Load,
    /// Whether both have stacks; without, functions and owners are not compared.
    #[serde(default, skip_serializing_if = "Stacks::are_taken")]
    pub stacks: Stacks,
    /// Functions whose own CPU grew or shrank, the largest growth first.
    pub functions: Vec<Growth>,
    /// Owners, the largest growth first.
    pub owners: Vec<OwnerGrowth>,
    /// What is different.
    pub changes: Vec<Change>,
}

/// Holds one capture against another, by request where both count them.
pub fn compare(before: &Facts, after: &Facts) -> Comparison {
    let are_counted = [before, after].map(during).iter().all(|load| load.counted_rps().is_some_and(|rps| rps > 0.0));
    compare_per(if are_counted { Per::Request } else { Per::Second }, before, after)
}

/// Holds a capture against what it has along. A spike that a watch holds against a calm moment goes by the second: more
/// requests are a reason for it, and nothing to be divided away.
pub fn compare_with_baseline(baseline: &Facts, facts: &Facts) -> Comparison {
    if facts.evidence.trigger.is_some() { compare_per(Per::Second, baseline, facts) } else { compare(baseline, facts) }
}

fn compare_per(per: Per, before: &Facts, after: &Facts) -> Comparison {
    let loads = [before, after].map(during);
    let [load_before, load_after] = loads;
    let scales = [scale(before, &load_before, per), scale(after, &load_after, per)];
    // Against no stacks, everything would have grown from nothing or shrunk to it.
    let both = [before, after].map(|facts| &facts.evidence.stacks);
    let stacks = both.into_iter().find(|stacks| !stacks.are_taken()).cloned().unwrap_or_default();
    let profiles = stacks.are_taken().then_some([&before.profile, &after.profile]);
    Comparison {
        per,
        before: load_before,
        after: load_after,
        stacks,
        functions: profiles.map(|profiles| functions(profiles, scales)).unwrap_or_default(),
        owners: profiles.map(|profiles| owners(profiles, scales)).unwrap_or_default(),
        changes: between(before, after),
    }
}

/// What a second of the profile counts for each unit. The profile says how the CPU is shared out, and the load how much
/// there is for each unit: it was counted over the requests' own window, which may be somewhat longer than the profile's.
/// Where the load does not know, the profile's own CPU over its time is for a second.
pub fn scale(facts: &Facts, load: &Load, per: Per) -> f64 {
    let sampled_s = facts.profile.samples.iter().map(|sample| sample.cpu_ns).sum::<u64>() as f64 / 1e9;
    let (from_us, to_us) = facts.sampled_us();
    let cores = load.cores.or_else(|| ratio(sampled_s, to_us.saturating_sub(from_us) as f64 / 1e6));
    let each = match per {
        Per::Request => load.cpu_seconds_per_request.or_else(|| ratio(cores?, load.rps?)),
        Per::Second => cores,
    };
    each.and_then(|each| ratio(each, sampled_s)).unwrap_or(0.0)
}

fn functions(profiles: [&Profile<Clean>; 2], scales: [f64; 2]) -> Vec<Growth> {
    let mut sides: BTreeMap<(String, String), [(f64, f64); 2]> = BTreeMap::new();
    for (side, profile) in profiles.into_iter().enumerate() {
        for function in by_function(profile) {
            let (own, total) = &mut sides.entry((function.name, function.file)).or_default()[side];
            *own += function.self_seconds * scales[side];
            *total += function.total_seconds * scales[side];
        }
    }
    let growths = sides.into_iter().map(|((name, file), [before, after])| Growth {
        name,
        file,
        self_before: before.0,
        self_after: after.0,
        total_before: before.1,
        total_after: after.1,
    });
    let grown = |growth: &Growth| growth.self_after - growth.self_before;
    let mut functions: Vec<Growth> = growths.filter(|growth| grown(growth) != 0.0).collect();
    functions.sort_by(|a, b| grown(b).abs().total_cmp(&grown(a).abs()));
    functions.truncate(FUNCTIONS_KEPT);
    functions.sort_by(|a, b| grown(b).total_cmp(&grown(a)));
    functions
}

fn owners(profiles: [&Profile<Clean>; 2], scales: [f64; 2]) -> Vec<OwnerGrowth> {
    let mut sides: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    for (side, profile) in profiles.into_iter().enumerate() {
        for share in by_owner(profile) {
            sides.entry(share.owner).or_default()[side] += share.seconds * scales[side];
        }
    }
    let growths = sides.into_iter().map(|(owner, [before, after])| OwnerGrowth { owner, before, after });
    let mut owners: Vec<OwnerGrowth> = growths.collect();
    owners.sort_by(|a, b| (b.after - b.before).total_cmp(&(a.after - a.before)));
    owners
}
