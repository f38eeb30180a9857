#!/usr/bin/env python3
"""Opens a report in a headless Chromium, uses it as a person would, and prints what was seen as JSON.

    CAPTURE_BROWSER=/usr/bin/chromium tests/lab/report.py report.html --click FUNCTION --shots DIR

It judges nothing: that is the test's part.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from browser import Page
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

PATIENCE_SECONDS = 20
WIDTHS = (2560, 1300, 360)

# What a reader would notice: pictures that did not load, and text that sticks out of the window.
LAYOUT = """
const width = document.documentElement.clientWidth;
const outside = Array.from(document.querySelectorAll("body *"))
    .filter(element => !element.closest(".wide") && element.getBoundingClientRect().right > width + 1);
return {
    pictures: Array.from(document.images, image => image.complete && image.naturalWidth > 0 ? image.width : 0),
    outside: outside.map(element => element.outerHTML.slice(0, 100)),
};
"""


def look(page: Page, options: argparse.Namespace) -> dict[str, Any]:
    driver = page.driver
    seen: dict[str, Any] = {"layout": {}, "title": driver.title}
    for width in WIDTHS:
        page.resize(width)
        seen["layout"][str(width)] = driver.execute_script(LAYOUT)
        page.shot(options.shots, str(width))
    page.resize(1300)
    frames = driver.find_elements(By.TAG_NAME, "iframe")
    seen["shown_at_first"] = [bool(frame.get_attribute("src")) for frame in frames]
    for summary in driver.find_elements(By.TAG_NAME, "summary"):
        summary.click()
    seen["zoomed"] = []
    for frame in frames:
        WebDriverWait(driver, PATIENCE_SECONDS).until(lambda _, frame=frame: frame.get_attribute("src"))
        driver.execute_script("arguments[0].scrollIntoView()", frame)
        driver.switch_to.frame(frame)
        WebDriverWait(driver, PATIENCE_SECONDS).until(lambda driver: driver.find_elements(By.ID, "frames"))
        before = page.share(options.click)
        page.point_at(page.frame(options.click)).click().perform()
        seen["zoomed"].append([before, page.share(options.click)])
        driver.switch_to.default_content()
    page.shot(options.shots, "zoomed")
    page.click("copy")
    WebDriverWait(driver, PATIENCE_SECONDS).until(lambda _: page.text("copy") != "Copy")
    seen["copied"] = page.text("copy")
    seen["selected"] = driver.execute_script("return getSelection().toString()")
    seen["ran"] = driver.execute_script("return typeof window.ran")
    seen["console"] = [entry["message"] for entry in driver.get_log("browser")]
    inside = ("blob:", "data:image/svg+xml,")
    seen["requests"] = [url for url in page.requests() if not url.startswith(inside)]
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description="Uses a report in a browser and tells what was seen.")
    parser.add_argument("report", type=Path)
    parser.add_argument("--click", required=True, help="the beginning of a frame's name, in every flamegraph")
    parser.add_argument("--shots", type=Path, help="a folder for screenshots")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="capture-browser-") as profile:
        page = Page(profile, options.report)
        try:
            print(json.dumps(look(page, options)))
        finally:
            page.driver.quit()


if __name__ == "__main__":
    main()
