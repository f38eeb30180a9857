#!/usr/bin/env python3
"""An API server for a real kubectl, in front of podman's containers; gone without a trace when it is no longer wanted.

As a program it prints one JSON line (`url`, `kubeconfig`, `requests`: a file with a line for each request) once it
listens on a port of this machine, and stops when its standard input ends. What it shows is told by a JSON file:

    tests/lab/kube.py --cluster cluster.json

    {"namespace": "llm", "user": "dev",
     "workload": {"kind": "Deployment", "name": "litellm",
                  "revisions": [{"image": ..., "digest": ..., "created": ...}]},
     "pods": [{"name": ..., "containers": [{"name": "litellm", "container": "PODMAN'S ID OR NAME"}]}],
     "objects": [whole objects of any resource below: events, autoscalers, nodes ...],
     "forbidden": [{"verb": "create", "resource": "pods/exec"}],
     "broken": {"pods/log": "error" | "garbage" | "hang" | "unauthorized"},
     "absent": ["metrics.k8s.io"], "pod_security": "restricted"}

A pod may have `namespace`, `labels`, `not_ready`, `phase`, `revision` (which of the workload's, from 0; the last unless
told) and `object`, which is merged into what is shown of it. Its containers, of which the first is the main one:

    container        podman's; without it nothing runs, and all that can be asked is what the following says
    spec             merged into the container of the pod's spec: env, args, resources, probes, securityContext
    waiting          {"reason": ..., "message": ...} instead of running
    restarts         how often, with `last_state` as in a pod's status
    exec             how exec is answered, by the first entry whose `when` is part of the command: `stdout` and
                     `stderr` (texts) or `stdout_file`, with `exit`; or `run`, a program of this machine that is given
                     the command behind its arguments; or, with none of these, by the container. Each can have
                     `delay_ms`, `cut_after_bytes` (the connection breaks) and `hang` (accepted, and nothing comes)
    log              [{"age_s": 5, "text": ...}] before the container's own; `previous_log` alike, of the one before
    usage            {"cpu": "1500m", "memory": "2Gi"} instead of what its cgroup says

Honest: kubectl's selection, transport and error texts; exec over WebSocket with half-close, exit codes, and a remote
process that outlives its client; what a process of a certain user with certain capabilities may do, a debug container's
included; logs as a runtime keeps them. Not honest: there is no kubelet, no scheduler and no controller, so nothing
restarts and no condition changes by itself; RBAC is a list of what is refused, and exec needs `create` however it is
opened; Pod Security knows one level and looks at debug containers alone; all resources have version 1; there is no
SPDY, no terminal, no printer's table, no port-forward and no TLS.
"""

import argparse
import asyncio
import contextlib
import json
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

from cluster import ACCESS_REVIEWS, RESOURCES, Cluster, Resource, key_of
from podman import Debugger, Json, inspect, kept_lines, nanoseconds_of, podman

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, ERROR, CLOSE = 0, 1, 2, 3, 255
CHUNK_BYTES = 32 * 1024
# How podman tells that there is nothing to execute, which is no output of the command.
NOT_EXECUTED = b"Error: runc: exec failed: "
# How protocol buffers of Kubernetes begin, and the fields of a review's attributes (k8s.io/api/authorization/v1).
PROTOBUF = b"k8s\0"
ATTRIBUTES = {1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource", 6: "subresource", 7: "name"}
WATCH_SECONDS = 0.25


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
        await self.end(code, as_containerd(b"".join(refusal).decode(errors="replace")) if refusal else "")


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
        pod = self.cluster.pods.get((question.namespace or "", question.name or ""))
        if not pod:
            raise question.not_found()
        match question.part:
            case "log":
                return await self.log(request, pod)
            case "exec":
                return await self.execute(request, pod)
            case "attach":
                return await self.attach(request, pod)
            case "ephemeralcontainers":
                return await self.debug(request, question, pod)
        raise Refusal(404, "NotFound", "the server could not find the requested resource")

    async def log(self, request: web.Request, pod: Json) -> web.Response:
        container, known_as = self.chosen(request, pod)
        whose = f'container "{container["name"]}" in pod "{pod["name"]}"'
        previous = request.query.get("previous") == "true"
        if previous and "previous_log" not in container:
            raise Refusal(400, "BadRequest", f"previous terminated {whose} not found")
        if not previous and "waiting" in container:
            raise Refusal(400, "BadRequest", f"{whose} is waiting to start: {container['waiting']['reason']}")
        told = container.get("previous_log" if previous else "log", [])
        lines = [(time.time_ns() - int(line.get("age_s", 0) * 1e9), line["text"]) for line in told]
        if known_as and not previous and (inspected := (await inspect([known_as])).get(known_as)):
            lines += kept_lines(inspected)
        since_ns = 0
        if "sinceSeconds" in request.query:
            since_ns = time.time_ns() - int(request.query["sinceSeconds"]) * 1_000_000_000
        elif "sinceTime" in request.query:
            since_ns = nanoseconds_of(request.query["sinceTime"])
        lines = [line for line in lines if line[0] >= since_ns]
        if "tailLines" in request.query:
            lines = lines[max(0, len(lines) - int(request.query["tailLines"])) :]
        stamped = request.query.get("timestamps") == "true"
        text = "".join(f"{stamp_of(at_ns)} {text}\n" if stamped else f"{text}\n" for at_ns, text in lines)
        limit_bytes = int(request.query["limitBytes"]) if "limitBytes" in request.query else None
        return web.Response(body=text.encode()[:limit_bytes], content_type="text/plain")

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
        for debugger in self.cluster.debuggers.get(key_of(pod), []):
            if wanted == debugger.spec["name"]:
                return {"name": wanted, "container": debugger.name}, debugger.name
        raise Refusal(400, "BadRequest", f"container {wanted} is not valid for pod {pod['name']}")

    async def execute(self, request: web.Request, pod: Json) -> web.StreamResponse:
        container, known_as = self.chosen(request, pod)
        command = request.query.getall("command", [])
        rules = container.get("exec", [])
        rule = next((rule for rule in rules if rule.get("when", "") in " ".join(command)), {})
        simulated = not rule.keys().isdisjoint(("stdout", "stderr", "stdout_file", "exit", "run", "hang"))
        if "waiting" in container or not (simulated or await runs(known_as)):
            why = f'unable to upgrade connection: container not found ("{container["name"]}")'
            raise Refusal(500, "InternalError", f"Internal error occurred: {why}")
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
        within = ["podman", "exec", *(["--interactive"] if interactive else []), str(known_as)]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *rule.get("run", within),
            *command,
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
        for debugger in self.cluster.debuggers.get(key_of(pod), []):
            if debugger.spec["name"] == name and debugger.process:
                channels = await self.upgraded(request)
                await asyncio.shield(asyncio.create_task(channels.bridge(debugger.process)))
                return channels.socket
        raise Refusal(400, "BadRequest", f"container {name} of pod {pod['name']} has no input to attach to")

    @staticmethod
    async def upgraded(request: web.Request, cut_after_bytes: int | None = None) -> Channels:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise Refusal(400, "BadRequest", "unable to upgrade: this server speaks WebSocket alone")
        socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=0)
        await socket.prepare(request)
        return Channels(socket, cut_after_bytes)

    async def debug(self, request: web.Request, question: Question, pod: Json) -> web.Response:
        patch = json.loads(await request.read())
        mine = self.cluster.debuggers.setdefault(key_of(pod), [])
        known = {debugger.spec["name"] for debugger in mine}
        for spec in patch["spec"]["ephemeralContainers"]:
            if spec["name"] in known:
                continue
            if self.cluster.told.get("pod_security") == "restricted" and (violations := restricted_violations(spec)):
                why = f'violates PodSecurity "restricted:latest": {", ".join(violations)}'
                raise Refusal(403, "Forbidden", f'pods "{pod["name"]}" is forbidden: {why}')
            target = {c["name"]: c.get("container") for c in pod["containers"]}.get(spec.get("targetContainerName"))
            context = pod.get("object", {}).get("spec", {}).get("securityContext", {})
            debugger = Debugger(spec, "-".join((self.cluster.prefix, *key_of(pod), spec["name"])))
            mine.append(debugger)
            await debugger.start(target, context)
        question = Question(question.resource, "get", question.namespace, question.name)
        return web.json_response((await self.selected(request, question))[0])


def as_containerd(complaint: str) -> str:
    """What podman says of a command that cannot be executed, in the words that a kubelet has it from containerd."""
    what = complaint.strip().removeprefix("Error: runc: ").rpartition(": OCI ")[0]
    where = "error executing command in container: failed to exec in container: failed to start exec"
    return f'{where} "{secrets.token_hex(32)}": OCI runtime exec failed: {what}: unknown'


async def runs(name: str | None) -> bool:
    """Whether podman has a container of that name and it has not ended."""
    inspected = (await inspect([name])).get(name) if name else None
    return bool(inspected and inspected["State"]["Running"])


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
        how = "securityContext.allowPrivilegeEscalation=false"
        found.append(f"allowPrivilegeEscalation != false ({whose} must set {how})")
    all_dropped = capabilities.get("drop") == ["ALL"]
    wrong = [] if all_dropped else [f'{whose} must set securityContext.capabilities.drop=["ALL"]']
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


def stamp_of(at_ns: int) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at_ns // 1_000_000_000))}.{at_ns % 1_000_000_000:09}Z"


def write_kubeconfig(path: Path, url: str, cluster: Cluster) -> None:
    context = {"cluster": "lab", "user": cluster.user, "namespace": cluster.namespace}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": url}}],
        "users": [{"name": cluster.user, "user": {"token": f"lab-{secrets.token_hex(16)}"}}],
        "contexts": [{"name": "lab", "context": context}],
    }
    path.write_text(json.dumps(config))
    path.chmod(0o600)


async def serve(told: Json, folder: Path) -> None:
    cluster = Cluster(told, f"capture-front-{secrets.token_hex(4)}")
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
