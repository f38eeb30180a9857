"""A file in a headless Chromium, and what every visit of one does: look, point, wait, and tell what was seen as JSON.

Needs the browser as CAPTURE_BROWSER, chromedriver beside it and selenium in the lab's environment.
"""

import argparse
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

WIDTH = 1300
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
READY = "return document.documentElement.dataset.ready !== undefined"
TWO_PICTURES = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));"
TEXTS = """
const elements = Array.from(document.querySelectorAll(arguments[0]));
return elements.map(element => (element.checkVisibility() ? element.innerText.trim() : ""));
"""
PLACE = "const {left, top, width, height} = arguments[0].getBoundingClientRect(); return [left, top, width, height];"


class Page:
    """A file that is opened when this is made."""

    def __init__(self, profile: str, file: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = os.environ["CAPTURE_BROWSER"]
        for flag in [*FLAGS, f"--user-data-dir={profile}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.url = file.resolve().as_uri()
        self.resize(WIDTH)
        self.driver.get("about:blank")
        self.driver.get_log("performance")  # what the browser's own first page loaded is none of ours
        self.driver.get(self.url)

    def resize(self, width: int, height: int = HEIGHT) -> None:
        """And until what follows the width has been drawn anew."""
        self.driver.set_window_size(width, height)
        self.rest()

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """Of each that is shown; what is hidden says nothing."""
        return self.run(TEXTS, selector)

    def wait(self, until: Callable[[], Any]) -> None:
        WebDriverWait(self.driver, PATIENCE_SECONDS).until(lambda _: until())

    def wait_until_ready(self) -> None:
        """Of a report: its script has drawn it."""
        self.wait(lambda: self.run(READY))

    def rest(self) -> None:
        """Until what was done has been drawn."""
        self.driver.execute_async_script(TWO_PICTURES)

    def show(self, section: str) -> None:
        """Brings a section of a report into sight: what is out of it is not laid out."""
        self.run("document.getElementById(arguments[0]).scrollIntoView()", section)
        self.rest()

    def address(self) -> str:
        """What it says is selected."""
        self.rest()
        return self.run("return decodeURIComponent(location.hash)")

    def place(self, element: WebElement) -> tuple[float, float, float, float]:
        """Within the window: left, top, width and height."""
        left, top, width, height = self.run(PLACE, element)
        return left, top, width, height

    def mouse(self, kind: str, place: tuple[float, float], button: str = "left", **more: int) -> None:
        """Of the browser's own protocol, whatever lies at the place."""
        event = {"type": kind, "x": place[0], "y": place[1], "button": button, **more}
        self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    def shot(self, folder: Path | None, name: str) -> None:
        if folder:
            self.driver.save_screenshot(str(folder / f"{name}.png"))

    def requests(self) -> list[str]:
        """Whatever was fetched besides the file itself."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if url.partition("#")[0] != self.url]

    def console(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]


@contextlib.contextmanager
def opened(file: Path) -> Iterator[Page]:
    """A file in a browser of its own, which does not outlive the block."""
    with tempfile.TemporaryDirectory(prefix="capture-browser-") as profile:
        page = Page(profile, file)
        try:
            yield page
        finally:
            page.driver.quit()


def visitor(description: str) -> argparse.ArgumentParser:
    """What every visit is told: the file, and where screenshots are wanted."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("file", type=Path)
    parser.add_argument("--shots", type=Path, help="a folder for screenshots")
    return parser


def visit(options: argparse.Namespace, look: Callable[[Page, argparse.Namespace], dict[str, Any]]) -> None:
    """Prints what was seen. What the browser complained of and what it fetched is told of every visit."""
    with opened(options.file) as page:
        seen = look(page, options)
        print(json.dumps({**seen, "console": page.console(), "requests": page.requests()}))
