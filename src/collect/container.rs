//! What the target shows of a container around it and of Kubernetes. Hints, each with the sign it was told by.

use std::path::Path;

use crate::collect::Gap;
use crate::collect::NO_IMAGE;
use crate::collect::fingerprint::Container;
use crate::collect::subject::Subject;
use crate::os::proc::Procfs;
use crate::redact::Raw;

/// Kubernetes mounts the pod's namespace here unless it is told not to.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// A namespace is a DNS label, at most 63 bytes.
const NAMESPACE_LIMIT_BYTES: u64 = 256;

pub fn collect(procfs: &Procfs, subject: &Subject<'_>, gaps: &mut Vec<Gap>) -> Container<Raw> {
    let ours = procfs.own_pid_namespace().ok();
    let theirs = subject.process.pid_namespace().ok();
    let in_kubernetes = subject.set_var("KUBERNETES_SERVICE_HOST").is_some();
    let pod = || in_kubernetes.then(|| subject.set_var("HOSTNAME")).flatten();
    let container = Container {
        runtime: runtime(subject).map(Raw::new),
        namespace: namespace(subject),
        pod: subject.set_var("POD_NAME").or_else(pod).cloned(),
        node: subject.set_var("NODE_NAME").cloned(),
        image: ["LITELLM_RELEASE_TAG", "IMAGE", "IMAGE_TAG"].iter().find_map(|name| subject.set_var(name)).cloned(),
        other_pid_namespace: ours.zip(theirs).map(|(ours, theirs)| ours != theirs),
    };
    if container.other_pid_namespace.is_none() {
        gaps.push(Gap::new(
            "whether the target has a PID namespace of its own",
            "its namespace links cannot be read",
            "run capture as the user that owns the process, or as root",
        ));
    }
    if in_kubernetes {
        let by_hand = "set it through the downward API, or note it in the ticket";
        let missing = [
            (
                "the Kubernetes namespace",
                "POD_NAMESPACE is not set and no service account is mounted",
                container.namespace.is_none(),
            ),
            ("the Kubernetes pod", "neither POD_NAME nor HOSTNAME is set", container.pod.is_none()),
            ("the Kubernetes node", "NODE_NAME is not set", container.node.is_none()),
        ];
        gaps.extend(missing.into_iter().filter(|gap| gap.2).map(|(what, why, _)| Gap::note(what, why, by_hand)));
    }
    if container.runtime.is_some() && container.image.is_none() {
        gaps.push(Gap::note(
            NO_IMAGE,
            "nothing inside a container tells it (LITELLM_RELEASE_TAG and IMAGE are not set)",
            "note the image and its tag in the ticket",
        ));
    }
    container
}

fn runtime(subject: &Subject<'_>) -> Option<&'static str> {
    let there = |path: &str| subject.root().is_ok_and(|root| root.metadata(Path::new(path)).is_ok());
    if subject.set_var("KUBERNETES_SERVICE_HOST").is_some() {
        return Some("kubernetes (KUBERNETES_SERVICE_HOST)");
    }
    let cgroup = subject.process.cgroup().unwrap_or_default();
    let signs = [
        (cgroup.contains("kubepods"), "kubernetes (cgroup path)"),
        (there("/.dockerenv"), "docker (/.dockerenv)"),
        (there("/run/.containerenv"), "podman (/run/.containerenv)"),
        (cgroup.contains("/docker"), "docker (cgroup path)"),
        (cgroup.contains("libpod"), "podman (cgroup path)"),
        (cgroup.contains("containerd"), "containerd (cgroup path)"),
        (subject.set_var("ECS_CONTAINER_METADATA_URI_V4").is_some(), "ecs (ECS_CONTAINER_METADATA_URI_V4)"),
        (subject.set_var("K_SERVICE").is_some(), "cloud run (K_SERVICE)"),
    ];
    signs.into_iter().find(|(sign, _)| *sign).map(|(_, runtime)| runtime)
}

fn namespace(subject: &Subject<'_>) -> Option<Raw> {
    let file = || {
        let bytes = subject.root().ok()?.read(Path::new(NAMESPACE_FILE), NAMESPACE_LIMIT_BYTES).ok()?;
        Some(Raw::from_bytes(bytes.trim_ascii())).filter(|name| !name.expose().is_empty())
    };
    subject.set_var("POD_NAMESPACE").cloned().or_else(file)
}
