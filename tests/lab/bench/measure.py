"""What all measurements have in common: samplers that run, the CPU that they take, tables and limits."""

import contextlib
import json
import os
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lab

CAPTURE = Path(os.environ.get("CARGO_TARGET_DIR", lab.ROOT / "target")) / "release/capture"
# Complete or partial.
CAPTURE_SUCCEEDED = (0, 3)
POLL_SECONDS = 0.02
START_SECONDS = 60
END_SECONDS = 5
CPUCLOCK_SCHED = 2
Process = subprocess.Popen[Any]


class Failed(Exception):
    """A measurement that could not be made."""


def say(text: str) -> None:
    print(f"bench: {text}", flush=True)


def cpu_seconds(pid: int) -> float:
    """utime + stime of all its threads, dead ones included: what /proc/PID/stat has in steps of 10 ms, in nanoseconds.
    The clock of another process is MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of linux/posix-timers.h."""
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def memory_megabytes(pid: int) -> float:
    return status_megabytes(pid, "VmRSS:")


def peak_megabytes(pid: int) -> float:
    return status_megabytes(pid, "VmHWM:")


def status_megabytes(pid: int, name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024


def childrens_cpu_seconds(pid: int) -> float:
    """Of its children, in steps of 10 ms: cutime + cstime of those it waited for, and what the others have used."""
    total = 0.0
    for child in lab.children_of(pid):
        with contextlib.suppress(OSError):  # it ended meanwhile
            total += lab.cpu_seconds(child)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return total + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def cores_used(cpu: Callable[[], float], seconds: float) -> float:
    """The share of a core by which a count of CPU seconds grows from now on for so long."""
    begin, before = time.monotonic(), cpu()
    time.sleep(seconds)
    return (cpu() - before) / (time.monotonic() - begin)


@contextlib.contextmanager
def running(command: Sequence[object], **options: Any) -> Iterator[Process]:
    """A process that does not outlive the block."""
    with subprocess.Popen([str(part) for part in command], **options) as process:
        try:
            yield process
        finally:
            end(process)


def end(process: Process) -> None:
    """Politely first, so that it can end what it started."""
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


@contextlib.contextmanager
def several(commands: Sequence[Sequence[object]], **options: Any) -> Iterator[list[Process]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(running(command, **options)) for command in commands]


@dataclass
class Capture:
    """A capture under way."""

    process: Process
    folder: Path
    seconds: float

    def wait_until_sampling(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while "\nsampling " not in "\n" + self.said():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"capture did not begin to sample:\n{self.said()}")
            time.sleep(POLL_SECONDS)

    def said(self) -> str:
        return (self.folder / "stderr").read_text()

    def manifest(self) -> dict[str, Any]:
        """Waits for its end: what its bundle says of itself."""
        if self.process.wait() not in CAPTURE_SUCCEEDED:
            raise Failed(f"capture ended with status {self.process.returncode}:\n{self.said()}")
        with tarfile.open(self.bundle()) as archive:
            member = next(member for member in archive if member.name.endswith("/manifest.json"))
            file = archive.extractfile(member)
            assert file
            return json.load(file)

    def bundle(self) -> Path:
        return next(self.folder.glob("*.tar.gz"))


@contextlib.contextmanager
def capture(
    arguments: Sequence[object], seconds: float, key: str = "", prefix: Sequence[object] = ()
) -> Iterator[Capture]:
    """A capture of so many seconds; the prefix is a command that runs it."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stderr = stack.enter_context((folder / "stderr").open("wb"))
        environment = {**os.environ, "LITELLM_MASTER_KEY": key}
        command = [*prefix, CAPTURE, *arguments, "--duration", f"{seconds:g}s", "-o", f"{folder}/"]
        streams = {"stdout": subprocess.DEVNULL, "stderr": stderr}
        yield Capture(stack.enter_context(running(command, env=environment, **streams)), folder, seconds)


def py_spy(pid: int, rate: int, seconds: float, output: Path) -> list[object]:
    """The command as capture gives it, which stops nothing."""
    return [*py_spy_blocking(pid, rate, seconds, output), "--nonblocking"]


def py_spy_blocking(pid: int, rate: int, seconds: float, output: Path) -> list[object]:
    command = [lab.PY_SPY, "record", "--threads", "--full-filenames", "--format", "raw"]
    return [*command, "--rate", rate, "--duration", round(seconds), "--pid", pid, "--output", output]


def show_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """In Markdown, so that it can be quoted as it is; with what else the machine did at the time."""
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    print(f"\n{title}; load of the machine {load}\n")
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    for row in (head, ["-" * width for width in widths], *rows):
        first, *rest = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
        print("| " + " | ".join(cells) + " |")
    print(flush=True)


@dataclass
class Limit:
    """What a figure must stay below."""

    what: str
    worst: float
    most: float
    unit: str

    def check(self) -> bool:
        met = self.worst < self.most
        print(f"{self.what}: {self.worst:.3g} {self.unit}, limit {self.most:.3g}: {'met' if met else 'NOT MET'}")
        return met


def check(limits: Sequence[Limit]) -> bool:
    """Tells of each, met or not."""
    return all([limit.check() for limit in limits])
