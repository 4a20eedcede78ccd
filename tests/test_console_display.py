"""The live display, drawn into a string."""

from __future__ import annotations

import io
import os
import sys

import pytest
from rich.console import Console

from charrnn.console.display import Display
from charrnn.events import CompileEvent, Event, SampleEvent, WarningEvent

from .events import RUN, done, evaluated, plan, step


class _Screen:
    """A display on a terminal that remembers."""

    def __init__(self, width: int = 80) -> None:
        self._file = io.StringIO()
        self.console = Console(file=self._file, force_terminal=True, color_system=None, width=width, height=50,
                               markup=False, emoji=False, highlight=False)
        self.display = Display(RUN, self.console)

    def show(self, *events: Event) -> str:
        """Return what these events add, redraws left aside."""
        with self.display:
            for event in events:
                if isinstance(event, type(plan())):
                    self.display.plan = event  # drawn by a thread, it would come at any time
                else:
                    self.display.show(event)
        return self._file.getvalue()

    def drawn(self) -> str:
        """Return the part that is redrawn, as it is now."""
        with self.console.capture() as capture:
            self.console.print(self.display)
        return capture.get()


def test_what_happens_scrolls_by() -> None:
    sample = SampleEvent(step=785, text="ROMEO:\n\nIs [bold]the\x1b[2J day\n")
    shown = _Screen().show(plan(), step(), evaluated(), sample, WarningEvent(message="the disk\x1b is full"), done())
    assert shown == ("step 785 · val loss 1.7123 (best so far) · loss 1.6235 · epoch 2.50\n"
                     "  │ ROMEO:\n"
                     "  │ Is [bold]the\\x1b[2J day\n"
                     "warning: the disk\\x1b is full\n"
                     "\n"
                     "train 1.6235 ▁\n"
                     "val   1.7123 █\n"
                     "all epochs done: 3,140 steps in 4:05, 410k characters/s\n"
                     "best val loss: 1.5123 nats per character (tail split)\n"
                     "saved in: checkpoints/my fox\n"
                     "to sample: charrnn sample 'checkpoints/my fox'\n")


@pytest.mark.parametrize("width", [80, 120])
def test_the_bar_and_the_losses_tell_where_the_run_stands(width: int) -> None:
    screen = _Screen(width)
    screen.show(plan(), step(1), step(), evaluated())
    bar, facts = screen.drawn().splitlines()
    assert bar.startswith("━━━") and bar.rstrip().endswith(" 25%  3:00 left  train 1.6235 ▁▁")
    left, val, right = facts.partition("  val   1.7123  █")
    assert left.rstrip() == "step 785 of 3,140 · 412k characters/s" + (" · epoch 2.50" if width == 120 else "")
    assert val and not right.strip() and facts.index("val") == bar.index("train")


def test_on_a_narrow_terminal_the_losses_stand_below_the_bar() -> None:
    screen = _Screen(40)
    screen.show(plan(), step(1), step(), evaluated())
    bar, train, val, facts = screen.drawn().splitlines()
    assert bar.startswith("━━━") and bar.rstrip().endswith(" 25%  3:00 left")
    assert (train.rstrip(), val.rstrip()) == ("train 1.6235 ▁▁", "val   1.7123  █")
    assert facts.rstrip() == "step 785 of 3,140 · 412k characters/s"


def test_before_the_first_evaluation_there_is_one_row() -> None:
    screen = _Screen(80)
    screen.show(plan(), step())
    assert [line.rstrip() for line in screen.drawn().splitlines()][1] == \
        "step 785 of 3,140 · 412k characters/s · epoch 2.50"


def test_a_terminal_without_such_characters_gets_the_numbers() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    screen = _Screen(80)
    screen.console = Console(file=file, force_terminal=True, color_system=None, width=80, highlight=False)
    for event in (step(1), step(), evaluated()):
        screen.display.show(event)
    shown = screen.drawn()
    assert "train 1.6235" in shown and "val   1.7123" in shown and "▁" not in shown


def test_stopping_is_drawn_beneath_the_bar() -> None:
    screen = _Screen()
    screen.show(plan(), step())
    screen.display.stopping()
    assert screen.drawn().splitlines()[-1].startswith("finishing the step and saving (press Ctrl-C again")


def test_compiling_is_drawn_while_it_lasts() -> None:
    screen = _Screen(width=100)
    screen.show(plan(), CompileEvent(seconds=None))
    assert screen.drawn().startswith("compiling the kernels for this machine, once; later runs start at once … 0 s")
    assert screen.show(CompileEvent(seconds=11.6)).startswith("compiled in 12 s")
    assert screen.drawn() == ""


@pytest.mark.parametrize("width", [20, 33, 60])
def test_nothing_is_wider_than_a_narrow_terminal(width: int) -> None:
    screen = _Screen(width)
    screen.show(plan(), step(), evaluated(), SampleEvent(step=1, text="word " * 40))
    assert max(map(len, screen.drawn().splitlines())) <= width
    sample = _Screen(width).show(SampleEvent(step=1, text="word " * 40))
    assert len(sample.splitlines()) == 4 and max(map(len, sample.splitlines())) <= width


def test_a_long_command_is_not_broken() -> None:
    assert "to sample: charrnn sample 'checkpoints/my fox'\n" in _Screen(width=20).show(plan(), done())


def test_the_plan_comes_first_and_the_display_ends_with_the_run() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system=None, width=80)
    with Display(RUN, console) as display:
        display.show(plan())
        assert "\x1b[?25l" in file.getvalue()  # the cursor is hidden
        display.show(step())
    assert file.getvalue().startswith("text       fox.txt")
    assert file.getvalue().rindex("\x1b[?25h") > file.getvalue().rindex("\x1b[?25l")


@pytest.mark.parametrize(("early", "words"), [(True, b"nothing was lost"), (False, b"without saving")])
def test_abandoning_shows_the_cursor(early: bool, words: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb") as read:
        monkeypatch.setattr(sys, "stderr", stream)
        Display(RUN, Console(file=io.StringIO())).abandon(early)
        shown = read.read1(100)
        assert shown.startswith(b"\x1b[?25h\n") and words in shown and shown.count(b"\n") == 2


@pytest.mark.parametrize(("width", "rows"), [(80, 0), (60, 1), (40, 2), (30, 3)])
def test_a_terminal_that_gets_narrower_has_what_it_wrapped_erased(width: int, rows: int) -> None:
    screen = _Screen(80)
    live = screen.display._live
    live.auto_refresh = False
    with screen.display:
        screen.display.show(plan())
        screen.display.show(step())
        live.refresh()
        assert live.widths[0] == 80 and 40 < live.widths[1] < 60
        before = len(screen.console.file.getvalue())
        screen.console.width = width
        live.refresh()
        shown = screen.console.file.getvalue()[before:]
    erased = "\r\x1b[2K" + "\x1b[1A\x1b[2K" * rows
    assert shown.startswith(erased if rows else "\r\x1b[2K\x1b[1A")
    assert max(live.widths) <= width


def test_without_room_for_a_bar_there_is_its_text() -> None:
    screen = _Screen(20)
    screen.show(plan(), step(), evaluated())
    assert screen.drawn().splitlines()[0] == " 25%  3:00 left"
