#!/usr/bin/env python3
"""Opens a report in a headless Chromium, uses it as a person would, and prints what was seen as JSON.

    CAPTURE_BROWSER=/usr/bin/chromium tests/lab/report.py report.html --shots DIR

It judges nothing: that is the test's part.
"""

import argparse
from typing import Any

from browser import Page, visit, visitor

WIDTHS = (2560, 1300, 360)
SELECTION = "#t=201.5-204&w=1"

# What a reader would notice: what sticks out of the window, unless it scrolls by itself.
OUTSIDE = """
const width = document.documentElement.clientWidth;
const sticksOut = element => !element.closest(".wide") && element.getBoundingClientRect().right > width + 1;
const elements = Array.from(document.querySelectorAll("body *"));
return elements.filter(sticksOut).map(element => element.outerHTML.slice(0, 100));
"""
# The last pixel of the flamegraph, where no frame is.
PIXEL = """
const canvas = document.querySelector(".flame-spacer canvas");
if (canvas === null) return null;
const copy = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
copy.drawImage(canvas, canvas.width - 1, canvas.height - 1, 1, 1, 0, 0, 1, 1);
return `rgb(${Array.from(copy.getImageData(0, 0, 1, 1).data.subarray(0, 3)).join(", ")})`;
"""
PAPER = "return getComputedStyle(document.body).backgroundColor"


def select(page: Page, seen: dict[str, Any]) -> None:
    page.run("location.hash = arguments[0]", SELECTION)
    bar = page.one("#selection")
    page.wait(lambda: "worker" in bar.text)
    seen["selected"] = bar.text
    page.one("#selection button").click()
    page.wait(lambda: "2.50 s" not in bar.text)
    seen["taken_back"] = page.address()


def choose_colours(page: Page, seen: dict[str, Any]) -> None:
    seen["papers"] = {}
    button = page.one("#theme")
    for scheme in ("light", "dark"):
        page.run("arguments[0].click()", button)
        page.wait(lambda scheme=scheme: scheme in button.text)
        seen["papers"][scheme] = page.run(PAPER)
    # What is printed stands on white paper.
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    page.rest()
    seen["printed"] = {"page": page.run(PAPER), "flamegraph": page.run(PIXEL)}
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def look(page: Page, options: argparse.Namespace) -> dict[str, Any]:
    page.wait_until_ready()
    seen: dict[str, Any] = {"title": page.driver.title, "outside": {}}
    for width in WIDTHS:
        page.resize(width)
        seen["outside"][str(width)] = page.run(OUTSIDE)
        page.shot(options.shots, str(width))
    page.resize(1300)
    seen["sentence"] = page.one("#sentence").text
    seen["sections"] = page.run("return Array.from(document.querySelectorAll('section'), section => section.id)")
    select(page, seen)
    choose_colours(page, seen)
    seen["flame"] = page.one("#flame").text
    page.show("tables")
    seen["tabs"] = page.texts("[role=tab]")
    seen["ran"] = page.run("return typeof window.ran")
    return seen


if __name__ == "__main__":
    visit(visitor("Uses a report and tells what was seen.").parse_args(), look)
