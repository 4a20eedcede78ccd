"""`charrnn inspect-cells`: finds and shows what single cells react to."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from charrnn.cli import settings
from charrnn.cli.options import Command, configured, environment_variable, option, settings_of, threads_option
from charrnn.config import SampleConfig

if TYPE_CHECKING:
    from charrnn.inspection.connectivity import Influences
    from charrnn.inspection.findings import Inspection
    from charrnn.inspection.texts import Text
    from charrnn.language_model import LanguageModel

EXAMPLES = """
charrnn inspect-cells
charrnn inspect-cells checkpoints/linux --html cells.html
charrnn inspect-cells checkpoints/linux drivers.c --feature inside_comment --top 3
charrnn inspect-cells checkpoints/linux --cell 0:43 --source f --context 1000
charrnn inspect-cells checkpoints/linux --position 5230 --context 150
charrnn inspect-cells checkpoints/linux --cell 0:43 --sample --prime "if ("
charrnn inspect-cells checkpoints/logs --regex 'date=[0-9]{4}-[0-9]{2}-[0-9]{2}' --json
"""

_TOP = 5  # findings on a terminal
_CONTEXT = 300  # characters of an excerpt
_LIVE = {name: settings.SAMPLED_TEXT.get(name) or settings.CHOICE[name] for name in ("length", "temperature")}


class CellName(click.ParamType):
    """A cell, written LAYER:UNIT, or UNIT alone, as (layer or None, unit)."""

    name = "cell"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int | None, int]:
        """Return the layer, if there is one, and the unit."""
        layer, colon, unit = value.rpartition(":")
        if not unit.isdecimal() or not (layer.isdecimal() or not colon):
            self.fail(f"{value!r} is no cell; write LAYER:UNIT, such as 0:43", param, ctx)
        return (int(layer) if colon else None), int(unit)


@click.command("inspect-cells", cls=Command, examples=EXAMPLES)
@click.argument("checkpoint", required=False, type=click.Path())
@click.argument("text", required=False, type=click.Path())
@option("Text", "--characters", type=click.IntRange(min=1), metavar="N", show_default="100000",
        help="Characters of the text that are read.")
@option("Features", "--regex", multiple=True, metavar="NAME=PATTERN",
        help="Look for a cell that is on within matches of a regular expression too (repeatable).")
@option("Features", "--features", type=click.Path(), metavar="FILE.py",
        help="Look for the features that this file registers too.")
@option("What is shown", "--feature", metavar="NAME", help="Findings about this feature alone.")
@option("What is shown", "--layer", type=click.IntRange(min=0), metavar="N", help="Findings in this layer alone.")
@option("What is shown", "--cell", type=CellName(), metavar="[LAYER:]UNIT",
        help="This cell alone, whether or not anything is found about it.")
@option("What is shown", "--source", metavar="c|h|i|f|g|o|r|z|n", show_default="c of an LSTM, else h",
        help="State or gate that colours the text.")
@option("What is shown", "--top", type=click.IntRange(min=0), metavar="N",
        show_default=f"{_TOP} in the table, all elsewhere", help="The N best findings.")
@option("What is shown", "--context", "around", type=click.IntRange(min=1), default=_CONTEXT, show_default=True,
        metavar="N", help="Characters of an excerpt.")
@option("What is shown", "--position", type=click.IntRange(min=0), metavar="N",
        help="How much each character before moved the prediction after character N, counted from 0.")
@option("Live text", "--sample", is_flag=True, help="Generate text, coloured by --cell or else the best finding's.")
@settings_of(SampleConfig, "Live text", _LIVE)
@option("Live text", "--prime", metavar="TEXT", default="", help="What the text begins with.")
@option("Live text", "--seed", type=int, metavar="N", envvar=environment_variable("seed"),
        show_default="a new one each time", help="Decides every draw.")
@option("Output", "--html", type=click.Path(), metavar="FILE",
        help="Write a page to explore all cells with, one file of at most 10 MB.")
@option("Output", "--export", type=click.Path(), metavar="FILE.npz",
        help="Write activations and features as NumPy arrays.")
@threads_option("Output")
@option("Output", "--json", "as_json", is_flag=True, help="Print the findings as one JSON object.")
@click.pass_context
def command(context: click.Context, checkpoint: str | None, text: str | None, **_: Any) -> int:
    """Find what single cells react to, and show it, with how strong the evidence is.

    CHECKPOINT is a checkpoint file or a run folder; without it, the newest run under checkpoints/, or else the small
    model that comes with charrnn, of which a first look is shown where nothing else is given. TEXT is a file or folder,
    or - for standard input; without it, the validation part of the text that the model was trained on.
    """
    given = context.params
    _refuse_contradictions(context)
    from charrnn.cli.models import loaded
    from charrnn.console.stdio import write
    from charrnn.inspection.connectivity import influences
    from charrnn.inspection.export import ARRAYS_MARK
    from charrnn.inspection.views import best_cell, chosen
    from charrnn.run_folder import PAGE_MARK
    from charrnn.storage import check_output

    for path, mark in ((given["html"], PAGE_MARK), (given["export"], ARRAYS_MARK)):
        if path is not None:
            check_output(path, mark)
    with loaded(checkpoint, given["threads"]) as (path, model):
        if not _is_specific(context) and _show_first_look(path, model):
            return 0
        source, cell = _cell(context, model)
        if given["sample"] and cell is not None:
            return _write_live(context, model, cell, source)
        inspection, read = _inspected(given, path, model, text, source)
        layer, unit = cell or (given["layer"], None)
        inspection = chosen(inspection, layer=layer, unit=unit, feature=given["feature"])
        if given["sample"]:
            return _write_live(context, model, best_cell(inspection), source)
        best = chosen(inspection, top=given["top"])
        moved = None if given["position"] is None else \
            influences(inspection, model.checkpoint, given["position"], given["around"])
        _write_files(given, best, read, model)
        if given["as_json"]:
            write(json.dumps(best.to_json() | ({"connectivity": moved.to_json()} if moved else {})) + "\n")
        else:
            _print(given, inspection, model, cell, moved)
    return 0


def _refuse_contradictions(context: click.Context) -> None:
    """Raise `click.UsageError` for options that have no effect together."""
    given = context.params
    if given["layer"] is not None and given["cell"] and given["cell"][0] not in (None, given["layer"]):
        raise click.UsageError(f"--layer {given['layer']} contradicts --cell {given['cell'][0]}:{given['cell'][1]}",
                               context)
    for name in ("length", "temperature", "prime", "seed"):  # the environment may set these for all commands
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and not given["sample"]:
            raise click.UsageError(f"--{name} is about generated text: give --sample too", context)
    for name, spelling in (("html", "--html"), ("export", "--export"), ("as_json", "--json"),
                           ("position", "--position")):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and given["sample"]:
            raise click.UsageError(f"--sample shows text as it is generated: leave out {spelling}", context)


def _is_specific(context: click.Context) -> bool:
    """Return whether anything is given that says what to inspect or how to show it; the environment cannot."""
    silent = ParameterSource.DEFAULT, ParameterSource.ENVIRONMENT
    return any(context.get_parameter_source(name) not in silent for name in context.params if name != "threads")


def _show_first_look(path: Path, model: LanguageModel) -> bool:
    """Show what came with a model that is in the box; return whether anything did."""
    from charrnn.cli.models import model_name
    from charrnn.console.cells import first_look_page
    from charrnn.console.stdio import say, write
    from charrnn.console.terminal import render
    from charrnn.inspection.first_look import first_look
    from charrnn.run_folder import is_shipped

    look = first_look(path, model.checkpoint, top=_TOP, context=_CONTEXT) if is_shipped(path) else None
    if look is None:
        return False
    name = model_name(path)
    say(f"a first look at {name}, which comes with charrnn; `charrnn inspect-cells {name}` inspects it in full")
    write(render(first_look_page(look, _TOP)))
    return True


def _cell(context: click.Context, model: LanguageModel) -> tuple[str, tuple[int, int] | None]:
    """Return the state or gate that is shown, and the chosen cell, if one is."""
    from charrnn.cells import get_cell
    from charrnn.errors import ConfigError

    given, config = context.params, model.checkpoint.model
    spec = get_cell(config.cell)
    source = given["source"] or spec.states[-1]
    if source not in (*spec.states, *spec.gates):
        raise ConfigError(f"--source {source}: cells of the kind {config.cell} have {', '.join(spec.states)} and the "
                          f"gates {', '.join(spec.gates)}")
    if given["layer"] is not None and given["layer"] >= config.num_layers:
        raise ConfigError(f"--layer {given['layer']}: the model has layers 0 to {config.num_layers - 1}")
    if given["cell"] is None:
        return source, None
    layer, unit = given["cell"]
    layer = given["layer"] if layer is None else layer
    if layer is None and config.num_layers > 1:
        raise ConfigError(f"--cell {unit}: the model has {config.num_layers} layers, so write LAYER:{unit}")
    layer = layer or 0
    if layer >= config.num_layers or unit >= config.hidden_size:
        raise ConfigError(f"--cell {layer}:{unit}: the model has layers 0 to {config.num_layers - 1} of units 0 to "
                          f"{config.hidden_size - 1}")
    return source, (layer, unit)


def _inspected(given: dict[str, Any], path: Path, model: LanguageModel, text: str | None,
               source: str) -> tuple[Inspection, Text]:
    """Read the text and find what the cells do in it."""
    from charrnn.cli.models import model_name
    from charrnn.console.stdio import is_terminal, say
    from charrnn.console.text import count
    from charrnn.inspection import texts
    from charrnn.inspection.inspector import CHARACTERS, inspect

    limit = given["characters"] or CHARACTERS
    if text == "-" and is_terminal(sys.stdin):
        say("type or paste the text, and end it with Ctrl-D")
    read = texts.held_out_text(model.checkpoint, limit) if text is None else \
        texts.named_text(text, model.checkpoint, limit)
    if read.unknown:
        left_out = "1 character that the model does not know is" if read.unknown == 1 else \
            f"{count(read.unknown)} characters that the model does not know are"
        say(f"{left_out} left out", "note: ", "36")
    name = model_name(path)
    say(f"inspecting {name} on {'the first ' if read.cut else ''}{count(len(read.ids))} characters of {read.name}")
    return inspect(model.checkpoint, read.ids, name=name, source=source, regexes=given["regex"],
                   features_file=given["features"], characters=limit, threads=given["threads"]), read


def _print(given: dict[str, Any], inspection: Inspection, model: LanguageModel, cell: tuple[int, int] | None,
           influences: Influences | None) -> None:
    from charrnn.console.cells import findings_page
    from charrnn.console.stdio import write
    from charrnn.console.terminal import render
    from charrnn.inspection.views import views

    top = _TOP if given["top"] is None else given["top"]
    excerpts = views(inspection, model.checkpoint, top=top, context=given["around"], cell=cell)
    write(render(findings_page(inspection, excerpts, top, influences)))


def _write_files(given: dict[str, Any], inspection: Inspection, read: Text, model: LanguageModel) -> None:
    from charrnn.console.plan import architecture
    from charrnn.console.stdio import say
    from charrnn.console.text import count, size
    from charrnn.inspection.export import export
    from charrnn.page.cells import cell_page
    from charrnn.page.document import write_page

    if given["html"] is not None:
        facts = f"{architecture(model.checkpoint.model.to_json())} · {count(len(read.ids))} characters of {read.name}"
        written = write_page(given["html"], cell_page(inspection, model.checkpoint, facts, threads=given["threads"]))
        say(f"page: {given['html']} ({size(written)})")
    if given["export"] is not None:
        export(given["export"], inspection)
        say(f"arrays: {given['export']}")


def _write_live(context: click.Context, model: LanguageModel, cell: tuple[int, int], source: str) -> int:
    """Generate text, coloured as it is made."""
    from charrnn.console.cells import print_live
    from charrnn.console.stdio import say
    from charrnn.inspection.live import generate_with_values

    seed = context.params["seed"]
    config = configured(context, SampleConfig, seed=secrets.randbelow(2**32) if seed is None else seed)
    say(f"cell {cell[0]}:{cell[1]}, {source}" + (f", seed {config.seed}" if seed is None else ""))
    pieces = generate_with_values(model, context.params["prime"], config, cell, source)
    print_live(pieces, is_bytes=model.vocabulary.bytes)
    return 0
