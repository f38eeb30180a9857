#!/usr/bin/env python3
"""Opens a flamegraph alone in a headless Chromium, uses it as a person would, and prints what was seen as JSON.

    CAPTURE_BROWSER=/usr/bin/chromium tests/lab/svg.py all.svg --click FUNCTION --search TERM --shots DIR

It judges nothing: that is the test's part.
"""

import argparse
from typing import Any

from browser import PATIENCE_SECONDS, Page, visit, visitor
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.alert import Alert
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import alert_is_present
from selenium.webdriver.support.wait import WebDriverWait

WIDTHS = (1300, 800)

BOXES = """
const box = element => {
    const {left, top, right, bottom} = element.getBoundingClientRect();
    return {left, top, right, bottom};
};
return {
    window: {left: 0, top: 0, right: document.documentElement.clientWidth, bottom: window.innerHeight},
    title: box(document.getElementById("title")),
    subtitle: box(document.getElementById("subtitle")),
    search: box(document.getElementById("search")),
    matched: box(document.getElementById("matched")),
    frames: box(document.querySelector("#frames rect")),
    legend: Array.from(document.querySelectorAll("#legend text, #legend rect"), box),
    legend_words: Array.from(document.querySelectorAll("#legend text"), word => word.textContent),
};
"""


class Flamegraph:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.driver = page.driver

    def frame(self, function: str) -> WebElement:
        """The first frame whose title begins so."""
        for group in self.driver.find_elements(By.CSS_SELECTOR, "#frames > g"):
            if group.find_element(By.CSS_SELECTOR, "title").get_attribute("textContent").startswith(function):
                return group.find_element(By.CSS_SELECTOR, "rect")
        raise SystemExit(f"no frame {function}")

    def share(self, function: str) -> float:
        """Of the width that the whole graph has."""
        return float(self.frame(function).get_attribute("width").rstrip("%"))

    def text(self, element: str) -> str:
        return self.driver.find_element(By.ID, element).text

    def click(self, element: str) -> None:
        self.driver.find_element(By.ID, element).click()

    def point_at(self, element: WebElement) -> ActionChains:
        """At its middle, whatever lies on top there: a frame's label is part of the frame."""
        return ActionChains(self.driver).move_to_element(element)

    def answer_prompt(self, term: str) -> None:
        prompt: Alert = WebDriverWait(self.driver, PATIENCE_SECONDS).until(alert_is_present())
        prompt.send_keys(term)
        prompt.accept()

    def lit(self) -> list[str]:
        """Names of the frames in the colour of a match."""
        return self.driver.execute_script(
            "return Array.from(document.querySelectorAll('#frames > g'))"
            ".filter(g => g.querySelector('rect').getAttribute('fill') === searchcolor)"
            ".map(g => g.querySelector('title').textContent)"
        )

    def matches(self) -> dict[str, Any]:
        return {"matched": self.text("matched"), "lit": self.lit()}

    def boxes(self) -> dict[str, Any]:
        return self.driver.execute_script(BOXES)


def look(page: Page, options: argparse.Namespace) -> dict[str, Any]:
    graph = Flamegraph(page)
    seen: dict[str, Any] = {"width": graph.share(options.click), "boxes": {}}
    graph.point_at(graph.frame(options.click)).perform()
    seen["told"] = graph.text("details")
    page.shot(options.shots, "pointed")

    graph.point_at(graph.frame(options.click)).click().perform()
    seen["zoomed"] = graph.share(options.click)
    page.shot(options.shots, "zoomed")
    graph.click("unzoom")
    seen["reset"] = graph.share(options.click)

    graph.click("search")
    graph.answer_prompt(options.search)
    seen["by_box"] = graph.matches()
    seen["boxes"]["searching"] = graph.boxes()
    page.shot(options.shots, "searched")
    graph.click("search")
    seen["cleared"] = graph.lit()
    ActionChains(page.driver).key_down(Keys.CONTROL).send_keys("f").key_up(Keys.CONTROL).perform()
    graph.answer_prompt(options.search)
    seen["by_key"] = graph.matches()
    graph.click("search")

    for width in WIDTHS:
        page.resize(width)
        seen["boxes"][str(width)] = graph.boxes()
        page.shot(options.shots, str(width))
    return seen


def main() -> None:
    parser = visitor("Uses a flamegraph in a browser and tells what was seen.")
    parser.add_argument("--click", required=True, help="the beginning of a frame's name")
    parser.add_argument("--search", required=True)
    visit(parser.parse_args(), look)


if __name__ == "__main__":
    main()
