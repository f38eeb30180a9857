#!/usr/bin/env python3
"""A real LiteLLM on mock models, in a process group of its own, gone without a trace when it is no longer wanted.

As a module, `with LiteLLM(config="mock", workers=2) as proxy:`. As a program it prints one JSON line once every worker
serves, and stops when its standard input ends; so a caller that dies takes its LiteLLM with it:

    tests/lab/lab.py --config mock --server gunicorn --workers 2
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# As it is named: what runs there tells of this path, and of none behind a link.
DIR = Path(os.environ.get("CAPTURE_LAB_DIR", ROOT / "target/lab")).absolute()
BIN = DIR / "venv/bin"
PY_SPY = BIN / "py-spy"
# The release that everything runs against, the same on CPython 3.13, and one before it to be upgraded from.
RELEASES = {"current": BIN, "current-3.13": DIR / "venv-3.13/bin", "older": DIR / "venv-older/bin"}

# A worker that starts on a busy machine is silent for longer than the five seconds after which uvicorn's supervisor ends
# it, and the next one is no faster.
SERVER_ARGS = {"uvicorn": ["--timeout_worker_healthcheck", 30], "gunicorn": ["--run_gunicorn"], "granian": ["--run_granian"]}
# What each server logs once per worker that serves. One answer to a probe would tell of one worker only.
SERVES = {
    "uvicorn": b"Application startup complete",
    "gunicorn": b"Application startup complete",
    "granian": b"Started worker-",
}
BOOT_SECONDS = 240
STOP_SECONDS = 5
LONG_ANSWER = "lorem ipsum dolor sit amet " * 400  # three characters make a chunk
ANSWER = "lorem ipsum dolor sit amet " * 12


class BootError(Exception):
    """LiteLLM did not come up; the message ends with its log."""


class LiteLLM:
    def __init__(
        self,
        config: str | Path,
        workers: int = 1,
        server: str = "uvicorn",
        arguments: Sequence[str] = (),
        variables: dict[str, str] | None = None,
        release: str = "current",
        silent: bool = False,
        key: str | None = None,
    ) -> None:
        """`config` names one of the files here, or is a path; `arguments` and `variables` are LiteLLM's own. A silent one
        writes no log. `key` is the one that the config has, where it does not take it from the environment."""
        if not BIN.is_dir():
            raise BootError(f"no lab in {DIR}: run scripts/lab-setup")
        self.workers = workers
        self.serves = SERVES[server]
        self.key = key or f"sk-lab-{secrets.token_hex(16)}"  # well-known keys are refused at boot
        self.variables = variables or {}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.tmp = Path(tempfile.mkdtemp(prefix="capture-lab-"))
        self.log = self.tmp / "litellm.log"
        config = config if isinstance(config, Path) else HERE / f"{config}.yaml"
        self.silent = silent
        command = [RELEASES[release] / "python3", RELEASES[release] / "litellm", "--config", config]
        command += ["--host", "127.0.0.1", "--port", self.port]
        command += ["--num_workers", workers, *SERVER_ARGS[server], *arguments]
        with Path(os.devnull if silent else self.log).open("wb") as log:
            self.process = subprocess.Popen(
                [str(argument) for argument in command],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
        return inherited | {
            "LITELLM_MASTER_KEY": self.key,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # the other one is downloaded
            "LAB_ANSWER": ANSWER,
            "LAB_LONG_ANSWER": LONG_ANSWER,
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(self.tmp),  # holds the metrics of all workers; two proxies in one folder would mix them
        } | self.variables

    @property
    def pid(self) -> int:
        return self.process.pid

    def __enter__(self) -> "LiteLLM":
        try:
            self.wait_until_serving()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_serving(self) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        while not (self.started() and self.alive()):
            if self.process.poll() is not None:
                raise BootError(f"LiteLLM ended with status {self.process.returncode}\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise BootError(f"LiteLLM did not serve within {BOOT_SECONDS} s\n{self.log_tail()}")
            time.sleep(0.2)

    def started(self) -> bool:
        # Without a log there is only the probe, which tells of one worker.
        return self.silent or self.log.read_bytes().count(self.serves) >= self.workers

    def alive(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/liveliness", timeout=5) as response:
                return response.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def worker_pids(self) -> list[int]:
        """The processes that serve: all children but multiprocessing's helper, or the process itself if it has none."""
        children = [pid for pid in children_of(self.pid) if b"resource_tracker" not in command_line(pid)]
        return children or [self.pid]

    def load(self, *arguments: str) -> "Load":
        return Load(self, arguments)

    def log_tail(self) -> str:
        return "it is silent" if self.silent else "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def stop(self) -> None:
        """Ends the whole group. Politely first, so that the workers can be gone before their supervisor."""
        for sig in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.pid, sig)
            except ProcessLookupError:
                break
            deadline = time.monotonic() + STOP_SECONDS
            while self.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
        self.process.wait()
        shutil.rmtree(self.tmp, ignore_errors=True)


class Load:
    """The load generator, running until its time is over or the `with` block ends."""

    def __init__(self, proxy: LiteLLM, arguments: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "load.py"), "--url", proxy.url, *arguments],
            env={**os.environ, "LITELLM_MASTER_KEY": proxy.key},
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def result(self) -> dict[str, Any]:
        """Waits for its end."""
        output, _ = self.process.communicate()
        return json.loads(output)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children_of(pid: int) -> list[int]:
    """Every thread of a process can have children of its own."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in children.read_text().split()]
        except OSError:  # that thread ended
            continue
    return sorted(found)


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def cpu_seconds(pid: int) -> float:
    """utime + stime of all its threads, dead ones included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def exit_on_signals() -> None:
    """Makes SIGTERM unwind the stack as Ctrl-C does, so that everything started is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs a LiteLLM on mock models until standard input ends.")
    parser.add_argument("--config", choices=["mock", "plain", "netmock", "background", "bare", "talkative"], default="mock")
    parser.add_argument("--setup", type=Path, help="JSON: {config, arguments, variables, release, silent, key}, over --config")
    parser.add_argument("--server", choices=sorted(SERVER_ARGS), default="uvicorn")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    exit_on_signals()
    setup = json.loads(arguments.setup.read_text()) if arguments.setup else {}
    config = Path(setup.pop("config")) if "config" in setup else arguments.config
    with LiteLLM(config, arguments.workers, arguments.server, **setup) as proxy:
        facts = {
            "pid": proxy.pid,
            "workers": proxy.worker_pids(),
            "url": proxy.url,
            "key": proxy.key,
            "log": str(proxy.log),
        }
        print(json.dumps(facts), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except BootError as error:
        sys.exit(str(error))
