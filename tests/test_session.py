"""A conversation: primes, texts that go on, and commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from charrnn.config import SampleConfig
from charrnn.errors import ConfigError, UnknownCharacterError
from charrnn.session import CommandError, Session
from tests.test_sampling import bytes_model, language_model, samples


def session(seed: int | None = 3, on_unknown: str = "error") -> Session:
    return Session(language_model(), SampleConfig(length=40), seed, on_unknown)


def written(session: Session, prime: str) -> str:
    """Return what follows a prime."""
    return "".join(piece.text for piece in session.write(session.prime(prime).text))


def test_a_text_is_that_of_a_sample_with_the_same_settings() -> None:
    here = session()
    expected = samples(language_model(), "abc", length=40, seed=3)[0]
    assert written(here, "abc") == expected.text
    assert here.text == "abc" + expected.text
    assert here.sample is not None and here.sample.text == expected.text
    assert written(here, "abc") == expected.text  # each prime begins anew


def test_going_on_continues_the_text_where_it_was_stopped() -> None:
    here = session()
    pieces = here.write("abc")
    next(pieces)
    pieces.close()
    so_far = here.text
    assert here.sample is None and 3 < len(so_far) < 43
    more = "".join(piece.text for piece in here.go_on())
    assert here.text == so_far + more and len(more) == 40
    seed = here.sample.seed if here.sample else None
    assert samples(language_model(), so_far, length=40, seed=seed)[0].text == more
    again = "".join(piece.text for piece in here.go_on())
    assert here.text == so_far + more + again and again != more


def test_without_a_seed_every_text_is_another() -> None:
    here = session(seed=None)
    texts = {written(here, "abc") for _ in range(4)}
    assert len(texts) == 4
    assert here.sample and samples(language_model(), "abc", length=40, seed=here.sample.seed)[0].text in texts


def test_commands_change_the_settings() -> None:
    here = session(seed=None)
    assert here.command("/temperature 0.25") == "temperature: 0.25"
    assert here.command("/Top-K  3 ") == "top-k: 3"
    assert here.command("/length 12345678") == "length: 12345678"
    assert here.command("/length 10") == "length: 10"
    assert here.command("/length") == "length: 10"
    assert here.command("/until-line") == "until-line: no limit"
    assert here.command("/seed 7") == "seed: 7, for every text"
    assert written(here, "ab") == samples(language_model(), "ab", length=10, temperature=0.25, top_k=3, seed=7)[0].text
    assert here.command("/seed") == "seed: a new one for each text"
    assert written(here, "ab") and here.config.seed != 7


def test_unknown_characters_are_dealt_with_as_the_command_says() -> None:
    here = session()
    with pytest.raises(UnknownCharacterError):
        here.prime("äb")
    assert here.command("/on-unknown") == "on-unknown: error"
    assert here.command("/on-unknown nearest") == "on-unknown: nearest"
    assert here.prime("äb").text == "ab"
    here.command("/on-unknown skip")
    assert here.prime("äb").text == "b"
    here.command("/reset")
    assert here.command("/on-unknown") == "on-unknown: error"


def test_reset_forgets_the_text_and_the_changes() -> None:
    here = session()
    first = written(here, "ab")
    for command in ("/temperature 0.1", "/length 5", "/seed 8"):
        here.command(command)
    assert written(here, "ab") != first
    here.command("/reset")
    assert here.text == ""
    assert written(here, "ab") == first


def test_save_writes_the_last_text_and_never_over_another_file(tmp_path: Path) -> None:
    here, path = session(), tmp_path / "a text.txt"
    with pytest.raises(CommandError, match="no text yet"):
        here.command(f"/save {path}")
    text = "ab" + written(here, "ab")
    assert here.command(f"/save {path}") == f"saved 42 characters to {path}"
    assert path.read_text("utf-8") == text
    written(here, "abc")
    here.command(f"/save {path}")  # its own file
    assert path.read_text("utf-8") == here.text
    (tmp_path / "other").write_text("precious")
    with pytest.raises(CommandError, match="exists and is left as it is"):
        here.command(f"/save {tmp_path / 'other'}")
    assert (tmp_path / "other").read_text() == "precious"
    with pytest.raises(CommandError, match="cannot be written: No such file"):
        here.command(f"/save {tmp_path / 'no' / 'folder'}")
    with pytest.raises(CommandError, match="name of a file"):
        here.command("/save")


def test_bytes_are_saved_as_they_are(tmp_path: Path) -> None:
    here = Session(bytes_model(), SampleConfig(length=200), 1, "error")
    text = "a" + written(here, "a")
    assert "\udc82" in text
    here.command(f"/save {tmp_path / 'bytes'}")
    assert (tmp_path / "bytes").read_bytes() == text.encode("utf-8", "surrogateescape")


def test_help_names_every_command() -> None:
    here = session()
    shown = here.command("/help")
    for name in ("/temperature", "/top-k", "/seed", "/reset", "/save", "/help", "/length", "/on-unknown"):
        assert f"  {name} " in shown
    assert "now 40" in shown


@pytest.mark.parametrize(("line", "error", "message"), [
    ("/what", CommandError, "no command /what.*/help"), ("/", CommandError, "no command"),
    ("/temp 0.5", CommandError, r"did you mean /temperature\?"), ("/onunknown", CommandError, "mean /on-unknown"),
    ("/on-unknown drop", CommandError, "/on-unknown takes error, skip or nearest, not 'drop'"),
    ("/temperature hot", CommandError, "/temperature takes a number, not 'hot'"),
    ("/length 1.5", CommandError, "/length takes a whole number"), ("/seed -1", CommandError, "/seed takes a whole"),
    ("/temperature 0", ConfigError, "--temperature must be"), ("/top-p 2", ConfigError, "--top-p must be"),
    ("/seed 99999999999999999999", ConfigError, "--seed must be"),
])
def test_commands_that_cannot_be_done_change_nothing(line: str, error: type[Exception], message: str) -> None:
    here = session()
    before = here.config, here.seed
    with pytest.raises(error, match=message):
        here.command(line)
    assert (here.config, here.seed) == before


def test_unknown_characters_of_a_prime() -> None:
    with pytest.raises(UnknownCharacterError):
        session().prime("Äb")
    assert session(on_unknown="nearest").prime("Äb").text == "ab"
