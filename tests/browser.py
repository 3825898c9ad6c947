"""Pages as a real browser shows them: Chromium without a window and without a network.

Tests that need it take the fixture `browser` (of `conftest.py`); they are skipped where the programs are missing.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

DESKTOP, PHONE = (1280, 800), (390, 844)
"""Width and height of the window in CSS pixels."""

ALONE: frozenset[str] = frozenset()

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root, where Chromium has no sandbox
    "--disable-gpu",
    "--disable-dev-shm-usage",  # small in containers
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    """One Chromium for all tests of a process."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    program, driver = next(filter(None, found), None), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("needs chromium and chromedriver (Debian: apt-get install chromium chromium-driver)")
    options = ChromeOptions()
    options.binary_location = program
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # With both paths given, Selenium looks for no driver on the network.
    chrome = Chrome(options, ChromeService(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


def open_page(browser: Chrome, page: Path, size: tuple[int, int] = DESKTOP, *, beside: frozenset[str] = ALONE) -> None:
    """Open a file as on a desktop or a phone, and check what any page of ours must be.

    It writes no error to the console, asks for no file but itself and those named in `beside`, seen from its folder,
    and is not wider than the window.
    """
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    for kind in ("browser", "performance"):  # each call empties the log
        browser.get_log(kind)
    address = page.resolve().as_uri()
    browser.get(address)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    asked = {url for url in urls if not url.startswith("data:")}
    allowed = {address, *((page.resolve().parent / name).as_uri() for name in beside)}
    assert address in asked <= allowed, f"{page} asks for {sorted(asked - allowed)}"
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not errors, f"{page}: {errors}"
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width, f"{page} is {wide} pixels wide in a window of {width}"
