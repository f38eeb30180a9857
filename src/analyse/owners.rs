//! Where the CPU went: by whose work it was, and by what kind of work.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analyse::frames::{Kind, drawn};
use crate::analyse::functions::{percent, seconds};
use crate::analyse::work::{Work, work_of};
use crate::redact::Clean;
use crate::sample::profile::{Frame, Place, Profile};

/// CPU by owner, such as "logging callback `custom_callbacks`" or "token counting".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnerShare {
    /// Whose work.
    pub owner: String,
    /// CPU.
    pub seconds: f64,
    /// Its share of all CPU.
    pub percent: f64,
    /// By what kind of work, the largest first.
    pub mechanisms: Vec<MechanismShare>,
    /// The function with most CPU of its own below this owner, as `function (file)`.
    pub leader: Option<String>,
}

/// CPU by kind of work, such as "json" or "deepcopy".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MechanismShare {
    /// What kind of work.
    pub mechanism: String,
    /// CPU.
    pub seconds: f64,
    /// Its share of all CPU.
    pub percent: f64,
}

/// Owner and kind of work of threads that run no Python.
const NATIVE: &str = "native threads";
/// Owner and kind of work of the time in which no stack was read.
const NOT_SAMPLED: &str = "not sampled";

/// What is below one owner.
#[derive(Default)]
struct Below {
    cpu_ns: u64,
    mechanisms: BTreeMap<&'static str, u64>,
    /// Own CPU of each function.
    leaves: BTreeMap<String, u64>,
}

/// CPU by owner, the largest first.
pub fn by_owner(profile: &Profile<Clean>) -> Vec<OwnerShare> {
    let mut owners: BTreeMap<String, Below> = BTreeMap::new();
    let mut all_ns = 0;
    for (place, cpu_ns) in cpu_by_place(profile) {
        all_ns += cpu_ns;
        let leaf = match place {
            // The interpreter works in the name of the function below it.
            Place::Stack(stack) => profile.leaf_to_root(stack).find(|frame| Kind::of(frame) != Kind::Interpreter),
            Place::Native | Place::NotSampled => None,
        };
        let work = work_at(profile, place);
        let below = owners.entry(work.owner).or_default();
        below.cpu_ns += cpu_ns;
        *below.mechanisms.entry(work.mechanism).or_default() += cpu_ns;
        if let Some(leaf) = leaf {
            *below.leaves.entry(drawn(leaf)).or_default() += cpu_ns;
        }
    }
    let mut shares: Vec<(u64, OwnerShare)> =
        owners.into_iter().map(|(owner, below)| (below.cpu_ns, below.share(owner, all_ns))).collect();
    shares.sort_by_key(|(cpu_ns, _)| Reverse(*cpu_ns));
    shares.into_iter().map(|(_, share)| share).collect()
}

/// Whose work a place is, and of what kind.
pub fn work_at(profile: &Profile<Clean>, place: Place) -> Work {
    match place {
        Place::Stack(stack) => work_of(&profile.leaf_to_root(stack).collect::<Vec<&Frame<Clean>>>()),
        Place::Native => Work { owner: NATIVE.to_owned(), mechanism: "native" },
        Place::NotSampled => Work { owner: NOT_SAMPLED.to_owned(), mechanism: NOT_SAMPLED },
    }
}

impl Below {
    fn share(self, owner: String, all_ns: u64) -> OwnerShare {
        let mut mechanisms: Vec<(&str, u64)> = self.mechanisms.into_iter().collect();
        mechanisms.sort_by_key(|(_, cpu_ns)| Reverse(*cpu_ns));
        let mechanisms = mechanisms.into_iter().map(|(mechanism, cpu_ns)| MechanismShare {
            mechanism: mechanism.to_owned(),
            seconds: seconds(cpu_ns),
            percent: percent(cpu_ns, all_ns),
        });
        OwnerShare {
            owner,
            seconds: seconds(self.cpu_ns),
            percent: percent(self.cpu_ns, all_ns),
            mechanisms: mechanisms.collect(),
            leader: self.leaves.into_iter().rev().max_by_key(|(_, cpu_ns)| *cpu_ns).map(|(name, _)| name),
        }
    }
}

fn cpu_by_place(profile: &Profile<Clean>) -> BTreeMap<Place, u64> {
    let mut places = BTreeMap::new();
    for sample in profile.samples.iter().filter(|sample| sample.cpu_ns > 0) {
        *places.entry(sample.place).or_default() += sample.cpu_ns;
    }
    places
}
