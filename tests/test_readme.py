"""The README agrees with the program; `python -m tests.test_readme` writes its table of options anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from charrnn.cli import COMMANDS, cli

README = Path(__file__).parent.parent / "README.md"
_TABLE = re.compile(r"(?<=<!-- options -->\n).*?(?=<!-- /options -->)", re.DOTALL)


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, under the words that call it."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command
        if isinstance(command, click.Group):
            yield from ((f"{name} {word}", part) for word, part in command.commands.items())
        else:
            yield name, command


def options_table() -> str:
    """Return the table of all options, a row for each section of a command's help."""
    rows = ["| command | about | options |", "|---|---|---|"]
    for name, command in all_commands():
        sections: dict[str, list[str]] = {}
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                sections.setdefault(parameter.section, []).append(f"`{parameter.opts[0]}`")  # type: ignore[attr-defined]
        rows += [f"| `{name}` | {section.lower()} | {' '.join(options)} |" for section, options in sections.items()]
    return "\n".join(rows) + "\n"


def test_the_table_of_options_agrees_with_the_help() -> None:
    found = _TABLE.search(README.read_text(encoding="utf-8"))
    assert found and found[0] == options_table(), "run `python -m tests.test_readme`"


@pytest.mark.parametrize("name", [name for name, _ in all_commands()])
def test_every_command_is_introduced(name: str) -> None:
    assert re.search(rf"^\| `charrnn {name}[ `]", README.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("name", "command"), [("main", "pip install . && charrnn train"),
                                               ("tests", 'pip install ".[test]" && pytest')])
def test_commands_that_ci_takes_from_the_readme(name: str, command: str) -> None:
    assert f"<!-- ci: {name} -->\n```sh\n{command}\n```\n" in README.read_text(encoding="utf-8")


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).exists(), target


if __name__ == "__main__":
    README.write_text(_TABLE.sub(lambda _: options_table(), README.read_text(encoding="utf-8")), encoding="utf-8")
