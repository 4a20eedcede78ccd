"""`charrnn sample`: generates text with a model."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Any

import click

from charrnn.cli import settings
from charrnn.cli.config_file import config_option
from charrnn.cli.options import Command, configured, environment_variable, option, settings_of, threads_option
from charrnn.config import SampleConfig

if TYPE_CHECKING:
    from charrnn.config import TextConfig

EXAMPLES = """
charrnn sample
charrnn sample checkpoints/novel --prime "Chapter 1" --length 5000 --temperature 0.7
charrnn sample --num-samples 20 --stop $'\\n' --seed 7
fortune | charrnn sample --prime-file - > continued.txt
charrnn sample --num-samples 100 --json | jq -r .loss
charrnn sample --config favourite.toml --prime "It was "
"""


@click.command("sample", cls=Command, examples=EXAMPLES)
@click.argument("checkpoint", required=False, type=click.Path())
@config_option("Settings")
@settings_of(SampleConfig, "Text", settings.SAMPLED_TEXT)
@option("Text", "--prime", metavar="TEXT", help="What the text begins with.")
@option("Text", "--prime-file", type=click.Path(), metavar="FILE",
        help="Read the prime from a file; -: from standard input.")
@option("Text", "--on-unknown", type=click.Choice(settings.ON_UNKNOWN), default="error", show_default=True,
        help="What to do about characters of the prime that the model does not know.")
@settings_of(SampleConfig, "Choice of characters", settings.CHOICE)
@option("Choice of characters", "--seed", type=int, metavar="N", envvar=environment_variable("seed"),
        show_default="a new one each time", help="Decides every draw; the same seed and options give the same text.")
@option("Output", "--no-echo-prime", is_flag=True, help="Leave the prime out of the output.")
@threads_option("Output")
@option("Output", "--json", "as_json", is_flag=True, help="Print an object for each sample, one a line.")
@click.pass_context
def command(context: click.Context, checkpoint: str | None, prime: str | None, prime_file: str | None, on_unknown: str,
            seed: int | None, no_echo_prime: bool, threads: int | None, as_json: bool, **_: Any) -> int:
    """Generate text with a model, to standard output as it is made.

    CHECKPOINT is a checkpoint file or a run folder; without it, the newest run under checkpoints/, or
    else the small model that comes with charrnn. In a file or pipe,
    samples are set apart by a line of 15 dashes; what programs read is better written with --json.
    Options may also come from a file (--config) or the environment: CHARRNN_LENGTH=500 is --length 500.
    """
    if prime is not None and prime_file is not None:
        raise click.UsageError("--prime and --prime-file exclude each other", context)
    config = configured(context, SampleConfig, seed=secrets.randbelow(2**32) if seed is None else seed)
    from charrnn.cli.models import loaded, model_line
    from charrnn.console.samples import print_json, print_texts
    from charrnn.console.stdio import say
    from charrnn.sampling import generate

    with loaded(checkpoint, threads) as (path, model):
        start = _prime(prime, prime_file, model.checkpoint.text)
        if on_unknown != "error":
            ids = model.vocabulary.encode(start, on_unknown)
            start = model.vocabulary.decode_bytes(ids).decode("utf-8", "surrogateescape")
        if checkpoint is None:
            say(model_line(path))
        if seed is None and not config.argmax:
            say(f"seed: {config.seed}")
        pieces = generate(model, start, config)
        echoed = "" if no_echo_prime else start
        if as_json:
            print_json(pieces, echoed)
        else:
            print_texts(pieces, echoed, config.num_samples, as_bytes=model.vocabulary.bytes)
    return 0


def _prime(text: str | None, file: str | None, config: TextConfig) -> str:
    """Return the text to begin with, read as the model's texts were; bytes that are no UTF-8 as lone surrogates."""
    from charrnn.console.stdio import is_terminal, say
    from charrnn.corpus import load_text
    from charrnn.decoding import clean_text

    if file is None:
        return clean_text(text or "", config)
    if file == "-" and is_terminal(sys.stdin):
        say("type the text to begin with, and end it with Ctrl-D")
    read = load_text(file, config)
    return read if isinstance(read, str) else read.decode("utf-8", "surrogateescape")
