//! `fleet.json`: what is known of all pods together.

use serde::{Deserialize, Serialize};

use crate::fleet::differences::Difference;
use crate::fleet::functions::FleetFunction;
use crate::fleet::heat::{FleetHeat, PodHeat};
use crate::fleet::pod::Pod;

/// The content of `fleet.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetSummary {
    /// Which pods are hot.
    pub heat: FleetHeat,
    /// Each pod that gave its figures, the hot ones first, and the busiest of each first.
    pub pods: Vec<Pod>,
    /// What is not the same in all of them.
    pub differences: Vec<Difference>,
    /// Functions by their own CPU in all pods.
    pub functions: Vec<FleetFunction>,
}

impl FleetSummary {
    /// The names of the pods that are so.
    pub fn names(&self, heat: PodHeat) -> impl Iterator<Item = &str> {
        self.pods.iter().filter(move |pod| pod.heat == heat).map(|pod| pod.name.as_str())
    }

    /// The names of all.
    pub fn all_names(&self) -> impl Iterator<Item = &str> {
        self.pods.iter().map(|pod| pod.name.as_str())
    }
}
