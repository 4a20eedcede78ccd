"""Generated text on its way to standard output."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.console.samples import SEPARATOR, in_order, print_json, print_texts, say_changes
from charrnn.sampling import Piece, Sample


class _Output(io.TextIOWrapper):
    """Standard output that remembers its bytes."""

    def __init__(self, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="\n")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def written(self) -> bytes:
        self.flush()
        return self.buffer.getvalue()  # type: ignore[attr-defined, no-any-return]


def _finished(text: str = "", loss: float = 1.5) -> Sample:
    return Sample(text=text, seed=3, characters=len(text), chars_per_second=1000.0, loss=loss, stop=None,
                  logprobs=np.full(len(text), -1.0))


def _piece(sample: int, text: str, finished: Sample | None = None) -> Piece:
    return Piece(sample, text, np.full(len(text), -1.0), finished)


def _texts(*texts: str) -> list[Piece]:
    """Return samples that are written one character at a time, in turns."""
    pieces = []
    for position in range(max(map(len, texts))):
        for sample, text in enumerate(texts):
            if position < len(text):
                last = position == len(text) - 1
                pieces.append(_piece(sample, text[position], _finished(text) if last else None))
    return pieces


def _printed(monkeypatch: pytest.MonkeyPatch, pieces: Iterable[Piece], prime: str, number: int, *,
             terminal: bool = False, as_bytes: bool = False) -> bytes:
    output = _Output(terminal)
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setenv("TERM", "dumb")
    print_texts(pieces, prime, number, as_bytes=as_bytes)
    return output.written()


@given(st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_samples_come_one_after_the_other(texts: list[str], random: object) -> None:
    waiting = {i: [piece for piece in _texts(*texts) if piece.sample == i] for i in range(len(texts))}
    mixed = []
    while waiting:
        sample = random.choice(sorted(waiting))  # type: ignore[attr-defined]
        mixed.append(waiting[sample].pop(0))
        if not waiting[sample]:
            del waiting[sample]
    ordered = list(in_order(mixed))
    assert [piece.sample for piece in ordered] == sorted(piece.sample for piece in mixed)
    assert "".join(piece.text for piece in ordered) == "".join(texts)


def test_the_first_sample_is_not_kept_waiting() -> None:
    def pieces() -> Iterator[Piece]:
        yield _piece(0, "a")
        raise AssertionError("the first piece should have been passed on")

    assert next(in_order(pieces())).text == "a"


def test_a_pipe_gets_the_text_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[text] :smile: \x1b[31mred\r\n\0é\t" + "long " * 50
    assert _printed(monkeypatch, _texts(text), "prime ", 1) == ("prime " + text).encode()


def test_a_pipe_gets_a_separator_between_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _printed(monkeypatch, _texts("abc", "de", "f"), ">", 3).decode() == SEPARATOR.join([">abc", ">de", ">f"])


def test_a_terminal_gets_no_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _printed(monkeypatch, _texts("a\x1b[2J\rb\tc\nd"), "\x07", 1, terminal=True)
    assert shown == b"\\x07a\\x1b[2J\\rb\tc\nd\n"


def test_a_terminal_gets_headings(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _printed(monkeypatch, _texts("ab", "c\n"), "", 2, terminal=True)
    assert shown == b"--- sample 1 of 2 ---\nab\n\n--- sample 2 of 2 ---\nc\n"


def test_bytes_go_into_a_pipe_raw(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"\xff\xc3\xa9\x00".decode("utf-8", "surrogateescape")
    assert _printed(monkeypatch, _texts(text), "\udc80", 1, as_bytes=True) == b"\x80\xff\xc3\xa9\x00"
    assert _printed(monkeypatch, _texts(text), "", 1, as_bytes=True, terminal=True) == "\\udcffé\\x00\n".encode()


def test_an_empty_sample_still_shows_its_prime(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _printed(monkeypatch, [_piece(0, "", _finished())], "prime", 1) == b"prime"


def test_text_is_flushed_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    output = _Output(terminal=False)
    monkeypatch.setattr(sys, "stdout", output)

    def pieces() -> Iterator[Piece]:
        yield _piece(0, "a")
        assert output.buffer.getvalue() == b"a"  # type: ignore[attr-defined]
        yield _piece(0, "b", _finished("ab"))

    print_texts(pieces(), "", 1, as_bytes=False)


def test_json_has_one_object_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    output = _Output(terminal=False)
    monkeypatch.setattr(sys, "stdout", output)
    print_json([_piece(1, "c\x9b", _finished("c\x9b")), _piece(0, "a"), _piece(0, "b", _finished("ab", math.nan))], ">")
    first, second = map(json.loads, output.written().decode("ascii").splitlines())
    assert first == {"text": ">ab", "seed": 3, "characters": 2, "chars_per_second": 1000.0, "loss": None, "stop": None}
    assert (second["text"], second["loss"]) == (">c\x9b", 1.5)


def test_json_has_no_halves_of_pairs_and_logprobs_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    output = _Output(terminal=False)
    monkeypatch.setattr(sys, "stdout", output)
    print_json([_piece(0, "a\udcff", _finished("a\udcff"))], "\udc80>", logprobs=True)
    found = json.loads(output.written())
    assert (found["text"], found["logprobs"]) == ("\ufffd>a\ufffd", [-1.0, -1.0])


def test_a_prime_is_not_tinted_and_the_text_is(monkeypatch: pytest.MonkeyPatch) -> None:
    output = _Output(terminal=True)
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    piece = Piece(0, "ab", np.array([-9.0, -8.0]), _finished("ab"))
    print_texts([piece], "prime ", 1, as_bytes=False, colour=True)
    shown = output.written().decode()
    assert shown.startswith("prime \x1b[") and shown.endswith("\x1b[0m\n") and shown.count("\x1b") == 2


def test_changes_of_a_prime_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    say_changes({"é": "e", "猫": "", "\x1b": ""})
    assert capsys.readouterr().err == ("in the prime, the model reads 'é' as 'e'\n"
                                       "left out of the prime: '猫', '\\x1b'\n")
    say_changes({chr(0x4E00 + i): "" for i in range(25)})
    assert capsys.readouterr().err.endswith("and 15 more\n")
    say_changes({})
    assert capsys.readouterr().err == ""
