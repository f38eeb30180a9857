#!/usr/bin/env python3
"""What a report asks of a browser while it is opened and used, printed as JSON: milliseconds of the page's main thread
for each step, which is what a person waits for where the machine does nothing else.

    CAPTURE_BROWSER=/usr/bin/chromium tests/lab/speed.py report.html

It judges nothing: that is the bench's part.
"""

import argparse
from collections.abc import Callable
from typing import Any

from browser import Page, visit, visitor
from timeline import Timeline

STEPS = 30
# A range is drawn from here on, by so much of the paper's width a step.
BEGIN, STRIDE = 0.2, 0.02
ROW = 19
# Rows of the flamegraph that are zoomed into, one after the other, and the place on the way there.
ZOOMED_ROWS = (4, 8, 12)
ASIDE = 0.3
NOTCH = 57
# When the page was ready, and when that could be seen.
OPENED = """
new MutationObserver((_, observer) => {
    if (document.documentElement?.dataset.ready !== undefined) {
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => performance.mark("seen")));
    }
}).observe(document, {attributes: true, subtree: true, attributeFilter: ["data-ready"]});
"""
SEEN = "return performance.getEntriesByName('seen')[0]?.startTime"
# Pictures until a zoom has come to its end.
PICTURES = """
const [done] = arguments;
const begin = performance.now();
let count = 0;
const next = now => {
    count += 1;
    if (now - begin > 200) {
        done(count);
    } else {
        requestAnimationFrame(next);
    }
};
requestAnimationFrame(next);
"""


class MainThread:
    """CPU that the page's main thread used."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})

    def used_ms(self) -> float:
        metrics = self.page.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return 1e3 * next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    def step(self, act: Callable[[], None]) -> float:
        before = self.used_ms()
        act()
        self.page.rest()
        return self.used_ms() - before


def drag(page: Page, thread: MainThread) -> list[float]:
    timeline = Timeline(page)
    chart = page.one(".lane > canvas")

    def move(step: int) -> None:
        page.mouse("mouseMoved", timeline.place(chart, BEGIN + STRIDE * (step + 1)), buttons=1)

    page.mouse("mousePressed", timeline.place(chart, BEGIN), buttons=1, clickCount=1)
    steps = [thread.step(lambda step=step: move(step)) for step in range(STEPS)]
    page.mouse("mouseReleased", timeline.place(chart, BEGIN + STRIDE * STEPS), clickCount=1)
    page.rest()
    return steps


class Graph:
    def __init__(self, page: Page, thread: MainThread) -> None:
        self.page = page
        self.thread = thread
        page.show("flame")
        page.rest()
        self.box = page.place(page.one(".flame-spacer canvas"))

    def at(self, share: float, row: int) -> tuple[float, float]:
        left, top, width, _ = self.box
        return left + share * width, top + (row + 0.5) * ROW

    def zoom(self) -> list[float]:
        """For each picture of a zoom."""
        pictures = []
        for row in ZOOMED_ROWS:
            before = self.thread.used_ms()
            self.page.mouse("mousePressed", self.at(ASIDE, row), buttons=1, clickCount=1)
            self.page.mouse("mouseReleased", self.at(ASIDE, row), clickCount=1)
            count = self.page.driver.execute_async_script(PICTURES)
            pictures.append((self.thread.used_ms() - before) / count)
        return pictures

    def hover(self) -> list[float]:
        places = [self.at((step + 0.5) / STEPS, ZOOMED_ROWS[0]) for step in range(STEPS)]
        return [self.thread.step(lambda place=place: self.page.mouse("mouseMoved", place)) for place in places]

    def scroll(self) -> list[float]:
        place = self.at(ASIDE, ZOOMED_ROWS[0])
        turn = {"type": "mouseWheel", "x": place[0], "y": place[1], "deltaX": 0, "deltaY": NOTCH}

        def scroll() -> None:
            self.page.driver.execute_cdp_cmd("Input.dispatchMouseEvent", turn)

        return [self.thread.step(scroll) for _ in range(STEPS // 3)]


def look(page: Page, _: argparse.Namespace) -> dict[str, Any]:
    page.wait_until_ready()
    # Once more: at first the browser itself had to be read from the disk.
    page.driver.get("about:blank")
    thread = MainThread(page)
    page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": OPENED})
    page.driver.get(page.url)
    page.wait(lambda: page.run(SEEN))
    seen: dict[str, Any] = {
        "bytes": page.run("return performance.getEntriesByType('navigation')[0].decodedBodySize"),
        "opened_ms": page.run(SEEN),
        "nothing": [thread.step(lambda: None) for _ in range(STEPS)],
        "drag": drag(page, thread),
    }
    graph = Graph(page, thread)
    return {**seen, "hover": graph.hover(), "scroll": graph.scroll(), "zoom": graph.zoom()}


if __name__ == "__main__":
    visit(visitor("Uses a report and tells what that took.").parse_args(), look)
