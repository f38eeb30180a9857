#!/usr/bin/env python3
"""Uses the flamegraph and the tables of a report in a headless Chromium, and prints what was seen as JSON.

    CAPTURE_BROWSER=/usr/bin/chromium tests/lab/flame.py report.html --shots DIR

It judges nothing: that is the test's part. The stacks are those of tests/support/facts.rs: three functions deep.
"""

import argparse
from typing import Any

from browser import Page, visit, visitor
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

ROW = 19
# A zoom moves for a moment; after two pictures without a change it has come to its end.
SETTLED = """
const [canvas, done] = arguments;
let before = "";
const look = () => {
    const now = canvas.toDataURL();
    if (now === before) {
        done();
    } else {
        before = now;
        setTimeout(look, 100);
    }
};
look();
"""
FOCUSED = "return document.getElementById(document.querySelector('[role=tree]').getAttribute('aria-activedescendant'))"


class Flame:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.driver = page.driver
        self.canvas = page.one(".flame-spacer canvas")
        self.tree = page.one("[role=tree]")
        self.search = page.one(".flame-search")
        page.show("flame")

    def one(self, selector: str) -> WebElement:
        return self.page.one(selector)

    def texts(self, selector: str) -> list[str]:
        return self.page.texts(selector)

    def settle(self) -> None:
        self.driver.execute_async_script(SETTLED, self.canvas)

    def address(self) -> str:
        self.settle()
        return self.page.address()

    def at(self, share: float, row: int) -> ActionChains:
        """A share of the width, and a row from the top."""
        self.page.run("arguments[0].scrollIntoView({block: 'center'})", self.canvas)
        box = self.canvas.rect
        x = share * box["width"] - box["width"] / 2
        y = (row + 0.5) * ROW - box["height"] / 2
        return ActionChains(self.driver).move_to_element_with_offset(self.canvas, int(x), int(y))

    def told(self) -> str:
        return self.one(".flame-told").text

    def focused(self) -> str:
        return self.driver.execute_script(FOCUSED).get_attribute("textContent")

    def paste(self) -> str:
        """What was copied."""
        self.search.click()
        ActionChains(self.driver).key_down(Keys.CONTROL).send_keys("v").key_up(Keys.CONTROL).perform()
        self.settle()
        pasted = self.search.get_attribute("value")
        self.search.send_keys(Keys.ESCAPE)
        self.settle()
        return pasted


def point_and_zoom(flame: Flame, seen: dict[str, Any]) -> None:
    flame.at(0.1, 3).perform()
    seen["pointed"] = flame.told()
    seen["tip"] = flame.one(".flame-tip").text.splitlines()
    flame.at(0.1, 3).click().perform()
    seen["zoomed"] = flame.address()
    seen["way"] = flame.texts(".flame-crumbs > *")
    flame.at(0.1, 1).double_click().perform()
    seen["reset"] = flame.address()


def look_for(flame: Flame, seen: dict[str, Any]) -> None:
    seen["matched"] = {}
    ActionChains(flame.driver).send_keys("/").perform()
    for term in ("scrub", "/^(run|chat)/", "custom_callbacks.py:12", "custom_callbacks.py:13", "/(/"):
        flame.search.clear()
        flame.search.send_keys(term)
        flame.settle()
        seen["matched"][term] = flame.one(".flame-matched").text
    flame.search.clear()
    flame.search.send_keys("scrub", Keys.ENTER)
    seen["gone_to"] = flame.address()
    flame.search.send_keys(Keys.ESCAPE)
    flame.tree.send_keys(Keys.ESCAPE)
    seen["escaped"] = flame.address()


def walk(flame: Flame, seen: dict[str, Any]) -> None:
    flame.tree.send_keys(Keys.HOME, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    seen["walked"] = flame.focused()
    flame.tree.send_keys("S")
    seen["collapsed"] = flame.paste()
    flame.tree.send_keys("c")
    seen["name"] = flame.paste()
    flame.tree.send_keys("i", Keys.HOME, Keys.ARROW_DOWN)
    seen["inverted"] = flame.focused()
    flame.tree.send_keys("i", Keys.HOME, Keys.ARROW_DOWN, Keys.ARROW_DOWN, "f")
    seen["focus"] = flame.address()
    flame.tree.send_keys(Keys.HOME, Keys.ARROW_DOWN, Keys.ARROW_DOWN, "x")
    seen["ignore"] = flame.address()
    seen["chips"] = flame.texts(".flame-chip")
    seen["left"] = flame.told()
    for _ in range(2):
        flame.one(".flame-chip").click()
    seen["unrestricted"] = flame.address()


def choose(flame: Flame, seen: dict[str, Any]) -> None:
    seen["legend"] = flame.texts(".flame-key")
    flame.one("button.flame-key").click()
    seen["only"] = flame.address()
    flame.one("button.flame-key").click()
    flame.at(0.1, 3).context_click().perform()
    seen["menu"] = flame.texts(".flame-menu [role=menuitem] > span")
    flame.driver.switch_to.active_element.send_keys(Keys.ESCAPE)


def compare(flame: Flame, seen: dict[str, Any]) -> None:
    flame.driver.execute_script("location.hash = 't=210-220&c=200-210'")
    seen["compared"] = flame.address()
    seen["difference"] = flame.texts(".flame-legend > span")
    flame.tree.send_keys(Keys.HOME)
    seen["change"] = flame.focused()
    flame.driver.execute_script("location.hash = ''")
    seen["compared_no_more"] = flame.address()


def read_tables(flame: Flame, seen: dict[str, Any]) -> None:
    flame.page.show("tables")
    seen["functions"] = flame.texts("#tab-panel-0 .grid-act")
    for _ in range(2):
        flame.one("#tab-panel-0 thead button").click()
    seen["sorted"] = flame.texts("#tab-panel-0 .grid-act")
    seen["order"] = flame.one("#tab-panel-0 th").get_attribute("aria-sort")
    flame.driver.find_elements(By.CSS_SELECTOR, "#tab-panel-0 .grid-act")[2].click()
    flame.page.wait(lambda: flame.texts(".grid-chosen"))
    seen["found"] = flame.address()
    flame.one("#tab-panel-0 input").send_keys("custom_callbacks")
    seen["filtered"] = flame.texts("#tab-panel-0 .grid-act")
    flame.one("#tab-3").click()
    seen["workers"] = flame.texts("#tab-panel-3 .grid-act")
    flame.one("#tab-panel-3 .grid-act").click()
    seen["worker"] = flame.address()


def look(page: Page, options: argparse.Namespace) -> dict[str, Any]:
    page.wait_until_ready()
    seen: dict[str, Any] = {}
    flame = Flame(page)
    for part in (point_and_zoom, look_for, walk, choose, compare, read_tables):
        part(flame, seen)
        page.shot(options.shots, f"flame-{part.__name__}")
    return seen


if __name__ == "__main__":
    visit(visitor("Uses the flamegraph of a report and tells what was seen.").parse_args(), look)
