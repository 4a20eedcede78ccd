"""The rows of bars that show a run's losses."""

from __future__ import annotations

from dataclasses import replace

from charrnn.console.curves import LossCurves

from .events import evaluated, step


def _curves(*losses: float) -> LossCurves:
    curves = LossCurves()
    for number, loss in enumerate(losses):
        curves.add(replace(step(number), loss=loss))
    return curves


def _rows(curves: LossCurves, bars: int) -> list[str]:
    return [row.plain for row in curves.rows(bars)]


def test_there_is_nothing_to_show_before_the_first_step() -> None:
    assert not LossCurves() and _curves(1)


def test_the_bars_grow_with_the_run() -> None:
    assert _rows(_curves(3, 2, 1), 8) == ["train 1.0000 █▅▁"]


def test_both_losses_share_their_scale_and_their_columns() -> None:
    curves = _curves(8, 6)
    curves.add(replace(evaluated(), val_loss=7))
    for loss in (4, 2, 1):
        curves.add(replace(step(), loss=loss))
    curves.add(replace(evaluated(), val_loss=4.5))
    assert _rows(curves, 8) == ["train 1.0000 █▆▄▂▁", "val   4.5000   ▇▇▅"]


def test_a_loss_is_up_to_date_however_seldom_the_bars_change() -> None:
    curves = _curves(*range(1000, 0, -1))
    curves.add(replace(evaluated(), val_loss=2))
    train, val = _rows(curves, 10)
    assert train.startswith("train 1.0000 ") and val.startswith("val   2.0000 ")
    assert len(train) == len("train 1.0000 ") + 10 and val.endswith("         ▁")


def test_the_losses_of_the_beginning_leave_the_scale_to_those_after_them() -> None:
    assert _rows(_curves(100, 2, 2, 2, 2, 1, 1, 1), 8) == ["train 1.0000 █████▁▁▁"]


def test_without_bars_there_are_numbers() -> None:
    curves = _curves(3, 2)
    curves.add(evaluated())
    assert _rows(curves, 0) == ["train 2.0000", "val   1.7123"]
