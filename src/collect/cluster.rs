//! What only the cluster knows of a pod: what it was promised, how it fared, which version came when.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::redact::Clean;

/// A pod as its cluster sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its namespace.
    pub namespace: Clean,
    /// Its name.
    pub pod: Clean,
    /// The container that was captured.
    pub container: Clean,
    /// When the pod was made.
    pub created_utc: Option<Clean>,
    /// Its labels.
    pub labels: BTreeMap<String, Clean>,
    /// The names of its annotations; what they hold is withheld.
    pub annotations: Vec<Clean>,
    /// What it belongs to, from near to far: `ReplicaSet/litellm-7d4b`, `Deployment/litellm`.
    pub owners: Vec<Clean>,
    /// Such as `Burstable`.
    pub qos: Option<Clean>,
    /// All containers of the pod.
    pub containers: Vec<ContainerFacts>,
    /// The images of the workload, by revision, the newest last.
    pub revisions: Vec<Revision>,
    /// What changes the number of pods.
    pub autoscaler: Option<Scaling>,
    /// The node.
    pub node: Option<NodeFacts>,
    /// What the cluster's metrics say it uses, by container.
    pub usage: Vec<Usage>,
    /// What happened to it lately.
    pub events: Vec<Happening>,
}

/// A container of the pod.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerFacts {
    /// Its name.
    pub name: Clean,
    /// Its image as it was asked for.
    pub image: Clean,
    /// Its image as it is, with the digest.
    pub image_id: Option<Clean>,
    /// Its command line, where the spec gives one.
    pub argv: Vec<Clean>,
    /// Its environment as far as it stands in the spec; see `environment/env.json` for that of the processes.
    pub env: BTreeMap<String, String>,
    /// What it is promised, such as `cpu: 500m`.
    pub requests: BTreeMap<String, Clean>,
    /// What it may take at most.
    pub limits: BTreeMap<String, Clean>,
    /// What the kubelet asks it.
    pub probes: Vec<ProbeFacts>,
    /// Whether it was ready.
    pub ready: bool,
    /// How often it was started again.
    pub restarts: u32,
    /// How it ended the last time.
    pub last_end: Option<LastEnd>,
}

/// What the kubelet asks a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeFacts {
    /// `liveness`, `readiness` or `startup`.
    pub kind: String,
    /// The path of its request; none where it is none.
    pub path: Option<Clean>,
    /// How often, in seconds; none where the cluster's default holds.
    pub period_seconds: Option<u32>,
    /// How long it waits, in seconds.
    pub timeout_seconds: Option<u32>,
    /// So many failures count.
    pub failures: Option<u32>,
    /// How long after the start it begins, in seconds.
    pub delay_seconds: Option<u32>,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastEnd {
    /// Such as `OOMKilled`.
    pub reason: Clean,
    /// Its exit code.
    pub exit_code: i32,
    /// When.
    pub finished_utc: Option<Clean>,
}

/// A version of the workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Its number.
    pub number: u64,
    /// When it came.
    pub created_utc: Option<Clean>,
    /// The images of its containers.
    pub images: Vec<Clean>,
    /// How many pods it has now.
    pub pods: u32,
}

/// Where an autoscaler stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaling {
    /// At least so many pods.
    pub least: u32,
    /// At most so many.
    pub most: u32,
    /// So many there are.
    pub current: Option<u32>,
    /// So many it wants.
    pub desired: Option<u32>,
}

/// The node that the pod is on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Its name.
    pub name: Clean,
    /// Such as `m5.xlarge`.
    pub instance_type: Option<Clean>,
    /// The kubelet's version.
    pub kubelet: Clean,
    /// The container runtime and its version.
    pub runtime: Clean,
    /// What it has: `cpu`, `memory`.
    pub capacity: BTreeMap<String, Clean>,
    /// What of it pods can have.
    pub allocatable: BTreeMap<String, Clean>,
    /// Such as `MemoryPressure`; that it is ready goes without saying.
    pub troubles: Vec<Clean>,
}

/// What a container uses, by the cluster's metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// The container.
    pub container: Clean,
    /// As kubectl prints it: `153m`.
    pub cpu: Clean,
    /// As kubectl prints it: `312Mi`.
    pub memory: Clean,
}

/// Something that happened to the pod or to what it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    /// The last time.
    pub at_utc: Option<Clean>,
    /// `Normal` or `Warning`.
    pub kind: Clean,
    /// Such as `Unhealthy`.
    pub reason: Clean,
    /// To what.
    pub object: Clean,
    /// How often.
    pub count: u32,
    /// In words.
    pub message: Clean,
}

impl Cluster {
    /// The container that was captured.
    pub fn captured(&self) -> Option<&ContainerFacts> {
        self.containers.iter().find(|container| container.name == self.container)
    }
}
