"""`charrnn info`: shows what a checkpoint holds."""

from __future__ import annotations

import json

import click

from charrnn.cli.options import Command, option

EXAMPLES = """
charrnn info
charrnn info checkpoints/novel
charrnn info model.safetensors --json | jq .model
"""


@click.command("info", cls=Command, examples=EXAMPLES)
@click.argument("checkpoint", required=False, type=click.Path())
@option("Output", "--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(checkpoint: str | None, as_json: bool) -> int:
    """Show what a checkpoint holds: architecture, parameters, vocabulary, training settings and history.

    CHECKPOINT is a checkpoint file or a run folder; without it, the newest run under checkpoints/.
    """
    from charrnn.checkpoint import load_checkpoint
    from charrnn.console.results import description_json, description_page
    from charrnn.console.stdio import write
    from charrnn.console.terminal import render
    from charrnn.run_folder import find_checkpoint

    path = find_checkpoint(checkpoint)
    description, size = load_checkpoint(path), path.stat().st_size
    if as_json:
        write(json.dumps(description_json(description, path, size)) + "\n")
    else:
        write(render(description_page(description, path, size)))
    return 0
