//! What only the cluster can tell of a pod, asked for after its capture: its spec and how it fares, events (which expire),
//! logs, versions, the node. What is forbidden or not there is a gap, and costs no more than an answer.

use super::kubectl::Kubectl;
use super::object::{Autoscaler, Event, List, Meta, Node, Pod, Workload};
use super::refusal::Refusal;
use crate::collect::Gap;
use crate::os::piped::Wish;
use crate::redact::Raw;

/// What is kept of a log, its end: more than a bundle takes.
const LOG_BYTES: usize = 6 * 1024 * 1024;
/// The end of the log of the container's last life: why it died stands there.
const PREVIOUS_LINES: &str = "--tail=500";
/// Deployments own replica sets, which own pods; nothing owns deployments but, at most, an operator's own kind.
const MOST_OWNERS: usize = 3;

/// The cluster's word on a pod, nothing of it clean.
#[derive(Debug, Default)]
pub struct Seen {
    /// The pod after the capture.
    pub pod: Option<Pod>,
    /// What it belongs to, from near to far.
    pub owners: Vec<Owned>,
    /// The replica sets of its deployment.
    pub revisions: Vec<Workload>,
    /// What changes the number of pods.
    pub autoscaler: Option<Autoscaler>,
    /// The node.
    pub node: Option<Node>,
    /// `kubectl top pod --containers`, a line each.
    pub usage: Vec<[String; 3]>,
    /// What happened to the pod and its owners.
    pub events: Vec<Event>,
    /// The log of the container, with times.
    pub log: Option<Raw>,
    /// The end of the log of its last life.
    pub previous: Option<Raw>,
    /// The values that helm was given.
    pub helm_values: Option<Raw>,
    /// What could not be had.
    pub gaps: Vec<Gap>,
}

/// An object that others belong to.
#[derive(Debug, Clone)]
pub struct Owned {
    /// Such as `Deployment`.
    pub kind: String,
    /// Its name and the like.
    pub metadata: Meta,
}

/// Whose evidence, and how much of it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The pod as it was before.
    pub pod: &'a Pod,
    /// The container that was captured.
    pub container: &'a str,
    /// How far back the log is wanted, in seconds.
    pub since_seconds: u64,
}

/// Asks for all of it.
pub fn gather(kubectl: &Kubectl, asked: Asked<'_>, wish: &mut dyn FnMut() -> Wish) -> Seen {
    Gathering { kubectl, wish, seen: Seen::default() }.all(asked)
}

struct Gathering<'a> {
    kubectl: &'a Kubectl,
    wish: &'a mut dyn FnMut() -> Wish,
    seen: Seen,
}

impl Gathering<'_> {
    fn all(mut self, asked: Asked<'_>) -> Seen {
        let name = asked.pod.metadata.name.as_str();
        let pod = self.kubectl.json::<Pod>(&["get", "pod", name], self.wish);
        self.seen.pod = self.had("the pod after the capture", pod);
        self.owners(&asked.pod.metadata);
        self.autoscaler();
        if let Some(node) = &asked.pod.spec.node_name {
            let node = self.kubectl.json_of_all(&["get", "node", node], self.wish);
            self.seen.node = self.had("the node", node);
        }
        self.usage(name);
        self.events(name);
        self.logs(asked);
        self.helm(&asked.pod.metadata);
        self.seen
    }

    fn owners(&mut self, of: &Meta) {
        let mut next = of.owner_references.first().cloned();
        while let Some(owner) = next.take().filter(|_| self.seen.owners.len() < MOST_OWNERS) {
            let what = format!("{}/{}", owner.kind, owner.name);
            let found = self.kubectl.json_of_all::<Workload>(&["get", &owner.kind, &owner.name], self.wish);
            let Some(workload) = self.had(&format!("{what}, which the pod belongs to"), found) else {
                let metadata = Meta { name: owner.name, ..Meta::default() };
                self.seen.owners.push(Owned { kind: owner.kind, metadata });
                return;
            };
            next = workload.metadata.owner_references.first().cloned();
            if owner.kind == "Deployment" {
                self.revisions(&workload);
            }
            self.seen.owners.push(Owned { kind: owner.kind, metadata: workload.metadata });
        }
    }

    fn revisions(&mut self, deployment: &Workload) {
        let sets = self.kubectl.json_of_all::<List<Workload>>(&["get", "replicasets"], self.wish);
        let Some(sets) = self.had("the rollout history", sets) else { return };
        let owned = |set: &Workload| {
            let owners = &set.metadata.owner_references;
            owners.iter().any(|owner| owner.kind == "Deployment" && owner.name == deployment.metadata.name)
        };
        self.seen.revisions = sets.items.into_iter().filter(owned).collect();
    }

    fn autoscaler(&mut self) {
        let scalers = self.kubectl.json_of_all::<List<Autoscaler>>(&["get", "horizontalpodautoscalers"], self.wish);
        let Some(scalers) = self.had("the autoscaler", scalers) else { return };
        let ours = |scaler: &Autoscaler| {
            let target = &scaler.spec.scale_target_ref;
            self.seen.owners.iter().any(|owner| owner.kind == target.kind && owner.metadata.name == target.name)
        };
        self.seen.autoscaler = scalers.items.into_iter().find(ours);
    }

    fn usage(&mut self, pod: &str) {
        let table = self.kubectl.bytes_of_all(&["top", "pods", "--containers", "--no-headers"], self.wish);
        let Some(table) = self.had("the use of CPU and memory by the cluster's metrics", table) else { return };
        let table = String::from_utf8_lossy(&table).into_owned();
        let row = |line: &str| {
            let cells: Vec<&str> = line.split_whitespace().collect();
            let [of, container, cpu, memory] = <[&str; 4]>::try_from(cells).ok()?;
            (of == pod).then(|| [container, cpu, memory].map(str::to_owned))
        };
        self.seen.usage = table.lines().filter_map(row).collect();
    }

    /// Those of the pod and of what it belongs to: a list of all would be long in a busy namespace.
    fn events(&mut self, pod: &str) {
        let mut names = vec![pod.to_owned()];
        names.extend(self.seen.owners.iter().map(|owner| owner.metadata.name.clone()));
        for name in names {
            let selector = format!("involvedObject.name={name}");
            let asked = ["get", "events", "--field-selector", &selector];
            let list = if name == pod {
                self.kubectl.json::<List<Event>>(&asked, self.wish)
            } else {
                self.kubectl.json_of_all(&asked, self.wish)
            };
            match self.had("the events", list) {
                Some(list) => self.seen.events.extend(list.items),
                None => return,
            }
        }
    }

    fn logs(&mut self, Asked { pod, container, since_seconds }: Asked<'_>) {
        let name = pod.metadata.name.as_str();
        let since = format!("--since={since_seconds}s");
        let logs = ["logs", name, "-c", container, "--timestamps"];
        let log = self.kubectl.last_bytes(&[&logs[..], &[&since]].concat(), LOG_BYTES, self.wish);
        self.seen.log = self.had("the log of the container", log).map(|bytes| Raw::from_bytes(&bytes));
        let restarted =
            pod.status.container_statuses.iter().any(|status| status.name == container && status.restart_count > 0);
        if restarted {
            let log =
                self.kubectl.last_bytes(&[&logs[..], &["--previous", PREVIOUS_LINES]].concat(), LOG_BYTES, self.wish);
            let log = self.had("the log of the container's last life", log);
            self.seen.previous = log.map(|bytes| Raw::from_bytes(&bytes));
        }
    }

    /// Only where helm made the pod. It reads a secret of the namespace, which not everybody may.
    fn helm(&mut self, pod: &Meta) {
        let managed = |meta: &Meta| meta.labels.get("app.kubernetes.io/managed-by").is_some_and(|tool| tool == "Helm");
        let metas = || self.seen.owners.iter().map(|owner| &owner.metadata).chain([pod]);
        if !metas().any(managed) {
            return;
        }
        let release = metas().find_map(|meta| {
            let named = meta.annotations.get("meta.helm.sh/release-name").map(|name| name.expose().to_owned());
            named.or_else(|| meta.labels.get("app.kubernetes.io/instance").cloned())
        });
        let Some(release) = release else { return };
        let values = self.kubectl.helm(&["get", "values", &release, "--output", "yaml"], self.wish);
        let values = self.had("the values that helm was given", values);
        self.seen.helm_values = values.map(|bytes| Raw::from_bytes(&bytes));
    }

    fn had<T>(&mut self, what: &str, answer: Result<T, Refusal>) -> Option<T> {
        match answer {
            Ok(found) => Some(found),
            Err(refusal) => {
                self.missing(what, &refusal);
                None
            }
        }
    }

    fn missing(&mut self, what: &str, refusal: &Refusal) {
        let gap = Gap::note(what, refusal.why(), refusal.cure());
        if !self.seen.gaps.contains(&gap) {
            self.seen.gaps.push(gap);
        }
    }
}
