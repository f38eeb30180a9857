"""Programs whose stacks are as deep as they are told, on any interpreter of the lab."""

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lab
from bench.measure import Failed, several

PROGRAMS = lab.HERE / "native"
# When a program ends by itself.
LIFE_SECONDS = 600


@dataclass
class Python:
    """An interpreter of the lab; the root is that of a machine of its own, or empty."""

    version: str
    command: list[str]
    root: str

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder with the programs that this interpreter can read, and write to."""
        with tempfile.TemporaryDirectory(dir=Path(self.root or "/", "tmp")) as folder:
            for name in ("depth.py", "truth.py"):
                shutil.copy(PROGRAMS / name, folder)
            yield Path(folder)

    def inside(self, path: Path) -> Path:
        """The path as the interpreter has to be told it."""
        return Path("/", path.relative_to(self.root or "/"))

    def run(self) -> list[object]:
        """The command that starts it, in a root of its own with a /proc that nobody else sees."""
        if not self.root:
            return list(self.command)
        proc = Path(self.root, "proc")
        proc.mkdir(exist_ok=True)
        return ["unshare", "--mount", "sh", "-c", 'mount -t proc proc "$0" && exec "$@"', proc, *self.command]

    def run_beside(self, pid: int) -> list[object]:
        """The same where this process, which `run` started, has its /proc."""
        return ["nsenter", f"--mount=/proc/{pid}/ns/mnt", *self.command] if self.root else list(self.command)


def python(version: str) -> Python:
    """The first of the lab whose version begins so."""
    found: list[dict[str, Any]] = json.loads((lab.DIR / "pythons.json").read_text())
    for each in found:
        if f"{each['version']}.".startswith(f"{version}."):
            return Python(each["version"], each["command"], each["root"])
    raise Failed(f"the lab has no CPython {version}: scripts/lab-setup makes those that it can")


@contextlib.contextmanager
def depth(interpreter: Python, folder: Path, frames: int, count: int = 1) -> Iterator[list[int]]:
    """So many processes that compute at the end of so many frames."""
    program = [interpreter.inside(folder / "depth.py"), "--frames", frames, "--seconds", LIFE_SECONDS]
    commands = [[*interpreter.run(), *program]] * count
    with several(commands, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as processes:
        for process in processes:
            if not process.stdout or process.stdout.readline() != "ready\n":
                raise Failed(f"{' '.join(interpreter.command)} could not run the program")
        yield [process.pid for process in processes]
