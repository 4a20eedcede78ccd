"""`charrnn sample`: generates text with a model."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Any

import click

from charrnn.cli import settings
from charrnn.cli.config_file import config_option
from charrnn.cli.options import (
    Cell,
    Command,
    configured,
    environment_variable,
    is_given,
    option,
    settings_of,
    threads_option,
)
from charrnn.config import CellHold, SampleConfig
from charrnn.config import option as spelling

if TYPE_CHECKING:
    from charrnn.language_model import LanguageModel

EXAMPLES = """
charrnn sample
charrnn sample checkpoints/novel --prime "Chapter 1" --length 5000 --temperature 0.7
charrnn sample --interactive --color
charrnn sample --num-samples 20 --until-line 1 --seed 7
fortune | charrnn sample --prime-file - > continued.txt
charrnn sample --num-samples 100 --json | jq -r .loss
charrnn sample --config favourite.toml --prime "It was "
charrnn sample --length 5000 --novelty novel.txt
charrnn sample --prime '"Yes' --set-cell 0:43=1 --length 200
"""


@click.command("sample", cls=Command, examples=EXAMPLES)
@click.argument("checkpoint", required=False, type=click.Path())
@config_option("Settings")
@settings_of(SampleConfig, "Text", settings.SAMPLED_TEXT)
@option("Text", "--prime", metavar="TEXT", help="What the text begins with.")
@option("Text", "--prime-file", type=click.Path(), metavar="FILE",
        help="Read the prime from a file; -: from standard input.")
@option("Text", "--on-unknown", type=click.Choice(settings.ON_UNKNOWN), default="error", show_default=True,
        help="Characters of the prime that the model does not know: stop, leave them out, or take the nearest known.")
@option("Text", "--interactive", is_flag=True, help="Ask for primes, one after the other, with the model loaded.")
@settings_of(SampleConfig, "Choice of characters", settings.CHOICE)
@option("Choice of characters", "--seed", type=int, metavar="N", envvar=environment_variable("seed"),
        show_default="a new one each time", help="Decides every draw; the same seed and options give the same text.")
@option("Choice of characters", "--set-cell", type=Cell(with_value=True), multiple=True, metavar="LAYER:UNIT=VALUE",
        help="Hold a unit's state (an LSTM's c; a GRU's or RNN's h) at a value while the text is written (repeatable).")
@option("Choice of characters", "--zero-cell", type=Cell(with_value=False), multiple=True, metavar="LAYER:UNIT",
        help="Hold a unit's state at 0 (repeatable).")
@option("Output", "--no-echo-prime", is_flag=True, help="Leave the prime out of the output.")
@option("Output", "--color", is_flag=True, help="On a terminal, tint characters by how little the model expected them.")
@threads_option("Output")
@settings_of(SampleConfig, "Output", settings.WRITING)
@option("Output", "--json", "as_json", is_flag=True, help="Print an object for each sample, one a line.")
@option("Output", "--logprobs", is_flag=True, help="With --json: the log-probability of each character as well.")
@option("Output", "--novelty", type=click.Path(), multiple=True, metavar="CORPUS",
        help="Say how much of each text stands in this file or folder, character for character (repeatable).")
@click.pass_context
def command(context: click.Context, checkpoint: str | None, prime: str | None, prime_file: str | None, on_unknown: str,
            interactive: bool, seed: int | None, set_cell: tuple[CellHold, ...], zero_cell: tuple[CellHold, ...],
            no_echo_prime: bool, color: bool, threads: int | None, as_json: bool, logprobs: bool,
            novelty: tuple[str, ...], **_: Any) -> int:
    """Generate text with a model, to standard output as it is made.

    CHECKPOINT is a checkpoint file or a run folder; without it, the newest run under checkpoints/, or else the small
    model that comes with charrnn. The temperature acts first, then --top-k, --top-p and --min-p, each on what the one
    before left. In a file or pipe, samples are set apart by a line of 15 dashes; what programs read is better written
    with --json. Options may also come from a file (--config) or the environment: CHARRNN_LENGTH=500 is --length 500.
    """
    _check_combination(context)
    config = configured(context, SampleConfig, seed=secrets.randbelow(2**32) if seed is None else seed,
                        holds=(*set_cell, *zero_cell))
    from charrnn.cli.models import loaded, model_line
    from charrnn.console.samples import explain_colours, print_json, print_texts
    from charrnn.console.stdio import say

    with loaded(checkpoint, threads) as (path, model):
        if checkpoint is None:
            say(model_line(path))
        if color and not as_json:
            explain_colours()
        if interactive:
            from charrnn.console.interactive import converse
            from charrnn.session import Session

            converse(Session(model, config, seed, on_unknown), echo_prime=not no_echo_prime,
                     as_bytes=model.vocabulary.bytes, colour=color)
            return 0
        from charrnn.sampling import generate, judged

        start = _prime(prime, prime_file, model, on_unknown)
        pieces = generate(model, start, config, whole=as_json or bool(novelty), at_once=not as_json)
        if novelty:
            from charrnn.corpus import read_text

            blocks = read_text(novelty, model.checkpoint.text)
            pieces = judged(pieces, (block.code_points for block in blocks), as_bytes=model.vocabulary.bytes)
        if seed is None and not config.argmax and not config.beam:
            say(f"seed: {config.seed}")
        echoed = "" if no_echo_prime else start
        if as_json:
            print_json(pieces, echoed, logprobs=logprobs)
        else:
            print_texts(pieces, echoed, config.num_samples, as_bytes=model.vocabulary.bytes, colour=color)
    return 0


def _check_combination(context: click.Context) -> None:
    """Refuse options that contradict each other."""
    given = {name for name, value in context.params.items() if value is not False and is_given(context, name)}
    for one, other in (("prime", "prime_file"), *(("interactive", name) for name in
                                                  ("prime", "prime_file", "num_samples", "as_json", "novelty"))):
        if {one, other} <= given:
            spelt = "--json" if other == "as_json" else spelling(other)
            raise click.UsageError(f"{spelling(one)} and {spelt} exclude each other", context)
    if "logprobs" in given and "as_json" not in given:
        raise click.UsageError("--logprobs goes into the objects of --json: give that as well", context)


def _prime(text: str | None, file: str | None, model: LanguageModel, on_unknown: str) -> str:
    """Return the text to begin with, and say what had to be changed of it."""
    from charrnn.console.samples import say_changes
    from charrnn.console.stdio import is_terminal, say
    from charrnn.priming import fit_prime, load_prime

    how = (model.vocabulary, model.checkpoint.text, on_unknown)
    if file is None:
        prime = fit_prime(text or "", *how)
    else:
        if file == "-" and is_terminal(sys.stdin):
            say("type the text to begin with, and end it with Ctrl-D")
        prime = load_prime(file, *how)
    say_changes(prime.changes)
    return prime.text
