"""What is looked at of an inspection."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from charrnn.errors import ConfigError
from charrnn.inspection.views import best_cell, chosen, views

from .inspections import TEXT, finding, inspection

_FINDINGS = (finding(), finding(layer=1, unit=2, feature="line_position", metric="r2", gain=0.5),
             finding(layer=0, unit=5, gain=0.4))


def test_findings_are_chosen_by_layer_unit_feature_and_number() -> None:
    found, _ = inspection(TEXT, *_FINDINGS)
    assert chosen(found).findings == _FINDINGS
    assert chosen(found, layer=0).findings == (_FINDINGS[0], _FINDINGS[2])
    assert chosen(found, layer=0, unit=5).findings == (_FINDINGS[2],)
    assert chosen(found, feature="line_position").findings == (_FINDINGS[1],)
    assert chosen(found, top=2).findings == _FINDINGS[:2]


def test_other_features_are_left_out_of_what_was_not_found() -> None:
    found, _ = inspection(TEXT, *_FINDINGS)
    one = chosen(found, feature="Line position")  # however it is typed
    assert (one.none_found, one.dropped, list(one.best)) == (("line_position",), {}, ["line_position"])
    assert chosen(found, feature="inside_latex_math").dropped == found.dropped


def test_an_unknown_feature_is_told() -> None:
    found, _ = inspection(TEXT)
    with pytest.raises(ConfigError, match=r"--feature quotes: .*there are inside_double_quotes, line_position"):
        chosen(found, feature="quotes")


@pytest.mark.parametrize(("typed", "hint"), [
    ("line_positon", "for; did you mean line_position? there are "),
    ("quots", "for; did you mean inside_double_quotes? there are "),
    ("quotes", "for; did you mean inside_double_quotes? there are "), ("xyzzy", "for; there are "),
])
def test_the_nearest_features_are_suggested(typed: str, hint: str) -> None:
    found, _ = inspection(TEXT)
    found = replace(found, features={name.replace("_", " "): values for name, values in found.features.items()},
                    dropped={})
    with pytest.raises(ConfigError, match=re.escape(hint.replace("_", " "))):
        chosen(found, feature=typed)


def test_each_finding_gets_a_stretch_with_its_cells_values() -> None:
    found, checkpoint = inspection(TEXT, *_FINDINGS)
    shown = views(found, checkpoint, top=2, context=100)
    assert [(view.layer, view.unit, view.feature, view.label) for view in shown] == [
        (0, 3, "inside_double_quotes", "cell"), (1, 2, "line_position", "cell")]
    first = shown[0]
    text = "".join(map(chr, first.code_points))
    assert text == TEXT[first.start:first.start + 100]
    quoted = found.features["inside_double_quotes"][first.start:first.start + 100]
    assert np.allclose(first.values, np.where(quoted, 1, -1)) and quoted.any() and not quoted.all()


def test_a_chosen_cell_is_shown_though_nothing_was_found_about_it() -> None:
    found, checkpoint = inspection(TEXT)
    (view,) = views(found, checkpoint, top=5, context=50, cell=(1, 7))
    assert (view.layer, view.unit, view.feature, view.source) == (1, 7, None, "c")
    assert np.allclose(view.values, found.signals.values(1, 7)[view.start:view.start + 50])


def test_the_best_unit_for_a_feature_is_shown_though_it_is_no_cell() -> None:
    found, checkpoint = inspection(TEXT, finding())
    (view,) = views(chosen(found, feature="line position"), checkpoint, top=5, context=50)
    assert (view.layer, view.unit, view.feature, view.score, view.label) == (1, 6, "line_position", 0.42, None)


def test_the_best_cell() -> None:
    assert best_cell(inspection(TEXT, *_FINDINGS)[0]) == (0, 3)
    with pytest.raises(ConfigError, match="--cell"):
        best_cell(inspection(TEXT)[0])
