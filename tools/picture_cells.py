"""Pictures of `charrnn inspect-cells` for docs/: the terminal as SVG, the page in Chromium as WebP, light and dark.

    python tools/picture_cells.py CHECKPOINT TEXT [FRAGMENT]

FRAGMENT is the end of the page's address, from its # on, which chooses a cell and a place.
Needs selenium, Chromium and its driver for the page.
"""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text
from selenium import webdriver

from charrnn.__main__ import main
from charrnn.run_folder import SHIPPED

DOCS = Path(__file__).parent.parent / "docs"
COLUMNS, CONTEXT, TOP = 120, 420, 3


class Terminal(io.StringIO):
    """Standard output that says it is a terminal."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def picture_of_terminal(words: list[str]) -> str:
    """Return what a command writes to a terminal, as SVG."""
    os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": str(COLUMNS)}
    shell, sys.stdout = sys.stdout, Terminal()
    try:
        assert main(words) == 0
        shown = sys.stdout.getvalue()
    finally:
        sys.stdout = shell
    shown = shown.replace(f"{SHIPPED}{os.sep}", "")  # where the package lies on this machine
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    console.print(Text.from_ansi(shown), soft_wrap=True)
    picture = console.export_svg(title="charrnn inspect-cells")
    return re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # fonts from the network


def pictures_of_page(address: str) -> dict[str, bytes]:
    """Return the page in light and in dark, as WebP."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    pictures = {}
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))) as driver:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                               {"width": 1400, "height": 860, "deviceScaleFactor": 1, "mobile": False})
        for theme in ("light", "dark"):
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                   {"features": [{"name": "prefers-color-scheme", "value": theme}]})
            driver.get("about:blank")
            driver.get(address)
            shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 85})
            pictures[theme] = base64.b64decode(shot["data"])
    return pictures


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "cells.html"
        words = ["inspect-cells", *sys.argv[1:3]]
        terminal = picture_of_terminal([*words, "--top", str(TOP), "--context", str(CONTEXT)])
        picture_of_terminal([*words, "--html", str(page)])
        (DOCS / "inspect-cells-terminal.svg").write_text(terminal, encoding="utf-8")
        for theme, picture in pictures_of_page(page.as_uri() + "".join(sys.argv[3:4])).items():
            (DOCS / f"inspect-cells-page-{theme}.webp").write_bytes(picture)
