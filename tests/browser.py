"""Pages in Chromium, without a window; tests that import this are skipped where it cannot be driven."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
_CHROMIUM, _DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(not (_CHROMIUM and _DRIVER), reason="needs Chromium and its driver")


class OpenPage:
    """A page in a file that is open in the browser."""

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver, self.path = driver, folder / "page.html"

    def go(self, fragment: str) -> None:
        """Load the page anew."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.path.as_uri()}#{fragment}")
        self.settle()

    def settle(self) -> None:
        """Wait until what follows a change in later frames has happened: an element found then stays in the page."""
        self.driver.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)))")

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        """Return the text of the first element that a selector finds."""
        return str(self.run("return document.querySelector(arguments[0]).textContent", selector))

    def press(self, selector: str, *keys: str) -> None:
        """Type into an element."""
        self.driver.find_element("css selector", selector).send_keys(*keys)

    def problems(self) -> list[str]:
        """Return what the browser complained of since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Yield a browser's driver."""
    options = webdriver.ChromeOptions()
    options.binary_location = _CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(_DRIVER))
    with contextlib.closing(started.service.log_output) if hasattr(started.service.log_output, "close") \
            else contextlib.nullcontext():
        yield started
        started.quit()
