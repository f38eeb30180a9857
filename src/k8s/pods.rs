//! From what was named to the pods that are meant, and to the container in each that is LiteLLM's.

use super::kubectl::Kubectl;
use super::object::{Container, List, Pod, Selector, Workload};
use super::refusal::Refusal;
use crate::os::piped::Wish;

/// Which pods are meant.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Pods by name, or workloads as `TYPE/NAME`.
    pub targets: Vec<String>,
    /// Pods by their labels, as kubectl takes them.
    pub selector: Option<String>,
    /// The container, where it is named.
    pub container: Option<String>,
    /// Whether those that are not ready are meant too.
    pub unready: Unready,
}

/// What becomes of pods that are not ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unready {
    /// They are named as missing.
    #[default]
    LeftOut,
    /// They are captured like the others.
    Captured,
}

/// A pod that is meant.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The pod.
    pub pod: Pod,
    /// Its container; none where only a look into the pod can tell.
    pub container: Option<String>,
}

/// A pod that is not captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub pod: String,
    /// Why not.
    pub why: String,
    /// How it would be.
    pub cure: String,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// What is captured.
    pub chosen: Vec<Chosen>,
    /// What is not.
    pub left_out: Vec<LeftOut>,
}

/// Asks the cluster for the pods that are meant, each once, by name.
pub fn find(kubectl: &Kubectl, wanted: &Wanted, wish: &mut dyn FnMut() -> Wish) -> Result<Found, Refusal> {
    let mut pods: Vec<Pod> = Vec::new();
    let mut add = |more: Vec<Pod>| {
        for pod in more {
            if pods.iter().all(|known| known.metadata.name != pod.metadata.name) {
                pods.push(pod);
            }
        }
    };
    for target in &wanted.targets {
        match target.split_once('/') {
            None => add(vec![kubectl.json(&["get", "pod", target], wish)?]),
            Some(("pod" | "pods" | "po", name)) => add(vec![kubectl.json(&["get", "pod", name], wish)?]),
            Some((kind, name)) => {
                let workload: Workload = kubectl.json(&["get", kind, name], wish)?;
                let labels = workload.spec.selector.as_argument();
                add(kubectl.json::<List<Pod>>(&["get", "pods", "-l", &labels], wish)?.items);
            }
        }
    }
    if let Some(labels) = &wanted.selector {
        add(kubectl.json::<List<Pod>>(&["get", "pods", "-l", labels], wish)?.items);
    }
    let searched = wanted.targets.is_empty() && wanted.selector.is_none();
    if searched {
        add(kubectl.json::<List<Pod>>(&["get", "pods"], wish)?.items);
        pods.retain(|pod| pod.spec.containers.iter().any(|container| likeness(container) > 0));
    }
    pods.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    Ok(sort(pods, wanted))
}

fn sort(pods: Vec<Pod>, wanted: &Wanted) -> Found {
    let mut found = Found::default();
    for pod in pods {
        match (standing(&pod, wanted.unready), container_of(&pod, wanted.container.as_deref())) {
            (Some((why, cure)), _) | (None, Err((why, cure))) => {
                found.left_out.push(LeftOut { pod: pod.metadata.name, why, cure });
            }
            (None, Ok(container)) => found.chosen.push(Chosen { pod, container }),
        }
    }
    found
}

/// Why a pod cannot be captured as it stands, and what would help.
fn standing(pod: &Pod, unready: Unready) -> Option<(String, String)> {
    let name = &pod.metadata.name;
    let describe = format!("see why: kubectl describe pod {name}");
    if pod.status.phase != "Running" {
        return Some((format!("it does not run, it is {}", pod.status.phase), describe));
    }
    let ready = pod.status.conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True");
    if ready || unready == Unready::Captured {
        return None;
    }
    let waits = pod.status.container_statuses.iter().find_map(|status| status.state.waiting.as_ref());
    let why = waits.map_or_else(String::new, |waiting| format!(" ({})", waiting.reason));
    Some((format!("it is not ready{why}"), "capture it all the same with --not-ready".to_owned()))
}

/// The container that is LiteLLM's by its spec, or none where several could be.
fn container_of(pod: &Pod, wish: Option<&str>) -> Result<Option<String>, (String, String)> {
    let containers = &pod.spec.containers;
    if let Some(wish) = wish {
        return if containers.iter().any(|container| container.name == wish) {
            Ok(Some(wish.to_owned()))
        } else {
            let names: Vec<&str> = containers.iter().map(|container| container.name.as_str()).collect();
            Err((format!("it has no container {wish}"), format!("name one of its own: -c {}", names.join(", -c "))))
        };
    }
    if let [only] = containers.as_slice() {
        return Ok(Some(only.name.clone()));
    }
    let most = containers.iter().map(likeness).max().unwrap_or_default();
    let mut likely = containers.iter().filter(|container| most > 0 && likeness(container) == most);
    match (likely.next(), likely.next()) {
        (Some(one), None) => Ok(Some(one.name.clone())),
        _ => Ok(None),
    }
}

/// How much a container looks like LiteLLM's, by its spec.
fn likeness(container: &Container) -> u32 {
    let says = |text: &str| text.to_ascii_lowercase().contains("litellm");
    let words = container.command.iter().chain(&container.args);
    u32::from(says(&container.image)) * 4
        + u32::from(words.into_iter().any(|word| says(word.expose()))) * 4
        + u32::from(container.env.iter().any(|entry| entry.name.starts_with("LITELLM_"))) * 2
        + u32::from(says(&container.name)) * 2
        + u32::from(container.ports.iter().any(|port| port.container_port == LITELLM_PORT))
}

/// Where LiteLLM listens unless it is told otherwise (`proxy_cli.py`).
const LITELLM_PORT: u16 = 4000;

impl Selector {
    /// As `kubectl -l` takes it.
    fn as_argument(&self) -> String {
        let labels = self.match_labels.iter().map(|(key, value)| format!("{key}={value}"));
        let conditions = self.match_expressions.iter().map(|condition| {
            let (key, values) = (&condition.key, condition.values.join(","));
            match condition.operator.as_str() {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "DoesNotExist" => format!("!{key}"),
                _ => key.clone(),
            }
        });
        labels.chain(conditions).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(name: &str, ready: bool, containers: &Value) -> Pod {
        let status = if ready { "True" } else { "False" };
        let object = json!({
            "metadata": {"name": name},
            "spec": {"containers": containers},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": status}]},
        });
        serde_json::from_value(object).unwrap()
    }

    fn chosen(containers: &Value, named: Option<&str>) -> Found {
        let wanted = Wanted { container: named.map(str::to_owned), ..Wanted::default() };
        sort(vec![pod("p", true, containers)], &wanted)
    }

    #[test]
    fn litellms_container_is_found_among_sidecars() {
        let sidecar = json!({"name": "istio-proxy", "image": "istio/proxyv2:1.24"});
        for litellm in [
            json!({"name": "app", "image": "ghcr.io/berriai/litellm:v1.80"}),
            json!({"name": "app", "image": "registry/our-own:7", "args": ["litellm", "--port", "4000"]}),
            json!({"name": "app", "image": "registry/our-own:7", "env": [{"name": "LITELLM_MASTER_KEY"}]}),
            json!({"name": "app", "image": "registry/our-own:7", "ports": [{"containerPort": 4000}]}),
        ] {
            assert_eq!(
                chosen(&json!([sidecar, litellm]), None).chosen[0].container.as_deref(),
                Some("app"),
                "{litellm}"
            );
        }
        let other = json!({"name": "app", "image": "registry/our-own:7"});
        assert_eq!(chosen(&json!([sidecar, other]), None).chosen[0].container, None, "only a look can tell");
        assert_eq!(chosen(&json!([other]), None).chosen[0].container.as_deref(), Some("app"));
    }

    #[test]
    fn a_container_that_is_not_there_is_told_with_those_that_are() {
        let found = chosen(&json!([{"name": "a"}, {"name": "b"}]), Some("c"));
        assert_eq!(found.left_out[0].why, "it has no container c");
        assert!(found.left_out[0].cure.ends_with("-c a, -c b"), "{}", found.left_out[0].cure);
    }

    #[test]
    fn a_pod_that_is_not_ready_is_left_out_unless_it_is_wanted() {
        let containers = json!([{"name": "a"}]);
        let found = sort(vec![pod("p", false, &containers)], &Wanted::default());
        assert_eq!((found.chosen.len(), found.left_out[0].why.as_str()), (0, "it is not ready"));
        let wanted = Wanted { unready: Unready::Captured, ..Wanted::default() };
        assert_eq!(sort(vec![pod("p", false, &containers)], &wanted).chosen.len(), 1);
    }

    #[test]
    fn a_selector_is_written_as_kubectl_takes_it() {
        let selector: Selector = serde_json::from_value(json!({
            "matchLabels": {"app": "litellm", "tier": "proxy"},
            "matchExpressions": [
                {"key": "track", "operator": "NotIn", "values": ["canary", "old"]},
                {"key": "gpu", "operator": "DoesNotExist"},
            ],
        }))
        .unwrap();
        assert_eq!(selector.as_argument(), "app=litellm,tier=proxy,track notin (canary,old),!gpu");
    }
}
