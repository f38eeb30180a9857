#!/usr/bin/env python3
"""Goes one of the README's walks through a report in a headless Chromium, and prints what was seen as JSON.

    CAPTURE_BROWSER=/usr/bin/chromium tests/lab/walk.py report.html traffic --pictures DIR

It judges nothing: that is the test's part. The pictures are the README's.
"""

import argparse
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from browser import WIDTH, Page, visit, visitor
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from timeline import SHIFT, Timeline

# All of which a picture is taken fits into a window of this height.
TALL = 3000
# Where the spike and the calm are, as shares of the width of what the page shows over time at first.
SPIKE = (0.62, 0.92)
CALM = (0.12, 0.42)
# The spike, where the page shows all that was recorded.
SPIKE_OF_ALL = (0.86, 0.97)

# The cards whose end is above the lower edge of the window, with all that they say.
CARDS_IN_SIGHT = """
const isInSight = card => card.getBoundingClientRect().bottom <= window.innerHeight;
const cards = Array.from(document.querySelectorAll(".card")).filter(isInSight);
return Object.fromEntries(cards.map(card => [card.querySelector("h3 a").textContent, card.innerText]));
"""
# A window of another height is painted anew.
SETTLED_AT_TOP = """
const done = arguments[0];
window.scrollTo(0, 0);
setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(() => done())), 300);
"""
# From one element to another.
FRAME = """
const boxes = Array.from(arguments, element => element.getBoundingClientRect());
const [top, bottom] = [Math.min(...boxes.map(box => box.top)), Math.max(...boxes.map(box => box.bottom))];
return {x: 0, y: top - 4, width: document.documentElement.clientWidth, height: bottom - top + 8, scale: 1};
"""


class Walk:
    def __init__(self, page: Page, options: argparse.Namespace) -> None:
        self.page = page
        self.driver = page.driver
        self.options = options
        self.seen: dict[str, Any] = {}
        page.wait_until_ready()
        self.seen["cards"] = page.run(CARDS_IN_SIGHT)
        self.picture(1, "#sentence", ".card:nth-child(4)")
        self.timeline = Timeline(page)

    def select(self, stretch: tuple[float, float], modifiers: int = 0) -> str:
        """By the pointer, in the chart of the CPU; then it goes away, and what it told with it."""
        self.page.show("time")
        address = self.timeline.drag(self.page.one(".lane > canvas"), stretch, modifiers)
        self.page.mouse("mouseMoved", (2, 2), button="none")
        self.page.rest()
        return address

    def hottest(self, rows: str) -> WebElement:
        """Of some rows below the heatmap, the one with the largest share of a core."""

        def share(row: WebElement) -> float:
            text = row.find_element(By.CSS_SELECTOR, ".heat-share").text
            return float(text.rstrip(" %")) if text.endswith("%") else 0.0

        return max(self.driver.find_elements(By.CSS_SELECTOR, rows), key=share)

    def first_function(self) -> dict[str, str]:
        """The first row of the table of functions, which follows what is selected where it is in sight."""
        self.page.show("tables")
        names = self.page.texts("#tab-panel-0 thead button")
        cells = self.page.texts("#tab-panel-0 tbody tr:first-child > *")
        return dict(zip(names, cells, strict=True))

    def picture(self, number: int, first: str, last: str, most: int = TALL) -> None:
        """From one element to another, at most so high."""
        if folder := self.options.pictures:
            ends = [self.driver.find_element(By.CSS_SELECTOR, selector) for selector in (first, last)]
            self.driver.set_window_size(WIDTH, TALL)
            self.driver.execute_async_script(SETTLED_AT_TOP)
            frame = self.page.run(FRAME, *ends)
            clip = {**frame, "height": min(frame["height"], most)}
            taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "clip": clip})
            self.page.resize(WIDTH)
            (folder / f"{self.options.spike}-{number}.png").write_bytes(base64.b64decode(taken["data"]))


def traffic(walk: Walk) -> None:
    walk.driver.find_element(By.XPATH, "//button[text()='all']").click()
    walk.seen["range"] = walk.select(SPIKE_OF_ALL)
    walk.picture(2, ".time-markers", ".lane:nth-of-type(3)")


def worker(walk: Walk) -> None:
    walk.seen["range"] = walk.select(SPIKE)
    walk.hottest(".heat-label").find_element(By.CSS_SELECTOR, ".heat-name").click()
    walk.hottest(".heat-thread").find_element(By.CSS_SELECTOR, ".heat-only").click()
    walk.picture(2, ".time-markers", ".time-lanes")


def requests(walk: Walk) -> None:
    walk.seen["range"] = walk.select(SPIKE)
    walk.select(CALM, SHIFT)
    walk.picture(2, ".flame-legend", ".flame-scroller", most=420)


WALKS: dict[str, Callable[[Walk], None]] = {"traffic": traffic, "worker": worker, "requests": requests}


def look(page: Page, options: argparse.Namespace) -> dict[str, Any]:
    walk = Walk(page, options)
    WALKS[options.spike](walk)
    walk.seen["selection"] = page.one("#selection").text
    walk.seen["function"] = walk.first_function()
    return walk.seen


if __name__ == "__main__":
    parser = visitor("Goes a walk through a report and tells what was seen.")
    parser.add_argument("spike", choices=list(WALKS))
    parser.add_argument("--pictures", type=Path, help="a folder for the README's pictures")
    visit(parser.parse_args(), look)
