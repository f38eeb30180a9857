#!/usr/bin/env python3
"""Records the spikes that the README's walks go through: three of a real LiteLLM, each of another cause.

    mkdir /srv/litellm && ln -s "$PWD/target/lab" /srv/litellm/lab
    CAPTURE_LAB_DIR=/srv/litellm/lab tests/lab/record_walks.py [traffic worker requests]

LiteLLM runs in the folder of that link, whose paths are then in the bundles for everyone to see. They come to stand in
tests/walks.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import lab

WALKS = lab.ROOT / "tests/walks"

CAPTURE = lab.ROOT / "target/release/capture"
PLACE = lab.DIR.parent
BUNDLES = PLACE / "spikes"
# A developer's own is of no use in the place.
PATH = "/usr/local/bin:/usr/bin:/bin"

WORKERS = 2
# At a quarter of the usual rate, and with few slices: the bundles are to be small.
HOW = ("--engine", "native", "--rate", "25", "--slice", "12s")
# Enough for any walk; each load is ended with its walk.
LOAD = "--duration=400"
# What a worker imports for its first requests is over then.
SETTLE_SECONDS = 15
# A limit that is reached on a busy machine, too.
RULES = ("--cpu", "35%", "--for", "5s", "--calm", "5s", "--max-duration", "20s", "--baseline-every", "1m")
CALM_SECONDS = 12
SPIKE_SECONDS = 24


class Failed(Exception):
    """A walk could not be recorded."""


def config(name: str, *modules: str) -> Path:
    """With the modules that it names beside it, where LiteLLM looks for them."""
    for file in (f"{name}.yaml", *(f"{module}.py" for module in modules)):
        shutil.copy(lab.HERE / file, PLACE)
    return PLACE / f"{name}.yaml"


def proxy_of(config: Path, **variables: str) -> lab.LiteLLM:
    return lab.LiteLLM(config, WORKERS, variables={"PATH": PATH, **variables})


def capture(proxy: lab.LiteLLM, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["capture", *map(str, arguments), "--pid", str(proxy.pid), *HOW, "-o", f"{BUNDLES}/"],
        executable=CAPTURE,
        cwd=PLACE,
        env={"PATH": PATH, "LITELLM_MASTER_KEY": proxy.key},
        stdout=subprocess.PIPE,
        text=True,
    )


def bundle_of(running: subprocess.Popen[str]) -> Path:
    said, _ = running.communicate()
    if not said:
        raise Failed(f"capture ended with status {running.returncode}")
    return Path(said.strip())


class Watch:
    """A watch of a proxy, until its bundle is there."""

    def __init__(self, proxy: lab.LiteLLM) -> None:
        self.process = capture(proxy, "watch", "--json", *RULES)

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def wait_for(self, name: str) -> dict[str, Any]:
        assert self.process.stdout
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == name:
                return event
        raise Failed(f"the watch ended without {name}")


def traffic() -> Path:
    """Twelve requests at a time where there was one a second, and a callback that burns CPU after each."""
    with proxy_of(config("mock", "custom_callbacks")) as proxy, Watch(proxy) as watch:
        with proxy.load("--case=burn", "--rps=1", LOAD):
            watch.wait_for("baseline")
            time.sleep(SETTLE_SECONDS)
        with proxy.load("--case=burn", "--connections=12", LOAD):
            return Path(watch.wait_for("capture")["path"])


def worker() -> Path:
    """The same requests all the time, and a thread in one worker that begins to burn CPU."""
    flag = BUNDLES / "reindex"
    with proxy_of(config("background", "background_burner"), LAB_BURN_FLAG=str(flag)) as proxy, Watch(proxy) as watch:
        with proxy.load("--case=plain", "--rps=6", LOAD):
            watch.wait_for("baseline")
            time.sleep(SETTLE_SECONDS)
            flag.touch()
            return Path(watch.wait_for("capture")["path"])


def requests() -> Path:
    """As many requests all the time, each with a prompt of a megabyte from the middle of a capture on, which is held
    against one of calm times."""
    with proxy_of(config("plain")) as proxy:
        with proxy.load("--case=plain", "--rps=5", LOAD):
            time.sleep(SETTLE_SECONDS)
            calm = bundle_of(capture(proxy, "--duration", f"{CALM_SECONDS}s"))
            spike = capture(proxy, "--duration", f"{SPIKE_SECONDS}s", "--baseline", calm)
            time.sleep(SPIKE_SECONDS / 2)
        with proxy.load("--case=tokens", "--rps=5", LOAD):
            return bundle_of(spike)


SPIKES = {"traffic": traffic, "worker": worker, "requests": requests}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spikes", nargs="*", metavar="SPIKE", help=f"of {', '.join(SPIKES)}; default: all")
    names = parser.parse_args().spikes or list(SPIKES)
    if unknown := set(names) - set(SPIKES):
        parser.error(f"there is no {' and no '.join(sorted(unknown))}")
    lab.exit_on_signals()
    tempfile.tempdir = str(PLACE)
    WALKS.mkdir(exist_ok=True)
    for name in names:
        shutil.copyfile(SPIKES[name](), WALKS / f"{name}.tar.gz")
        shutil.rmtree(BUNDLES)  # with the cooldown after a capture


if __name__ == "__main__":
    main()
