"""How the cost of the native engine grows with the number of workers and the depth of their stacks.

The workers are plain Python programs that compute all the time, so that they share the cores: a worker that did not run
since the last sample has nothing new to be read.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Limit, capture, check, cores_used, cpu_seconds, say, show_table
from bench.programs import Python, depth, python

FRAMES = (10, 20, 40, 80, 120, 200)
RATE = 100
FAST_RATE, FAST_WORKERS, FAST_FRAMES = 1000, 4, 80
MAX_FAST_PERCENT = 25.0
SETTLE_SECONDS = 1.0
TAIL_SECONDS = 0.5


@dataclass
class Cost:
    """Of one capture."""

    sample_us: float
    # Of all workers.
    cores: float
    # Samples a second of each worker.
    hertz: float


class Bench:
    def __init__(self, options: argparse.Namespace, interpreter: Python, folder: Path) -> None:
        self.options = options
        self.interpreter = interpreter
        self.folder = folder

    def cost(self, workers: int, frames: int, rate: int) -> Cost:
        say(f"{workers} workers, {frames} frames, {rate} Hz")
        seconds = SETTLE_SECONDS + self.options.duration + TAIL_SECONDS
        with depth(self.interpreter, self.folder, frames, workers) as pids:
            named = [part for pid in pids for part in ("--pid", pid)]
            arguments = [*named, "--only", "--engine", "native", "--rate", rate, "--max-overhead", "100%"]
            with capture(arguments, seconds) as capturing:
                capturing.wait_until_sampling()
                time.sleep(SETTLE_SECONDS)
                cores = cores_used(lambda: cpu_seconds(capturing.process.pid), self.options.duration)
                samples = capturing.manifest()["quality"]["samples"] / seconds
        return Cost(1e6 * cores / samples, cores, samples / workers)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--python", default="3.12", help="the version of an interpreter of the lab")
    parser.add_argument("--duration", type=int, default=4, help="seconds in which the CPU is counted")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16])


def main(options: argparse.Namespace) -> bool:
    interpreter = python(options.python)
    with interpreter.folder() as folder:
        bench = Bench(options, interpreter, folder)
        costs = {n: [bench.cost(n, frames, RATE) for frames in FRAMES] for n in options.workers}
        fast = bench.cost(FAST_WORKERS, FAST_FRAMES, FAST_RATE)
    title = f"scripts/bench growth: CPython {interpreter.version}, {RATE} Hz, "
    head = ["workers", *(f"{frames} frames" for frames in FRAMES)]
    cells = [[str(n), *(f"{cost.sample_us:.0f}" for cost in row)] for n, row in costs.items()]
    show_table(title + "µs a sample", head, cells)
    cells = [[str(n), *(f"{100 * cost.cores / n:.2f}" for cost in row)] for n, row in costs.items()]
    show_table(title + "% of a core per worker", head, cells)
    show_table(
        f"scripts/bench growth: {FAST_WORKERS} workers, {FAST_FRAMES} frames, {FAST_RATE:,} Hz",
        ["samples/s of each worker", "µs a sample", "% of a core in all"],
        [[f"{fast.hertz:.0f}", f"{fast.sample_us:.0f}", f"{100 * fast.cores:.1f}"]],
    )
    what = f"{FAST_WORKERS} workers at {FAST_RATE:,} Hz"
    return check([Limit(what, 100 * fast.cores, MAX_FAST_PERCENT, "% of a core in all")])
