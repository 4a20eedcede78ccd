"""Gradient flow on a terminal: the curves, and tables of what makes them fall."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from charrnn.console.plot import Curve, log_plot
from charrnn.console.terminal import console_for, facts
from charrnn.console.text import count, plural
from charrnn.storage import printable

if TYPE_CHECKING:
    from charrnn.gradient_flow.flow import Clipping, GradientFlow, LayerFlow

_HEIGHT, _WIDEST = 19, 100


def flow_page(flows: Sequence[GradientFlow]) -> RenderableType:
    """Return what was measured of some models: curves, tables, and how often clipping acts."""
    parts: list[RenderableType] = [
        Text(f"norm of d loss_t / d h_t-k, geometric mean over {plural(flows[0].positions, 'prediction')} t", "bold"),
        _plot(flows), Text(), _layers(flows)]
    if any(layer.keep for flow in flows for layer in flow.layers):
        parts += [Text(), _gates(flows)]
    parts += [Text(), facts([(f"clipping, {printable(flow.name, 60)}", clipping_words(flow.clipping))
                             for flow in flows])]
    return Group(*parts)


def curve_name(flow: GradientFlow, layer: int) -> str:
    """Return what to call a layer's curve."""
    return printable(flow.name, 60) + (f", layer {layer}" if len(flow.layers) > 1 else "")


def clipping_words(clipping: Clipping) -> str:
    """Return in words how often clipping acts."""
    words = f"norm {statistics.median(clipping.norms):.3g} in the median of {plural(len(clipping.norms), 'window')}; "
    if clipping.clip_norm:
        words += f"{clipping.clipped(clipping.norms):.0%} are above the limit of {clipping.clip_norm:g}"
        if len(clipping.recorded):
            words += (f"; {clipping.clipped(clipping.recorded):.0%} of {count(len(clipping.recorded))} recorded steps "
                      "were in training")
    elif not clipping.clip_value:
        words += "no limit"
    if clipping.clip_value:
        words += f"{', and ' if clipping.clip_norm else ''}{clipping.cut:.1%} of the elements are beyond theirs"
    return words


def steps_words(layer: LayerFlow, share: float) -> str:
    """Return after how many steps a share of the gradient is left."""
    steps = layer.falls_to(share)
    return f"> {len(layer.norms) - 1}" if steps is None else str(steps)


def _plot(flows: Sequence[GradientFlow]) -> Text:
    curves = [Curve(curve_name(flow, number), layer.norms.tolist())
              for flow in flows for number, layer in enumerate(flow.layers)]
    windows = {flow.seq_len for flow in flows}
    return log_plot(curves, min(console_for(sys.stdout).width, _WIDEST), _HEIGHT,
                    mark=windows.pop() if len(windows) == 1 else None)


def _layers(flows: Sequence[GradientFlow]) -> Table:
    table = _table("factor a step", "1/10 after", "1/100 after")
    table.add_column("largest singular value of W_hh", overflow="fold")
    for flow in flows:
        for number, layer in enumerate(flow.layers):
            gates = layer.singular_values
            values = "  ".join((f"{gate} " if len(gates) > 1 else "") + f"{values[0]:.2f}"
                               for gate, values in gates.items())
            table.add_row(curve_name(flow, number), f"{layer.factor:.3f}", steps_words(layer, 0.1),
                          steps_words(layer, 0.01), values)
    return table


def _gates(flows: Sequence[GradientFlow]) -> Table:
    table = _table("gate", "mean", "above 0.9", "below 0.1", "memory of the median unit", "longest")
    for flow in flows:
        for number, layer in enumerate(flow.layers):
            if layer.keep:
                keep = layer.keep
                table.add_row(curve_name(flow, number), keep.name, f"{keep.mean:.2f}", f"{keep.open:.0%}",
                              f"{keep.shut:.0%}", *(f"{keep.memory_of(share):,.1f}" for share in (0.5, 1.0)))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="cyan")
    table.add_column("", overflow="fold", min_width=12)
    for name in columns:
        table.add_column(name, justify="right")
    return table
