"""Inspects the model that comes with the package, and puts what is found beside it; takes some seconds.

    python tools/inspect_shipped_model.py

`charrnn inspect-cells` shows these findings at once where nothing was trained yet. Run this after
`tools/train_shipped_model.py`, with the same Python, whose built-in corpus is read.
"""

from __future__ import annotations

import sys

from charrnn.checkpoint import load_checkpoint
from charrnn.inspection.first_look import encode_findings, findings_file
from charrnn.inspection.inspector import CHARACTERS, inspect
from charrnn.inspection.texts import held_out_text
from charrnn.run_folder import DEFAULT_SHIPPED, find_checkpoint


def run() -> int:
    """Inspect, and replace the findings."""
    path = find_checkpoint(DEFAULT_SHIPPED)
    checkpoint = load_checkpoint(path)
    inspection = inspect(checkpoint, held_out_text(checkpoint, CHARACTERS).ids, name=DEFAULT_SHIPPED)
    target = findings_file(path)
    target.write_bytes(encode_findings(inspection, path))
    sys.stderr.write(f"replaced: {target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(run())
