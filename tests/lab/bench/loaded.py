"""What a capture costs, on the same loaded LiteLLM: no sampler, py-spy alone, and capture with each engine.

Each round runs them one after the other under the same load, which lasts from before the first sample until the bundle
is there.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lab
from bench.measure import (
    POLL_SECONDS,
    Capture,
    Failed,
    Limit,
    capture,
    check,
    childrens_cpu_seconds,
    cores_used,
    cpu_seconds,
    peak_megabytes,
    py_spy,
    say,
    several,
    show_table,
)

WARM_UP_SECONDS = 5
LEAD_SECONDS = 1
# Samplers start, read symbols and find their pace; the figures of sampling do not hold that.
SETTLE_SECONDS = 3
MARGIN_SECONDS = 1
# The load outlasts the sampling, so that the finishing work is done on a busy machine too.
TAIL_SECONDS = 4

MAX_OWN_CPU_PERCENT = 1.0
MAX_OBSERVERS_CPU_PERCENT = 1.0
MAX_OWN_MEGABYTES = 40.0
MAX_FINISH_SECONDS = 2.5
MAX_NATIVE_PERCENT_PER_WORKER = 0.8
MAX_NATIVE_SHARE_OF_PY_SPY = 1 / 20

NOTHING, PY_SPY, WITH_PY_SPY, NATIVE = "no sampler", "py-spy alone", "capture, py-spy", "capture, native"


@dataclass
class Run:
    """The figures of one run; a run has only those that apply to it."""

    figures: dict[str, float] = field(default_factory=dict)

    def add_load(self, result: dict[str, Any]) -> None:
        self.figures |= {
            "rps": result["rps"],
            "p50": result["p50_ms"],
            "p99": result["p99_ms"],
            "errors": result["errors"],
        }

    def add_manifest(self, manifest: dict[str, Any]) -> None:
        overhead = manifest["overhead"]
        self.figures |= {
            "told": overhead["samplers_core_percent_per_worker"],
            "own": overhead["own_core_percent"],
            "observers": overhead["observers_core_percent"],
            "hertz": manifest["quality"]["achieved_hz"],
        }


class Bench:
    def __init__(self, options: argparse.Namespace, proxy: lab.LiteLLM) -> None:
        self.options = options
        self.proxy = proxy
        self.workers = proxy.worker_pids()
        self.window = options.duration - SETTLE_SECONDS - MARGIN_SECONDS

    def load(self, seconds: float) -> lab.Load:
        connections = f"--connections={self.options.connections}"
        return self.proxy.load("--case=plain", "--model=net-gpt", connections, f"--duration={seconds}")

    def run(self, sampler: Callable[[Run], None]) -> Run:
        run = Run()
        with self.load(LEAD_SECONDS + self.options.duration + TAIL_SECONDS) as load:
            time.sleep(LEAD_SECONDS)
            sampler(run)
            run.add_load(load.result())
        return run

    def nothing(self, _: Run) -> None:
        pass

    def py_spy_alone(self, run: Run) -> None:
        """As capture starts it: one for each worker, never stopping it."""
        with tempfile.TemporaryDirectory() as folder:
            orders = (self.options.rate, self.options.duration)
            commands = [py_spy(pid, *orders, Path(folder, str(pid))) for pid in self.workers]
            with several(commands, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as samplers:
                time.sleep(SETTLE_SECONDS)
                pids = [sampler.pid for sampler in samplers]
                self.measure(run, lambda: sum(map(cpu_seconds, pids)))
                run.figures["megabytes"] = sum(map(peak_megabytes, pids))
                for sampler in samplers:
                    sampler.wait()

    def measure(self, run: Run, cpu: Callable[[], float]) -> None:
        run.figures["sampling"] = 100 * cores_used(cpu, self.window) / len(self.workers)

    def capture_with_py_spy(self, run: Run) -> None:
        with self.capture("py-spy") as capturing:
            capturing.wait_until_sampling()
            time.sleep(SETTLE_SECONDS)
            pid = capturing.process.pid
            if not py_spies_of(pid):
                raise Failed("capture ran no py-spy")
            # Each slice has processes of its own.
            self.measure(run, lambda: childrens_cpu_seconds(pid))
            run.figures["megabytes"] = sum(map(peak_megabytes, py_spies_of(pid)))
            run.figures["own_megabytes"] = peak_megabytes(pid)
            # They began to sample when they had read the symbols.
            while py_spies_of(pid):
                time.sleep(POLL_SECONDS)
            self.finish(run, capturing)

    def capture_natively(self, run: Run) -> None:
        """All that the process takes while it samples is counted as sampling."""
        with self.capture("native") as capturing:
            capturing.wait_until_sampling()
            time.sleep(SETTLE_SECONDS)
            pid = capturing.process.pid
            self.measure(run, lambda: cpu_seconds(pid))
            run.figures["megabytes"] = run.figures["own_megabytes"] = peak_megabytes(pid)
            time.sleep(MARGIN_SECONDS)
            self.finish(run, capturing)

    def capture(self, engine: str) -> Any:
        arguments = ["--pid", self.proxy.pid, "--rate", self.options.rate, "--engine", engine, "--py-spy", lab.PY_SPY]
        return capture(arguments, self.options.duration, key=self.proxy.key)

    def finish(self, run: Run, capturing: Capture) -> None:
        """To be called as it takes its last sample."""
        last_sample = time.monotonic()
        run.add_manifest(capturing.manifest())
        run.figures["finish"] = time.monotonic() - last_sample
        run.figures["bytes"] = capturing.bundle().stat().st_size


def py_spies_of(pid: int) -> list[int]:
    return [child for child in lab.children_of(pid) if b"py-spy" in lab.command_line(child)]


ROWS = [
    ("CPU of sampling per worker, % of a core", "sampling", "{:.2f}"),
    ("the same as its manifest tells it", "told", "{:.2f}"),
    ("samples per second and worker", "hertz", "{:.0f}"),
    ("CPU of all else in capture, % of a core", "own", "{:.2f}"),
    ("of that counters, logs, questions, %", "observers", "{:.2f}"),
    ("memory of the sampling processes, MB", "megabytes", "{:.1f}"),
    ("memory of capture itself, MB", "own_megabytes", "{:.1f}"),
    ("requests per second", "rps", "{:.1f}"),
    ("p50, ms", "p50", "{:.0f}"),
    ("p99, ms", "p99", "{:.0f}"),
    ("failed requests", "errors", "{:.0f}"),
    ("last sample to bundle, s", "finish", "{:.2f}"),
    ("bundle, bytes", "bytes", "{:.0f}"),
]


def show(columns: dict[str, list[Run]], title: str) -> None:
    """The median of the rounds; there are too few of them for anything finer."""
    rows = []
    for name, key, form in ROWS:
        values = ([run.figures[key] for run in runs if key in run.figures] for runs in columns.values())
        rows.append([name, *(form.format(statistics.median(value)) if value else "" for value in values)])
    show_table(title, ["", *columns], rows)


def judge(columns: dict[str, list[Run]]) -> bool:
    """Every round must meet every limit."""
    captures = [*columns[WITH_PY_SPY], *columns[NATIVE]]

    def worst(key: str) -> float:
        return max(run.figures[key] for run in captures)

    native = max(run.figures["sampling"] for run in columns[NATIVE])
    pairs = zip(columns[NATIVE], columns[PY_SPY], strict=True)
    shares = [ours.figures["sampling"] / theirs.figures["sampling"] for ours, theirs in pairs]
    return check([
        Limit("CPU of all else in capture", worst("own"), MAX_OWN_CPU_PERCENT, "% of a core"),
        Limit("counters, logs and questions", worst("observers"), MAX_OBSERVERS_CPU_PERCENT, "% of a core"),
        Limit("memory of capture", worst("own_megabytes"), MAX_OWN_MEGABYTES, "MB"),
        Limit("last sample to bundle", worst("finish"), MAX_FINISH_SECONDS, "s"),
        Limit("native sampling per worker", native, MAX_NATIVE_PERCENT_PER_WORKER, "% of a core"),
        Limit("native sampling beside py-spy alone", max(shares), MAX_NATIVE_SHARE_OF_PY_SPY, "of its CPU"),
    ])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--duration", type=int, default=30, help="of each capture, in seconds")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rate", type=int, default=100, help="samples a second")


def main(options: argparse.Namespace) -> bool:
    say(f"starting LiteLLM, {options.workers} workers")
    with lab.LiteLLM("netmock", options.workers) as proxy:
        bench = Bench(options, proxy)
        with bench.load(WARM_UP_SECONDS) as warm_up:
            warm_up.result()
        samplers = {
            NOTHING: bench.nothing,
            PY_SPY: bench.py_spy_alone,
            WITH_PY_SPY: bench.capture_with_py_spy,
            NATIVE: bench.capture_natively,
        }
        columns: dict[str, list[Run]] = {name: [] for name in samplers}
        for number in range(options.rounds):
            # The other way round every second time, so that what drifts does not count for or against one of them.
            for name in list(samplers)[:: -1 if number % 2 else 1]:
                say(f"round {number + 1} of {options.rounds}: {name}")
                columns[name].append(bench.run(samplers[name]))
    times = f"{options.rounds} rounds of {options.duration} s"
    show(columns, f"scripts/bench: {options.workers} workers, {options.rate} Hz, {times}")
    return judge(columns)
