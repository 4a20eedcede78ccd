"""Models that go to PyTorch and ONNX Runtime and come back, with the same logits."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.cells import CELLS
from charrnn.checkpoint import Checkpoint
from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.errors import CharRNNError, CheckpointError, CorpusError
from charrnn.exchange.importing import import_pytorch, read_characters
from charrnn.exchange.libraries import MissingLibraryError, library
from charrnn.exchange.onnx_model import onnx_loader, write_onnx
from charrnn.exchange.pytorch import pytorch_loader, read_pytorch, write_pytorch
from charrnn.exchange.state_dict import recognise
from charrnn.model import initial_parameters, parameter_shapes
from charrnn.network import Network
from charrnn.vocabulary import Vocabulary

CHARACTERS = "\n !abcdefg"
SHAPES = [(cell, layers, embedding) for cell in CELLS for layers, embedding in ((1, 0), (2, 5))]


def checkpoint(cell: str = "lstm", layers: int = 1, embedding: int = 0, hidden: int = 6, seed: int = 0) -> Checkpoint:
    """Return a model with random weights."""
    config = ModelConfig(vocab_size=len(CHARACTERS), cell=cell, hidden_size=hidden, num_layers=layers,
                         embedding_size=embedding)
    return Checkpoint(model=config, vocabulary=Vocabulary(np.array([ord(c) for c in CHARACTERS], np.uint32)),
                      text=TextConfig(normalize="nfc"), train=TrainConfig(), weights=initial_parameters(config, seed))


def ids_of(steps: int = 12, batch: int = 1) -> np.ndarray:
    return np.random.default_rng(1).integers(0, len(CHARACTERS), (steps, batch))


def our_logits(model: Checkpoint, ids: np.ndarray) -> np.ndarray:
    network = Network(model.model, model.weights, batch_size=ids.shape[1], seq_len=len(ids))
    return network.logits(ids.astype(np.int64))


def executed(code: str) -> dict[str, Any]:
    """Run code that was printed, and return its names."""
    names: dict[str, Any] = {}
    exec(compile(code, "loader", "exec"), names)  # a test of what the program prints to be run
    return names


@pytest.mark.parametrize(("cell", "layers", "embedding"), SHAPES)
def test_pytorch_computes_the_same_with_the_printed_loader(cell: str, layers: int, embedding: int, tmp_path: Path,
                                                           capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    model, path = checkpoint(cell, layers, embedding), tmp_path / "model.pt"
    write_pytorch(model, path)
    code = pytorch_loader(model.model, path)
    assert len(code.splitlines()) <= 10
    names = executed(code)
    if "model" not in names:  # no module of PyTorch computes this one: the code goes from step to step
        assert cell == "lnlstm"
        names = executed(code.replace("[[0]]", repr(ids_of().tolist())))
        found = names["F"].linear(names["x"], names["w"]["output.weight"], names["w"]["output.bias"])
        np.testing.assert_allclose(found, our_logits(model, ids_of())[-1], atol=1e-4)
        written = [CHARACTERS[int(our_logits(model, ids)[-1, 0].argmax())] for ids in (np.zeros((1, 1)), ids_of())]
        assert capsys.readouterr().out == "".join(char + "\n" for char in written)
        return
    ids = torch.from_numpy(ids_of())
    one_hot = torch.nn.functional.one_hot(ids, len(CHARACTERS)).float()
    inputs = names["model"]["embedding"](ids) if embedding else one_hot
    found = names["model"]["output"](names["model"]["rnn"](inputs)[0]).detach().numpy()
    np.testing.assert_allclose(found, our_logits(model, ids_of()), atol=1e-4)
    first = our_logits(model, np.zeros((1, 1), np.int64))[0, 0]
    assert capsys.readouterr().out == CHARACTERS[int(first.argmax())] + "\n"


@pytest.mark.parametrize(("cell", "layers", "embedding"), SHAPES)
def test_onnx_runtime_computes_the_same_step_by_step(cell: str, layers: int, embedding: int, tmp_path: Path,
                                                     capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model, path = checkpoint(cell, layers, embedding), tmp_path / "model.onnx"
    write_onnx(model, path)
    session = runtime.InferenceSession(path)
    names = [item.name for item in session.get_inputs()][1:]
    ids = ids_of(batch=3)
    expected = our_logits(model, ids)
    states = {name: np.zeros((layers, 3, 6), np.float32) for name in names}
    for step, row in enumerate(ids):
        logits, *after = session.run(None, {"ids": row[None], **states})
        np.testing.assert_allclose(logits[0], expected[step], atol=1e-4)
        states = dict(zip(names, after))
    if cell != "lnlstm":  # which normalises between steps, so that its graph is of one
        whole, *after = session.run(None, {"ids": ids, **{name: np.zeros_like(states[name]) for name in names}})
        np.testing.assert_allclose(whole, expected, atol=1e-4)
        for name, state in zip(names, after):
            np.testing.assert_allclose(state, states[name], atol=1e-5)
    code = onnx_loader(model, path)
    assert len(code.splitlines()) <= 10
    found = executed(code)
    assert found["saved"]["text"]["normalize"] == "nfc" and found["characters"] == list(CHARACTERS)
    first = our_logits(model, np.zeros((1, 1), np.int64))[0, 0]
    assert capsys.readouterr().out == CHARACTERS[int(first.argmax())] + "\n"


@pytest.mark.parametrize(("cell", "layers", "embedding"), SHAPES)
def test_our_own_file_comes_back_as_it_was(cell: str, layers: int, embedding: int, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    model = checkpoint(cell, layers, embedding)
    write_pytorch(model, tmp_path / "model.pt")
    back = import_pytorch(tmp_path / "model.pt")
    assert (back.model, back.text, back.vocabulary) == (model.model, model.text, model.vocabulary)
    assert all(np.array_equal(back.weights[name], array) for name, array in model.weights.items())


def foreign(torch: Any, cell: str, embedded: bool, bias: bool = True, tied: bool = False) -> Any:
    """Return a model as others write it, under names of their own."""
    class Model(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            if embedded:
                self.encoder = torch.nn.Embedding(9, 6)
            self.net = getattr(torch.nn, cell.upper())(6 if embedded else 9, 6, 2, bias=bias)
            self.decoder = torch.nn.Linear(6, 9, bias=bias)
            if tied:
                self.decoder.weight = self.encoder.weight

        def forward(self, ids: Any) -> Any:
            x = self.encoder(ids) if embedded else torch.nn.functional.one_hot(ids, 9).float()
            return self.decoder(self.net(x)[0])

    return Model()


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize(("embedded", "bias", "tied", "key"), [
    (True, True, False, None), (False, True, False, "model_state_dict"), (True, False, False, "state_dict"),
    (True, True, True, None), (True, False, True, None)])
def test_models_of_others_compute_the_same_here(cell: str, embedded: bool, bias: bool, tied: bool, key: str | None,
                                                tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    theirs = foreign(torch, cell, embedded, bias, tied)
    order = "gfedcba\n "  # of their ids, not ours
    state_dict = theirs.state_dict()
    torch.save({key: state_dict, "epoch": 3} if key else state_dict, tmp_path / "theirs.pt")
    (tmp_path / "vocab.json").write_text(json.dumps(list(order)))
    ours = import_pytorch(tmp_path / "theirs.pt", tmp_path / "vocab.json")
    text = "abba\ncafe dad"
    ids = torch.tensor([[order.index(char)] for char in text])
    expected = theirs(ids).detach().numpy()[:, 0]
    found = our_logits(ours, ours.vocabulary.encode(text)[:, None])[:, 0]
    for place, char in enumerate(order):
        np.testing.assert_allclose(found[:, int(ours.vocabulary.encode(char)[0])], expected[:, place], atol=1e-5)


def state_dict(**changes: Any) -> dict[str, np.ndarray]:
    """Return a state dict with some arrays changed, or left out where None."""
    tensors = {**checkpoint(layers=2).weights, **{name.replace("__", "."): value for name, value in changes.items()}}
    return {name: array for name, array in tensors.items() if array is not None}


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(("changes", "message"), [
    ({name.replace(".", "__"): None for name in parameter_shapes(checkpoint(layers=2).model)}, "no recurrent module"),
    ({"other__weight_hh_l0": zeros(6, 6)}, "2 recurrent modules"),
    ({"rnn__weight_ih_l0": None}, "lacks a matrix weight_ih_l0"),
    ({"rnn__weight_hh_l0": zeros(25, 6)}, r"\(25, 6\), which no LSTM, GRU or RNN has"),
    ({"rnn__weight_ih_l1": None}, r"rnn\.weight_ih_l1 is missing where"),
    ({"rnn__weight_ih_l1": zeros(24, 7)}, r"rnn\.weight_ih_l1 is \(24, 7\) where the other tensors imply \(24, 6\)"),
    ({"rnn__weight_ih_l0_reverse": zeros(24, 10)}, "weight_ih_l0_reverse"),
    ({"output__weight": None, "output__bias": None}, "no output matrix of 6 columns"),
    ({"norm__weight": zeros(6)}, r"a tensor norm\.weight \(6,\), which has no place"),
    ({"rnn__weight_ih_l0": zeros(24, 8)}, r"read 8 numbers, which is no one-hot of its 10 characters"),
])
def test_state_dicts_of_other_models_are_refused(changes: dict[str, Any], message: str) -> None:
    recognise(state_dict())
    with pytest.raises(CheckpointError, match=message):
        recognise(state_dict(**changes))


class Attack:
    """Does something when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("attacked",)


@pytest.mark.parametrize("kind", ["pickle", "saved", "nothing", "text", "cut", "no tensors", "a list", "huge",
                                  "sparse"])
def test_hostile_files_are_refused_in_one_line(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    path = Path("evil.pt")
    write_pytorch(checkpoint(), path)
    whole, saved = path.read_bytes(), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sparse = torch.eye(3).to_sparse()
    torch.save({"saved": Attack(), "no tensors": {"a": 1}, "a list": [torch.zeros(3)], "sparse": {"a": sparse},
                "huge": {"a": torch.zeros(1).expand(2**40)}}.get(kind), saved)
    contents = {"pickle": pickle.dumps(Attack()), "nothing": b"", "text": b"hello\n" * 99, "cut": whole[:-100]}
    path.write_bytes(contents.get(kind, saved.getvalue()))
    with pytest.raises(CheckpointError, match=r"^evil\.pt") as caught:
        read_pytorch(path)
    assert not Path("attacked").exists() and "\n" not in str(caught.value)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    os.mkfifo(tmp_path / "fifo")
    for name, message in ((".", "is no file"), ("fifo", "is no file"), ("missing", "missing does not exist")):
        with pytest.raises(CheckpointError, match=message):
            read_pytorch(tmp_path / name)


def test_a_description_that_lies_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = checkpoint()
    write_pytorch(model, tmp_path / "model.pt")
    saved = torch.load(tmp_path / "model.pt", weights_only=True)
    lies = [("model", {**saved["model"], "hidden_size": 7}), ("model", 3), ("text", {"encoding": "rot13"}),
            ("vocabulary", {"bytes": False, "code_points": [2, 1]}),
            ("vocabulary", {"bytes": False, "code_points": [1, 2]})]
    for part, lie in lies:
        torch.save({**saved, part: lie}, tmp_path / "lie.pt")
        with pytest.raises(CheckpointError, match=r"lie\.pt"):
            import_pytorch(tmp_path / "lie.pt")
    with pytest.raises(CheckpointError, match="give --vocab FILE"):
        torch.save(saved["state_dict"], tmp_path / "plain.pt")
        import_pytorch(tmp_path / "plain.pt")


def test_a_file_of_ours_keeps_its_cell_where_other_characters_are_given(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    model = checkpoint("lnlstm")
    write_pytorch(model, tmp_path / "model.pt")
    (tmp_path / "vocab.json").write_text(json.dumps(list(CHARACTERS)))
    assert import_pytorch(tmp_path / "model.pt", tmp_path / "vocab.json").model == model.model


def test_more_layers_than_a_model_may_have_are_refused_with_the_file_named(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    tensors = {f"rnn.weight_{which}_l{layer}": torch.zeros(4, 1) for layer in range(1001) for which in ("ih", "hh")}
    torch.save(tensors | {"output.weight": torch.zeros(3, 1)}, tmp_path / "deep.pt")
    with pytest.raises(CheckpointError, match=r"deep\.pt: --num-layers"):
        import_pytorch(tmp_path / "deep.pt")


@pytest.mark.parametrize(("name", "content", "expected"), [
    ("v.json", '["b", "a", "é"]', "baé"), ("v.json", '{"b": 1, "a": 0, "\\n": 2}', "ab\n"),
    ("v.txt", "bac", "bac"), ("v.txt", "bac\n", "bac"), ("v.txt", "ba\n", "ba\n"), ("v.txt", "abcabc", "abc"),
    ("v.txt", "cab cab" * 9, None), ("v.json", '["ab", "c", "d"]', None), ("v.json", '["a", "a", "b"]', None),
    ("v.json", '{"a": 0, "b": 0, "c": 1}', None), ("v.json", '"abc"', None), ("v.json", "abc", None),
    ("v.json", '{"a": "x", "b": 1, "c": 2}', None), ("missing.txt", None, None),
])
def test_files_of_characters(name: str, content: str | None, expected: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    if expected is not None:
        assert read_characters(tmp_path / name, 3) == [ord(char) for char in expected]
    else:
        with pytest.raises(CorpusError, match=name):
            read_characters(tmp_path / name, 3)


def test_a_missing_library_says_what_to_install() -> None:
    with pytest.raises(MissingLibraryError, match=r'this needs Torch.*`pip install "charrnn\[torch\]"`') as caught:
        library("charrnn_no_such_library", "Torch", "torch")
    assert isinstance(caught.value, CharRNNError)


def test_neither_library_is_imported_before_it_is_needed() -> None:
    code = ("import sys; import charrnn.exchange.importing, charrnn.exchange.onnx_model; "
            "print(sorted({'torch', 'onnx'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
