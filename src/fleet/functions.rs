//! CPU by function over all pods.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analyse::figures::ratio;
use crate::analyse::frames::Kind;
use crate::analyse::functions::{Function, by_function};
use crate::redact::Clean;
use crate::sample::profile::Profile;

/// Functions kept in `fleet.json`.
const FUNCTIONS_KEPT: usize = 100;

/// One function and its CPU in all pods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetFunction {
    /// Qualified name.
    pub name: String,
    /// Short path of its file.
    pub file: String,
    /// Whose code it is.
    pub kind: Kind,
    /// CPU in the function's own code.
    pub self_seconds: f64,
    /// The same as a share of all pods' CPU.
    pub self_percent: f64,
    /// CPU in the function and all it called, as a share of all pods' CPU.
    pub total_percent: f64,
    /// In how many pods it was seen.
    pub pods: u32,
    /// The pod that spent most in its own code.
    pub most_in: String,
    /// Its own CPU there, as a share of that pod's.
    pub most_in_percent: f64,
}

impl FleetFunction {
    /// Its file, or where there is none what it is instead.
    pub fn place(&self) -> &str {
        if self.file.is_empty() { self.kind.label() } else { &self.file }
    }
}

/// The functions of all pods so far.
#[derive(Debug, Default)]
pub struct Functions {
    sums: BTreeMap<(String, String), Sum>,
    cpu_seconds: f64,
}

#[derive(Debug)]
struct Sum {
    kind: Kind,
    self_seconds: f64,
    total_seconds: f64,
    pods: u32,
    /// Two files may have the same short path, and a pod counts once.
    last_pod: String,
    most_in: Option<Share>,
}

/// A function's own CPU in one pod.
#[derive(Debug)]
struct Share {
    pod: String,
    self_seconds: f64,
    self_percent: f64,
}

impl Functions {
    /// One pod's.
    pub fn add(&mut self, pod: &str, profile: &Profile<Clean>) {
        self.cpu_seconds += profile.samples.iter().map(|sample| sample.cpu_ns).sum::<u64>() as f64 / 1e9;
        for function in by_function(profile) {
            let sum = self.sums.entry((function.name, function.file)).or_insert_with(|| Sum {
                kind: function.kind,
                self_seconds: 0.0,
                total_seconds: 0.0,
                pods: 0,
                last_pod: String::new(),
                most_in: None,
            });
            sum.self_seconds += function.self_seconds;
            sum.total_seconds += function.total_seconds;
            if sum.last_pod != pod {
                pod.clone_into(&mut sum.last_pod);
                sum.pods += 1;
            }
            if sum.most_in.as_ref().is_none_or(|most| function.self_seconds > most.self_seconds) {
                let Function { self_seconds, self_percent, .. } = function;
                sum.most_in = Some(Share { pod: pod.to_owned(), self_seconds, self_percent });
            }
        }
    }

    /// Those with most CPU of their own.
    pub fn top(self) -> Vec<FleetFunction> {
        let all = self.cpu_seconds;
        let percent = |seconds: f64| ratio(seconds * 100.0, all).map_or(0.0, |share| (share * 10.0).round() / 10.0);
        let function = |((name, file), sum): ((String, String), Sum)| {
            let most_in = sum.most_in?;
            Some(FleetFunction {
                name,
                file,
                kind: sum.kind,
                self_seconds: (sum.self_seconds * 1e6).round() / 1e6,
                self_percent: percent(sum.self_seconds),
                total_percent: percent(sum.total_seconds),
                pods: sum.pods,
                most_in: most_in.pod,
                most_in_percent: most_in.self_percent,
            })
        };
        let mut functions: Vec<FleetFunction> = self.sums.into_iter().filter_map(function).collect();
        functions.retain(|function| function.self_seconds > 0.0);
        functions.sort_by(|one, other| other.self_seconds.total_cmp(&one.self_seconds));
        functions.truncate(FUNCTIONS_KEPT);
        functions
    }
}
