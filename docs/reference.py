"""The reference of all commands, made from the program itself: `python docs/reference.py` prints it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent.parent))

from charrnn.cli import cli
from charrnn.cli.options import Option


def page() -> str:
    """Return the reference as Markdown."""
    parts = ["# Reference", "Made from the program itself; `charrnn COMMAND --help` shows the same in a terminal. A "
             "variable that stands beside an option sets it from the environment."]
    for context in commands(click.Context(cli, info_name="charrnn")):
        parts += [f"## {context.command_path}", *section(context)]
    return "\n\n".join(parts) + "\n"


def commands(group_context: click.Context) -> Iterator[click.Context]:
    """Yield a context for every command that does something."""
    group = group_context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(group_context):
        command = group.get_command(group_context, name)
        assert command
        context = click.Context(command, parent=group_context, info_name=name)
        if isinstance(command, click.Group):
            yield from commands(context)
        else:
            yield context


def section(context: click.Context) -> Iterator[str]:
    """Yield what there is to say about a command: usage, description, options and examples."""
    command = context.command
    yield f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```"
    yield "\n\n".join(" ".join(paragraph.split()) for paragraph in (command.help or "").split("\n\n"))
    rows: dict[str, list[str]] = {}
    for option in command.params:
        record = option.get_help_record(context)
        if isinstance(option, Option) and record:
            variable = f" `{option.envvar}`" if option.envvar else ""
            spelled, text = (cell.replace("|", "\\|") for cell in record)
            rows.setdefault(option.section, []).append(f"| `{spelled}` | {text}{variable} |")
    for name, lines in rows.items():
        yield "\n".join([f"| {name} | |", "|---|---|", *lines])
    yield f"```sh\n{command.examples.strip()}\n```"  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.stdout.write(page())
