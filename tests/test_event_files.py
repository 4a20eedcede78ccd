"""TensorBoard's event files, read back with TensorBoard itself where it is installed."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from charrnn.__main__ import main
from charrnn.events import SampleEvent
from charrnn.exchange.event_files import EventFiles
from charrnn.run_folder import RunFolder
from charrnn.training_run import train

from .command_line import SMALL, TEXT
from .events import done, evaluated, plan, step

_SMALL: dict[str, Any] = {"hidden_size": 8, "num_layers": 1, "batch_size": 2, "seq_len": 8, "threads": 1, "lr": 0.005,
                          "precision": "f32", "eval_every": 3}


@pytest.fixture
def written(tmp_path: Path) -> EventFiles:
    pytest.importorskip("tensorboardX")
    return EventFiles(tmp_path / "tensorboard")


def _read(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its own dependencies complain of
        accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
        return accumulators.EventAccumulator(str(folder)).Reload()


def _scalars(read: Any, name: str) -> list[tuple[int, float]]:
    return [(scalar.step, pytest.approx(scalar.value)) for scalar in read.Scalars(name)]


def _text(read: Any, name: str) -> list[tuple[int, str]]:
    return [(event.step, event.tensor_proto.string_val[0].decode()) for event in read.Tensors(f"{name}/text_summary")]


def test_without_the_library_a_run_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    (tmp_path / "fox.txt").write_text(TEXT)
    words = ["train", str(tmp_path / "fox.txt"), "--out", str(tmp_path / "run"), "--max-steps", "1", *SMALL]
    assert main([*words, "--tensorboard"]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and 'install it with `pip install "charrnn[tensorboard]"`' in message
    assert not (tmp_path / "run").exists()


def test_before_the_first_step_nothing_is_written(written: EventFiles, tmp_path: Path) -> None:
    assert not [*written.take(plan()), *written.take(done("interrupted"))]
    written.close()
    assert not (tmp_path / "tensorboard").exists()


def test_numbers_settings_and_samples_are_read_back(written: EventFiles, tmp_path: Path) -> None:
    sample = SampleEvent(step=785, text="# no *heading*\n<b>\x1b[2J")
    for event in (plan(), step(700), step(785), evaluated(), sample, done()):
        assert not list(written.take(event))
    read = _read(tmp_path / "tensorboard")
    assert _scalars(read, "loss/train") == [(700, 1.62345), (785, 1.62345)]
    assert _scalars(read, "loss/val") == [(785, 1.71234)] and _scalars(read, "bpc/val") == [(785, 2.47)]
    assert _scalars(read, "lr")[0] == (700, 0.002) and _scalars(read, "grad_norm")[0] == (700, 0.3)
    assert _scalars(read, "chars_per_second")[0] == (700, 412_345)
    assert _text(read, "sample") == [(785, "    # no *heading*\n    <b>\\x1b[2J\n")]
    ((where, settings),) = _text(read, "settings")
    assert where == 700 and "| hidden_size | 256 |\n" in settings


def test_a_run_that_is_resumed_goes_on_where_it_was_saved(written: EventFiles, tmp_path: Path) -> None:
    for event in (plan(), step(1), step(2), step(3)):
        assert not list(written.take(event))
    written.close()  # killed later, and saved after the second step
    again = EventFiles(tmp_path / "tensorboard")
    for event in (plan(), step(3, 0.5), step(4), done()):
        assert not list(again.take(event))
    assert [at for at, _ in _scalars(_read(tmp_path / "tensorboard"), "loss/train")] == [1, 2, 3, 4]


def test_a_real_run_writes_them_and_overwriting_it_starts_anew(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    folder = RunFolder(tmp_path / "run")
    for steps in (9, 6):
        *_, end = train(text=TEXT, out=folder.path, max_steps=steps, overwrite=True, tensorboard=True, **_SMALL)
        assert end.name == "done"
        read = _read(folder.tensorboard)
        assert [at for at, _ in _scalars(read, "loss/val")] == list(range(3, steps + 1, 3))
        assert [at for at, _ in _text(read, "sample")] == list(range(3, steps + 1, 3))


def test_a_folder_that_cannot_be_written_is_told_once(written: EventFiles, tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("a file")
    warned = [warning for event in (plan(), step(1), step(2), done()) for warning in written.take(event)]
    assert len(warned) == 1 and "training goes on" in warned[0].message


def test_what_cannot_be_closed_hides_no_error_of_the_run(written: EventFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    for event in (plan(), step(1)):
        list(written.take(event))

    def full() -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(written._writer, "close", full)
    written.close()
    assert written._writer is None
