#!/usr/bin/env python3
"""Goes through a report of a real capture in a headless Chromium as an engineer would, from the spike to who is to
blame, and prints what was seen as JSON.

    CAPTURE_BROWSER=/usr/bin/chromium tests/lab/reader.py report.html --shots DIR

It judges nothing: that is the test's part. It knows nothing of the capture but what the page shows.
"""

import argparse
import base64
import re
from pathlib import Path
from typing import Any

from browser import Page, visit, visitor
from flame import Flame
from report import OUTSIDE
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from timeline import SHIFT, Timeline

WIDTHS = (2560, 1300, 360)
# Of the width of a picture: what a chart is drawn over, what the heatmap, and what is held against it.
CHART, HEAT, OTHER = (0.35, 0.55), (0.4, 0.8), (0.15, 0.3)
FIRST_ROW = "#tab-panel-0 tbody tr:first-child"
SHARES = ".heat-share"
TALLEST_PIXELS = 12_000
# Where a function stands, as the line above the graph tells it: file and first line.
LINE = re.compile(r"file (?:[^;]*/)?([^/;]+); lines? (\d+)")

# Lines of text that lie upon each other. What scrolls by itself is cut off where it ends; what only readers of the
# screen hear lies anywhere.
OVERLAPS = """
const isSeen = element => !element.closest(".unseen, [hidden], .flame-items, canvas, noscript, script, option")
    && element.checkVisibility({visibilityProperty: true});
const cut = (rect, element) => {
    let {left, top, right, bottom} = rect;
    for (let box = element; box && box !== document.body; box = box.parentElement) {
        if (getComputedStyle(box).overflow === "visible") continue;
        const within = box.getBoundingClientRect();
        [left, top] = [Math.max(left, within.left), Math.max(top, within.top)];
        [right, bottom] = [Math.min(right, within.right), Math.min(bottom, within.bottom)];
    }
    return {left, top, right, bottom};
};
const lines = [];
const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (nodes.nextNode()) {
    const {currentNode: node} = nodes;
    if (node.data.trim() === "" || !isSeen(node.parentElement)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) lines.push({node, ...cut(rect, node.parentElement)});
}
lines.sort((one, other) => one.top - other.top);
const found = [];
const SLACK = 3;
lines.forEach((one, index) => {
    for (const other of lines.slice(index + 1)) {
        if (other.top >= one.bottom - SLACK) break;
        const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);
        const high = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
        if (one.node !== other.node && wide > SLACK && high > SLACK) {
            found.push(`${one.node.data.trim().slice(0, 40)} / ${other.node.data.trim().slice(0, 40)}`);
        }
    }
});
return found;
"""
# What is out of sight has no place yet.
LAY_OUT = "for (const section of document.querySelectorAll('section')) section.style.contentVisibility = arguments[0];"
# Pixels of a canvas in the colour of what is lit.
LIT = """
const [canvas] = arguments;
const {width, height} = canvas;
const copy = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
copy.drawImage(canvas, 0, 0);
const {data} = copy.getImageData(0, 0, width, height);
const lit = getComputedStyle(document.querySelector(".heat-lit")).color.match(/\\d+/g).map(Number);
let count = 0;
for (let at = 0; at < data.length; at += 4) count += lit.every((value, index) => data[at + index] === value) ? 1 : 0;
return count;
"""


class Reader:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.driver = page.driver
        self.timeline = Timeline(page)
        self.flame = Flame(page)

    def go(self, address: str) -> None:
        """To what an address says."""
        self.page.run("location.hash = arguments[0]", address)
        self.flame.settle()

    def look_for(self, term: str) -> str:
        self.flame.search.clear()
        self.flame.search.send_keys(term)
        self.flame.settle()
        return self.page.one(".flame-matched").text

    def selected(self) -> list[str]:
        """The parts that the bar names."""
        return [part.removesuffix("×").strip() for part in self.page.texts("#selection .chosen")]

    def drop(self, index: int) -> None:
        self.driver.find_elements("css selector", "#selection .chosen button")[index].click()
        self.flame.settle()

    def first_row(self) -> list[str]:
        self.page.show("tables")
        self.page.rest()
        return self.page.texts(f"{FIRST_ROW} td")

    def heads(self) -> list[str]:
        return [head.rstrip(" ↓↑") for head in self.page.texts("#tab-panel-0 thead th")]

    def legends(self) -> list[str]:
        return self.page.texts(".lane-head")

    def state(self) -> dict[str, Any]:
        """What stands on the page of what is selected."""
        return {
            "address": self.page.address(),
            "bar": self.selected(),
            "legends": self.legends(),
            "shares": self.page.texts(SHARES),
            "told": self.flame.told(),
            "row": self.first_row(),
            "heads": self.heads(),
        }


def draw_ranges(reader: Reader) -> dict[str, Any]:
    page, timeline = reader.page, reader.timeline
    seen: dict[str, Any] = {"whole": reader.state()}
    reader.page.show("time")
    timeline.drag(page.one(".lane > canvas"), CHART)
    seen["by_chart"] = reader.state()
    reader.page.show("time")
    timeline.double_click(page.one(".lane > canvas"))
    heat = page.one(".heat canvas")
    page.run("arguments[0].scrollIntoView({block: 'center'})", heat)
    timeline.drag(heat, HEAT)
    seen["by_heat"] = reader.state()
    reader.page.show("time")
    timeline.drag(page.one(".lane > canvas"), OTHER, SHIFT)
    seen["compared"] = reader.state()
    seen["change"] = page.texts(".flame-legend > span")[-1]
    reader.page.show("flame")
    Select(page.one(".flame-select:nth-of-type(2) select")).select_by_value("second")
    seen["per_second"] = reader.state()
    seen["change_per_second"] = page.texts(".flame-legend > span")[-1]
    restored = seen["per_second"]["address"]
    page.driver.get("about:blank")
    page.driver.get(page.url + restored.replace(" ", "%20"))
    page.wait_until_ready()
    reader.__init__(page)
    reader.flame.settle()
    seen["restored"] = reader.state()
    return seen


def refuse(reader: Reader) -> dict[str, Any]:
    """What is compared with a baseline that is known for all workers together, or with none."""
    reader.go("w=0&c=baseline")
    reader.page.show("tables")
    seen = {"flame": reader.page.one(".flame-note").text, "tables": reader.page.one("#tables > .warn").text}
    reader.go("")
    return seen


def ask_the_flamegraph(reader: Reader) -> dict[str, Any]:
    page, flame = reader.page, reader.flame
    label, file, *_ = reader.first_row()
    reader.page.show("flame")
    seen: dict[str, Any] = {"name": f"{label} ({file})", "all": flame.told(), "legend": page.texts(".flame-key")}
    flame.at(0.3, 5).perform()
    seen["pointed"], seen["tip"] = flame.told(), page.one(".flame-tip").text.splitlines()
    seen["matched"] = {}
    for kind, term in {"none": "no such thing", "pattern": f"/^{label}/", "text": label}.items():
        seen["matched"][kind] = reader.look_for(term)
    flame.search.send_keys(Keys.ENTER)
    seen["match"], seen["way"] = flame.address(), page.texts(".flame-crumbs > *")
    seen["matched"]["line"] = reader.look_for(":".join(LINE.search(flame.told()).groups()))
    reader.look_for(label)
    flame.search.send_keys(Keys.ENTER)
    # The keys go on from the match.
    flame.search.send_keys(Keys.ESCAPE, Keys.ESCAPE)
    flame.tree.send_keys("c")
    seen["copied_name"] = flame.paste()
    flame.tree.send_keys("s")
    seen["copied_stack"] = flame.paste()
    flame.tree.send_keys("f")
    seen["focused"] = flame.told()
    page.one("button.flame-key").click()
    flame.settle()
    seen["focused_twice"] = reader.selected()
    reader.drop(1)
    seen["focused_once"] = reader.selected()
    flame.tree.send_keys(Keys.HOME, Keys.ARROW_DOWN, "x")
    flame.settle()
    seen["left_out"], seen["emptied"] = reader.selected(), page.one(".flame-note").text
    page.one(".flame-bar button:last-child").click()
    seen["reset"] = flame.address()
    flame.tree.send_keys("i", Keys.HOME, Keys.ARROW_DOWN)
    seen["inverted"] = flame.focused()
    flame.tree.send_keys("i", Keys.HOME)
    idle = page.driver.find_elements("css selector", ".flame-bar:nth-child(2) > button")[1]
    for name in ("with_idle", "without_idle"):
        idle.click()
        seen[name] = {"address": flame.address(), "told": flame.told()}
    return seen


def restrict(reader: Reader) -> dict[str, Any]:
    page, flame = reader.page, reader.flame
    reader.page.show("flame")
    boxes = page.driver.find_elements("css selector", ".flame-select select")
    colour, _, worker, thread = map(Select, boxes)
    seen: dict[str, Any] = {"workers": [option.text for option in worker.options]}
    worker.select_by_index(1)
    flame.settle()
    seen["worker"], seen["told_of_worker"] = flame.address(), flame.told()
    seen["threads"] = [option.text for option in thread.options]
    thread.select_by_index(1)
    flame.settle()
    seen["thread"], seen["told_of_thread"] = flame.address(), flame.told()
    reader.go("")
    colour.select_by_value("kind")
    flame.settle()
    seen["kinds"] = page.texts(".flame-key")
    reader.go("")
    return seen


def read_tables(reader: Reader) -> dict[str, Any]:
    page = reader.page
    reader.page.show("tables")
    names = "#tab-panel-0 tbody td:first-child"
    seen: dict[str, Any] = {"by_self": page.texts(names)[:5]}
    page.one("#tab-panel-0 thead th:nth-child(5) button").click()
    seen["by_total"] = page.texts(names)[:5]
    page.one("#tab-panel-0 thead th:nth-child(3) button").click()
    heat = page.one(".heat canvas")
    seen["unlit"] = page.run(LIT, heat)
    page.one(f"{FIRST_ROW} .grid-act").click()
    reader.flame.settle()
    seen["lit"], seen["found"] = page.run(LIT, heat), page.one(".flame-matched").text
    seen["lit_words"] = page.one(".heat-lit").text
    seen["chosen"] = page.texts(".grid-chosen td:first-child")
    page.one("#tab-panel-0 input").send_keys("router")
    seen["filtered"] = [" ".join(row.split()) for row in page.texts("#tab-panel-0 tbody tr")]
    page.one("#tab-panel-0 input").clear()
    page.one("#tab-panel-0 input").send_keys(" ", Keys.BACKSPACE)
    reader.go("")
    seen["tabs"] = page.texts("[role=tab]")
    return seen


def open_a_worker(reader: Reader) -> dict[str, Any]:
    page = reader.page
    reader.page.show("time")
    seen: dict[str, Any] = {"closed": page.texts(".heat-name span:first-child")}
    page.one(".heat-name").click()
    page.rest()
    seen["open"] = page.texts(".heat-name span:first-child")
    page.one(".heat-name").click()
    return seen


def use_keys(reader: Reader) -> dict[str, Any]:
    timeline = reader.timeline
    reader.page.run("arguments[0].focus()", timeline.cursor)
    timeline.keys(Keys.HOME, Keys.PAGE_DOWN, Keys.PAGE_DOWN)
    timeline.shifted(Keys.PAGE_DOWN, Keys.PAGE_DOWN)
    seen = {"range": timeline.keys(Keys.ENTER), "bar": reader.selected()}
    timeline.keys(Keys.ESCAPE)
    reader.flame.tree.send_keys(Keys.HOME, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    seen["zoomed"] = reader.flame.address()
    reader.flame.tree.send_keys(Keys.ESCAPE)
    return {**seen, "after": reader.flame.address()}


def read_words(reader: Reader, address: str) -> dict[str, Any]:
    """The log, all of it and of a range, and the environment."""
    page = reader.page
    reader.page.show("logs")
    seen: dict[str, Any] = {"lines": page.one("#logs output").text, "note": page.one("#logs > p").text}
    page.one("#logs input[type=search]").send_keys("/INFO.*POST/")
    seen["found_lines"] = page.one("#logs output").text
    seen["first_line"] = page.texts(".log-line span:last-child")[0]
    page.one("#logs input[type=search]").clear()
    page.one("#logs input[type=search]").send_keys(" ", Keys.BACKSPACE)
    reader.go(address)
    reader.page.show("logs")
    seen["lines_of_range"], seen["note_of_range"] = page.one("#logs output").text, page.one("#logs > p").text
    page.one("#logs input[type=checkbox]").click()
    seen["only_of_range"] = page.one("#logs output").text
    reader.go("")
    reader.page.show("environment")
    seen["environment"] = {}
    box = page.one("#environment input[type=search]")
    for term in ("hostname", "model_list", "uvicorn", "log-line"):
        box.clear()
        box.send_keys(term)
        entries = [text for text in page.texts("#environment .entry") if text]
        seen["environment"][term] = {"count": page.one("#environment output").text, "entries": entries}
    box.clear()
    box.send_keys(" ", Keys.BACKSPACE)
    return seen


def whole_picture(page: Page, file: Path, width: int) -> None:
    high = min(page.run("return document.documentElement.scrollHeight"), TALLEST_PIXELS)
    clip = {"x": 0, "y": 0, "width": width, "height": high, "scale": 1}
    shot = page.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    file.write_bytes(base64.b64decode(shot["data"]))


def resize(reader: Reader, shots: Path | None) -> dict[str, Any]:
    """Three widths in both schemes."""
    page, seen = reader.page, {}
    for scheme in ("light", "dark"):
        page.run("document.getElementById('theme').click()")
        page.wait(lambda scheme=scheme: scheme in page.one("#theme").get_attribute("textContent"))
        for width in WIDTHS:
            page.resize(width)
            page.run("scrollTo(0, 0)")
            page.run(LAY_OUT, "visible")
            page.rest()
            seen[f"{scheme} {width}"] = {
                "paper": page.run("return getComputedStyle(document.body).backgroundColor"),
                "outside": page.run(OUTSIDE),
                "scrolls": page.run("return document.documentElement.scrollWidth > innerWidth"),
                "overlaps": page.run(OVERLAPS),
            }
            if shots:
                whole_picture(page, shots / f"{scheme}-{width}.png", width)
            page.run(LAY_OUT, "")
    page.resize(1300)
    return seen


def look(page: Page, options: argparse.Namespace) -> dict[str, Any]:
    page.wait_until_ready()
    reader = Reader(page)
    seen: dict[str, Any] = {"ranges": draw_ranges(reader)}
    reader.go("")
    seen["refused"] = refuse(reader)
    seen["flame"] = ask_the_flamegraph(reader)
    seen["restricted"] = restrict(reader)
    seen["tables"] = read_tables(reader)
    seen["workers"] = open_a_worker(reader)
    seen["keys"] = use_keys(reader)
    seen["words"] = read_words(reader, seen["ranges"]["by_heat"]["address"])
    seen["sizes"] = resize(reader, options.shots)
    return seen


if __name__ == "__main__":
    visit(visitor("Goes through the report of a real capture and tells what was seen.").parse_args(), look)
