"""`--config FILE.toml`: options from a file, under the names that they have on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, TypeVar

import click

from charrnn.cli.options import FILE_OF_OPTIONS, option

_Command = TypeVar("_Command", bound=Callable[..., Any])


def config_option(section: str) -> Callable[[_Command], _Command]:
    """Return a decorator that adds `--config` to a command."""
    return option(section, "--config", type=click.Path(), metavar="FILE", is_eager=True, expose_value=False,
                  callback=_read,
                  help="Read options from a TOML file, such as hidden-size = 512; the command line wins.")


def _read(context: click.Context, parameter: click.Parameter, path: str | None) -> None:
    """Make a file's options the defaults of the command."""
    if path is None or context.resilient_parsing:
        return
    from charrnn.toml_file import read_toml

    known = {_long_name(option): option for option in context.command.params
             if isinstance(option, click.Option) and option is not parameter}
    found: dict[str, Any] = {}
    for name, value in read_toml(path).items():
        spelled = name.replace("_", "-")
        if spelled not in known:
            raise click.UsageError(f"{path}: {_no_option(name, value, known, context)}", context)
        target = known[spelled]
        assert target.name
        found[target.name] = _value(target, value, f"{path}: {name}", context)
    context.default_map = found
    context.meta[FILE_OF_OPTIONS] = path


def _long_name(option: click.Option) -> str:
    """Return an option's name without its dashes."""
    return max(option.opts, key=len).lstrip("-")


def _no_option(name: str, value: Any, known: Iterable[str], context: click.Context) -> str:
    if isinstance(value, dict):
        return f"[{name}] is a table; write options at the top of the file, such as threads = 2"
    close = get_close_matches(name.replace("_", "-").lower(), known, 1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{name!r} is no option of {context.command_path}{hint}"


def _value(option: click.Option, value: Any, where: str, context: click.Context) -> Any:
    """Return a value of a file as click takes it, where TOML's types are stricter than those of a command line."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise click.UsageError(f"{where} must be true or false", context)
        return value
    if option.multiple:
        values = value if isinstance(value, list) else [value]
        return tuple(_scalar(item, where, context) for item in values)
    return _scalar(value, where, context)


def _scalar(value: Any, where: str, context: click.Context) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise click.UsageError(f"{where} must be a number or a text", context)
    if "\0" in str(value):
        raise click.UsageError(f"{where} holds a NUL character, which no name and no command line can", context)
    return str(value)  # so that the option reads it: 2.5 is no whole number, and click would cut it off
