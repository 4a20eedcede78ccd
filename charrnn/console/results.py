"""All that a checkpoint says about its model, as tables."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from charrnn.config import option
from charrnn.console.plan import architecture
from charrnn.console.terminal import facts, output_width
from charrnn.console.text import count, duration, escaped_character, plural, size, sparkline
from charrnn.model import parameter_shapes
from charrnn.storage import printable

if TYPE_CHECKING:
    from charrnn.checkpoint import Description
    from charrnn.vocabulary import Vocabulary

_SHOWN_CHARACTERS = 400
_SHOWN_EVALUATIONS = 8
_NARROW = 70  # columns below which tables are packed closer


def description_json(description: Description, path: Path, file_size: int) -> dict[str, Any]:
    """Return what a checkpoint says as a dict that `json.dumps` takes."""
    shapes = parameter_shapes(description.model)
    return {
        "checkpoint": str(path), "bytes": file_size, "version": description.version,
        "parameters": sum(math.prod(shape) for shape in shapes.values()),
        "tensors": {name: list(shape) for name, shape in shapes.items()},
        "model": description.model.to_json(), "text": description.text.to_json(),
        "train": description.train.to_json() | {"beta1": description.train.momentum},
        "vocabulary": description.vocabulary.to_json(), "corpus": description.corpus, "history": description.history,
    }


def description_page(description: Description, path: Path, file_size: int) -> RenderableType:
    """Return what a checkpoint says, on a page."""
    model = description.model.to_json()
    parts: list[RenderableType] = [
        facts([("checkpoint", printable(path)),
               ("file", f"{size(file_size)}, written by charrnn {printable(description.version, 40)}"),
               ("model", architecture(model))]),
        _heading("Parameters"), _parameters(parameter_shapes(description.model)),
        _heading("Vocabulary"), Padding(_vocabulary(description.vocabulary), (0, 0, 0, 2)),
        _heading("Settings"), _settings({**description.text.to_json(), **description.train.to_json(),
                                         "lr": description.train.peak_lr, "beta1": description.train.momentum}),
    ]
    evaluations = [event for event in description.history if _is_evaluation(event)]
    if evaluations:
        parts += [_heading("History"), *_history(evaluations)]
    return Group(*parts)


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _parameters(shapes: dict[str, tuple[int, ...]]) -> Table:
    """Return the tensors in groups: the embedding, each recurrent layer, the output."""
    groups: dict[str, list[str]] = {}
    for name in shapes:
        layer = re.fullmatch(r"rnn\..*_l(\d+)", name)
        groups.setdefault(f"layer {layer[1]}" if layer else name.partition(".")[0], []).append(name)
    total = sum(math.prod(shape) for shape in shapes.values())
    table = _table("", "tensors", "parameters", "share")
    for group, names in groups.items():
        number = sum(math.prod(shapes[name]) for name in names)
        tensors = ", ".join(f"{name.partition('.')[2]} {'×'.join(map(str, shapes[name]))}" for name in names)
        table.add_row(group, tensors, count(number), f"{number / total:.1%}")
    table.add_row("total", "", count(total), "", style="bold")
    return table


def _vocabulary(vocabulary: Vocabulary) -> Text:
    code_points = vocabulary.code_points.tolist()
    shown = " ".join(escaped_character(code, vocabulary.bytes) for code in code_points[:_SHOWN_CHARACTERS])
    rest = len(code_points) - _SHOWN_CHARACTERS
    more = f" and {count(rest)} more" if rest > 0 else ""
    number = plural(len(code_points), "byte" if vocabulary.bytes else "character")
    return Text.assemble((f"{number}: ", "cyan"), shown + more)


def _settings(settings: dict[str, Any]) -> Table:
    """Return settings that have a value, as options, in two columns where there is room."""
    items = [(option(name)[2:], _value(value)) for name, value in settings.items() if value is not None]
    columns = 1 if output_width() < _NARROW else 2
    table = Table.grid(padding=(0, 3, 0, 0))
    for _ in range(columns):
        table.add_column(style="cyan", overflow="fold")
        table.add_column(overflow="fold")
    length = -(-len(items) // columns)
    for first in range(length):
        cells = [text for name, value in items[first::length] for text in (name, value)]
        table.add_row(f"  {cells[0]}", *cells[1:])
    return table


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else printable(str(value), 80)


def _is_evaluation(event: dict[str, Any]) -> bool:
    """Tell whether an event of a history, which may hold anything, is an evaluation that can be shown."""
    return event.get("event") == "eval" and all(
        isinstance(event.get(name), (int, float)) for name in ("step", "epoch", "val_loss", "bpc", "seconds"))


def _history(evaluations: list[dict[str, Any]]) -> list[RenderableType]:
    losses = [event["val_loss"] for event in evaluations]
    best = min(evaluations, key=lambda event: event["val_loss"])
    summary = f"val loss {losses[0]:.4f} → {losses[-1]:.4f}, best {best['val_loss']:.4f} at step {count(best['step'])}"
    if (sys.stdout.encoding or "").lower().startswith("utf"):
        summary = f"{sparkline(losses)}  {summary}"
    table = _table("step", "epoch", "val loss", "bpc", "time")
    for event in evaluations[-_SHOWN_EVALUATIONS:]:
        table.add_row(count(event["step"]), f"{event['epoch']:.2f}", f"{event['val_loss']:.4f}", f"{event['bpc']:.4f}",
                      duration(event["seconds"]), style="green" if event is best else "")
    return [Text(f"  {summary}"), table]


def _table(*columns: str) -> Table:
    """Return a table without lines, numbers to the right."""
    table = Table(box=None, padding=(0, 1 if output_width() < _NARROW else 2), header_style="cyan")
    for name in columns:
        table.add_column(name, justify="left" if name in ("", "tensors") else "right", overflow="fold")
    return table
