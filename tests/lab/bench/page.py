"""What the report of a bundle asks of a browser: its size, the time until it can be used, and what each step of a drag,
a zoom, a scroll and a move over the flamegraph takes of the page's main thread.

Needs Chromium with its driver: on PATH, or as CAPTURE_BROWSER.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import lab
from bench.measure import CAPTURE, Failed, Limit, check, say, show_table

MOST_OPENING_MS = 1500
MOST_DRAG_MS = 50
# Of a picture, where sixty are shown a second.
MOST_PICTURE_MS = 1000 / 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path)


def seen_of(bundle: Path) -> dict[str, Any]:
    browser = os.environ.get("CAPTURE_BROWSER") or shutil.which("chromium")
    if not browser:
        raise Failed("there is no Chromium: name one as CAPTURE_BROWSER")
    with tempfile.TemporaryDirectory() as folder:
        say("making the page")
        subprocess.run([CAPTURE, "report", bundle, "-o", folder], check=True, stdout=subprocess.DEVNULL)
        page = next(Path(folder).glob("*/report.html"))
        say("using it")
        visit = [lab.BIN / "python", lab.ROOT / "tests/lab/speed.py", page]
        told = subprocess.run(visit, check=True, stdout=subprocess.PIPE, env={**os.environ, "CAPTURE_BROWSER": browser})
        return json.loads(told.stdout)


def main(options: argparse.Namespace) -> bool:
    seen = seen_of(options.bundle)
    # What it takes to ask is no part of the answer.
    asking = statistics.median(seen["nothing"])
    steps = {kind: [max(0, ms - asking) for ms in seen[kind]] for kind in ("drag", "hover", "scroll")}
    steps["zoom"] = seen["zoom"]
    # It makes what the others find made: fonts, surfaces, compiled script.
    begin, *steps["drag"] = steps["drag"]
    show_table(
        f"scripts/bench page: {options.bundle.name}, ms of the main thread",
        ["", "median", "worst"],
        [
            ["drag, its first step", "", f"{begin:.1f}"],
            *([kind, f"{statistics.median(ms):.1f}", f"{max(ms):.1f}"] for kind, ms in steps.items()),
        ],
    )
    print(f"{seen['bytes'] / 1e6:.1f} MB; opened after {seen['opened_ms']:.0f} ms\n")
    limits = [Limit("opening", seen["opened_ms"], MOST_OPENING_MS, "ms")]
    limits.append(Limit("a step of a drag", max(steps["drag"]), MOST_DRAG_MS, "ms"))
    for kind in ("hover", "scroll", "zoom"):
        limits.append(Limit(f"a picture ({kind})", statistics.median(steps[kind]), MOST_PICTURE_MS, "ms"))
    return check(limits)
