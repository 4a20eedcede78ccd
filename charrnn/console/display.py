"""The live display of a training run: what has happened scrolls up, and where the run stands is redrawn beneath it."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType

from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from charrnn.console.curves import WIDEST, LossCurves
from charrnn.console.plan import plan_rows
from charrnn.console.reports import (
    ABANDONED,
    SAMPLE_LINES,
    STOPPING,
    Report,
    Run,
    compiling,
    ending,
    sample_lines,
    step_count,
    time_left,
    val_fact,
)
from charrnn.console.terminal import facts, message_console
from charrnn.console.text import count, rate
from charrnn.events import CompileEvent, DoneEvent, EvalEvent, Event, PlanEvent, SampleEvent, StepEvent, WarningEvent
from charrnn.storage import printable

_REDRAWS = 8  # a second
_NARROW = 30  # columns below which a bar has no room
_SIDE_BY_SIDE = 70  # columns from which on the losses stand beside the bar
_FACTS = 40  # columns for where the run stands
_GAP = 2
_NUMBERS = _GAP + len("train 1.2345 ")  # columns of a loss beside its bars
_SHOW_CURSOR = b"\x1b[?25h\n"


class _Live(Live):
    """A part of the screen that is redrawn, also after the terminal got narrower and wrapped what stood there."""

    widths: tuple[int, ...] = ()  # of the lines that were drawn

    def refresh(self) -> None:
        """Redraw, with the cursor where the first of the lines began."""
        more = sum((width - 1) // max(self.console.width, 1) for width in self.widths)
        if more and self.is_started:
            up = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)) * more
            self.console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), *up))
        super().refresh()


class Display(Report):
    """Shows a run on a terminal."""

    def __init__(self, run: Run, console: Console | None = None) -> None:
        super().__init__(run)
        self._console = console or message_console()
        self._live = _Live(self, console=self._console, refresh_per_second=_REDRAWS, transient=True,
                          redirect_stdout=False, redirect_stderr=False)
        self._compiling_since: float | None = None
        self._first: StepEvent | None = None
        self._step: StepEvent | None = None
        self._curves = LossCurves()
        self._stopping = False

    def __enter__(self) -> Display:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        """Show an event: a step in the part that is redrawn, all others above it."""
        match event:
            case PlanEvent():
                self.plan = event
                self._console.print(facts(plan_rows(event, self.run.sources, self.run.folder)))
                self._console.print()
                self._live.start()
            case CompileEvent():
                self._compiling_since = time.monotonic() if event.seconds is None else None
                if event.seconds is not None:
                    self._print(Text(compiling(event.seconds), "dim"))
            case StepEvent():
                self._first, self._step = self._first or event, event
                self._curves.add(event)
            case EvalEvent():
                self._curves.add(event)
                self._print(self._eval_line(event))
            case SampleEvent():
                self._print_sample(event.text)
            case WarningEvent():
                self._print(Text.assemble(("warning: ", "yellow"), printable(event.message)), wrap=True)
            case DoneEvent():
                self._live.stop()
                self._console.print()
                for row in self._curves.rows(self._bars(self._console.options)) if self._curves else ():
                    self._print(row)
                for line in ending(event, self.plan, self.run):
                    name, _, rest = line.partition(": ")
                    self._print(Text.assemble((f"{name}: ", "cyan"), rest), wrap=True)

    def stopping(self) -> None:
        """Say in the next redraw that the run is about to stop."""
        self._stopping = True

    def abandon(self, early: bool) -> None:
        """Show the cursor, which the display hides, and say what becomes of the run."""
        os.write(sys.stderr.fileno(), b"%b%b\n" % (_SHOW_CURSOR, ABANDONED[early].encode()))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths: list[int] = []
        lines: list[Text] = []
        if self._compiling_since is not None:
            seconds = time.monotonic() - self._compiling_since
            lines = [Text(f"{compiling(None)} … {seconds:.0f} s", no_wrap=True, overflow="ellipsis")]
        elif self._step:
            bars = self._bars(options)
            losses = self._curves.rows(bars)
            beside = losses if options.max_width >= _SIDE_BY_SIDE else []
            width = _NUMBERS + bars if beside else 0
            row = self._progress_row(self._step, beside[:1], width, options.max_width)
            yield row
            widths = [row.cell_len if isinstance(row, Text) else options.max_width]
            room = options.max_width - (width if beside[1:] else 0)
            standing = Text(self._standing(self._step, room), no_wrap=True, overflow="ellipsis")
            if beside[1:]:
                standing.truncate(room, overflow="ellipsis", pad=True)
                standing.append(" " * _GAP).append_text(beside[1])
            lines = [standing] if beside else [*losses, standing]
        if self._stopping:
            lines += Text(STOPPING, style="yellow").wrap(console, options.max_width)
        yield from lines
        self._live.widths = (*widths, *(min(line.cell_len, options.max_width) for line in lines))

    def _bars(self, options: ConsoleOptions) -> int:
        """Return how many bars a loss is shown with: those that fit beside the other facts, or into a line."""
        if options.ascii_only:
            return 0
        side_by_side = options.max_width >= _SIDE_BY_SIDE
        room = min(options.max_width - _NUMBERS - (_FACTS if side_by_side else 0), WIDEST)
        return room if room > 1 else 0

    def _progress_row(self, step: StepEvent, losses: list[Text], width: int, room: int) -> Table | Text:
        left = time_left(step, self._first or step)
        done = Text(f"{step.progress:4.0%}  {left} left", no_wrap=True, overflow="ellipsis")
        if room < _NARROW:
            done.truncate(room, overflow="ellipsis")
            return done
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(ratio=1)
        row.add_column(no_wrap=True)
        bar = ProgressBar(total=1, completed=step.progress, complete_style="cyan", finished_style="cyan")
        for text in losses:
            text.pad_right(width - _GAP - text.cell_len)
            done.append(" " * _GAP).append_text(text)
        row.add_row(bar, done)
        return row

    def _standing(self, step: StepEvent, room: int) -> str:
        """Return where the run stands, as much of it as there is room for."""
        standing = step_count(step, self.plan)
        for fact in (f"{rate(step.chars_per_second)} characters/s", f"epoch {step.epoch:.2f}"):
            if len(standing) + len(f" · {fact}") > room:
                break
            standing += f" · {fact}"
        return standing

    def _eval_line(self, event: EvalEvent) -> Text:
        loss = f" · loss {self._step.loss:.4f}" if self._step else ""
        return Text.assemble((f"step {count(event.step)} · ", "dim"), (val_fact(event), "green" if event.best else ""),
                             (f"{loss} · epoch {event.epoch:.2f}", "dim"))

    def _print_sample(self, text: str) -> None:
        width = max(self._console.width - 4, 10)
        lines = [piece for line in sample_lines(text) for piece in Text(line).wrap(self._console, width)]
        for line in lines[:SAMPLE_LINES]:
            self._print(Text.assemble(("  │ ", "cyan"), line))

    def _print(self, text: Text, *, wrap: bool = False) -> None:
        # A soft wrap is the terminal's own, so that a long command can be copied in one piece.
        if wrap:
            self._console.print(text, soft_wrap=True)
        else:
            self._console.print(text, no_wrap=True, overflow="ellipsis")
