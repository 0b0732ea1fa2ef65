"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
# Root has no sandbox; a container's /dev/shm is small; a machine of its own needs no GPU here.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]


@contextmanager
def browser_page(width: int = 1600, height: int = 1000, seconds: float = 30) -> Iterator[Page]:
    """A page of a browser of its own. What is waited for, is waited for so long."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            page = browser.new_page(viewport={"width": width, "height": height}, timezone_id="UTC", locale="en-GB")
            page.set_default_timeout(seconds * 1000)
            expect.set_options(timeout=seconds * 1000)
            yield page
        finally:
            browser.close()
