"""A conversation with a model: primes in, texts out, and commands that change how they are written."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from charrnn.config import SampleConfig
from charrnn.errors import CharRNNError
from charrnn.generator import sample_seed
from charrnn.priming import Prime, fit_prime
from charrnn.sampling import Piece, Sample, generate
from charrnn.vocabulary import ON_UNKNOWN

if TYPE_CHECKING:
    from charrnn.language_model import LanguageModel

#: Fields of `SampleConfig` that a command of the same name changes, and how its value is read.
SETTINGS: dict[str, type] = {"temperature": float, "top_k": int, "top_p": float, "min_p": float, "beam": int,
                             "length": int, "until_line": int}


class CommandError(CharRNNError):
    """A command that does not exist, or cannot do what it is asked."""


class Session:
    """One model, the settings in force, and the last text.

    Parameters
    ----------
    model : stays loaded.
    config : the settings to begin with; its `num_samples` is 1.
    seed : of every text; None draws a new one for each.
    on_unknown : what becomes of a prime's unknown characters, as in `Vocabulary.encode`.

    Attributes
    ----------
    config, seed : as they are now; `config.seed` is the last text's.
    text : the last prime and what followed it.
    sample : the last sample, or None where it was stopped.
    """

    def __init__(self, model: LanguageModel, config: SampleConfig, seed: int | None, on_unknown: str) -> None:
        self.config, self.seed, self.text = config, seed, ""
        self.sample: Sample | None = None
        self._model, self._on_unknown = model, on_unknown
        self._at_start = config, seed, on_unknown
        self._continued = 0  # times that the last text was
        self._saved: set[Path] = set()

    def prime(self, line: str) -> Prime:
        """Return a line as the model can read it.

        Raises
        ------
        UnknownCharacterError, CorpusError : it cannot.
        """
        return fit_prime(line, self._model.vocabulary, self._model.checkpoint.text, self._on_unknown)

    def write(self, prime: str) -> Iterator[Piece]:
        """Yield a new text after a prime; `text` grows along."""
        self.text, self._continued = prime, 0
        self.config = self.config.replace(seed=secrets.randbelow(2**32) if self.seed is None else self.seed)
        yield from self._written(self.config)

    def go_on(self) -> Iterator[Piece]:
        """Yield more of the last text, wherever it was stopped; `text` grows along."""
        self._continued += 1
        yield from self._written(self.config.replace(seed=sample_seed(self.config.seed, self._continued)))

    def _written(self, config: SampleConfig) -> Iterator[Piece]:
        self.sample = None
        for piece in generate(self._model, self.text, config, at_once=True):
            self.text += piece.text
            self.sample = piece.finished
            yield piece

    def command(self, line: str) -> str:
        """Do what a line such as "/temperature 0.7" says and return what there is to say about it.

        Raises
        ------
        CommandError : there is no such command, or it cannot be done.
        ConfigError : the value is not possible.
        """
        name, _, value = line[1:].partition(" ")
        name, value = name.strip().lower(), value.strip()
        commands: dict[str, Callable[[str], str]] = {"seed": self._set_seed, "reset": self._reset, "save": self._save,
                                                     "help": self._help, "on-unknown": self._set_on_unknown}
        if name in commands:
            return commands[name](value)
        field = name.replace("-", "_")
        if field in SETTINGS:
            return self._set(field, value)
        close = get_close_matches(name, [*commands, *(field.replace("_", "-") for field in SETTINGS)], 1, 0.5)
        hint = f"did you mean /{close[0]}?" if close else "/help lists them"
        raise CommandError(f"there is no command /{name}; {hint} (//{name} begins a text with /{name})")

    def _set(self, field: str, value: str) -> str:
        name = field.replace("_", "-")
        if value:
            kind = SETTINGS[field]
            try:
                number = kind(value)
            except ValueError:
                a_number = "a whole number" if kind is int else "a number"
                raise CommandError(f"/{name} takes {a_number}, not {value!r}") from None
            self.config = self.config.replace(**{field: number})
        return f"{name}: {self._now(field)}"

    def _now(self, field: str) -> str:
        value = getattr(self.config, field)
        return "no limit" if value is None else str(value)

    def _set_seed(self, value: str) -> str:
        if value:
            if not value.isdecimal():
                raise CommandError(f"/seed takes a whole number or nothing, not {value!r}")
            self.seed = self.config.replace(seed=int(value)).seed
            return f"seed: {self.seed}, for every text"
        self.seed = None
        return "seed: a new one for each text"

    def _set_on_unknown(self, value: str) -> str:
        if value:
            if value not in ON_UNKNOWN:
                raise CommandError(f"/on-unknown takes {', '.join(ON_UNKNOWN[:-1])} or {ON_UNKNOWN[-1]}, not {value!r}")
            self._on_unknown = value
        return f"on-unknown: {self._on_unknown}"

    def _reset(self, value: str) -> str:
        self.config, self.seed, self._on_unknown = self._at_start
        self.text, self._continued = "", 0
        return "the last text is forgotten, and all settings are as at the start"

    def _save(self, value: str) -> str:
        if not value:
            raise CommandError("/save takes the name of a file")
        if not self.text:
            raise CommandError("there is no text yet that could be saved")
        path = Path(value).expanduser()
        if path.exists() and path.resolve() not in self._saved:
            raise CommandError(f"{value} exists and is left as it is; save under another name")
        try:
            path.write_bytes(self.text.encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise CommandError(f"{value} cannot be written: {error.strerror or error}") from None
        self._saved.add(path.resolve())
        return f"saved {len(self.text):,} characters to {os.fspath(path)}"

    def _help(self, value: str) -> str:
        settings = "\n".join(f"  {'/' + field.replace('_', '-') + ' N':18}as the option; now {self._now(field)}"
                             for field in SETTINGS)
        return f"""\
A line is a prime: a new text begins with it. An empty line goes on with the last text.
Ctrl-C stops a text, Ctrl-D ends the session. A prime that begins with / is written with two.
{settings}
  /on-unknown HOW   error, skip or nearest, as the option; now {self._on_unknown}
  /seed N           the same for every text; without N, a new one for each
  /reset            forget the last text, and put the settings back
  /save FILE        save the last text, its prime included
  /help             show this"""
