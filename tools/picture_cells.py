"""Pictures of `charrnn inspect-cells` for docs/: the terminal as SVG, the page in Chromium as WebP, light and dark.

    python tools/picture_cells.py CHECKPOINT TEXT [FRAGMENT]

FRAGMENT is the end of the page's address, from its # on, which chooses a cell and a place.
Needs selenium, Chromium and its driver for the page.
"""

from __future__ import annotations

import base64
import shutil
import sys
import tempfile
from pathlib import Path

from selenium import webdriver

sys.path.insert(0, str(Path(__file__).parent))

from terminal import as_svg, output_of

DOCS = Path(__file__).parent.parent / "docs"
COLUMNS, CONTEXT, TOP = 120, 420, 3


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
        shown = output_of([*words, "--top", str(TOP), "--context", str(CONTEXT)], COLUMNS)
        terminal = as_svg([shown], COLUMNS, "charrnn inspect-cells")
        output_of([*words, "--html", str(page)], COLUMNS)
        (DOCS / "inspect-cells-terminal.svg").write_text(terminal, encoding="utf-8")
        for theme, picture in pictures_of_page(page.as_uri() + "".join(sys.argv[3:4])).items():
            (DOCS / f"inspect-cells-page-{theme}.webp").write_bytes(picture)
