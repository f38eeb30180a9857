"""podman as the runtime below `kube.py`: what its containers are and did, and how a debug container is started."""

import asyncio
import contextlib
import datetime
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


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


def container_state(inspected: Json) -> Json:
    state = inspected["State"]
    started = in_utc(state["StartedAt"])
    if state["Running"]:
        return {"running": {"startedAt": started}}
    reason = "OOMKilled" if state["OOMKilled"] else "Error" if state["ExitCode"] else "Completed"
    ended = {"exitCode": state["ExitCode"], "reason": reason, "startedAt": started}
    return {"terminated": ended | {"finishedAt": in_utc(state["FinishedAt"])}}


def in_utc(stamp: str) -> str:
    """The API server's form of a time of podman's."""
    moment = datetime.datetime.fromtimestamp(nanoseconds_of(stamp) // 1_000_000_000, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def kept_lines(inspected: Json) -> list[tuple[int, str]]:
    """The lines that were kept of a container, with the time of each: `TIME STREAM F TEXT`, or P for a part of one."""
    lines, begun = [], ""
    path = Path(inspected["HostConfig"]["LogConfig"]["Path"])
    for line in path.read_text(errors="replace").splitlines() if path.exists() else []:
        at, _, tag, text = (line.split(" ", 3) + ["", "", ""])[:4]
        begun += text
        if tag == "F":
            lines.append((nanoseconds_of(at), begun))
            begun = ""
    return lines


def nanoseconds_of(stamp: str) -> int:
    """A time with as many digits behind the second as there are, and a zone."""
    whole, fraction, zone = re.fullmatch(r"([^.Z+]{19})(?:\.(\d+))?(.*)", stamp).groups()
    moment = datetime.datetime.fromisoformat(whole + zone.replace("Z", "+00:00"))
    return int(moment.timestamp()) * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))


def cpu_seconds(inspected: Json) -> float:
    path = inspected["State"].get("CgroupPath", "")
    with contextlib.suppress(OSError):
        return int(Path(f"/sys/fs/cgroup/cpuacct{path}/cpuacct.usage").read_text()) / 1e9
    with contextlib.suppress(OSError):
        return int(Path(f"/sys/fs/cgroup{path}/cpu.stat").read_text().split()[1]) / 1e6  # usage_usec N
    return 0.0


def memory_bytes(inspected: Json) -> int:
    path = inspected["State"].get("CgroupPath", "")
    for file in (f"/sys/fs/cgroup/memory{path}/memory.usage_in_bytes", f"/sys/fs/cgroup{path}/memory.current"):
        with contextlib.suppress(OSError):
            return int(Path(file).read_text())
    return 0


@dataclass
class Debugger:
    """An ephemeral container, which shares the processes of its target."""

    spec: Json
    name: str
    waiting: Json | None = None
    inspected: Json | None = None
    process: asyncio.subprocess.Process | None = None

    async def start(self, target: str | None, pod_context: Json) -> None:
        image, context = self.spec["image"], pod_context | (self.spec.get("securityContext") or {})
        status, user, _ = await podman("image", "inspect", "--format", "{{.Config.User}}", image)
        if status:
            message = f'failed to pull and unpack image "{image}": not found'
            self.waiting = {"reason": "ErrImagePull", "message": message}
            return
        user = str(context.get("runAsUser", user.strip() or 0))
        if context.get("runAsNonRoot") and user.partition(":")[0] in ("0", "root"):
            message = f"container has runAsNonRoot and image will run as root (container: {self.spec['name']})"
            self.waiting = {"reason": "CreateContainerConfigError", "message": message}
            return
        seccomp = (context.get("seccompProfile") or {}).get("type", "Unconfined")
        capabilities = context.get("capabilities") or {}
        arguments = ["run", "--name", self.name, "--network", "none", "--pull", "never", "--user", user]
        arguments += ["--pid", f"container:{target}"] if target else []
        arguments += [] if seccomp == "RuntimeDefault" else ["--security-opt", "seccomp=unconfined"]
        may_escalate = context.get("allowPrivilegeEscalation") is not False
        arguments += [] if may_escalate else ["--security-opt", "no-new-privileges"]
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
