"""One HTML document in one file: a template with style, script and data put into it, which loads nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from charrnn.storage import storage_error

_ASSETS = files("charrnn.page") / "assets"


def document(template: str, title: str, contents: dict[str, Any], *, styles: Sequence[str],
             scripts: Sequence[str] = (), parts: Mapping[str, str] | None = None) -> str:
    """Return a page; its policy lets it run this script and load nothing.

    Parameters
    ----------
    template, styles, scripts : names of files in `assets/`; styles and scripts are joined in their order.
    title : of the page, any text.
    contents : what the script reads, as JSON, from the element with the id "data".
    parts : HTML for further places of the template, by name.
    """
    style, script = _joined(styles), _joined(scripts)
    policy = ("default-src 'none'; img-src data:; "
              f"style-src 'sha256-{_sha256(style)}'; script-src 'sha256-{_sha256(script)}'")
    # In a script element only "<" could end the data or begin a comment.
    data = json.dumps(contents, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return Template(_joined([template])).substitute(parts or {}, title=html.escape(title), policy=policy, style=style,
                                                    script=script, data=data)


def write_page(path: str | os.PathLike[str], page: str) -> int:
    """Write a page to a file and return its size in bytes; raise `CheckpointError` where that fails."""
    data = page.encode()
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise storage_error(path, error) from None
    return len(data)


def _joined(names: Sequence[str]) -> str:
    return "\n".join((_ASSETS / name).read_text("utf-8") for name in names)


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
