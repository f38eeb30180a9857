//! From what the cluster said to what may be shown: only fields that are named here, and each through the redactor.

use std::collections::BTreeMap;

use super::evidence::Seen;
use super::object::{Container, ContainerStatus, Event, Node, Pod, Probe, Workload};
use crate::bundle::facts::CLUSTER;
use crate::collect::cluster::{
    Cluster, ContainerFacts, Happening, LastEnd, NodeFacts, ProbeFacts, Revision, Scaling, Usage,
};
use crate::redact::{Clean, EnvVar, Raw, Redactor, Sources};

/// So many events are kept, the last ones.
const MOST_EVENTS: usize = 200;
/// The label of a node that cloud providers put its type into.
const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
/// Where a deployment numbers its replica sets.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// A redactor that knows every secret that the cluster showed, and those of this program's own environment.
pub fn redactor_for(seen: &Seen, before: &Pod, own: &[(Raw, Raw)]) -> Redactor {
    let pods: Vec<&Pod> = seen.pod.iter().chain([before]).collect();
    let templates = seen.revisions.iter().map(|set| &set.spec.template.spec);
    let containers: Vec<&Container> =
        pods.iter().map(|pod| &pod.spec).chain(templates).flat_map(|spec| &spec.containers).collect();
    let environs: Vec<Vec<(Raw, Raw)>> = containers.iter().map(|container| variables(container)).collect();
    let annotated = pods.iter().map(|pod| &pod.metadata).chain(seen.owners.iter().map(|owner| &owner.metadata));
    let annotations: Vec<(Raw, Raw)> = annotated
        .flat_map(|meta| {
            let labels = meta.labels.iter().map(|(name, value)| (name, Raw::new(value.as_str())));
            labels.chain(meta.annotations.iter().map(|(name, value)| (name, value.clone())))
        })
        .map(|(name, value)| (Raw::new(name.as_str()), value))
        .collect();
    let argvs: Vec<Vec<Raw>> = containers.iter().map(|container| argv(container)).collect();
    let mut sources = Sources { environs: vec![own, &annotations], ..Sources::default() };
    sources.environs.extend(environs.iter().map(Vec::as_slice));
    sources.argvs.extend(argvs.iter().map(Vec::as_slice));
    sources.configs.extend(&seen.helm_values);
    Redactor::new(&sources)
}

/// The cluster's word, clean.
pub fn cluster(seen: &Seen, before: &Pod, container: &str, redactor: &mut Redactor) -> Cluster {
    let pod = seen.pod.as_ref().unwrap_or(before);
    let mut clean = Cleaning(redactor);
    let mut events: Vec<Happening> = seen.events.iter().map(|event| clean.event(event)).collect();
    events.sort_by(|one, other| one.at_utc.cmp(&other.at_utc));
    events.drain(..events.len().saturating_sub(MOST_EVENTS));
    let mut revisions: Vec<Revision> = seen.revisions.iter().map(|set| clean.revision(set)).collect();
    revisions.sort_by_key(|revision| revision.number);
    Cluster {
        namespace: clean.text(&pod.metadata.namespace),
        pod: clean.text(&pod.metadata.name),
        container: clean.text(container),
        created_utc: clean.some(pod.metadata.creation_timestamp.as_ref()),
        labels: clean.labels(&pod.metadata.labels),
        annotations: pod.metadata.annotations.keys().map(|name| clean.text(name)).collect(),
        owners: seen
            .owners
            .iter()
            .map(|owner| clean.text(&format!("{}/{}", owner.kind, owner.metadata.name)))
            .collect(),
        qos: clean.some(pod.status.qos_class.as_ref()),
        containers: pod.spec.containers.iter().map(|container| clean.container(container, pod)).collect(),
        revisions,
        autoscaler: seen.autoscaler.as_ref().map(|scaler| Scaling {
            least: scaler.spec.min_replicas.unwrap_or(1),
            most: scaler.spec.max_replicas,
            current: scaler.status.current_replicas,
            desired: scaler.status.desired_replicas,
        }),
        node: seen.node.as_ref().map(|node| clean.node(node)),
        usage: seen.usage.iter().map(|row| clean.usage(row)).collect(),
        events,
    }
}

/// A container's variables as far as the spec has their values.
fn variables(container: &Container) -> Vec<(Raw, Raw)> {
    let pair = |entry: &super::object::EnvEntry| Some((Raw::new(entry.name.as_str()), entry.value.clone()?));
    container.env.iter().filter_map(pair).collect()
}

fn argv(container: &Container) -> Vec<Raw> {
    container.command.iter().chain(&container.args).cloned().collect()
}

/// The redactor, for the file that all of this goes into.
struct Cleaning<'a>(&'a mut Redactor);

impl Cleaning<'_> {
    fn text(&mut self, text: &str) -> Clean {
        self.0.text(CLUSTER, &Raw::new(text))
    }

    fn some(&mut self, text: Option<&String>) -> Option<Clean> {
        text.filter(|text| !text.is_empty()).map(|text| self.text(text))
    }

    /// Labels as variables are: a value too short to be known again elsewhere may be a secret by its name.
    fn labels(&mut self, labels: &BTreeMap<String, String>) -> BTreeMap<String, Clean> {
        let raw: Vec<(Raw, Raw)> = labels.iter().map(|(name, value)| (Raw::new(name), Raw::new(value))).collect();
        let shown = |var: EnvVar| (var.name.to_string(), var.value.unwrap_or(Clean::ours("set")));
        self.0.environ(CLUSTER, &raw).into_iter().map(shown).collect()
    }

    /// Resources, by their names.
    fn pairs(&mut self, pairs: &BTreeMap<String, String>) -> BTreeMap<String, Clean> {
        pairs.iter().map(|(name, value)| (self.text(name).to_string(), self.text(value))).collect()
    }

    fn container(&mut self, container: &Container, pod: &Pod) -> ContainerFacts {
        let unknown = ContainerStatus::default();
        let status = pod.status.container_statuses.iter().find(|status| status.name == container.name);
        let status = status.unwrap_or(&unknown);
        let mut env: BTreeMap<String, String> = container
            .env
            .iter()
            .filter(|entry| entry.value.is_none())
            .map(|entry| (self.text(&entry.name).to_string(), "set".to_owned()))
            .collect();
        let shown = self.0.environ(CLUSTER, &variables(container));
        env.extend(EnvVar::table(&shown).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        let probes = [
            ("liveness", &container.liveness_probe),
            ("readiness", &container.readiness_probe),
            ("startup", &container.startup_probe),
        ];
        ContainerFacts {
            name: self.text(&container.name),
            image: self.text(&container.image),
            image_id: self.some(Some(&status.image_id)),
            argv: self.0.argv(CLUSTER, &argv(container)),
            env,
            requests: self.pairs(&container.resources.requests),
            limits: self.pairs(&container.resources.limits),
            probes: probes.iter().filter_map(|(kind, probe)| Some(self.probe(kind, probe.as_ref()?))).collect(),
            ready: status.ready,
            restarts: status.restart_count,
            last_end: status.last_state.terminated.as_ref().map(|end| LastEnd {
                reason: self.text(&end.reason),
                exit_code: end.exit_code,
                finished_utc: self.some(end.finished_at.as_ref()),
            }),
        }
    }

    fn probe(&mut self, kind: &str, probe: &Probe) -> ProbeFacts {
        // Whatever is in a query, it is not what the path says.
        let path = probe.http_get.as_ref().and_then(|get| get.path.as_ref());
        let path = path.map(|path| self.text(path.expose().split('?').next().unwrap_or_default()));
        ProbeFacts {
            kind: kind.to_owned(),
            path,
            period_seconds: probe.period_seconds,
            timeout_seconds: probe.timeout_seconds,
            failures: probe.failure_threshold,
            delay_seconds: probe.initial_delay_seconds,
        }
    }

    fn revision(&mut self, set: &Workload) -> Revision {
        let number = set.metadata.annotations.get(REVISION).and_then(|number| number.expose().parse().ok());
        Revision {
            number: number.unwrap_or_default(),
            created_utc: self.some(set.metadata.creation_timestamp.as_ref()),
            images: set.spec.template.spec.containers.iter().map(|container| self.text(&container.image)).collect(),
            pods: set.status.replicas,
        }
    }

    fn node(&mut self, node: &Node) -> NodeFacts {
        let info = &node.status.node_info;
        let troubles = node.status.conditions.iter().filter(|condition| {
            let well = if condition.kind == "Ready" { "True" } else { "False" };
            condition.status != well
        });
        let troubles = troubles.map(|condition| self.text(&condition.kind)).collect();
        let quantities = |all: &BTreeMap<String, String>| {
            let known = |(name, _): &(&String, &String)| matches!(name.as_str(), "cpu" | "memory");
            all.iter().filter(known).map(|(name, value)| (name.clone(), value.clone())).collect::<BTreeMap<_, _>>()
        };
        NodeFacts {
            name: self.text(&node.metadata.name),
            instance_type: self.some(node.metadata.labels.get(INSTANCE_TYPE)),
            kubelet: self.text(&info.kubelet_version),
            runtime: self.text(&info.container_runtime_version),
            capacity: self.pairs(&quantities(&node.status.capacity)),
            allocatable: self.pairs(&quantities(&node.status.allocatable)),
            troubles,
        }
    }

    fn usage(&mut self, [container, cpu, memory]: &[String; 3]) -> Usage {
        Usage { container: self.text(container), cpu: self.text(cpu), memory: self.text(memory) }
    }

    fn event(&mut self, event: &Event) -> Happening {
        let object = format!("{}/{}", event.involved_object.kind, event.involved_object.name);
        Happening {
            at_utc: self.some(event.last_timestamp.as_ref().or(event.only_timestamp.as_ref())),
            kind: self.text(&event.kind),
            reason: self.text(&event.reason),
            object: self.text(&object),
            count: event.count.unwrap_or(1),
            message: self.0.text(CLUSTER, &event.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_short_secret_is_shown_in_no_label_and_no_annotation() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {
                "name": "p",
                "labels": {"db-password": "hunter2"},
                "annotations": {"api-token": "hunter2"},
            },
            "spec": {"containers": [{"name": "a", "env": [{"name": "DB_PASSWORD", "value": "hunter2"}]}]},
        }))
        .unwrap();
        let seen = Seen::default();
        let cluster = cluster(&seen, &pod, "a", &mut redactor_for(&seen, &pod, &[]));
        let text = serde_json::to_string(&cluster).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(cluster.labels["db-password"].as_str(), "set");
    }
}
