"""`charrnn export`: a model as a file for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from charrnn.cli.options import Command, option

EXAMPLES = """
charrnn export checkpoints/novel --format pytorch
charrnn export checkpoints/novel --format onnx --out novel.onnx
charrnn export novel.safetensors --format pytorch > load_novel.py
"""
SUFFIXES = {"pytorch": ".pt", "onnx": ".onnx"}


@click.command("export", cls=Command, examples=EXAMPLES)
@click.argument("checkpoint", required=False, type=click.Path())
@option("Output", "--format", "kind", type=click.Choice(list(SUFFIXES)), required=True,
        help="pytorch: a state dict (.pt); onnx: one graph, states in and out.")
@option("Output", "--out", type=click.Path(), metavar="FILE", show_default="NAME.pt or NAME.onnx, after the run",
        help="The file to write.")
@option("Output", "--overwrite", is_flag=True, help="Replace the file.")
def command(checkpoint: str | None, kind: str, out: str | None, overwrite: bool) -> int:
    """Write a model to a file that other programs read.

    CHECKPOINT is a checkpoint file or a run folder; without it, the newest run under checkpoints/. Python code that
    loads the file is printed to standard output. Needs the library of the format: pip install "charrnn[torch]" or
    "charrnn[onnx]".
    """
    from charrnn.checkpoint import load_checkpoint
    from charrnn.console.stdio import say, write
    from charrnn.console.text import size
    from charrnn.errors import ConfigError
    from charrnn.exchange.onnx_model import onnx_loader, write_onnx
    from charrnn.exchange.pytorch import pytorch_loader, write_pytorch
    from charrnn.run_folder import find_checkpoint

    source = find_checkpoint(checkpoint)
    name = source.parent.resolve().name if source.name in ("best.safetensors", "last.safetensors") else source.stem
    path = Path(out) if out is not None else Path(name + SUFFIXES[kind])
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists already; replace it with --overwrite, or choose another file with --out")
    model = load_checkpoint(source)
    if kind == "pytorch":
        write_pytorch(model, path)
        code = pytorch_loader(model.model, path)
    else:
        write_onnx(model, path)
        code = onnx_loader(model, path)
    say(f"{source} written to {path} ({size(path.stat().st_size)}); to load it:")
    write(code)
    return 0
