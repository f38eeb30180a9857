#!/usr/bin/env python3
"""Opens a flamegraph alone in a headless Chromium, uses it as a person would, and prints what was seen as JSON.

    CAPTURE_BROWSER=/usr/bin/chromium tests/lab/browser.py all.svg --click FUNCTION --search TERM --shots DIR

It judges nothing: that is the test's part. Needs chromedriver beside the browser and selenium in the lab's environment.
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.alert import Alert
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import alert_is_present
from selenium.webdriver.support.wait import WebDriverWait

WIDTHS = (1300, 800)
HEIGHT = 900
PATIENCE_SECONDS = 20
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

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


class Page:
    def __init__(self, profile: str, svg: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = os.environ["CAPTURE_BROWSER"]
        for flag in [*FLAGS, f"--user-data-dir={profile}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.url = svg.resolve().as_uri()
        self.resize(WIDTHS[0])
        self.driver.get("about:blank")
        self.driver.get_log("performance")  # what the browser's own first page loaded is none of ours
        self.driver.get(self.url)

    def resize(self, width: int) -> None:
        self.driver.set_window_size(width, HEIGHT)

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

    def shot(self, folder: Path | None, name: str) -> None:
        if folder:
            self.driver.save_screenshot(str(folder / f"{name}.png"))

    def requests(self) -> list[str]:
        """Whatever was fetched besides the file itself."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if url != self.url]


def look(page: Page, options: argparse.Namespace) -> dict[str, Any]:
    seen: dict[str, Any] = {"width": page.share(options.click), "boxes": {}}
    page.point_at(page.frame(options.click)).perform()
    seen["told"] = page.text("details")
    page.shot(options.shots, "pointed")

    page.point_at(page.frame(options.click)).click().perform()
    seen["zoomed"] = page.share(options.click)
    page.shot(options.shots, "zoomed")
    page.click("unzoom")
    seen["reset"] = page.share(options.click)

    page.click("search")
    page.answer_prompt(options.search)
    seen["by_box"] = page.matches()
    seen["boxes"]["searching"] = page.boxes()
    page.shot(options.shots, "searched")
    page.click("search")
    seen["cleared"] = page.lit()
    ActionChains(page.driver).key_down(Keys.CONTROL).send_keys("f").key_up(Keys.CONTROL).perform()
    page.answer_prompt(options.search)
    seen["by_key"] = page.matches()
    page.click("search")

    for width in WIDTHS:
        page.resize(width)
        seen["boxes"][str(width)] = page.boxes()
        page.shot(options.shots, str(width))
    seen["console"] = [entry["message"] for entry in page.driver.get_log("browser")]
    seen["requests"] = page.requests()
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description="Uses a flamegraph in a browser and tells what was seen.")
    parser.add_argument("svg", type=Path)
    parser.add_argument("--click", required=True, help="the beginning of a frame's name")
    parser.add_argument("--search", required=True)
    parser.add_argument("--shots", type=Path, help="a folder for screenshots")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="capture-browser-") as profile:
        page = Page(profile, options.svg)
        try:
            print(json.dumps(look(page, options)))
        finally:
            page.driver.quit()


if __name__ == "__main__":
    main()
