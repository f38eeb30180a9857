"""capture beside `profiling.sampling`, which CPython 3.15 brings: CPU of each while it samples the same process.

They take turns; the start of each is left out. Root only: that interpreter has a root of its own.
"""

import argparse
import os
import statistics
import subprocess
import time
from pathlib import Path

from bench.measure import Failed, Limit, capture, check, cores_used, cpu_seconds, running, say, show_table
from bench.programs import Python, depth, python

VERSION = "3.15"
FRAMES = (20, 80)
RATES = (100, 1000)
# Both have started and read the process's symbols by then.
SETTLE_SECONDS = 1.5
TAIL_SECONDS = 0.5
END_SECONDS = 30


def own(interpreter: Python, folder: Path, pid: int, rate: int, seconds: float) -> float:
    """The share of a core that the interpreter's own takes."""
    output = interpreter.inside(folder / "profile")
    whole = round(SETTLE_SECONDS + seconds + TAIL_SECONDS)
    command = [*interpreter.run_beside(pid), "-m", "profiling.sampling", "attach", "--binary", "-o", output]
    command += ["-a", "-d", whole, "-r", rate, pid]
    environment = {**os.environ, "LC_ALL": "C"}
    with running(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        time.sleep(SETTLE_SECONDS)
        used = cores_used(lambda: cpu_seconds(process.pid), seconds)
        said, _ = process.communicate(timeout=END_SECONDS)
        if process.returncode != 0:
            raise Failed(f"profiling.sampling ended with status {process.returncode}:\n{said}")
    return used


def ours(pid: int, rate: int, seconds: float) -> float:
    """The share of a core that capture takes, with all that it does beside."""
    arguments = ["--pid", pid, "--only", "--engine", "native", "--rate", rate, "--max-overhead", "100%"]
    with capture(arguments, SETTLE_SECONDS + seconds + TAIL_SECONDS) as capturing:
        capturing.wait_until_sampling()
        time.sleep(SETTLE_SECONDS)
        used = cores_used(lambda: cpu_seconds(capturing.process.pid), seconds)
        capturing.manifest()
    return used


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=int, default=6, help="seconds in which the CPU is counted")


def main(options: argparse.Namespace) -> bool:
    interpreter = python(VERSION)
    rows, limits = [], []
    with interpreter.folder() as folder:
        for frames in FRAMES:
            for rate in RATES:
                say(f"{frames} frames at {rate} Hz")
                with depth(interpreter, folder, frames) as [pid]:
                    pairs = [
                        (ours(pid, rate, options.duration), own(interpreter, folder, pid, rate, options.duration))
                        for _ in range(options.rounds)
                    ]
                ours_used, own_used = (100 * statistics.median(used) for used in zip(*pairs, strict=True))
                cells = f"{ours_used:.2f}", f"{own_used:.2f}", f"{own_used / ours_used:.1f}"
                rows.append([f"{frames} frames, {rate:,} Hz", *cells])
                limits.append(Limit(f"capture, {frames} frames at {rate} Hz", ours_used, own_used, "% of a core"))
    times = f"median of {options.rounds} times {options.duration} s"
    title = f"scripts/bench own-sampler: CPython {interpreter.version}, % of a core, {times}"
    show_table(title, ["", "capture, native", "profiling.sampling", "times as much"], rows)
    return check(limits)
