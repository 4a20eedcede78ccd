"""Options: made from the configurations, so that no default is written twice, and shown in sections with examples."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from charrnn import config
from charrnn.cells import CELLS

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Config = TypeVar("_Config", config.ModelConfig, config.TrainConfig, config.TextConfig, config.SampleConfig)

_CHOICES: dict[str, tuple[str, ...]] = {
    "cell": CELLS, "optimizer": config.OPTIMIZERS, "lr_schedule": config.LR_SCHEDULES, "split": config.SPLITS,
    "precision": config.PRECISIONS, "normalize": config.NORMALIZATIONS,
}
_METAVARS = {int: "N", float: "X", str: "TEXT"}

#: Where a click context keeps the name of the file that options were read from.
FILE_OF_OPTIONS = "charrnn.file_of_options"
_BY_HAND = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)


class Duration(click.ParamType):
    """A time in seconds, written 90, 90s, 15m, 2h or 1h30m."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, (int, float)):
            return float(value)
        seconds = config.seconds_in(value)
        if seconds is None:
            self.fail(f"{value!r} is no time; write 90 or 90s (seconds), 15m, 2h or 1h30m", param, ctx)
        return seconds


class Interval(click.ParamType):
    """A number of steps, written 500, or a time, written 90s, 15m, 2h or 1h30m."""

    name = "steps or time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return steps as a number, a time as it is written."""
        text = str(value).strip()
        if text.isascii() and text.lstrip("+-").isdigit() and len(text) < 20:
            return int(text)
        if text[-1:].isdigit() or config.seconds_in(text) is None:
            self.fail(f"{value!r} is neither a number of steps, such as 500, nor a time, such as 90s, 15m or 1h30m",
                      param, ctx)
        return text


DURATION = Duration()
INTERVAL = Interval()


class Cell(click.ParamType):
    """A cell and the value at which it is held, written LAYER:UNIT=VALUE, or LAYER:UNIT where the value is 0."""

    name = "cell"
    _FORM = re.compile(r"([0-9]{1,9}):([0-9]{1,9})(=.*)?", re.DOTALL)

    def __init__(self, *, with_value: bool) -> None:
        self._with_value = with_value

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> config.CellHold:
        """Return the cell with its value."""
        if isinstance(value, config.CellHold):
            return value
        match = self._FORM.fullmatch(value.strip())
        try:
            if match is None or (match[3] is not None) != self._with_value:
                raise ValueError
            return config.CellHold(int(match[1]), int(match[2]), float(match[3][1:]) if match[3] else 0.0)
        except ValueError:
            form = "0:43=1.5 (layer, unit, value)" if self._with_value else "0:43 (layer, unit)"
            self.fail(f"{value!r} is no cell; write {form}", param, ctx)


class Option(click.Option):
    """An option that belongs to a section of the help."""

    def __init__(self, *args: Any, section: str = "Options", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.section = section

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Return what a message calls the option, with where its value comes from if that is not the command line."""
        source = ctx.get_parameter_source(self.name) if ctx and self.name else None
        hint = super().get_error_hint(ctx)
        if ctx and source is ParameterSource.DEFAULT_MAP:
            return f"{hint} in {ctx.meta.get(FILE_OF_OPTIONS)}"
        return f"{hint} in the environment ({self.envvar})" if source is ParameterSource.ENVIRONMENT else hint


class Command(click.Command):
    """A command whose help has sections and ends with examples."""

    def __init__(self, *args: Any, examples: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section in the order of their first appearance."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and record:
                sections.setdefault(getattr(parameter, "section", "Options"), []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, line by line as they are."""
        _write_examples(formatter, self.examples)


class Group(click.Group):
    """A command with commands of its own, whose help ends with examples, and which knows misspelt names."""

    def __init__(self, *args: Any, examples: str = "", **attributes: Any) -> None:
        super().__init__(*args, **{"invoke_without_command": True, **attributes})
        self.examples = examples

    def resolve_command(self, ctx: click.Context,
                        args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the words name, or say which one is spelt like it."""
        names = self.list_commands(ctx)
        if args[0] not in names and not ctx.resilient_parsing:
            close = get_close_matches(args[0], names, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
            ctx.fail(f"no such command: {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, line by line as they are."""
        _write_examples(formatter, self.examples)


def _write_examples(formatter: click.HelpFormatter, examples: str) -> None:
    with formatter.section("Examples"):
        for line in examples.strip().splitlines():
            formatter.write(f"  {line}\n")


@dataclass(frozen=True)
class Setting:
    """How the command line presents a field of a configuration.

    Attributes
    ----------
    help : what it does.
    unset : what happens when it is left out, for fields whose default is None.
    type : how to read it, where the field's own type does not tell.
    metavar : what stands for its value in the help.
    """

    help: str
    unset: str | None = None
    type: click.ParamType | None = None
    metavar: str | None = None


def settings_of(configuration: type, section: str, settings: dict[str, Setting]) -> Callable[[_Command], _Command]:
    """Return a decorator that adds an option for every field of a configuration that `settings` names."""
    defaults = {field.name: field.default for field in fields(configuration)}
    types = typing.get_type_hints(configuration)

    def decorate(command: _Command) -> _Command:
        for name, setting in reversed(settings.items()):
            command = _option(name, setting, section, types[name], defaults[name])(command)
        return command

    return decorate


def option(section: str, *names: str, **attributes: Any) -> Callable[[_Command], _Command]:
    """Return a decorator that adds an option to a section of the help."""
    return click.option(*names, cls=Option, section=section, **attributes)


def threads_option(section: str) -> Callable[[_Command], _Command]:
    """Return a decorator that adds `--threads` to a command without a configuration that has it."""
    return option(section, "--threads", type=click.IntRange(min=1), metavar="N", show_default="all there are",
                  envvar=environment_variable("threads"), help="CPU threads.")


def environment_variable(name: str) -> str:
    """Return the variable that sets an option where the command line does not."""
    return f"CHARRNN_{name.upper()}"


def is_given(context: click.Context, name: str) -> bool:
    """Tell whether a person gave a parameter: on the command line, in the environment or in a file of options."""
    return context.get_parameter_source(name) in _BY_HAND


def given(context: click.Context, *configurations: type) -> dict[str, Any]:
    """Return the fields of configurations that were given by hand."""
    names = {field.name for configuration in configurations for field in fields(configuration)}
    return {name: value for name, value in context.params.items() if name in names and is_given(context, name)}


def configured(context: click.Context, configuration: type[_Config], **more: Any) -> _Config:
    """Return a configuration made of the options for its fields, and of what is not an option."""
    values = {field.name: context.params[field.name] for field in fields(configuration) if field.name in context.params}
    return configuration(**{**values, **more})


def _option(name: str, setting: Setting, section: str, hint: Any, default: Any) -> Callable[[_Command], _Command]:
    kinds = [kind for kind in typing.get_args(hint) or (hint,) if kind is not type(None)]
    spelling = config.option(name)
    if name in config.CHOSEN:
        default, setting = None, replace(setting, unset="chosen for text and time")
    if hint is bool:
        both = spelling if default is False else f"{spelling}/--no-{spelling[2:]}"
        return option(section, both, name, is_flag=True, default=default, show_default=setting.unset or default,
                      help=setting.help, envvar=environment_variable(name))
    attributes: dict[str, Any] = {"help": setting.help}
    if typing.get_origin(hint) is tuple:
        return option(section, spelling, name, multiple=True, default=default, metavar=setting.metavar, **attributes)
    attributes["envvar"] = environment_variable(name)
    choices = _CHOICES.get(name)
    attributes["type"] = setting.type or (click.Choice(choices) if choices else kinds[0])
    attributes["metavar"] = setting.metavar or (None if choices else _METAVARS[kinds[0]])
    return option(section, spelling, name, default=default, show_default=setting.unset or default is not None,
                  **attributes)
