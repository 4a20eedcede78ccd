"""`charrnn corpus`: the catalogue of corpora, and the way from it to a text file."""

from __future__ import annotations

import json

import click
from click.shell_completion import CompletionItem

from charrnn.cli.options import Command, Group, option

EXAMPLES = """
charrnn corpus list
charrnn corpus get tinyshakespeare
"""
LIST_EXAMPLES = """
charrnn corpus list
charrnn corpus list --json | jq -r 'select(.verified) | .name'
"""
GET_EXAMPLES = """
charrnn corpus get tinyshakespeare && charrnn train corpora/tinyshakespeare.txt
charrnn corpus get brackets
charrnn train "$(charrnn corpus get python-source)"
"""


@click.group("corpus", cls=Group, examples=EXAMPLES)
@click.pass_context
def command(context: click.Context) -> None:
    """List and fetch corpora to train on."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@command.command("list", cls=Command, examples=LIST_EXAMPLES)
@option("Output", "--json", "as_json", is_flag=True, help="Print an object for each corpus, one a line.")
def list_command(as_json: bool) -> int:
    """List the corpora of the catalogue, with size, licence and source."""
    from charrnn.catalogue import read_catalogue
    from charrnn.console.corpora import catalogue_page, entry_json
    from charrnn.console.stdio import write
    from charrnn.console.terminal import render

    entries = list(read_catalogue().values())
    if as_json:
        write("".join(json.dumps(entry_json(entry)) + "\n" for entry in entries))
    else:
        write(render(catalogue_page(entries)))
    return 0


def _complete_name(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from charrnn.catalogue import read_catalogue

    return [CompletionItem(name, help=entry.about) for name, entry in read_catalogue().items()
            if name.startswith(incomplete)]


@command.command("get", cls=Command, examples=GET_EXAMPLES)
@click.argument("name", shell_complete=_complete_name)
@option("Output", "--overwrite", is_flag=True, help="Replace the text that is there under its name.")
def get_command(name: str, overwrite: bool) -> int:
    """Make or fetch a corpus into corpora/NAME.txt.

    NAME is one of `charrnn corpus list`. The path of the text is printed to standard output. Where the catalogue has a
    SHA-256, a text with another one is not kept. An interrupted download goes on where it stopped when the same command
    is given again. `brackets` comes with corpora/brackets.states.npz, the true state after each character.
    """
    from charrnn.catalogue import find_entry
    from charrnn.console.corpora import follow
    from charrnn.console.stdio import say, write
    from charrnn.corpora import corpus_path, get_corpus, is_there, states_path

    entry = find_entry(name)
    path, states = corpus_path(entry), states_path(entry)
    if not overwrite and is_there(entry):
        say(f"{path} is there already" + ("" if entry.sha256 else " (cannot be verified)"))
    else:
        follow(entry, get_corpus(entry))
        if states:
            say(f"true states: {states}")
    write(f"{path}\n")
    return 0
