"""What can go wrong, as one tree.

Every error a user can cause or meet is a `CharRNNError` whose message says what is wrong, where (file, line, offset or
option) and what to do, in one line. The command line turns them into an exit code in one place; nothing else catches
them to print. `assert` is for mistakes of the program itself.
"""

from __future__ import annotations


class CharRNNError(Exception):
    """A problem with data, a file or training: exit code 1."""

    exit_code = 1


class ConfigError(CharRNNError):
    """An option, or a combination of options, that cannot work: exit code 2, like any wrong usage."""

    exit_code = 2


class CorpusError(CharRNNError):
    """A text that cannot be read, decoded or trained on."""


class EncodingError(CorpusError):
    """A text whose bytes are not valid in the encoding that it is read in; what to do depends on who reads it."""


class UnknownCharacterError(CharRNNError):
    """A text holds characters that the model's vocabulary lacks."""


class CheckpointError(CharRNNError):
    """A checkpoint or a run folder that cannot be read, trusted or written."""


class TrainingError(CharRNNError):
    """Training that cannot start or go on."""


def in_characters(number: int) -> str:
    """Return how a message says that it is so many characters."""
    return f"{number} character{'' if number == 1 else 's'}"
