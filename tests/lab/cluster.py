"""What `kube.py` shows: a made-up cluster's objects, from what it is told and from podman's containers."""

import asyncio
import datetime
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from podman import Debugger, Json, container_state, cpu_seconds, inspect, memory_bytes

NODE = "node-1"
USAGE_SECONDS = 0.2


@dataclass(frozen=True)
class Resource:
    plural: str
    kind: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    short: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ("get", "list", "watch")
    subresources: tuple[tuple[str, str], ...] = ()

    @property
    def api(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def described(self) -> list[Json]:
        """As discovery lists it."""
        one = self.kind.lower()
        own = {"name": self.plural, "singularName": one, "namespaced": self.namespaced, "kind": self.kind}
        own |= {"verbs": list(self.verbs), "shortNames": list(self.short)}
        parts = [
            own | {"name": f"{self.plural}/{name}", "singularName": "", "verbs": [verb], "shortNames": []}
            for name, verb in self.subresources
        ]
        return [own, *parts]


ACCESS_REVIEWS = "selfsubjectaccessreviews"
RESOURCES = [
    Resource("namespaces", "Namespace", namespaced=False, short=("ns",)),
    Resource("nodes", "Node", namespaced=False, short=("no",)),
    Resource(
        "pods",
        "Pod",
        short=("po",),
        subresources=(("exec", "create"), ("attach", "create"), ("log", "get"), ("ephemeralcontainers", "patch")),
    ),
    Resource("events", "Event", short=("ev",)),
    Resource("deployments", "Deployment", "apps", short=("deploy",)),
    Resource("replicasets", "ReplicaSet", "apps", short=("rs",)),
    Resource("statefulsets", "StatefulSet", "apps", short=("sts",)),
    Resource("controllerrevisions", "ControllerRevision", "apps"),
    Resource("horizontalpodautoscalers", "HorizontalPodAutoscaler", "autoscaling", "v2", short=("hpa",)),
    Resource("pods", "PodMetrics", "metrics.k8s.io", "v1beta1", verbs=("get", "list")),
    Resource(ACCESS_REVIEWS, "SelfSubjectAccessReview", "authorization.k8s.io", namespaced=False, verbs=("create",)),
]


class Cluster:
    """What is there, made anew from the file and the containers for each question."""

    def __init__(self, told: Json, prefix: str) -> None:
        self.told, self.prefix = told, prefix  # of the names of its debug containers
        self.namespace: str = told.get("namespace", "llm")
        self.user: str = told.get("user", "dev")
        self.began = now()
        self.debuggers: dict[tuple[str, str], list[Debugger]] = {}
        pods = [{"namespace": self.namespace} | pod for pod in told.get("pods", [])]
        self.pods: dict[tuple[str, str], Json] = {key_of(pod): pod for pod in pods}
        usual = {"kind": "Deployment", "name": "litellm", "labels": {"app": "litellm"}}
        self.workload: Json = usual | told.get("workload", {})
        self.revisions: list[Json] = self.workload.get("revisions") or [{}]

    async def objects(self, resource: Resource) -> list[Json]:
        made: dict[str, Callable[[], list[Json]]] = {
            "namespaces": self.namespaces,
            "nodes": self.nodes,
            "deployments": lambda: self.workloads("Deployment"),
            "statefulsets": lambda: self.workloads("StatefulSet"),
            "replicasets": lambda: self.revision_objects("ReplicaSet"),
            "controllerrevisions": lambda: self.revision_objects("ControllerRevision"),
        }
        if resource.kind == "PodMetrics":
            items = await self.metrics()
        elif resource.kind == "Pod":
            seen = await inspect(self.container_names())
            items = [self.pod(pod, seen, number) for number, pod in enumerate(self.pods.values(), 1)]
        else:
            items = made.get(resource.plural, list)()
        given = [dict(item) for item in self.told.get("objects", []) if item["kind"] == resource.kind]
        for item in given:
            item["metadata"] = self.metadata("") | item["metadata"]
        names = {item["metadata"]["name"] for item in given}
        items = [item for item in items if item["metadata"]["name"] not in names] + given
        return [{"kind": resource.kind, "apiVersion": resource.api} | item for item in items]

    def container_names(self) -> list[str]:
        return [c["container"] for pod in self.pods.values() for c in pod["containers"] if "container" in c]

    def metadata(self, name: str, namespace: str | None = None, **more: Any) -> Json:
        namespace = namespace or self.namespace
        uid = hashlib.md5(f"{namespace}/{name}".encode(), usedforsecurity=False).hexdigest()
        uid = "-".join((uid[:8], uid[8:12], uid[12:16], uid[16:20], uid[20:]))
        return {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "resourceVersion": "1",
            "creationTimestamp": self.began,
        } | more

    def namespaces(self) -> list[Json]:
        names = dict.fromkeys(["default", "kube-system", self.namespace])
        return [{"metadata": self.metadata(name), "status": {"phase": "Active"}} for name in names]

    def nodes(self) -> list[Json]:
        memory_kib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
        amounts = {"cpu": str(os.cpu_count()), "memory": f"{memory_kib}Ki", "pods": "110"}
        machine = os.uname()
        info = {"kernelVersion": machine.release, "architecture": "amd64", "operatingSystem": "linux"}
        info |= {"kubeletVersion": "v1.32.4", "containerRuntimeVersion": "containerd://1.7.27"}
        conditions = [
            {"type": "MemoryPressure", "status": "False", "reason": "KubeletHasSufficientMemory"},
            {"type": "Ready", "status": "True", "reason": "KubeletReady"},
        ]
        status = {"capacity": amounts, "allocatable": amounts, "nodeInfo": info, "conditions": conditions}
        labels = {"kubernetes.io/hostname": NODE, "node.kubernetes.io/instance-type": "lab.large"}
        return [{"metadata": self.metadata(NODE, labels=labels), "spec": {}, "status": status}]

    def workloads(self, kind: str) -> list[Json]:
        if kind != self.workload["kind"]:
            return []
        count = len(self.pods)
        ready = sum(not (pod.get("not_ready") or "waiting" in pod["containers"][0]) for pod in self.pods.values())
        spec = {
            "replicas": count,
            "selector": {"matchLabels": self.workload["labels"]},
            "template": self.template(self.revisions[-1]),
        }
        status = {"replicas": count, "readyReplicas": ready, "updatedReplicas": count, "observedGeneration": 1}
        # Since when it stands: pods get younger than their workload.
        created = self.revisions[0].get("created", self.began)
        annotations = {"deployment.kubernetes.io/revision": str(len(self.revisions))} if kind == "Deployment" else {}
        metadata = self.metadata(self.workload["name"], annotations=annotations, labels=self.workload["labels"])
        made = {"metadata": metadata | {"creationTimestamp": created, "generation": 1}, "spec": spec, "status": status}
        return [merged(made, self.workload.get("object", {}))]

    def revision_objects(self, kind: str) -> list[Json]:
        controller = {"ReplicaSet": "Deployment", "ControllerRevision": "StatefulSet"}[kind]
        if self.workload["kind"] != controller:
            return []
        objects = []
        for index, revision in enumerate(self.revisions):
            labels = self.workload["labels"] | self.hash_label(index)
            metadata = self.metadata(self.revision_name(index), labels=labels) | {
                "creationTimestamp": revision.get("created", self.began),
                "ownerReferences": [self.owner(controller, self.workload["name"])],
                "annotations": {"deployment.kubernetes.io/revision": str(index + 1)} | revision.get("annotations", {}),
            }
            if kind == "ControllerRevision":
                data = {"spec": {"template": self.template(revision) | {"$patch": "replace"}}}
                objects.append({"metadata": metadata, "revision": index + 1, "data": data})
                continue
            count = sum(self.revision_of(pod) == index for pod in self.pods.values())
            spec = {"replicas": count, "selector": {"matchLabels": labels}, "template": self.template(revision)}
            objects.append({"metadata": metadata, "spec": spec, "status": {"replicas": count, "readyReplicas": count}})
        return objects

    def template(self, revision: Json) -> Json:
        containers = next(iter(self.pods.values()), {}).get("containers", [{"name": "litellm"}])
        specs = [merged({"name": c["name"]}, c.get("spec", {})) for c in containers]
        if "image" in revision:
            specs[0]["image"] = self.image(revision)
        return {"metadata": {"labels": self.workload["labels"]}, "spec": {"containers": specs}}

    @staticmethod
    def image(revision: Json) -> str:
        return revision["image"] + (f"@{revision['digest']}" if revision.get("pinned") else "")

    def revision_name(self, index: int) -> str:
        digest = hashlib.md5(str(index).encode(), usedforsecurity=False).hexdigest()
        return f"{self.workload['name']}-{digest[:10]}"

    def hash_label(self, index: int) -> Json:
        name = self.revision_name(index)
        if self.workload["kind"] == "Deployment":
            return {"pod-template-hash": name.rpartition("-")[2]}
        return {"controller-revision-hash": name}

    def revision_of(self, pod: Json) -> int:
        return pod.get("revision", len(self.revisions) - 1)

    def owner(self, kind: str, name: str) -> Json:
        uid = self.metadata(name)["uid"]
        return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True}

    def pod(self, pod: Json, seen: dict[str, Json], number: int) -> Json:
        index = self.revision_of(pod)
        deployment = self.workload["kind"] == "Deployment"
        owner = ("ReplicaSet", self.revision_name(index)) if deployment else ("StatefulSet", self.workload["name"])
        labels = pod.get("labels", self.workload["labels"] | self.hash_label(index))
        metadata = self.metadata(pod["name"], pod["namespace"], labels=labels, ownerReferences=[self.owner(*owner)])
        specs, statuses = [], []
        for container in pod["containers"]:
            inspected = seen.get(container.get("container", ""))
            spec = merged(container_spec(container, inspected), container.get("spec", {}))
            if container is pod["containers"][0] and "image" in self.revisions[index]:
                spec["image"] = self.image(self.revisions[index])
            specs.append(spec)
            status = container_status(container, spec, inspected, self.began)
            if container is pod["containers"][0] and "digest" in self.revisions[index]:
                status["imageID"] = image_id(self.revisions[index]["image"], self.revisions[index]["digest"])
            status["ready"] = status["ready"] and not pod.get("not_ready", False)
            statuses.append(status)
        ready = "True" if all(status["ready"] for status in statuses) else "False"
        ended = all("terminated" in status["state"] for status in statuses)
        debuggers = self.debuggers.get(key_of(pod), [])
        made = {
            "metadata": metadata,
            "spec": {
                "nodeName": NODE,
                "restartPolicy": "Always",
                "containers": specs,
                "ephemeralContainers": [debugger.spec for debugger in debuggers],
            },
            "status": {
                "phase": pod.get("phase", "Failed" if ended else "Running"),
                "podIP": f"10.0.{number // 250}.{number % 250 + 1}",
                "startTime": self.began,
                "conditions": [{"type": name, "status": ready} for name in ("Ready", "ContainersReady")],
                "containerStatuses": statuses,
                "ephemeralContainerStatuses": [debugger.status() for debugger in debuggers],
            },
        }
        made = merged(made, pod.get("object", {}))
        made["status"].setdefault("qosClass", quality_of_service(made["spec"]["containers"]))
        return made

    async def metrics(self) -> list[Json]:
        seen = await inspect(self.container_names())
        before = {name: cpu_seconds(inspected) for name, inspected in seen.items()}
        if seen:
            await asyncio.sleep(USAGE_SECONDS)
        items = []
        for pod in self.pods.values():
            used = []
            for container in pod["containers"]:
                inspected = seen.get(container.get("container", ""))
                usage = container.get("usage")
                if usage is None and inspected and inspected["State"]["Running"]:
                    cores = (cpu_seconds(inspected) - before[container["container"]]) / USAGE_SECONDS
                    usage = {"cpu": f"{int(cores * 1e9)}n", "memory": f"{memory_bytes(inspected) // 1024}Ki"}
                if usage:
                    used.append({"name": container["name"], "usage": usage})
            if used:
                labels = pod.get("labels", self.workload["labels"])
                metadata = self.metadata(pod["name"], pod["namespace"], labels=labels)
                window = f"{USAGE_SECONDS}s"
                items.append({"metadata": metadata, "timestamp": now(), "window": window, "containers": used})
        return items


def key_of(pod: Json) -> tuple[str, str]:
    return pod["namespace"], pod["name"]


def merged(base: Any, patch: Any) -> Any:
    """RFC 7386: objects are merged, null removes, and all else replaces."""
    if not isinstance(base, dict) or not isinstance(patch, dict):
        return patch
    both = dict(base)
    for key, value in patch.items():
        if value is None:
            both.pop(key, None)
        else:
            both[key] = merged(both.get(key), value)
    return both


def container_spec(container: Json, inspected: Json | None) -> Json:
    """The part of a pod's spec that made the container what it is."""
    spec: Json = {"name": container["name"], "image": "registry.invalid/simulated:1"}
    if not inspected:
        return spec
    host = inspected["HostConfig"]
    limits = {}
    if host["NanoCpus"]:
        limits["cpu"] = f"{host['NanoCpus'] // 1_000_000}m"
    if host["Memory"]:
        limits["memory"] = f"{host['Memory'] // 1024**2}Mi"
    spec |= {"image": inspected["ImageName"], "args": inspected["Args"]}
    if limits:
        spec["resources"] = {"limits": limits, "requests": limits}
    return spec | {"securityContext": security_context(inspected)}


def security_context(inspected: Json) -> Json:
    host, options = inspected["HostConfig"], inspected["HostConfig"]["SecurityOpt"]
    added = [name.removeprefix("CAP_") for name in host["CapAdd"]]
    dropped = [name.removeprefix("CAP_") for name in host["CapDrop"]]
    # Dropped with ALL, podman names each of the runtime's own.
    capabilities = {"add": added, "drop": ["ALL"] if len(dropped) > 1 else dropped}
    context: Json = {
        "readOnlyRootFilesystem": host["ReadonlyRootfs"],
        "privileged": host["Privileged"],
        "allowPrivilegeEscalation": "no-new-privileges" not in options,
        "capabilities": {name: names for name, names in capabilities.items() if names},
        "seccompProfile": {"type": "Unconfined" if "seccomp=unconfined" in options else "RuntimeDefault"},
    }
    user = (inspected["Config"]["User"] or "0").partition(":")[0]
    return context | ({"runAsUser": int(user)} if user.isdigit() else {})


def container_status(container: Json, spec: Json, inspected: Json | None, began: str) -> Json:
    state: Json = {"running": {"startedAt": began}}
    if "waiting" in container:
        state = {"waiting": container["waiting"]}
    elif inspected:
        state = container_state(inspected)
    status = {
        "name": container["name"],
        "image": spec["image"],
        "imageID": image_id(spec["image"], inspected["ImageDigest"]) if inspected else "",
        "containerID": f"containerd://{inspected['Id']}" if inspected else "",
        "ready": "running" in state,
        "started": "running" in state,
        "restartCount": container.get("restarts", 0),
        "state": state,
    }
    return status | {"lastState": container.get("last_state", {})}


def image_id(image: str, digest: str) -> str:
    """An image as a runtime names it: without its tag, which can change hands."""
    repository, colon, tag = image.partition("@")[0].rpartition(":")
    return f"{image if not colon or '/' in tag else repository}@{digest}"


def quality_of_service(specs: list[Json]) -> str:
    wanted = [spec.get("resources", {}) for spec in specs]
    if not any(amount.get("limits") or amount.get("requests") for amount in wanted):
        return "BestEffort"
    sure = all(
        set(amount.get("limits", {})) >= {"cpu", "memory"}
        and amount.get("requests", amount["limits"]) == amount["limits"]
        for amount in wanted
    )
    return "Guaranteed" if sure else "Burstable"


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


