"""What it costs to be watched for weeks: LiteLLM under a calm load, without `capture watch` and with it.

For each number of workers one LiteLLM is measured three times: alone, under watch, and under watch when a spike has been
captured. The workers' own CPU stands beside, since what a watch asks of LiteLLM costs the workers something too.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lab
from bench.measure import (
    CAPTURE,
    Failed,
    Limit,
    Process,
    check,
    childrens_cpu_seconds,
    cpu_seconds,
    memory_megabytes,
    peak_megabytes,
    running,
    say,
    show_table,
)

# Requests a second of each worker, and the CPU that the callback of mock.yaml burns for each.
CALM_RPS = 2
CALLBACK_SECONDS = 0.02
LOAD_SECONDS = 600
# On a busy machine uvicorn takes a worker that starts for dead.
PATIENT = ("--timeout_worker_healthcheck", "60")
WARM_UP_SECONDS = 15
SPIKE_SECONDS = 25
# What was read of the spike speaks for the present for some time.
SETTLE_SECONDS = 40
# So many requests at once keep each waiting for longer than the rule allows, however fast and busy the machine is.
SPIKE_CONNECTIONS = 48
RULES = ("--cpu", "off", "--p99", "1s", "--max-duration", "20s", "--max-captures", "1")
EVENT_SECONDS = 180
# A calm moment is sampled for ten seconds; the sampler reads symbols before, and it is kept after.
CALM_MOMENT_SECONDS = 20

LIMITED_WORKERS = 4
MAX_OWN_PERCENT = 0.3
MAX_MEGABYTES = 25.0


@dataclass
class Used:
    """What a process used so far."""

    cpu_seconds: float
    user_seconds: float
    system_seconds: float
    switches: int

    @classmethod
    def by(cls, pid: int) -> "Used":
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        tick = os.sysconf("SC_CLK_TCK")
        return cls(cpu_seconds(pid), int(fields[11]) / tick, int(fields[12]) / tick, switches(pid))


def switches(pid: int) -> int:
    """Of the threads that live, voluntary and not."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            lines = status.read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if "ctxt_switches:" in line)
    return total


@dataclass
class Cost:
    """Of a watch while nothing happens; shares are percent of a core."""

    cpu: float
    user: float
    system: float
    # A second.
    switches: float
    megabytes: float
    # Of all workers, in the same time.
    workers: float


@dataclass
class Outcome:
    """Of one LiteLLM."""

    # The workers' CPU without a watch, in percent of a core.
    alone: float
    watched: Cost
    after: Cost
    # Captures included.
    peak_megabytes: float
    # CPU seconds of the watch and its sampler for one calm moment, beyond what watching takes anyway.
    calm_moment: float


class Watch:
    """A watch, and what it has told."""

    def __init__(self, process: Process, events: Path) -> None:
        self.process = process
        self.pid = process.pid
        self.events = events
        # One a second, of the time before what was waited for last.
        self.readings: deque[float] = deque(maxlen=CALM_MOMENT_SECONDS + 1)

    def told(self, name: str) -> dict[str, Any] | None:
        lines = self.events.read_text().splitlines(keepends=True)
        events = (json.loads(line) for line in lines if line.endswith("\n"))
        return next((event for event in events if event["event"] == name), None)

    def wait_for(self, name: str) -> dict[str, Any]:
        self.readings.clear()
        deadline = time.monotonic() + EVENT_SECONDS
        while not (event := self.told(name)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the watch told of no {name}:\n{self.events.read_text()}")
            self.readings.append(self.cpu_seconds())
            time.sleep(1)
        self.readings.append(self.cpu_seconds())
        return event

    def recent_cpu_seconds(self) -> float:
        """Of the time before what was waited for."""
        return self.readings[-1] - self.readings[0]

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid) + childrens_cpu_seconds(self.pid)


class Bench:
    def __init__(self, options: argparse.Namespace, proxy: lab.LiteLLM) -> None:
        self.options = options
        self.proxy = proxy
        self.workers = proxy.worker_pids()

    def run(self) -> Outcome:
        calm = f"--rps={CALM_RPS * len(self.workers)}"
        with self.proxy.load("--case=burn", calm, f"--duration={LOAD_SECONDS}") as load:
            time.sleep(WARM_UP_SECONDS)
            before = self.workers_cpu_seconds()
            time.sleep(self.options.seconds)
            alone = 100 * (self.workers_cpu_seconds() - before) / self.options.seconds
            with self.watch() as watch:
                watch.wait_for("baseline")
                calm_moment = watch.recent_cpu_seconds()
                watched = self.cost(watch)
                say(f"{len(self.workers)} workers: {watched.cpu:.2f} % of a core, {watched.megabytes:.1f} MB")
                self.spike(watch)
                time.sleep(SETTLE_SECONDS)
                after = self.cost(watch)
                peak = peak_megabytes(watch.pid)
            if load.process.poll() is not None:
                raise Failed("the load ended before the measurement")
        beyond = calm_moment - CALM_MOMENT_SECONDS * watched.cpu / 100
        return Outcome(alone, watched, after, peak, beyond)

    @contextlib.contextmanager
    def watch(self) -> Iterator[Watch]:
        with tempfile.TemporaryDirectory() as folder, Path(folder, "events").open("wb") as events:
            command = [CAPTURE, "watch", "--pid", self.proxy.pid, "--py-spy", lab.PY_SPY, "--json", "-o", f"{folder}/"]
            environment = {**os.environ, "LITELLM_MASTER_KEY": self.proxy.key}
            streams = {"stdout": events, "stderr": subprocess.STDOUT}
            with running([*command, *RULES], env=environment, **streams) as process:
                yield Watch(process, Path(events.name))

    def spike(self, watch: Watch) -> None:
        """Until it is captured and its bundle is there."""
        connections = f"--connections={SPIKE_CONNECTIONS * len(self.workers)}"
        with self.proxy.load("--case=burn", connections, f"--duration={SPIKE_SECONDS}") as load:
            load.result()
        watch.wait_for("capture")

    def cost(self, watch: Watch) -> Cost:
        seconds = self.options.seconds
        workers, before = self.workers_cpu_seconds(), Used.by(watch.pid)
        time.sleep(seconds)
        used = Used.by(watch.pid)
        return Cost(
            cpu=100 * (used.cpu_seconds - before.cpu_seconds) / seconds,
            user=100 * (used.user_seconds - before.user_seconds) / seconds,
            system=100 * (used.system_seconds - before.system_seconds) / seconds,
            switches=(used.switches - before.switches) / seconds,
            megabytes=memory_megabytes(watch.pid),
            workers=100 * (self.workers_cpu_seconds() - workers) / seconds,
        )

    def workers_cpu_seconds(self) -> float:
        return sum(map(cpu_seconds, self.workers))


Outcomes = dict[int, list[Outcome]]


def show(outcomes: Outcomes, title: str) -> None:
    """The median of the rounds."""
    rows = [
        ("CPU of the watch, % of a core", "{:.2f}", lambda one: one.watched.cpu),
        ("of that in the kernel, %", "{:.2f}", lambda one: one.watched.system),
        ("context switches a second", "{:.1f}", lambda one: one.watched.switches),
        ("its memory, MB", "{:.1f}", lambda one: one.watched.megabytes),
        ("CPU of the watch after a capture, %", "{:.2f}", lambda one: one.after.cpu),
        ("its memory after a capture, MB", "{:.1f}", lambda one: one.after.megabytes),
        ("the most memory it had, MB", "{:.1f}", lambda one: one.peak_megabytes),
        ("CPU of all workers, without a watch, %", "{:.1f}", lambda one: one.alone),
        ("CPU of all workers, with it, %", "{:.1f}", lambda one: one.watched.workers),
        ("a calm moment, CPU seconds in all", "{:.2f}", lambda one: one.calm_moment),
    ]
    cells = [
        [name, *(form.format(statistics.median(map(figure, rounds))) for rounds in outcomes.values())]
        for name, form, figure in rows
    ]
    show_table(title, ["", *(f"{count} workers" if count > 1 else "1 worker" for count in outcomes)], cells)


def judge(outcomes: Outcomes) -> bool:
    """Every round must meet every limit."""
    costs = [cost for one in outcomes.get(LIMITED_WORKERS, []) for cost in (one.watched, one.after)]
    if not costs:
        return True
    what = f"the watch over {LIMITED_WORKERS} workers"
    return check([
        Limit(what, max(cost.cpu for cost in costs), MAX_OWN_PERCENT, "% of a core"),
        Limit(f"memory of {what}", max(cost.megabytes for cost in costs), MAX_MEGABYTES, "MB"),
    ])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=60, help="of each stretch that is measured, at most 100")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])


def main(options: argparse.Namespace) -> bool:
    outcomes: Outcomes = {count: [] for count in options.workers}
    for number in range(options.rounds):
        for count, rounds in outcomes.items():
            say(f"round {number + 1} of {options.rounds}: LiteLLM with {count} workers")
            variables = {"LAB_CPU_SECONDS": str(CALLBACK_SECONDS)}
            with lab.LiteLLM("mock", count, arguments=PATIENT, variables=variables) as proxy:
                rounds.append(Bench(options, proxy).run())
    times = f"{options.rounds} rounds of {options.seconds} s" if options.rounds > 1 else f"{options.seconds} s"
    show(outcomes, f"scripts/bench watch: {CALM_RPS} requests/s of each worker, {times}")
    return judge(outcomes)
