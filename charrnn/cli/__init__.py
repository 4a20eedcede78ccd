"""The command line: a group whose commands are imported only when they are called, so that `--help` answers at once."""

from __future__ import annotations

import importlib

import click

import charrnn

#: Every command with its module and what the list of commands says about it.
COMMANDS = {
    "train": ("charrnn.cli.train", "Learn a model from text files."),
    "sample": ("charrnn.cli.sample", "Generate text with a model."),
    "eval": ("charrnn.cli.evaluate", "Measure the loss of a text under a model."),
    "info": ("charrnn.cli.info", "Show what a checkpoint holds."),
}

EXAMPLES = """\
charrnn train                          learn from a built-in text
charrnn train novel.txt --max-time 10m
charrnn sample --prime "It was "       write with the newest model
"""


class _LazyGroup(click.Group):
    """A group that knows its commands from `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names, in the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(self, ctx: click.Context,
                        args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the words name, or say which one is spelt like it."""
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(COMMANDS)}"
            ctx.fail(f"no such command: {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])
        with formatter.section("Examples"):
            for line in EXAMPLES.splitlines():
                formatter.write(f"  {line}\n")


@click.group(cls=_LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(charrnn.__version__, message="charrnn %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Train a recurrent net on a text file, one character at a time, and let it write."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
