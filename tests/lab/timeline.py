#!/usr/bin/env python3
"""Uses the view over time of a report in a headless Chromium, and prints what was seen as JSON.

    CAPTURE_BROWSER=/usr/bin/chromium tests/lab/timeline.py report.html --shots DIR

It judges nothing: that is the test's part.
"""

import argparse
from typing import Any

from browser import Page, visit, visitor
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

# Beside it are the labels at the left and a margin at the right, in pixels.
GUTTER = 168
MARGIN = 6
SHIFT = 8  # as the browser's own protocol counts modifiers


class Timeline:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.driver = page.driver
        page.show("time")
        self.cursor = page.one(".time-overlay")

    def one(self, selector: str) -> WebElement:
        return self.page.one(selector)

    def texts(self, selector: str) -> list[str]:
        return self.page.texts(selector)

    def address(self) -> str:
        return self.page.address()

    def place(self, canvas: WebElement, share: float) -> tuple[float, float]:
        """Within the window: a share of the paper's width, at half of its height."""
        left, top, width, height = self.page.place(canvas)
        return left + GUTTER + share * (width - GUTTER - MARGIN), top + height / 2

    def drag(self, canvas: WebElement, shares: tuple[float, float], modifiers: int = 0) -> str:
        begin, end = (self.place(canvas, share) for share in shares)
        middle = ((begin[0] + end[0]) / 2, begin[1])
        self.page.mouse("mousePressed", begin, buttons=1, clickCount=1, modifiers=modifiers)
        for place in (middle, end):
            self.page.mouse("mouseMoved", place, buttons=1, modifiers=modifiers)
        self.page.mouse("mouseReleased", end, clickCount=1, modifiers=modifiers)
        return self.address()

    def double_click(self, canvas: WebElement) -> str:
        place = self.place(canvas, 0.5)
        for count in (1, 2):
            self.page.mouse("mousePressed", place, buttons=1, clickCount=count)
            self.page.mouse("mouseReleased", place, clickCount=count)
        return self.address()

    def keys(self, *keys: str) -> str:
        ActionChains(self.driver).send_keys(*keys).perform()
        return self.address()

    def shifted(self, *keys: str) -> str:
        ActionChains(self.driver).key_down(Keys.SHIFT).send_keys(*keys).key_up(Keys.SHIFT).perform()
        return self.address()

    def told(self) -> str:
        self.page.rest()
        return self.cursor.get_attribute("aria-valuetext")


def use_pointer(timeline: Timeline, seen: dict[str, Any]) -> None:
    charts = timeline.driver.find_elements(By.CSS_SELECTOR, ".lane > canvas")
    seen["legends"] = timeline.texts(".lane-head")
    seen["dragged"] = timeline.drag(charts[0], (0.25, 0.75))
    seen["legends_dragged"] = timeline.texts(".lane-head")
    seen["compared"] = timeline.drag(charts[1], (0.1, 0.2), SHIFT)
    seen["then"] = timeline.texts(".lane:nth-of-type(2) .figure-then")
    seen["edge_moved"] = timeline.drag(charts[0], (0.75, 0.5))
    heat = timeline.one(".heat canvas")
    timeline.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", heat)
    timeline.page.mouse("mouseMoved", timeline.place(heat, 0.4), button="none")
    timeline.page.rest()
    seen["tip"] = timeline.one(".time-tip").text.splitlines()
    timeline.page.show("time")
    seen["cleared"] = timeline.double_click(charts[0])


def use_keys(timeline: Timeline, seen: dict[str, Any]) -> None:
    timeline.driver.execute_script("arguments[0].focus()", timeline.cursor)
    timeline.keys(Keys.HOME, Keys.PAGE_DOWN)
    seen["cursor"] = timeline.told()
    timeline.shifted(Keys.PAGE_DOWN, Keys.PAGE_DOWN)
    seen["marked"] = timeline.told()
    timeline.keys(Keys.ARROW_DOWN)
    seen["row"] = timeline.told()
    seen["by_key"] = timeline.keys(Keys.ENTER)
    seen["escaped"] = timeline.keys(Keys.ESCAPE)


def use_rows(timeline: Timeline, seen: dict[str, Any]) -> None:
    seen["workers"] = timeline.texts(".heat-name span:first-child")
    timeline.one(".heat-name").click()
    seen["expanded"] = timeline.address()
    seen["rows"] = timeline.texts(".heat-name span:first-child")
    timeline.one(".heat-only").click()
    seen["only"] = timeline.address()
    timeline.one(".heat-only").click()
    seen["not_only"] = timeline.address()


def use_words(timeline: Timeline, seen: dict[str, Any]) -> None:
    timeline.one(".marker-worker").click()
    seen["event"] = timeline.address()
    search = timeline.one("#environment input[type=search]")
    search.send_keys("hostname")
    seen["found"] = timeline.one("#environment output").text
    seen["entries"] = [text for text in timeline.texts("#environment .entry") if text]
    seen["gaps"] = timeline.texts("#gaps .gap strong")
    link = timeline.one(".card a")
    timeline.driver.execute_script("arguments[0].click()", link)
    seen["link"] = timeline.driver.execute_script("return document.activeElement.id")
    seen["after_link"] = timeline.address()


def look(page: Page, options: argparse.Namespace) -> dict[str, Any]:
    page.wait_until_ready()
    timeline = Timeline(page)
    page.wait(lambda: timeline.one(".heat-name").is_displayed())
    seen: dict[str, Any] = {}
    for use in (use_pointer, use_keys, use_rows, use_words):
        use(timeline, seen)
        page.shot(options.shots, use.__name__)
    return seen


if __name__ == "__main__":
    visit(visitor("Uses the view over time and tells what was seen.").parse_args(), look)
