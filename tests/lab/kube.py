#!/usr/bin/env python3
"""An API server for a real kubectl, in front of podman's containers; gone without a trace when it is no longer wanted.

As a program it prints one JSON line (`url`, `kubeconfig`, `requests`: a file with a line for each request) once it
listens on a port of this machine, and stops when its standard input ends. What it shows is told by a JSON file:

    tests/lab/kube.py --cluster cluster.json

    {"namespace": "llm", "user": "dev",
     "workload": {"kind": "Deployment", "name": "litellm", "revisions": [{"image": ..., "digest": ..., "created": ...}]},
     "pods": [{"name": ..., "containers": [{"name": "litellm", "container": "PODMAN'S ID OR NAME"}]}],
     "objects": [whole objects of any resource below: events, autoscalers, nodes ...],
     "forbidden": [{"verb": "create", "resource": "pods/exec"}],
     "broken": {"pods/log": "error" | "garbage" | "hang" | "unauthorized"},
     "absent": ["metrics.k8s.io"], "pod_security": "restricted"}

A pod may have `namespace`, `labels`, `not_ready`, `phase`, `revision` (which of the workload's, from 0; the last one
unless told) and `object`, which is merged into what is shown of it. Its containers, of which the first is the main one:

    container        podman's; without it nothing runs, and all that can be asked is what the following says
    spec             merged into the container of the pod's spec: env, args, resources, probes, securityContext
    waiting          {"reason": ..., "message": ...} instead of running
    restarts         how often, with `last_state` as in a pod's status
    exec             how exec is answered, by the first entry whose `when` is part of the command: `stdout` and `stderr`
                     (texts) or `stdout_file`, with `exit`; or `run`, a program of this machine that is given the command
                     behind its arguments; or, with none of these, by the container. Each can have `delay_ms`,
                     `cut_after_bytes` (the connection breaks) and `hang` (it is accepted and nothing comes)
    log              [{"age_s": 5, "text": ...}] before the container's own; `previous_log` alike, of the one before
    usage            {"cpu": "1500m", "memory": "2Gi"} instead of what its cgroup says

Honest: kubectl's selection, transport and error texts; exec over WebSocket with half-close, exit codes, and a remote
process that outlives its client; what a process of a certain user with certain capabilities may do, a debug container's
included; logs as a runtime keeps them. Not honest: there is no kubelet, no scheduler and no controller, so nothing
restarts and no condition changes by itself; RBAC is a list of what is refused, Pod Security knows one level and looks at
debug containers alone; all resources have version 1; there is no SPDY, no printer's table, no port-forward and no TLS.
"""

import argparse
import asyncio
import contextlib
import datetime
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

Json = dict[str, Any]

NODE = "node-1"
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, ERROR, CLOSE = 0, 1, 2, 3, 255
CHUNK_BYTES = 32 * 1024
# How podman tells that there is nothing to execute, which is no output of the command.
NOT_EXECUTED = b"Error: runc: exec failed: "
# How protocol buffers of Kubernetes begin, and the fields of a review's attributes (k8s.io/api/authorization/v1).
PROTOBUF = b"k8s\0"
ATTRIBUTES = {1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource", 6: "subresource", 7: "name"}
USAGE_SECONDS = 0.2
WATCH_SECONDS = 0.1


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
            {"name": f"{self.plural}/{name}", "singularName": "", "namespaced": True, "kind": self.kind, "verbs": [verb]}
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


class Refusal(Exception):
    """What the API server answers instead, as a `Status`."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason

    def response(self) -> web.Response:
        return web.json_response(failure(str(self), self.reason, code=self.code), status=self.code)


def failure(message: str, reason: str, **more: Any) -> Json:
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return head | {"message": message, "reason": reason} | more


@dataclass(frozen=True)
class Question:
    """What is asked for, as its path says."""

    resource: Resource
    verb: str
    namespace: str | None = None
    name: str | None = None
    part: str | None = None

    PATH = re.compile(
        r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
        r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<part>[^/]+))?/?"
    )

    @classmethod
    def of(cls, request: web.Request) -> "Question":
        match = cls.PATH.fullmatch(request.path)
        found = match and [
            resource
            for resource in RESOURCES
            if (resource.plural, resource.api)
            == (match["plural"], "/".join(filter(None, (match["group"], match["version"]))))
        ]
        if not found:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        watched = request.query.get("watch") in ("1", "true")
        read = "get" if match["name"] else "watch" if watched else "list"
        verb = {"GET": read, "POST": "create", "PATCH": "patch"}.get(request.method, request.method.lower())
        # A WebSocket is opened by GET, and does what a POST does.
        verb = dict(found[0].subresources).get(match["part"], verb)
        return cls(found[0], verb, match["namespace"], match["name"], match["part"])

    @property
    def what(self) -> str:
        return f"{self.resource.plural}/{self.part}" if self.part else self.resource.plural

    def forbidden(self, user: str) -> Refusal:
        whose = f' "{self.name}"' if self.name else ""
        where = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        return Refusal(
            403,
            "Forbidden",
            f'{self.resource.qualified}{whose} is forbidden: User "{user}" cannot {self.verb} resource "{self.what}" '
            f'in API group "{self.resource.group}" {where}',
        )

    def not_found(self) -> Refusal:
        return Refusal(404, "NotFound", f'{self.resource.qualified} "{self.name}" not found')


class Cluster:
    """What is there, made anew from the file and the containers for each question."""

    def __init__(self, told: Json, label: str) -> None:
        self.told, self.label = told, label
        self.namespace: str = told.get("namespace", "llm")
        self.user: str = told.get("user", "dev")
        self.began = now()
        self.debuggers: dict[str, list[Debugger]] = {}
        self.pods: dict[str, Json] = {pod["name"]: pod for pod in told.get("pods", [])}
        self.workload = {"kind": "Deployment", "name": "litellm", "labels": {"app": "litellm"}} | told.get("workload", {})
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
            seen = await inspect([c["container"] for pod in self.pods.values() for c in pod["containers"] if "container" in c])
            items = [self.pod(pod, seen, number) for number, pod in enumerate(self.pods.values(), 1)]
        else:
            items = made.get(resource.plural, list)()
        given = [dict(item) for item in self.told.get("objects", []) if item["kind"] == resource.kind]
        for item in given:
            item["metadata"] = self.metadata("", item["namespace"] if "namespace" in item else None) | item["metadata"]
        names = {item["metadata"]["name"] for item in given}
        items = [item for item in items if item["metadata"]["name"] not in names] + given
        return [{"kind": resource.kind, "apiVersion": resource.api} | item for item in items]

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
        deployment = self.workload["kind"] == "Deployment"
        name = self.revision_name(index)
        if deployment:
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
        metadata = self.metadata(pod["name"], pod.get("namespace"), labels=labels, ownerReferences=[self.owner(*owner)])
        specs, statuses = [], []
        for container in pod["containers"]:
            inspected = seen.get(container.get("container", ""))
            spec = merged(container_spec(container, inspected), container.get("spec", {}))
            if container is pod["containers"][0] and "image" in self.revisions[index]:
                spec["image"] = self.image(self.revisions[index])
            specs.append(spec)
            status = container_status(container, spec, inspected, self.began)
            if container is pod["containers"][0] and "digest" in self.revisions[index]:
                status["imageID"] = f"{self.revisions[index]['image'].rpartition(':')[0]}@{self.revisions[index]['digest']}"
            status["ready"] = status["ready"] and not pod.get("not_ready", False)
            statuses.append(status)
        ready = "True" if all(status["ready"] for status in statuses) else "False"
        ended = all("terminated" in status["state"] for status in statuses)
        debuggers = self.debuggers.get(pod["name"], [])
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
        names = [c["container"] for pod in self.pods.values() for c in pod["containers"] if "container" in c]
        seen = await inspect(names)
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
                metadata = self.metadata(pod["name"], pod.get("namespace"), labels=labels)
                items.append({"metadata": metadata, "timestamp": now(), "window": f"{USAGE_SECONDS}s", "containers": used})
        return items


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
    spec: Json = {"name": container["name"], "image": "registry.invalid/simulated:1", "imagePullPolicy": "IfNotPresent"}
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
    user = (inspected["Config"]["User"] or "0").partition(":")[0]
    context: Json = {"readOnlyRootFilesystem": host["ReadonlyRootfs"], "privileged": host["Privileged"]}
    if user.isdigit():
        context["runAsUser"] = int(user)
    return spec | {"securityContext": context}


def container_status(container: Json, spec: Json, inspected: Json | None, began: str) -> Json:
    state: Json = {"running": {"startedAt": began}}
    if "waiting" in container:
        state = {"waiting": container["waiting"]}
    elif inspected:
        state = container_state(inspected)
    status = {
        "name": container["name"],
        "image": spec["image"],
        "imageID": f"{spec['image'].partition('@')[0].rpartition(':')[0]}@{inspected['ImageDigest']}" if inspected else "",
        "containerID": f"containerd://{inspected['Id']}" if inspected else "",
        "ready": "running" in state,
        "started": "running" in state,
        "restartCount": container.get("restarts", 0),
        "state": state,
    }
    return status | {"lastState": container.get("last_state", {})}


def container_state(inspected: Json) -> Json:
    state = inspected["State"]
    started = in_utc(state["StartedAt"])
    if state["Running"]:
        return {"running": {"startedAt": started}}
    reason = "OOMKilled" if state["OOMKilled"] else "Error" if state["ExitCode"] else "Completed"
    ended = {"exitCode": state["ExitCode"], "reason": reason, "startedAt": started}
    return {"terminated": ended | {"finishedAt": in_utc(state["FinishedAt"])}}


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


def in_utc(podmans: str) -> str:
    """The API server's form of a time of podman's, which has nanoseconds and a zone."""
    whole, _, rest = podmans.partition(".")
    zone = re.search(r"(Z|[+-]\d\d:\d\d)$", rest or whole)
    moment = datetime.datetime.fromisoformat(whole.removesuffix("Z")[:19] + (zone[1] if zone else "Z").replace("Z", "+00:00"))
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def cpu_seconds(inspected: Json) -> float:
    path = inspected["State"].get("CgroupPath", "")
    for file, scale in ((f"/sys/fs/cgroup/cpuacct{path}/cpuacct.usage", 1e-9), (f"/sys/fs/cgroup{path}/cpu.stat", 1e-6)):
        with contextlib.suppress(OSError):
            return int(Path(file).read_text().split()[0 if scale == 1e-9 else 1]) * scale
    return 0.0


def memory_bytes(inspected: Json) -> int:
    path = inspected["State"].get("CgroupPath", "")
    for file in (f"/sys/fs/cgroup/memory{path}/memory.usage_in_bytes", f"/sys/fs/cgroup{path}/memory.current"):
        with contextlib.suppress(OSError):
            return int(Path(file).read_text())
    return 0


async def podman(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        "podman",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")


async def inspect(names: list[str]) -> dict[str, Json]:
    """Of those that are there, by the name or id that was asked for."""
    if not names:
        return {}
    _, out, _ = await podman("container", "inspect", *names)
    found = json.loads(out or "[]")
    return {name: one for name in names for one in found if name == one["Name"] or one["Id"].startswith(name)}


@dataclass
class Debugger:
    """An ephemeral container, which shares the processes of its target."""

    spec: Json
    name: str
    waiting: Json | None = None
    inspected: Json | None = None
    process: asyncio.subprocess.Process | None = None

    async def start(self, target: str | None, label: str, pod_context: Json) -> None:
        image, context = self.spec["image"], pod_context | (self.spec.get("securityContext") or {})
        status, user, _ = await podman("image", "inspect", "--format", "{{.Config.User}}", image)
        if status:
            self.waiting = {"reason": "ErrImagePull", "message": f'failed to pull and unpack image "{image}": not found'}
            return
        user = str(context.get("runAsUser", user.strip() or 0))
        if context.get("runAsNonRoot") and user.partition(":")[0] in ("0", "root"):
            message = "container has runAsNonRoot and image will run as root"
            self.waiting = {"reason": "CreateContainerConfigError", "message": f'{message} (container: {self.spec["name"]})'}
            return
        seccomp = (context.get("seccompProfile") or {}).get("type", "Unconfined")
        capabilities = context.get("capabilities") or {}
        arguments = ["run", "--name", self.name, "--label", label, "--network", "none", "--pull", "never", "--user", user]
        arguments += ["--pid", f"container:{target}"] if target else []
        arguments += [] if seccomp == "RuntimeDefault" else ["--security-opt", "seccomp=unconfined"]
        arguments += ["--security-opt", "no-new-privileges"] if context.get("allowPrivilegeEscalation") is False else []
        arguments += ["--privileged"] if context.get("privileged") else []
        arguments += ["--read-only"] if context.get("readOnlyRootFilesystem") else []
        for capability in capabilities.get("drop") or []:
            arguments += ["--cap-drop", capability]
        for capability in capabilities.get("add") or []:
            arguments += ["--cap-add", capability]
        for variable in self.spec.get("env") or []:
            arguments += ["--env", f"{variable['name']}={variable.get('value', '')}"]
        command, rest = self.spec.get("command"), self.spec.get("args") or []
        arguments += ["--entrypoint", json.dumps(command)] if command else []
        if not self.spec.get("stdin"):
            status, _, complaint = await podman(*arguments, "--detach", image, *rest)
            if status:
                self.waiting = {"reason": "CreateContainerError", "message": complaint.strip()}
            return
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            "podman", *arguments, "--interactive", image, *rest, stdin=pipe, stdout=pipe, stderr=pipe
        )

    async def look(self) -> None:
        self.inspected = (await inspect([self.name])).get(self.name)

    def status(self) -> Json:
        state: Json = {"waiting": self.waiting or {"reason": "ContainerCreating"}}
        if self.inspected and self.inspected["State"]["Status"] != "created":
            state = container_state(self.inspected)
        identity = f"containerd://{self.inspected['Id']}" if self.inspected else ""
        head = {"name": self.spec["name"], "image": self.spec["image"], "imageID": "", "containerID": identity}
        return head | {"ready": False, "restartCount": 0, "state": state, "lastState": {}}


class Channels:
    """A WebSocket on which a remote process is spoken to: the first byte of a message says which of its streams."""

    def __init__(self, socket: web.WebSocketResponse, cut_after_bytes: int | None = None) -> None:
        self.socket = socket
        self.left = cut_after_bytes

    async def send(self, channel: int, data: bytes) -> None:
        """A client that is gone hears nothing, which the process does not learn."""
        if self.left is not None and channel == STDOUT:
            data, self.left = data[: self.left], self.left - len(data)
        with contextlib.suppress(ConnectionError, RuntimeError):
            if not self.socket.closed:
                await self.socket.send_bytes(bytes([channel]) + data)
        if self.left is not None and self.left <= 0 and (transport := self.socket._req.transport):  # noqa: SLF001
            transport.abort()

    async def end(self, code: int, refusal: str = "") -> None:
        if refusal:
            status = failure(f"Internal error occurred: {refusal}", "InternalError", code=500)
        elif code:
            causes = [{"reason": "ExitCode", "message": str(code)}]
            message = f"command terminated with non-zero exit code: exit status {code}"
            status = {"metadata": {}, "status": "Failure", "message": message, "reason": "NonZeroExitCode"}
            status |= {"details": {"causes": causes}}
        else:
            status = {"metadata": {}, "status": "Success"}
        await self.send(ERROR, json.dumps(status).encode())
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self.socket.close()

    async def received(self) -> AsyncIterator[bytes | None]:
        """What comes for standard input, and None where it is closed."""
        async for message in self.socket:
            if message.type != WSMsgType.BINARY or not message.data:
                continue
            if message.data[0] == STDIN:
                yield message.data[1:]
            elif message.data[:2] == bytes([CLOSE, STDIN]):
                yield None

    async def bridge(self, process: asyncio.subprocess.Process) -> None:
        """Until the process ends. Where the client goes first, its input ends and its output is read by nobody."""
        refusal: list[bytes] = []

        async def out(stream: asyncio.StreamReader, channel: int) -> None:
            while data := await stream.read(CHUNK_BYTES):
                if channel == STDERR and (refusal or data.startswith(NOT_EXECUTED)):
                    refusal.append(data)
                else:
                    await self.send(channel, data)

        async def into(stdin: asyncio.StreamWriter | None) -> None:
            async for data in self.received():
                if data is None or stdin is None:
                    break
                with contextlib.suppress(ConnectionError):
                    stdin.write(data)
                    await stdin.drain()
            if stdin:
                stdin.close()
            async for _ in self.received():
                pass

        listening = asyncio.create_task(into(process.stdin))
        await asyncio.gather(out(process.stdout, STDOUT), out(process.stderr, STDERR))
        code = await process.wait()
        listening.cancel()
        complaint = b"".join(refusal).decode(errors="replace").strip().removeprefix("Error: runc: ")
        why = f"error executing command in container: failed to exec in container: {complaint}" if complaint else ""
        await self.end(code, why)


class Front:
    def __init__(self, cluster: Cluster, requests: Path) -> None:
        self.cluster = cluster
        self.requests = requests.open("a")
        self.broken: dict[str, str] = cluster.told.get("broken", {})
        self.absent: list[str] = cluster.told.get("absent", [])
        self.forbidden = {(rule["verb"], rule["resource"]) for rule in cluster.told.get("forbidden", [])}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        begin = time.time()
        status = None  # where the client goes first
        try:
            try:
                response = await self.answered(request)
            except Refusal as refusal:
                response = refusal.response()
            status = response.status
            return response
        finally:
            facts = {"method": request.method, "path": request.path, "query": list(request.query.items())}
            facts |= {"status": status, "begin_s": begin, "end_s": time.time()}
            print(json.dumps(facts), file=self.requests, flush=True)

    async def answered(self, request: web.Request) -> web.StreamResponse:
        if (discovery := self.discovery(request.path.rstrip("/"))) is not None:
            return web.json_response(discovery)
        question = Question.of(request)
        if question.resource.group in self.absent:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        if self.is_forbidden(question.verb, question.what, question.resource.group):
            raise question.forbidden(self.cluster.user)
        match self.broken.get(question.what):
            case "error":
                raise Refusal(500, "InternalError", "Internal error occurred: etcdserver: request timed out")
            case "unauthorized":
                raise Refusal(401, "Unauthorized", "Unauthorized")
            case "garbage":
                return web.Response(text="<html>502 Bad Gateway</html>", content_type="text/html")
            case "hang":
                await asyncio.sleep(3600)
        if question.resource.plural == ACCESS_REVIEWS:
            return await self.review(request)
        if question.part:
            return await self.part(request, question)
        return await self.read(request, question)

    def discovery(self, path: str) -> Json | None:
        present = [resource for resource in RESOURCES if resource.group not in self.absent]
        if path == "/version":
            return {"major": "1", "minor": "32", "gitVersion": "v1.32.4", "platform": "linux/amd64"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = {}
            for resource in present:
                version = {"groupVersion": resource.api, "version": resource.version}
                groups[resource.group] = {"name": resource.group, "versions": [version], "preferredVersion": version}
            groups.pop("")
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(groups.values())}
        api = re.fullmatch(r"/apis?/(v1|[^/]+/v[^/]+)", path)
        described = [one for resource in present if api and resource.api == api[1] for one in resource.described()]
        if not described:
            return None
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api[1], "resources": described}

    def is_forbidden(self, verb: str, what: str, group: str) -> bool:
        name = f"{what}.{group}" if group else what
        return bool({(verb, what), (verb, name), ("*", what), ("*", name)} & self.forbidden)

    async def review(self, request: web.Request) -> web.Response:
        asked = access_asked_for(await request.read())
        what = "/".join(filter(None, (asked.get("resource"), asked.get("subresource"))))
        refused = self.is_forbidden(asked.get("verb", ""), what, asked.get("group", ""))
        head = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}}
        review = head | {"spec": {"resourceAttributes": asked}, "status": {"allowed": not refused}}
        return web.json_response(review, status=201)

    async def read(self, request: web.Request, question: Question) -> web.StreamResponse:
        if question.verb not in question.resource.verbs:
            raise Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        if question.verb == "watch":
            return await self.watch(request, question)
        items = await self.selected(request, question)
        if question.name is None:
            head = {"kind": f"{question.resource.kind}List", "apiVersion": question.resource.api}
            return web.json_response(head | {"metadata": {"resourceVersion": "1"}, "items": items})
        if not items:
            raise question.not_found()
        return web.json_response(items[0])

    async def selected(self, request: web.Request, question: Question) -> list[Json]:
        for debuggers in self.cluster.debuggers.values():
            for debugger in debuggers:
                await debugger.look()
        items = await self.cluster.objects(question.resource)
        if question.resource.namespaced and question.namespace:
            items = [item for item in items if item["metadata"]["namespace"] == question.namespace]
        if question.name:
            items = [item for item in items if item["metadata"]["name"] == question.name]
        labelled = lambda item, key: item["metadata"].get("labels", {}).get(key)  # noqa: E731
        items = [item for item in items if matches(request.query.get("labelSelector", ""), item, labelled)]
        return [item for item in items if matches(request.query.get("fieldSelector", ""), item, field_of)]

    async def watch(self, request: web.Request, question: Question) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        told: dict[str, Json] = {}
        end = time.monotonic() + float(request.query.get("timeoutSeconds", 600))
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < end:
                for item in await self.selected(request, question):
                    name = item["metadata"]["name"]
                    if told.get(name) != item:
                        event = {"type": "MODIFIED" if name in told else "ADDED", "object": item}
                        await response.write(json.dumps(event).encode() + b"\n")
                        told[name] = item
                await asyncio.sleep(WATCH_SECONDS)
        return response

    async def part(self, request: web.Request, question: Question) -> web.StreamResponse:
        pod = self.cluster.pods.get(question.name or "")
        if not pod or pod.get("namespace", self.cluster.namespace) != question.namespace:
            raise question.not_found()
        match question.part:
            case "log":
                return self.log(request, pod, (await inspect([c["container"] for c in pod["containers"] if "container" in c])))
            case "exec":
                return await self.execute(request, pod)
            case "attach":
                return await self.attach(request, pod)
            case "ephemeralcontainers":
                return await self.debug(request, question, pod)
        raise Refusal(404, "NotFound", "the server could not find the requested resource")

    def log(self, request: web.Request, pod: Json, seen: dict[str, Json]) -> web.Response:
        container, _ = self.chosen(request, pod)
        name = container["name"]
        previous = request.query.get("previous") == "true"
        if previous and "previous_log" not in container:
            message = f'previous terminated container "{name}" in pod "{pod["name"]}" not found'
            raise Refusal(400, "BadRequest", message)
        if not previous and "waiting" in container:
            state = f"{container['waiting'].get('reason', 'ContainerCreating')}"
            message = f'container "{name}" in pod "{pod["name"]}" is waiting to start: {state}'
            raise Refusal(400, "BadRequest", message)
        lines = [
            (time.time() - line.get("age_s", 0), line["text"])
            for line in container.get("previous_log" if previous else "log", [])
        ]
        inspected = seen.get(container.get("container", ""))
        if inspected and not previous:
            lines += kept_lines(Path(inspected["HostConfig"]["LogConfig"]["Path"]))
        since = 0.0
        if "sinceSeconds" in request.query:
            since = time.time() - float(request.query["sinceSeconds"])
        elif "sinceTime" in request.query:
            since = datetime.datetime.fromisoformat(request.query["sinceTime"].replace("Z", "+00:00")).timestamp()
        lines = [line for line in lines if line[0] >= since]
        if "tailLines" in request.query:
            lines = lines[len(lines) - int(request.query["tailLines"]) :]
        stamped = request.query.get("timestamps") == "true"
        text = "".join(f"{nanoseconds(at)} {text}\n" if stamped else f"{text}\n" for at, text in lines)
        return web.Response(body=text.encode()[: int(request.query.get("limitBytes", 2**40))], content_type="text/plain")

    def chosen(self, request: web.Request, pod: Json) -> tuple[Json, str | None]:
        """The container that is meant, and what podman calls it."""
        wanted = request.query.get("container")
        if wanted is None and len(pod["containers"]) > 1:
            names = " ".join(container["name"] for container in pod["containers"])
            message = f"a container name must be specified for pod {pod['name']}, choose one of: [{names}]"
            raise Refusal(400, "BadRequest", message)
        for container in pod["containers"]:
            if wanted in (None, container["name"]):
                return container, container.get("container")
        for debugger in self.cluster.debuggers.get(pod["name"], []):
            if wanted == debugger.spec["name"]:
                return {"name": wanted, "container": debugger.name}, debugger.name
        raise Refusal(400, "BadRequest", f"container {wanted} is not valid for pod {pod['name']}")

    async def execute(self, request: web.Request, pod: Json) -> web.StreamResponse:
        container, known_as = self.chosen(request, pod)
        command = request.query.getall("command", [])
        rules = container.get("exec", [])
        rule = next((rule for rule in rules if rule.get("when", "") in " ".join(command)), {})
        simulated = not rule.keys().isdisjoint(("stdout", "stderr", "stdout_file", "exit", "run", "hang"))
        if "waiting" in container or (known_as is None and not simulated):
            raise Refusal(500, "InternalError", f"Internal error occurred: unable to upgrade connection: container not found (\"{container['name']}\")")
        if known_as and not simulated and not (await inspect([known_as])).get(known_as, {}).get("State", {}).get("Running"):
            raise Refusal(500, "InternalError", f"Internal error occurred: unable to upgrade connection: container not found (\"{container['name']}\")")
        channels = await self.upgraded(request, rule.get("cut_after_bytes"))
        if rule.get("hang"):
            async for _ in channels.received():
                pass
            return channels.socket
        await asyncio.sleep(rule.get("delay_ms", 0) / 1000)
        interactive = request.query.get("stdin") in ("1", "true")
        if simulated and "run" not in rule:
            await self.play(channels, rule, interactive)
            return channels.socket
        words = [*rule["run"], *command] if "run" in rule else ["podman", "exec", *["-i"][: int(interactive)], str(known_as), *command]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=pipe if interactive else asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
        )
        # Not a part of the request, which is cancelled when its client goes; the process lives on.
        await asyncio.shield(asyncio.create_task(channels.bridge(process)))
        return channels.socket

    @staticmethod
    async def play(channels: Channels, rule: Json, interactive: bool) -> None:
        if interactive:
            async for data in channels.received():
                if data is None:
                    break
        out = Path(rule["stdout_file"]).read_bytes() if "stdout_file" in rule else rule.get("stdout", "").encode()
        for start in range(0, len(out), CHUNK_BYTES):
            await channels.send(STDOUT, out[start : start + CHUNK_BYTES])
        if "stderr" in rule:
            await channels.send(STDERR, rule["stderr"].encode())
        await channels.end(rule.get("exit", 0))

    async def attach(self, request: web.Request, pod: Json) -> web.StreamResponse:
        name = request.query.get("container")
        for debugger in self.cluster.debuggers.get(pod["name"], []):
            if debugger.spec["name"] == name and debugger.process:
                channels = await self.upgraded(request)
                await asyncio.shield(asyncio.create_task(channels.bridge(debugger.process)))
                return channels.socket
        raise Refusal(400, "BadRequest", f"container {name} of pod {pod['name']} has no input that one could attach to")

    @staticmethod
    async def upgraded(request: web.Request, cut_after_bytes: int | None = None) -> Channels:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise Refusal(400, "BadRequest", "unable to upgrade: this server speaks WebSocket alone")
        socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=0)
        await socket.prepare(request)
        return Channels(socket, cut_after_bytes)

    async def debug(self, request: web.Request, question: Question, pod: Json) -> web.Response:
        patch = json.loads(await request.read())
        mine = self.cluster.debuggers.setdefault(pod["name"], [])
        known = {debugger.spec["name"] for debugger in mine}
        for spec in patch["spec"]["ephemeralContainers"]:
            if spec["name"] in known:
                continue
            if self.cluster.told.get("pod_security") == "restricted" and (violations := restricted_violations(spec)):
                why = f'violates PodSecurity "restricted:latest": {", ".join(violations)}'
                raise Refusal(403, "Forbidden", f'pods "{pod["name"]}" is forbidden: {why}')
            target = {c["name"]: c.get("container") for c in pod["containers"]}.get(spec.get("targetContainerName"))
            debugger = Debugger(spec, f"{self.cluster.label.partition('=')[2]}-{pod['name']}-{spec['name']}")
            mine.append(debugger)
            context = pod.get("object", {}).get("spec", {}).get("securityContext", {})
            await debugger.start(target, self.cluster.label, context)
        question = Question(question.resource, "get", question.namespace, question.name)
        return web.json_response((await self.selected(request, question))[0])


def access_asked_for(body: bytes) -> dict[str, str]:
    """The resource attributes of an access review, in JSON or in the protocol buffers that kubectl sends it in."""
    if not body.startswith(PROTOBUF):
        return json.loads(body)["spec"]["resourceAttributes"]
    review = fields_of(body[len(PROTOBUF) :])[2]
    attributes = fields_of(fields_of(fields_of(review)[2])[1])
    return {name: attributes[number].decode() for number, name in ATTRIBUTES.items() if attributes.get(number)}


def fields_of(message: bytes) -> dict[int, bytes]:
    """The fields of a protocol buffer by number, where each is of a length of its own, as strings and messages are."""
    fields, at = {}, 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = number()
        length = number()
        fields[key >> 3] = message[at : at + length]
        at += length
    return fields


def restricted_violations(spec: Json) -> list[str]:
    """What the strictest of the Pod Security Standards says against a container, in its words."""
    context, whose = spec.get("securityContext") or {}, f'container "{spec["name"]}"'
    capabilities = context.get("capabilities") or {}
    found = []
    if context.get("privileged"):
        found.append(f"privileged ({whose} must not set securityContext.privileged=true)")
    if context.get("allowPrivilegeEscalation") is not False:
        found.append(f"allowPrivilegeEscalation != false ({whose} must set securityContext.allowPrivilegeEscalation=false)")
    wrong = [f'{whose} must set securityContext.capabilities.drop=["ALL"]'] if capabilities.get("drop") != ["ALL"] else []
    added = [f'"{name}"' for name in capabilities.get("add") or [] if name != "NET_BIND_SERVICE"]
    wrong += [f"{whose} must not include {', '.join(added)} in securityContext.capabilities.add"] if added else []
    if wrong:
        found.append(f"unrestricted capabilities ({'; '.join(wrong)})")
    if context.get("runAsNonRoot") is not True:
        found.append(f"runAsNonRoot != true (pod or {whose} must set securityContext.runAsNonRoot=true)")
    if (context.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
        kinds = '"RuntimeDefault" or "Localhost"'
        found.append(f"seccompProfile (pod or {whose} must set securityContext.seccompProfile.type to {kinds})")
    return found


def matches(selector: str, item: Json, value_of: Callable[[Json, str], Any]) -> bool:
    """Of a label or field selector: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`."""
    for term in filter(None, re.split(r",(?![^(]*\))", selector)):
        if several := re.fullmatch(r"\s*(\S+)\s+(in|notin)\s+\((.*)\)\s*", term):
            values = {value.strip() for value in several[3].split(",")}
            holds = (value_of(item, several[1]) in values) == (several[2] == "in")
        elif equal := re.fullmatch(r"\s*([^!=\s]+)\s*(!=|==?)\s*(.*?)\s*", term):
            holds = ((value_of(item, equal[1]) or "") == equal[3]) == (equal[2] != "!=")
        else:
            holds = (value_of(item, term.strip().lstrip("!")) is not None) != term.strip().startswith("!")
        if not holds:
            return False
    return True


def field_of(item: Json, path: str) -> Any:
    value: Any = item
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def kept_lines(path: Path) -> list[tuple[float, str]]:
    """The lines that a runtime kept of a container, with the time of each: `TIME STREAM F TEXT`, or P for a part."""
    lines, begun = [], ""
    for line in path.read_text(errors="replace").splitlines() if path.exists() else []:
        at, _, tag, text = (line.split(" ", 3) + ["", "", ""])[:4]
        begun += text
        if tag == "F":
            lines.append((seconds(at), begun))
            begun = ""
    return lines


def seconds(stamp: str) -> float:
    whole, _, rest = stamp.partition(".")
    fraction, zone = re.fullmatch(r"(\d*)(.*)", rest).groups() if rest else ("0", stamp[19:])
    moment = datetime.datetime.fromisoformat(whole[:19] + zone.replace("Z", "+00:00"))
    return moment.timestamp() + float(f"0.{fraction}")


def nanoseconds(at: float) -> str:
    moment = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06}000Z"


def write_kubeconfig(path: Path, url: str, cluster: Cluster) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": url}}],
        "users": [{"name": cluster.user, "user": {"token": f"lab-{secrets.token_hex(16)}"}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": cluster.user, "namespace": cluster.namespace}}],
    }
    path.write_text(json.dumps(config))
    path.chmod(0o600)


async def serve(told: Json, folder: Path) -> None:
    label = f"capture-front={secrets.token_hex(4)}"
    cluster = Cluster(told, label)
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", Front(cluster, folder / "requests.jsonl").answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = "http://127.0.0.1:{1}".format(*runner.addresses[0])
    write_kubeconfig(folder / "kubeconfig", url, cluster)
    facts = {"url": url, "kubeconfig": str(folder / "kubeconfig"), "requests": str(folder / "requests.jsonl")}
    print(json.dumps(facts), flush=True)
    try:
        await end_of_input()
    finally:
        names = [debugger.name for debuggers in cluster.debuggers.values() for debugger in debuggers]
        if names:
            await podman("rm", "--force", "--time", "0", "--ignore", *names)
        await runner.cleanup()


async def end_of_input() -> None:
    """Or a signal that asks for the end."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, ended.set)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    reading, waiting = asyncio.create_task(reader.read()), asyncio.create_task(ended.wait())
    await asyncio.wait((reading, waiting), return_when=asyncio.FIRST_COMPLETED)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serves a made-up cluster to kubectl until standard input ends.")
    parser.add_argument("--cluster", type=Path, required=True, help="JSON: what it shows")
    told = json.loads(parser.parse_args().cluster.read_text())
    folder = Path(tempfile.mkdtemp(prefix="capture-kube-"))
    try:
        asyncio.run(serve(told, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
