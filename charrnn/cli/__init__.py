"""The command line: a group whose commands are imported only when they are called, so that `--help` answers at once."""

from __future__ import annotations

import importlib

import click

import charrnn
from charrnn.cli.options import Group

#: Every command with its module and what the list of commands says about it.
COMMANDS = {
    "train": ("charrnn.cli.train", "Learn a model from text files."),
    "sample": ("charrnn.cli.sample", "Generate text with a model."),
    "inspect-cells": ("charrnn.cli.inspect_cells", "Find what single cells react to, and show it."),
    "gradient-flow": ("charrnn.cli.gradient_flow", "Show how far gradients get back through time."),
    "eval": ("charrnn.cli.evaluate", "Measure the loss of a text under a model."),
    "report": ("charrnn.cli.report", "Draw the course of training runs."),
    "info": ("charrnn.cli.info", "Show what a checkpoint holds."),
    "export": ("charrnn.cli.export", "Write a model to a file that other programs read."),
    "import": ("charrnn.cli.importing", "Read a PyTorch model into a run folder."),
    "corpus": ("charrnn.cli.corpus", "List and fetch corpora to train on."),
}

EXAMPLES = """\
charrnn train                          learn from a built-in text
charrnn train novel.txt --max-time 10m
charrnn sample --prime "It was "       write with the newest model
"""

NOTES = {
    "Environment": [
        ("CHARRNN_OPTION", "Sets a setting where the command line does not, such as CHARRNN_THREADS=2 or "
                           "CHARRNN_HIDDEN_SIZE=512."),
        ("CHARRNN_CACHE", "Folder of the compiled kernels."),
        ("NO_COLOR", "No colours."),
    ],
    "Exit codes": [
        ("0", "Done."),
        ("1", "A problem with data, a file or training; one line says what, where and what to do."),
        ("2", "Wrong usage."),
        ("130, 143", "Ended by Ctrl-C, or by SIGTERM or SIGHUP; the run is saved."),
    ],
    "Completion (bash, zsh; for fish: fish_source, and `| source`)": [
        ('eval "$(_CHARRNN_COMPLETE=bash_source charrnn)"', ""),
    ],
}


class _LazyGroup(Group):
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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, and what holds for all commands."""
        super().format_epilog(ctx, formatter)
        for heading, rows in NOTES.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


@click.group(cls=_LazyGroup, examples=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(charrnn.__version__, message="charrnn %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Train a recurrent net on a text file, one character at a time, and let it write."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
