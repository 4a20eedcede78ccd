"""`charrnn gradient-flow`: shows how far gradients get back through time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from charrnn.cells import CELLS
from charrnn.cli.options import Command, environment_variable, option, threads_option

if TYPE_CHECKING:
    from charrnn.gradient_flow.flow import GradientFlow

EXAMPLES = """
charrnn gradient-flow
charrnn gradient-flow --cell rnn --cell lstm --cell gru
charrnn gradient-flow checkpoints/novel --text other.txt --reach 300
charrnn gradient-flow checkpoints/novel --cell lstm
charrnn gradient-flow checkpoints/rnn checkpoints/lstm --html flow.html
charrnn gradient-flow --cell rnn --hidden-size 64 --num-layers 1 --json
"""


@click.command("gradient-flow", cls=Command, examples=EXAMPLES)
@click.argument("checkpoints", metavar="[CHECKPOINT]...", nargs=-1, type=click.Path())
@option("Text", "--text", type=click.Path(), metavar="FILE",
        show_default="the validation part of the first model's text", help="A file or folder, or - for standard input.")
@option("Untrained nets", "--cell", "cells", type=click.Choice(CELLS), multiple=True,
        help="Measure a net of this cell with the weights that training starts from (repeatable).")
@option("Untrained nets", "--hidden-size", type=click.IntRange(1, 65536), metavar="N",
        envvar=environment_variable("hidden_size"), show_default="as the first CHECKPOINT, or 256",
        help="Units in each layer.")
@option("Untrained nets", "--num-layers", type=click.IntRange(1, 1000), metavar="N",
        envvar=environment_variable("num_layers"), show_default="as the first CHECKPOINT, or 2",
        help="Layers on top of each other.")
@option("What is measured", "--reach", type=click.IntRange(1, 10_000), metavar="N", show_default="100",
        help="Steps that gradients are followed back.")
@option("Output", "--html", type=click.Path(), metavar="FILE", help="Write a page with the curves and tables.")
@threads_option("Output")
@option("Output", "--json", "as_json", is_flag=True, help="Print an object for each model, one a line.")
@click.pass_context
def command(context: click.Context, checkpoints: tuple[str, ...], **_: Any) -> int:
    """Show how far gradients get back through time, and what makes them vanish or explode.

    For predictions all over a text, the gradient of the loss is followed back through the net: its norm by the state
    k steps before is the curve. Beside it stand the largest singular values of the recurrent matrices, what the gate
    does that scales the old state (f of an LSTM, z of a GRU), and how often clipping acts. CHECKPOINT is a checkpoint
    file or a run folder; without it and without --cell, the newest run under checkpoints/, or else the small model
    that comes with charrnn. Several are drawn into one picture.
    """
    given = context.params
    for name in ("hidden_size", "num_layers"):  # the environment may set these for all commands
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and not given["cells"]:
            raise click.UsageError(f"--{name.replace('_', '-')} is about untrained nets: give --cell too", context)
    from charrnn.console.gradient_flow import flow_page
    from charrnn.console.reports import compiling
    from charrnn.console.stdio import say, write
    from charrnn.console.terminal import render
    from charrnn.console.text import size
    from charrnn.kernels.jit import noticing_compilation
    from charrnn.page.document import write_page
    from charrnn.page.flow import flow_document
    from charrnn.run_folder import PAGE_MARK
    from charrnn.storage import check_output

    if given["html"] is not None:
        check_output(given["html"], PAGE_MARK)
    with noticing_compilation(lambda: say(compiling(None))):
        flows, text = _measured(given)
    if given["html"] is not None:
        say(f"page: {given['html']} ({size(write_page(given['html'], flow_document(flows, text)))})")
    if given["as_json"]:
        write("".join(json.dumps(flow.to_json()) + "\n" for flow in flows))
    else:
        write(render(flow_page(flows)))
    return 0


def _measured(given: dict[str, Any]) -> tuple[list[GradientFlow], str]:
    """Measure what was named; returns the flows and the name of the text."""
    from charrnn.checkpoint import load_checkpoint
    from charrnn.console.stdio import say
    from charrnn.console.text import count, plural
    from charrnn.gradient_flow.measure import REACH
    from charrnn.gradient_flow.models import flow_of, text_for, untrained_flow
    from charrnn.run_folder import find_checkpoint

    options = {"reach": given["reach"] or REACH, "threads": given["threads"]}
    paths = [find_checkpoint(name) for name in given["checkpoints"] or (() if given["cells"] else (None,))]
    checkpoints = [load_checkpoint(path) for path in paths]
    text = text_for(checkpoints, given["text"])
    say(f"following gradients over {count(len(text.code_points))} characters of {text.name}")
    flows = []
    for path, checkpoint in zip(paths, checkpoints):
        ids, unknown = checkpoint.vocabulary.encode_code_points(text.code_points)
        if unknown:
            say(f"{plural(unknown, 'character')} unknown to {path.parent.name}: left out", "note: ", "36")
        flows.append(flow_of(checkpoint, ids, name=path.parent.name, **options))
    shape = {name: given[name] for name in ("hidden_size", "num_layers") if given[name] is not None}
    for cell in given["cells"]:
        flows.append(untrained_flow(text, cell, checkpoints[0] if checkpoints else None, **shape, **options))
    return flows, text.name
