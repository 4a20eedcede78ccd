"""What an inspection found, on a terminal: a table, and for each finding an excerpt coloured by its cell."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from charrnn.console.coloured import coloured, legend, live
from charrnn.console.stdio import write
from charrnn.console.terminal import console_for
from charrnn.console.text import count, escaped_character, plural
from charrnn.inspection.labels import RULE
from charrnn.inspection.losses import loss_by_class, loss_by_distance
from charrnn.storage import printable

if TYPE_CHECKING:
    import numpy as np

    from charrnn.inspection.connectivity import Influences
    from charrnn.inspection.findings import Ablation, Finding, Inspection
    from charrnn.inspection.first_look import FirstLook
    from charrnn.inspection.views import View

_METRICS = {"auc": "AUC", "r2": "R²"}
_LABEL_STYLES = {"cell": "green", "candidate": "yellow", "correlate only": "dim"}
_WIDEST = 100  # columns of an excerpt; prose is hard to read in longer rows


def findings_page(inspection: Inspection, views: Sequence[View], top: int,
                  influences: Influences | None = None) -> RenderableType:
    """Return the `top` best findings as a table, where the loss lies, and what `views` show of the text."""
    parts: list[RenderableType] = [_summary(inspection)]
    if inspection.findings:
        parts += [Text(), findings_table(inspection.findings[:top])]
    if inspection.none_found:
        best = [f"{_readable(name)} {inspection.best[name].score:.2f}" if name in inspection.best else _readable(name)
                for name in inspection.none_found]
        parts += [Text(), _names("no cell for (score of the best unit)", best)]
    if len(inspection.dropped) == 1:
        parts.append(_names("not judged", [f"{_readable(name)}: {why}" for name, why in inspection.dropped.items()]))
    elif inspection.dropped:
        parts.append(_names("not judged, as --json explains", [_readable(name) for name in inspection.dropped]))
    if inspection.saturated or inspection.dead:
        parts.append(_still(inspection))
    parts += _losses(inspection)
    for view in views:
        parts += [Text(), view_of(view)]
    if influences is not None:
        parts += [Text(), _influences_of(influences)]
    if views or influences is not None:
        parts += [Text(), legend()]
    if inspection.findings:
        parts.append(Text(RULE, "dim"))
    return Group(*parts)


def first_look_page(look: FirstLook, top: int) -> RenderableType:
    """Return the `top` best of the findings that came with a model as a table, and what its cells do on a text."""
    parts: list[RenderableType] = [
        Text(f"{_found(look.findings)}, as found in {count(look.characters)} characters when this model was made"),
        Text(), findings_table(look.findings[:top]), Text(),
        Text(f"what the model's cells do now as it reads {count(len(look.text.ids))} characters of {look.text.name}:")]
    for view in look.views:
        parts += [Text(), view_of(view)]
    return Group(*parts, Text(), legend(), Text(RULE, "dim"))


def findings_table(findings: Sequence[Finding]) -> Table:
    """Return findings as a table, with the columns that matter most where the terminal is narrow."""
    width = console_for(sys.stdout).width
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="cyan")
    table.add_column("cell", justify="right", no_wrap=True)
    table.add_column("feature", overflow="fold", min_width=8)
    for name in _columns(width):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("label", no_wrap=True)
    for finding in findings:
        figures = {
            "score": f"{_METRICS[finding.metric]} {finding.score:.3f}",
            "interval": "{:.3f} to {:.3f}".format(*finding.interval), "last chars": f"{finding.baseline:.3f}",
            "untrained": f"{finding.untrained:.3f}", "chance": f"{finding.chance:.3f}", "gain": f"{finding.gain:.2f}",
            "p": f"{finding.p_value:.3f}", "held still": _effect(finding.ablation),
        }
        table.add_row(f"{finding.layer}:{finding.unit}", Text(_readable(finding.feature)),
                      *(figures[name] for name in _columns(width)),
                      Text(finding.label, _LABEL_STYLES.get(finding.label, "")))
    return table


def view_of(view: View) -> RenderableType:
    """Return an excerpt coloured by a cell, under a line that says what it is."""
    width = min(console_for(sys.stdout).width, _WIDEST)
    heading = Text.assemble((f"{view.layer}:{view.unit} ", "bold"), view.source)
    if view.feature is not None and view.metric is not None:
        heading.append(f"  {_readable(view.feature)}, {_METRICS[view.metric]} {view.score:.3f}, ")
        heading.append(view.label or "none found", _LABEL_STYLES.get(view.label or "", "dim"))
    heading.append(f"  characters {count(view.start)} to {count(view.start + len(view.code_points))}", "dim")
    characters = zip(view.code_points.tolist(), view.values.tolist())
    return Group(heading, coloured(characters, width, is_bytes=view.is_bytes))


def _influences_of(influences: Influences) -> RenderableType:
    """Return the text before a prediction, coloured by how much each character moved it, the most being 1."""
    width = min(console_for(sys.stdout).width, _WIDEST)
    expected = escaped_character(influences.expected, influences.is_bytes)
    heading = Text.assemble(("connectivity", "bold"), f'  what moved the prediction of "{expected}" after character '
                            f"{count(influences.position)} (1: the most)")
    values = influences.norms / max(float(influences.norms.max()), 1e-30)
    characters = zip(influences.code_points.tolist(), values.tolist())
    return Group(heading, coloured(characters, width, is_bytes=influences.is_bytes))


def _still(inspection: Inspection) -> Text:
    """Return how many units have nothing to show."""
    units = inspection.signals.levels.shape[0] * inspection.signals.levels.shape[1]
    return _names("units that never move", [f"{len(inspection.saturated)} stuck at -1 or 1, {len(inspection.dead)} "
                                            f"elsewhere, of {count(units)}"])


def _losses(inspection: Inspection) -> list[RenderableType]:
    """Return where the model's loss lies, as a line for each way to divide it."""
    losses = inspection.predictions.losses
    shares = [f"{part.name} {part.loss:.2f} ({part.share:.0%} of all)"
              for part in loss_by_class(inspection.text, losses)]
    distances = [f"{part.name} {part.loss:.2f}" for part in loss_by_distance(inspection.text, losses)]
    parts: list[RenderableType] = [_names("loss by what comes, nats", shares)]
    if distances:
        parts.append(_names("loss of closing signs by characters since the opening one", distances))
    return parts


def print_live(pieces: Iterable[tuple[np.ndarray, np.ndarray]], *, is_bytes: bool) -> None:
    """Write text to standard output as it is generated, given as (code points, values of a cell)."""
    console = console_for(sys.stdout)
    characters = (zip(code_points.tolist(), values.tolist()) for code_points, values in pieces)
    for text in live(characters, min(console.width, _WIDEST), is_bytes=is_bytes):
        with console.capture() as shown:
            console.print(text, end="", soft_wrap=True)
        write(shown.get(), flush=True)


def _columns(width: int) -> list[str]:
    """Return the columns of figures that a terminal has room for."""
    order = ["score", "gain", "last chars", "untrained", "chance", "p", "held still", "interval"]
    widths = {"score": 9, "gain": 4, "last chars": 10, "untrained": 9, "chance": 6, "p": 5, "held still": 16,
              "interval": 14}
    room, chosen = width - 46, {"score"}
    for name in order:
        room -= widths[name] + 2
        if room < 0:
            break
        chosen.add(name)
    places = ("score", "interval", "last chars", "untrained", "chance", "gain", "p", "held still")
    return [name for name in places if name in chosen]


def _effect(ablation: Ablation | None) -> str:
    return "" if ablation is None else f"{ablation.delta:+.2f} > {ablation.percentile:.0f} %"


def _summary(inspection: Inspection) -> Text:
    return Text(f"{_found(inspection.findings)} in {count(inspection.characters)} characters, "
                f"{inspection.seconds:.1f} s: {printable(inspection.checkpoint)}")


def _found(findings: Sequence[Finding]) -> str:
    """Return how many findings there are of each kind."""
    labels = [finding.label for finding in findings]
    return ", ".join(plural(labels.count(label), word) for label, word in
                     (("cell", "cell"), ("candidate", "candidate"), ("correlate only", "mere correlate"))
                     if label in labels) or "no cell found"


def _names(title: str, names: Sequence[str]) -> Text:
    return Text.assemble((f"{title}: ", "cyan"), ", ".join(names))


def _readable(feature: str) -> str:
    """Return a feature's name, which may come from the command line, in words."""
    return printable(feature.replace("_", " "), 40)
