"""The program `charrnn`: runs the command line and turns whatever stops it into one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    arguments : the words after the program's name; None takes the process's own.
    """
    # What takes long is shared out to charrnn's own threads. Those of a BLAS wait in every product, however small, for
    # cores that other programs use.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from charrnn.console import stdio

        stdio.prepare()
        code = _run(sys.argv[1:] if arguments is None else list(arguments))
        failure = stdio.finish()
        if failure and code == DONE:
            return _fail(str(failure))
        return code
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            sys.stderr.write("\n")  # the shell's prompt would follow ^C
        return INTERRUPTED


def _run(arguments: list[str]) -> int:
    import click

    from charrnn.cli import cli
    from charrnn.errors import CharRNNError
    from charrnn.storage import printable

    try:
        if "_CHARRNN_COMPLETE" in os.environ:
            cli.main(arguments, prog_name="charrnn")  # click's completion for shells; never returns
        with cli.make_context("charrnn", arguments) as context:
            return cli.invoke(context) or DONE
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        return _fail(_sentence(error), error.exit_code)
    except CharRNNError as error:
        return _fail(str(error), error.exit_code)
    except BrokenPipeError:
        return DONE  # whoever reads has what they wanted
    except OSError as error:
        named = isinstance(error.filename, (str, bytes))
        what = printable(os.fsdecode(error.filename)) if named else "reading or writing failed"
        return _fail(f"{what}: {error.strerror or error}")
    except MemoryError as error:
        return _fail(f"out of memory{f' ({error})' if str(error) else ''}; use a smaller text or model")


def _fail(message: str, code: int = FAILED) -> int:
    """Say in one line what went wrong and return the exit code."""
    from charrnn.console.stdio import say

    say(message, "error: ", "1;31")
    return code


def _sentence(error: click.ClickException) -> str:
    """Return click's complaint in the form of all others, with the command whose help to read."""
    import click

    message = " ".join(error.format_message().split()).rstrip(".")
    if isinstance(error, click.NoSuchOption):
        from difflib import get_close_matches

        close = get_close_matches(error.option_name, error.possibilities or (), 1)
        message = f"no such option: {error.option_name}" + (f"; did you mean {close[0]}?" if close else "")
    context = getattr(error, "ctx", None)
    advice = f"; see {context.command_path} --help" if context else ""
    return message[:1].lower() + message[1:] + advice


if __name__ == "__main__":
    sys.exit(main())
