"""Finds the interpreters that the native sampler is tested on, starts each once, and writes what they are as pythons.json
into the lab: a list of {version, build, command, root}. `build` is `shared` for one that loads libpython and `static` for
one that holds it; `root` is the root folder of one that is started by chroot, otherwise empty.

    tests/lab/pythons.py target/lab
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MINORS = range(10, 16)
TELL_AND_WAIT = "import platform, sys; print(platform.python_version(), flush=True); sys.stdin.read()"


def candidates(lab: Path) -> Iterator[tuple[list[str], str]]:
    """Commands, and the root folders they are started in."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for minor in MINORS:
        name = f"python3.{minor}"
        for path in [*sorted(pyenv.glob(f"versions/3.{minor}.*/bin/{name}")), Path("/usr/bin", name)]:
            if path.exists():
                yield [str(path)], ""
        root = lab / f"pythons/3.{minor}"
        if root.is_dir():
            yield ["chroot", str(root), f"/usr/bin/{name}"], str(root)


def describe(command: list[str], root: str) -> dict[str, object]:
    """What its memory holds tells more than its own configuration does, which is that of several builds at Debian."""
    with subprocess.Popen([*command, "-c", TELL_AND_WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        version = process.stdout.readline().strip()
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        process.communicate()
    if not version:
        raise OSError(f"it ended with status {process.returncode}")
    build = "shared" if "/libpython3." in maps else "static"
    return {"version": version, "build": build, "command": command, "root": root}


def main() -> None:
    lab = Path(sys.argv[1]).resolve()
    found = []
    for command, root in candidates(lab):
        try:
            found.append(describe(command, root))
        except OSError as error:
            print(f"lab: {' '.join(command)} does not run: {error}")
    (lab / "pythons.json").write_text(json.dumps(found, indent=1) + "\n")
    print("lab: CPython " + ", ".join(f"{python['version']} {python['build']}" for python in found))


if __name__ == "__main__":
    main()
