"""Headless Chromium on the app's page."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PHONE, DESK = (390, 844), (1180, 900)
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
_SECONDS = 90


def find_chromium() -> tuple[str, str] | None:
    """Paths of Chromium and of its driver, where this machine has both."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Page:
    """The page, as its visitors use it.

    Args:
        browser_and_driver (`tuple[str, str]`): Paths of Chromium and of its driver.
        profile (`Path`): An empty folder for the browser's own files.
        url (`str`): Where the app is.
    """

    def __init__(self, browser_and_driver: tuple[str, str], profile: Path, url: str):
        browser, driver = browser_and_driver
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        self.url = url
        self.driver = webdriver.Chrome(options=options, service=Service(driver))

    def open(self, size: tuple[int, int] = DESK, theme: str = "light") -> "Page":
        """Loads the page anew, so that it is a new visit."""
        self.resize(*size)
        self.driver.get(f"{self.url}/?__theme={theme}")
        self.wait_for(lambda: self.all("#suggest") and self.all("#examples .gallery-item"))
        return self

    def resize(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        # In one step: elements are replaced when an answer comes.
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText.trim())", selector)

    def hashtags(self, within: str) -> list[str]:
        script = "return [...document.querySelectorAll(arguments[0] + ' [data-hashtag]')].map(e => e.dataset.hashtag)"
        return self.run(script, within)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.driver, _SECONDS, 0.1).until(lambda _: condition())

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", selector)

    def write(self, selector: str, text: str) -> None:
        self.all(f"{selector} textarea, {selector} input")[0].send_keys(text)

    def upload(self, path: Path) -> None:
        self.all("#clip input[type=file]")[0].send_keys(str(path))
        self.wait_for(lambda: self.all("#clip video"))

    def ask(self) -> None:
        """Clicks the button, and waits for chips or a message, where there were none."""
        self.click("#suggest")
        self.wait_for(lambda: self.all("#suggestions .chip, #suggestions [role=alert]"))

    def requested_hosts(self) -> set[str]:
        """Where the page sent requests, since the last time that this was asked."""
        hosts = set()
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                address = message["params"].get("url") or message["params"]["request"]["url"]
                if address.startswith(("http:", "https:", "ws:", "wss:")):
                    hosts.add(address.split("/")[2])
        return hosts

    def clipboard(self) -> str:
        permissions = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": self.url}
        self.driver.execute_cdp_cmd("Browser.grantPermissions", permissions)
        return self.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0], arguments[0])")

    def keep_picture(self) -> None:
        """Writes a picture of the whole page to the path in `GGM_SCREENSHOT`, where that is set."""
        path = os.environ.get("GGM_SCREENSHOT")
        if path:
            self.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
            self.resize(DESK[0], self.run("return document.querySelector('.gradio-container').scrollHeight"))
            self.driver.save_screenshot(path)
            self.resize(*DESK)
