//! What differs between pods that should be alike: versions, packages, config, environment, limits, machine.
//!
//! For every setting the values that were seen are kept once, each with the pods that have it, so that many pods which
//! are alike take hardly more memory than one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::analyse::Facts;
use crate::analyse::changes::{Area, packages, said_once, variables};
use crate::analyse::config::{Settings, settings};
use crate::fleet::heat::PodHeat;
use crate::fleet::pod::Pod;

/// Variables whose value is another one in every pod, by their meaning.
const OF_EACH_POD: [&str; 2] = ["HOSTNAME", "POD_NAME"];

/// Whether a difference runs between the hot pods and the calm ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parting {
    /// All hot pods have one value, and all calm ones the other.
    HotFromCalm,
    /// It runs otherwise.
    Otherwise,
}

/// Something that is not the same in all pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What kind of thing it is.
    pub area: Area,
    /// What it is: a package's name, a path in the config, a variable.
    pub what: String,
    /// Whether it tells hot pods from calm ones.
    pub parting: Parting,
    /// The values that were seen, that of most pods first.
    pub values: Vec<Variant>,
}

/// One value and who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// The value; none where it is not there at all.
    pub value: Option<String>,
    /// The pods' names.
    pub pods: Vec<String>,
}

/// Whether a pod that does not tell a setting lacks it, or just could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// It says nothing.
    Unknown,
    /// The setting belongs to a list that was read, and is not in it.
    Absent,
}

/// What is known of all pods, setting by setting. Pods are numbered in the order in which they came.
#[derive(Debug, Default)]
pub struct Traits {
    pods: Vec<String>,
    settings: BTreeMap<(Area, String), Seen>,
    /// The pods whose list of an area was read.
    listed: BTreeMap<Area, Vec<usize>>,
}

/// The values that a setting was seen with, and the pods that have each.
#[derive(Debug)]
struct Seen {
    silence: Silence,
    values: BTreeMap<String, Vec<usize>>,
}

impl Traits {
    /// What one pod tells.
    pub fn add(&mut self, pod: &str, facts: &Facts) {
        self.pods.push(pod.to_owned());
        for (area, what, value) in facts.fingerprint.iter().flat_map(said_once) {
            if let Some(value) = value {
                self.note((area, what.to_owned()), Silence::Unknown, value);
            }
        }
        self.add_list(Area::Package, facts.fingerprint.as_ref().and_then(packages));
        self.add_list(Area::Config, facts.config.as_deref().and_then(settings));
        self.add_list(Area::Environment, (!facts.variables.is_empty()).then(|| variables(&facts.variables)));
    }

    fn add_list(&mut self, area: Area, list: Option<Settings>) {
        let Some(list) = list else { return };
        self.listed.entry(area).or_default().push(self.pods.len() - 1);
        for (what, value) in list {
            if area != Area::Environment || !OF_EACH_POD.contains(&what.as_str()) {
                self.note((area, what), Silence::Absent, value);
            }
        }
    }

    fn note(&mut self, setting: (Area, String), silence: Silence, value: String) {
        let seen = self.settings.entry(setting).or_insert_with(|| Seen { silence, values: BTreeMap::new() });
        seen.values.entry(value).or_default().push(self.pods.len() - 1);
    }

    /// What is not the same in all pods that tell it: what tells hot from calm first, then by area and name.
    pub fn differences(&self, pods: &[Pod]) -> Vec<Difference> {
        let difference = |((area, what), seen): (&(Area, String), &Seen)| {
            let values = self.variants(*area, seen);
            let parting = parting(&values, pods);
            (values.len() > 1).then(|| Difference { area: *area, what: what.clone(), parting, values })
        };
        let mut differences: Vec<Difference> = self.settings.iter().filter_map(difference).collect();
        differences.sort_by_key(|difference| (difference.parting, difference.area));
        differences
    }

    fn variants(&self, area: Area, seen: &Seen) -> Vec<Variant> {
        let names = |pods: &[usize]| pods.iter().map(|pod| self.pods[*pod].clone()).collect();
        let mut variants: Vec<Variant> =
            seen.values.iter().map(|(value, pods)| Variant { value: Some(value.clone()), pods: names(pods) }).collect();
        if seen.silence == Silence::Absent {
            let having: BTreeSet<usize> = seen.values.values().flatten().copied().collect();
            let listed = self.listed.get(&area).into_iter().flatten();
            let without: Vec<usize> = listed.copied().filter(|pod| !having.contains(pod)).collect();
            if !without.is_empty() {
                variants.push(Variant { value: None, pods: names(&without) });
            }
        }
        variants.sort_by_key(|variant| Reverse(variant.pods.len()));
        variants
    }
}

fn parting(variants: &[Variant], pods: &[Pod]) -> Parting {
    let [one, other] = variants else { return Parting::Otherwise };
    let all = |variant: &Variant, heat: PodHeat| {
        let names: Vec<&String> = pods.iter().filter(|pod| pod.heat == heat).map(|pod| &pod.name).collect();
        !names.is_empty() && names.iter().all(|name| variant.pods.contains(name)) && variant.pods.len() == names.len()
    };
    let parts = |one, other| all(one, PodHeat::Hot) && all(other, PodHeat::Calm);
    if parts(one, other) || parts(other, one) { Parting::HotFromCalm } else { Parting::Otherwise }
}
