"""What sampling takes from a LiteLLM in a container: its workers and the profiler share a quota of one CPU.

In every round each sampler has its turn, in another order each time, and is held against the turn without one of the
same round. The load generator is outside of the quota, and its time begins when the sampler has settled. Root only: it
makes a cgroup, and removes it.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import lab
from bench.measure import (
    POLL_SECONDS,
    Failed,
    Limit,
    capture,
    check,
    cpu_seconds,
    py_spy,
    py_spy_blocking,
    say,
    several,
    show_table,
)

QUOTA_US = PERIOD_US = 100_000
WARM_UP_SECONDS = 5
# At a quarter of a CPU each, samplers take a while to read symbols.
SETTLE_SECONDS = 4
# The last answers come after the time of the load.
TAIL_SECONDS = 2
MAX_NATIVE_LOSS_PERCENT = 2.0


class Turn(StrEnum):
    NOTHING = "no sampler"
    NATIVE = "capture, native"
    PY_SPY = "py-spy"
    BLOCKING = "py-spy, blocking"


@dataclass
class Outcome:
    """Of one turn."""

    # Requests a second.
    rate: float
    # The share of a core that the profiler took.
    profiler: float
    # The share of periods in which the quota was used up.
    throttled: float


class Cgroup:
    """A group of processes with a quota of CPU time, gone with the `with` block; processes that are left over then go
    back to where all others are."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise Failed("quota needs root: it makes a cgroup")
        self.parent, settings = controller()
        self.path = self.parent / f"capture-bench-{os.getpid()}"
        self.path.mkdir()
        try:
            for name, value in settings.items():
                (self.path / name).write_text(value)
        except OSError as error:
            self.path.rmdir()
            raise Failed(f"no quota can be set in {self.path}: {error}") from error

    def __enter__(self) -> "Cgroup":
        return self

    def __exit__(self, *_: object) -> None:
        while self.path.exists():
            for pid in (self.path / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):  # it ended meanwhile
                    (self.parent / "cgroup.procs").write_text(pid)
            with contextlib.suppress(OSError):  # the last of them are about to end
                self.path.rmdir()
            time.sleep(POLL_SECONDS)

    def take(self, pid: int) -> None:
        (self.path / "cgroup.procs").write_text(str(pid))

    def runner(self) -> list[object]:
        """The command that runs another one inside."""
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', self.path / "cgroup.procs"]

    def periods(self) -> tuple[int, int]:
        """Those in which it used up its quota, and all."""
        lines = dict(line.split() for line in (self.path / "cpu.stat").read_text().splitlines())
        return int(lines["nr_throttled"]), int(lines["nr_periods"])


def controller() -> tuple[Path, dict[str, str]]:
    """The folder of the CPU controller, and the files that set the quota there."""
    first = Path("/sys/fs/cgroup/cpu")
    if (first / "cpu.cfs_quota_us").exists():
        return first, {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(QUOTA_US)}
    second = Path("/sys/fs/cgroup")
    controllers = second / "cgroup.controllers"
    if controllers.exists() and "cpu" in controllers.read_text().split():
        (second / "cgroup.subtree_control").write_text("+cpu")
        return second, {"cpu.max": f"{QUOTA_US} {PERIOD_US}"}
    raise Failed("no cgroup controller for the CPU is mounted")


class Bench:
    def __init__(self, options: argparse.Namespace, proxy: lab.LiteLLM, cgroup: Cgroup) -> None:
        self.options = options
        self.proxy = proxy
        self.cgroup = cgroup

    def requests(self, seconds: float) -> float:
        """A second."""
        connections = f"--connections={self.options.connections}"
        with self.proxy.load("--case=plain", "--model=net-gpt", connections, f"--duration={seconds}") as load:
            result = load.result()
        if result["errors"]:
            say(f"failed requests: {result['error_kinds']}")
        return result["rps"]

    def turn(self, name: Turn) -> Outcome:
        with self.sampler(name) as pids:
            time.sleep(SETTLE_SECONDS)
            begin, before = time.monotonic(), sum(map(cpu_seconds, pids))
            throttled, periods = self.cgroup.periods()
            rate = self.requests(self.options.duration)
            profiler = (sum(map(cpu_seconds, pids)) - before) / (time.monotonic() - begin)
            throttled_then, periods_then = self.cgroup.periods()
        return Outcome(rate, profiler, (throttled_then - throttled) / max(1, periods_then - periods))

    def sampler(self, name: Turn) -> AbstractContextManager[list[int]]:
        """Its processes, which sample as long as the block."""
        match name:
            case Turn.NATIVE:
                return self.capture()
            case Turn.PY_SPY:
                return self.py_spies(py_spy)
            case Turn.BLOCKING:
                return self.py_spies(py_spy_blocking)
            case Turn.NOTHING:
                return contextlib.nullcontext([])

    @property
    def sampled_seconds(self) -> float:
        return SETTLE_SECONDS + self.options.duration + TAIL_SECONDS

    @contextlib.contextmanager
    def capture(self) -> Iterator[list[int]]:
        arguments = ["--pid", self.proxy.pid, "--engine", "native", "--rate", self.options.rate]
        with capture(arguments, self.sampled_seconds, self.proxy.key, self.cgroup.runner()) as capturing:
            capturing.wait_until_sampling()
            yield [capturing.process.pid]
            capturing.manifest()

    @contextlib.contextmanager
    def py_spies(self, command: Callable[..., list[object]]) -> Iterator[list[int]]:
        """One for each worker, as capture starts them."""
        with tempfile.TemporaryDirectory() as folder:
            orders = (self.options.rate, self.sampled_seconds)
            samplers = [command(pid, *orders, Path(folder, str(pid))) for pid in self.proxy.worker_pids()]
            commands = [[*self.cgroup.runner(), *sampler] for sampler in samplers]
            with several(commands, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as processes:
                yield [process.pid for process in processes]
                for process in processes:
                    process.wait()


Turns = dict[Turn, list[Outcome]]


def changes(turns: Turns, name: Turn) -> list[float]:
    """How many percent more requests there were than without a sampler, in each round."""
    pairs = zip(turns[name], turns[Turn.NOTHING], strict=True)
    return [100 * (outcome.rate / calm.rate - 1) for outcome, calm in pairs]


def show(turns: Turns, title: str) -> None:
    rows = []
    for name in Turn:
        rates = [outcome.rate for outcome in turns[name]]
        percent = changes(turns, name)
        rows.append([
            name,
            f"{statistics.median(rates):.1f}",
            f"{min(rates):.1f} to {max(rates):.1f}",
            f"{statistics.median(percent):+.1f} %",
            f"{min(percent):+.1f} to {max(percent):+.1f} %",
            f"{100 * statistics.median(outcome.profiler for outcome in turns[name]):.1f} %",
            f"{100 * statistics.median(outcome.throttled for outcome in turns[name]):.0f} %",
        ])
    paired = "to no sampler, paired median"
    head = ["", "requests/s, median", "spread", paired, "spread", "CPU of the profiler", "periods at the quota"]
    show_table(title, head, rows)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--duration", type=int, default=12, help="of the load of each turn, in seconds")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rate", type=int, default=100, help="samples a second")


def main(options: argparse.Namespace) -> bool:
    with Cgroup() as cgroup:
        say(f"starting LiteLLM, {options.workers} workers")
        with lab.LiteLLM("netmock", options.workers) as proxy:
            for pid in {proxy.pid, *lab.children_of(proxy.pid)}:
                cgroup.take(pid)
            bench = Bench(options, proxy, cgroup)
            bench.requests(WARM_UP_SECONDS)
            turns: Turns = {name: [] for name in Turn}
            for number in range(options.rounds):
                names = deque(Turn)
                names.rotate(-number)
                for name in names:
                    turns[name].append(bench.turn(name))
                    say(f"round {number + 1} of {options.rounds}: {name}: {turns[name][-1].rate:.1f} requests/s")
    title = f"scripts/bench quota: one CPU for {options.workers} workers and the profiler, {options.rate} Hz, "
    show(turns, title + f"{options.rounds} rounds of {options.duration} s")
    lost = -statistics.median(changes(turns, Turn.NATIVE))
    return check([Limit("requests lost to capture, native, paired median", lost, MAX_NATIVE_LOSS_PERCENT, "%")])
