//! Kubernetes objects, as far as they are read. What is not named here is never looked at, so that it cannot get into a
//! bundle; and what can hold a secret is [`Raw`].

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::redact::Raw;

/// A list of objects.
#[derive(Debug, Deserialize)]
pub struct List<T> {
    /// The objects.
    pub items: Vec<T>,
}

/// What every object has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations: anything can be in them.
    #[serde(deserialize_with = "raw_map")]
    pub annotations: BTreeMap<String, Raw>,
    /// When it was made.
    pub creation_timestamp: Option<String>,
    /// Whose it is.
    pub owner_references: Vec<Owner>,
}

/// Whose an object is.
#[derive(Debug, Clone, Deserialize)]
pub struct Owner {
    /// Such as `ReplicaSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A pod.
#[derive(Debug, Clone, Deserialize)]
pub struct Pod {
    /// Its name and the like.
    pub metadata: Meta,
    /// What was wished.
    pub spec: PodSpec,
    /// What is.
    #[serde(default)]
    pub status: PodStatus,
}

/// What was wished of a pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec {
    /// Its containers.
    pub containers: Vec<Container>,
    /// The node it is on.
    pub node_name: Option<String>,
    /// The pod's own user, where the containers name none.
    pub security_context: SecurityContext,
    /// Whether its containers see each other's processes.
    pub share_process_namespace: Option<bool>,
}

/// A container as it was wished.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// In place of the image's entry point.
    #[serde(deserialize_with = "raw_list")]
    pub command: Vec<Raw>,
    /// In place of the image's arguments.
    #[serde(deserialize_with = "raw_list")]
    pub args: Vec<Raw>,
    /// Its environment.
    pub env: Vec<EnvEntry>,
    /// Its resources.
    pub resources: Resources,
    /// Its ports.
    pub ports: Vec<Port>,
    /// Its user.
    pub security_context: SecurityContext,
    /// Restarts it when it fails.
    pub liveness_probe: Option<Probe>,
    /// Takes it out of the service when it fails.
    pub readiness_probe: Option<Probe>,
    /// Holds the others back until it succeeds.
    pub startup_probe: Option<Probe>,
}

/// A variable of a container's environment.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvEntry {
    /// Its name.
    pub name: String,
    /// Its value, where it stands in the spec.
    #[serde(deserialize_with = "raw_option")]
    pub value: Option<Raw>,
}

/// Who a container runs as.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SecurityContext {
    /// Its uid, where the spec says.
    pub run_as_user: Option<u32>,
    /// Its gid, where the spec says.
    pub run_as_group: Option<u32>,
}

/// What a container may have.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// What it is promised.
    pub requests: BTreeMap<String, String>,
    /// What it may take at most.
    pub limits: BTreeMap<String, String>,
}

/// A port.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Port {
    /// Its number in the container.
    pub container_port: u16,
}

/// A probe of the kubelet's.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Probe {
    /// A request.
    pub http_get: Option<HttpGet>,
    /// How often, in seconds.
    pub period_seconds: Option<u32>,
    /// How long it waits, in seconds.
    pub timeout_seconds: Option<u32>,
    /// So many failures count.
    pub failure_threshold: Option<u32>,
    /// How long after the start it begins, in seconds.
    pub initial_delay_seconds: Option<u32>,
}

/// A probe's request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct HttpGet {
    /// Such as `/health/liveliness`; somebody may have put a key into its query.
    #[serde(deserialize_with = "raw_option")]
    pub path: Option<Raw>,
}

/// What is of a pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodStatus {
    /// Such as `Running`.
    pub phase: String,
    /// Such as `Burstable`.
    pub qos_class: Option<String>,
    /// Such as `Ready`.
    pub conditions: Vec<Condition>,
    /// Its containers.
    pub container_statuses: Vec<ContainerStatus>,
    /// Containers that were added to debug it.
    pub ephemeral_container_statuses: Vec<ContainerStatus>,
}

/// A condition of an object's.
#[derive(Debug, Clone, Deserialize)]
pub struct Condition {
    /// Such as `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
}

/// A container as it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerStatus {
    /// Its name.
    pub name: String,
    /// Whether its readiness probe succeeds.
    pub ready: bool,
    /// How often it was started again.
    pub restart_count: u32,
    /// Its image with the digest.
    #[serde(rename = "imageID")]
    pub image_id: String,
    /// What it does now.
    pub state: State,
    /// How it ended the last time.
    pub last_state: State,
}

/// What a container does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct State {
    /// It runs.
    pub running: Option<Running>,
    /// It waits.
    pub waiting: Option<Waiting>,
    /// It ended.
    pub terminated: Option<Terminated>,
}

/// Since when a container runs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Running {
    /// Since then.
    pub started_at: Option<String>,
}

/// Why a container waits.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// Such as `CrashLoopBackOff`.
    pub reason: String,
}

/// How a container ended.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Terminated {
    /// Such as `OOMKilled`.
    pub reason: String,
    /// Its exit code.
    pub exit_code: i32,
    /// When.
    pub finished_at: Option<String>,
}

/// What makes pods: a deployment, a replica set, a stateful set.
#[derive(Debug, Clone, Deserialize)]
pub struct Workload {
    /// Its name and the like.
    pub metadata: Meta,
    /// What was wished.
    #[serde(default)]
    pub spec: WorkloadSpec,
    /// What is.
    #[serde(default)]
    pub status: WorkloadStatus,
}

/// What was wished of a workload.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct WorkloadSpec {
    /// Which pods are its own.
    pub selector: Selector,
    /// How many there should be.
    pub replicas: Option<u32>,
    /// How they are made.
    pub template: Template,
}

/// How pods are made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Template {
    /// What is wished of each.
    pub spec: PodSpec,
}

/// How many pods a workload has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct WorkloadStatus {
    /// So many.
    pub replicas: u32,
}

/// Chooses by labels.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Selector {
    /// Labels and the value that each must have.
    pub match_labels: BTreeMap<String, String>,
    /// Other conditions.
    pub match_expressions: Vec<Expression>,
}

/// A condition on a label.
#[derive(Debug, Clone, Deserialize)]
pub struct Expression {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// What it is compared with.
    #[serde(default)]
    pub values: Vec<String>,
}

/// Something that happened, kept by the cluster for an hour.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Event {
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Such as `Unhealthy`.
    pub reason: String,
    /// In words, in which a probe's answer may be.
    #[serde(deserialize_with = "raw")]
    pub message: Raw,
    /// How often.
    pub count: Option<u32>,
    /// The last time, in the old form.
    pub last_timestamp: Option<String>,
    /// The only time, in the new form.
    #[serde(rename = "eventTime")]
    pub only_timestamp: Option<String>,
    /// To what.
    pub involved_object: Involved,
}

/// To what something happened.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Involved {
    /// Such as `Pod`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// What changes the number of pods.
#[derive(Debug, Clone, Deserialize)]
pub struct Autoscaler {
    /// What was wished.
    pub spec: AutoscalerSpec,
    /// What is.
    #[serde(default)]
    pub status: AutoscalerStatus,
}

/// What was wished of an autoscaler.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AutoscalerSpec {
    /// What it scales.
    pub scale_target_ref: Involved,
    /// At least so many pods.
    pub min_replicas: Option<u32>,
    /// At most so many.
    pub max_replicas: u32,
}

/// Where an autoscaler stands.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AutoscalerStatus {
    /// So many pods there are.
    pub current_replicas: Option<u32>,
    /// So many it wants.
    pub desired_replicas: Option<u32>,
}

/// A node.
#[derive(Debug, Clone, Deserialize)]
pub struct Node {
    /// Its labels tell its type.
    pub metadata: Meta,
    /// What it is.
    #[serde(default)]
    pub status: NodeStatus,
}

/// What a node is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeStatus {
    /// What it has.
    pub capacity: BTreeMap<String, String>,
    /// What of it pods can have.
    pub allocatable: BTreeMap<String, String>,
    /// Such as `MemoryPressure`.
    pub conditions: Vec<Condition>,
    /// Its software.
    pub node_info: NodeInfo,
}

/// A node's software.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeInfo {
    /// Such as `v1.32.1`.
    pub kubelet_version: String,
    /// Such as `containerd://1.7.24`.
    pub container_runtime_version: String,
}

fn raw<'de, D: Deserializer<'de>>(from: D) -> Result<Raw, D::Error> {
    Option::<String>::deserialize(from).map(|text| Raw::new(text.unwrap_or_default()))
}

fn raw_option<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Raw>, D::Error> {
    Option::<String>::deserialize(from).map(|text| text.map(Raw::new))
}

fn raw_list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Raw>, D::Error> {
    let texts = Option::<Vec<String>>::deserialize(from)?;
    Ok(texts.unwrap_or_default().into_iter().map(Raw::new).collect())
}

fn raw_map<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Raw>, D::Error> {
    let texts = Option::<BTreeMap<String, String>>::deserialize(from)?;
    Ok(texts.unwrap_or_default().into_iter().map(|(name, text)| (name, Raw::new(text))).collect())
}
