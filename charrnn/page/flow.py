"""The page of gradient flow: curves as SVG and the tables beside them, in one file without a script."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence

from charrnn.gradient_flow.flow import GradientFlow, LayerFlow
from charrnn.page.document import document

#: Powers of ten below the highest value that the plot shows.
DECADES = 12

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 960, 420, 52, 12, 10, 44
_COLOURS = 8

_GATES = """<h2>Gates that scale the old state</h2>
<p class="quiet">Memory: the steps after which what a unit holds has faded to 1/e if nothing is written.</p>
<div class="wide"><table>{}</table></div>"""


def flow_document(flows: Sequence[GradientFlow], text: str) -> str:
    """Return a page on the gradient flow of some models over a text, as one HTML document.

    Parameters
    ----------
    text : its name.
    """
    gates = _table(("", "gate", "mean", "above 0.9", "below 0.1", "memory of the median unit", "longest"),
                   _gate_rows(flows))
    parts = {
        "facts": html.escape(f"{flows[0].positions} predictions in {flows[0].characters:,} characters of {text}"),
        "legend": "".join(f'<li class="c{number % _COLOURS}"><i></i>{html.escape(name)}</li>'
                          for number, (name, _) in enumerate(_curves(flows))),
        "plot": _plot(flows),
        "layers": _table(("", "factor a step", "1/10 after", "1/100 after", "largest singular values"),
                         _layer_rows(flows)),
        "gates": _GATES.format(gates) if any(_gate_rows(flows)) else "",
        "clipping": _table(("", "median norm", "limit", "windows above it", "recorded steps above it", "elements cut"),
                           _clipping_rows(flows))}
    return document("flow.html", f"Gradient flow: {', '.join(flow.name for flow in flows)}", {},
                    styles=("base.css", "flow.css"), parts=parts)


def _curves(flows: Sequence[GradientFlow]) -> Iterator[tuple[str, LayerFlow]]:
    for flow in flows:
        for number, layer in enumerate(flow.layers):
            yield flow.name + (f", layer {number}" if len(flow.layers) > 1 else ""), layer


def _plot(flows: Sequence[GradientFlow]) -> str:
    layers = [layer for _, layer in _curves(flows)]
    found = [math.log10(value) for layer in layers for value in layer.norms.tolist() if 0 < value < math.inf]
    top, reach = max(found, default=0.0) + 0.1, max(len(layers[0].norms) - 1, 1)
    low = min(max(min(found, default=0.0), top - DECADES), top - 1)

    def x(k: float) -> float:
        return _LEFT + k / reach * (_WIDTH - _LEFT - _RIGHT)

    def y(power: float) -> float:
        return _TOP + (top - power) / (top - low) * (_HEIGHT - _TOP - _BOTTOM)

    def points(values: Sequence[float]) -> list[str]:
        return [f"{x(k):.1f},{y(min(math.log10(value), top + 9)):.1f}" for k, value in enumerate(values)
                if 0 < value < math.inf]

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="norm of the gradient by steps back">'
             f'<clipPath id="inside"><rect x="{_LEFT}" y="{_TOP}" width="{_WIDTH - _LEFT - _RIGHT}" '
             f'height="{_HEIGHT - _TOP - _BOTTOM}"/></clipPath>']
    for power in range(math.floor(top), math.ceil(low) - 1, -max(1, math.ceil((top - low) / 7))):
        parts.append(f'<path class="grid" d="M{_LEFT} {y(power):.1f}H{_WIDTH - _RIGHT}"/><text x="{_LEFT - 8}" '
                     f'y="{y(power) + 4:.1f}" text-anchor="end">{f"1e{power}" if power else 1}</text>')
    for k in sorted({round(reach * fifth / 5) for fifth in range(6)}):
        parts.append(f'<text x="{x(k):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{k}</text>')
    parts.append(f'<text x="{x(reach / 2):.1f}" y="{_HEIGHT - 6}" text-anchor="middle">steps back, k</text>')
    for length in sorted({flow.seq_len for flow in flows if flow.seq_len < reach}):
        parts.append(f'<path class="mark" d="M{x(length):.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>'
                     f'<text x="{x(length) + 5:.1f}" y="{_TOP + 12}">training looks back {length}</text>')
    parts.append('<g clip-path="url(#inside)">')
    for number, (name, layer) in enumerate(_curves(flows)):
        colour = f"c{number % _COLOURS}"
        band = points(layer.high.tolist()) + points(layer.low.tolist())[::-1]
        parts.append(f'<polygon class="band {colour}" points="{" ".join(band)}"/>'
                     f'<polyline class="curve {colour}" points="{" ".join(points(layer.norms.tolist()))}">'
                     f'<title>{html.escape(name)}</title></polyline>')
    return "".join([*parts, "</g></svg>"])


def _layer_rows(flows: Sequence[GradientFlow]) -> Iterator[list[str]]:
    for name, layer in _curves(flows):
        fallen = ["> " + str(len(layer.norms) - 1) if steps is None else str(steps)
                  for steps in (layer.falls_to(0.1), layer.falls_to(0.01))]
        values = ", ".join(f"{gate} {values[0]:.2f}" for gate, values in layer.singular_values.items())
        yield [name, f"{layer.factor:.3f}", *fallen, values]


def _gate_rows(flows: Sequence[GradientFlow]) -> Iterator[list[str]]:
    for name, layer in _curves(flows):
        if keep := layer.keep:
            yield [name, keep.name, f"{keep.mean:.2f}", f"{keep.open:.0%}", f"{keep.shut:.0%}",
                   *(f"{keep.memory_of(share):,.1f}" for share in (0.5, 1.0))]


def _clipping_rows(flows: Sequence[GradientFlow]) -> Iterator[list[str]]:
    for flow in flows:
        clipping = flow.clipping
        norms, recorded = clipping.norms, clipping.recorded
        limit = [f"{clipping.clip_norm:g}", f"{clipping.clipped(norms):.0%} of {len(norms)}"] if clipping.clip_norm \
            else ["none", ""]
        yield [flow.name, f"{sorted(norms)[len(norms) // 2]:.3g}", *limit,
               f"{clipping.clipped(recorded):.0%} of {len(recorded)}" if clipping.clip_norm and len(recorded) else "",
               f"{clipping.cut:.1%}" if clipping.clip_value else ""]


def _table(heads: Sequence[str], rows: Iterator[list[str]]) -> str:
    lines = ["".join(f"<th>{head}</th>" for head in heads)]
    lines += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    return "".join(f"<tr>{line}</tr>" for line in lines)
