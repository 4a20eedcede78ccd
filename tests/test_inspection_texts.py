"""The text that a model is inspected on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from charrnn.checkpoint import read_description
from charrnn.errors import CorpusError
from charrnn.inspection.texts import held_out_text, named_text
from charrnn.run_folder import RunFolder, find_checkpoint

from .runs import TEXT, train


def test_it_is_the_end_of_the_corpus(tmp_path: Path) -> None:
    train(tmp_path / "run", max_steps=1)
    description = read_description(RunFolder(tmp_path / "run").best)
    text = held_out_text(description, 10**6)
    assert description.vocabulary.decode(text.ids) == TEXT[-round(len(TEXT) / 10):]
    assert (text.name, text.cut) == (f"{tmp_path / 'corpus.txt'}, validation part", False)
    cut = held_out_text(description, 30)
    assert (cut.ids.tolist(), cut.cut) == (text.ids[:30].tolist(), True)


def test_it_is_the_end_of_each_stream(tmp_path: Path) -> None:
    train(tmp_path / "run", max_steps=1, split="stream")
    description = read_description(RunFolder(tmp_path / "run").best)
    ids = held_out_text(description, 10**6).ids
    streams = description.vocabulary.encode(TEXT)[:len(TEXT) // 4 * 4].reshape(4, -1)
    held_out = streams[:, -round(streams.shape[1] / 10):]
    assert np.array_equal(ids, held_out.reshape(-1))


def test_a_corpus_that_is_gone_or_changed_is_told(tmp_path: Path) -> None:
    train(tmp_path / "run", max_steps=1)
    description = read_description(RunFolder(tmp_path / "run").best)
    (tmp_path / "corpus.txt").write_text(TEXT.replace("fox", "xof"), encoding="utf-8")
    with pytest.raises(CorpusError, match=r"corpus\.txt: is not the text that.*name another text to inspect"):
        held_out_text(description, 10**6)
    (tmp_path / "corpus.txt").unlink()
    with pytest.raises(CorpusError, match=r"corpus\.txt.*no such file.*name another text to inspect"):
        held_out_text(description, 10**6)


def test_a_text_from_a_pipe_is_told(tmp_path: Path) -> None:
    train(tmp_path / "run", max_steps=1)
    description = read_description(RunFolder(tmp_path / "run").best)
    with pytest.raises(CorpusError, match="name another text to inspect"):
        held_out_text(replace(description, corpus={**description.corpus, "paths": ["-"]}), 10**6)


def test_a_run_without_a_held_out_part_is_told(tmp_path: Path) -> None:
    train(tmp_path / "run", max_steps=1, val_fraction=0.0)
    description = read_description(RunFolder(tmp_path / "run").last)
    with pytest.raises(CorpusError, match=r"no val part.*name another text to inspect"):
        held_out_text(description, 10**6)


def test_a_named_text_is_read_as_the_model_learned_it(tmp_path: Path) -> None:
    train(tmp_path / "run", max_steps=1)
    description = read_description(RunFolder(tmp_path / "run").best)
    (tmp_path / "other.txt").write_bytes("The €quick fox\r\nleaps.".encode())
    text = named_text(str(tmp_path / "other.txt"), description, 100)
    assert description.vocabulary.decode(text.ids) == "The quick fox\nleaps."
    assert (text.name, text.unknown, text.cut) == (str(tmp_path / "other.txt"), 1, False)
    assert named_text(str(tmp_path / "other.txt"), description, 5).cut


def test_the_end_of_a_built_in_corpus_stands_in_for_another_pythons() -> None:
    description = read_description(find_checkpoint("python-docs"))
    text = held_out_text(replace(description, corpus={**description.corpus, "sha256": "of another Python"}), 10**6)
    whole = named_text("python-docs", description, 10**7)
    assert (text.name, text.cut) == ("python-docs of this Python, its end", False)
    assert abs(len(text.ids) - len(whole.ids) / 10) < 500 and np.array_equal(text.ids, whole.ids[-len(text.ids):])
    assert held_out_text(description, 50).cut


def test_where_nothing_was_held_out_of_a_builtin_corpus_nothing_stands_in() -> None:
    shipped = read_description(find_checkpoint("python-docs"))
    with pytest.raises(CorpusError, match=r"no val part.*name another text to inspect"):
        held_out_text(replace(shipped, train=shipped.train.replace(val_fraction=0.0)), 10**6)
