"""Sphinx's configuration: Markdown pages through MyST, and a reference made from the program."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import reference  # noqa: E402

import charrnn  # noqa: E402

project = "charrnn"
author = "the authors of charrnn"
release = version = charrnn.__version__
extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"charrnn {release}"
nitpicky = True
smartquotes = False  # two hyphens begin an option, and are no dash
linkcheck_anchors = False

(HERE / "reference.md").write_text(reference.page(), encoding="utf-8")
