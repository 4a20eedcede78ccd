"""`charrnn import`: a PyTorch model as a run."""

from __future__ import annotations

from pathlib import Path

import click

from charrnn.cli.options import Command, option

EXAMPLES = """
charrnn import novel.pt
charrnn import theirs.pt --vocab input.txt
charrnn import theirs.pt --vocab characters.json --out checkpoints/theirs
"""


@click.command("import", cls=Command, examples=EXAMPLES)
@click.argument("file", type=click.Path())
@option("Model", "--vocab", type=click.Path(), metavar="FILE",
        help="The model's characters: its training text, a text with each character once in the order of their ids, or "
             "a .json list of them.", show_default="what the file says, if charrnn wrote it")
@option("Output", "--out", type=click.Path(), metavar="DIR", show_default="checkpoints/NAME, after the file",
        help="The run folder.")
@option("Output", "--overwrite", is_flag=True, help="Replace the run that is in --out.")
def command(file: str, vocab: str | None, out: str | None, overwrite: bool) -> int:
    """Read a PyTorch model into a run folder.

    FILE is what torch.save wrote: a file of `charrnn export`, or a plain state dict of an embedding or one-hot input,
    one torch.nn.LSTM, GRU or RNN (tanh), and a linear output. Nothing in the file is executed. Needs
    PyTorch: pip install "charrnn[torch]".
    """
    from charrnn.checkpoint import save_checkpoint
    from charrnn.console.plan import architecture
    from charrnn.console.stdio import say, write
    from charrnn.exchange.importing import import_pytorch
    from charrnn.run_folder import RunFolder, default_run_folder

    model = import_pytorch(file, vocab)
    folder = RunFolder(out if out is not None else default_run_folder([Path(file).stem]))
    folder.create(overwrite=overwrite)
    save_checkpoint(folder.best, model)
    say(f"{architecture(model.model.to_json())}, {len(model.vocabulary)} characters; write with it: "
        f"charrnn sample {folder.path}")
    write(f"{folder.path}\n")
    return 0
