"""Training runs from start to end: what is learned, what is reported, when they stop, and that they go on exactly."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn.learner
import charrnn.reader
import charrnn.training
from charrnn.cells import CELLS
from charrnn.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from charrnn.config import OPTIMIZERS, ModelConfig, TrainConfig
from charrnn.errors import CheckpointError, ConfigError, CorpusError, TrainingError
from charrnn.events import CheckpointEvent, DoneEvent, EvalEvent, Event, PlanEvent, SampleEvent, StepEvent, WarningEvent
from charrnn.garbling import Garbler
from charrnn.kernels.random import mix
from charrnn.language_model import load
from charrnn.model import initial_parameters
from charrnn.network import Network
from charrnn.optimizers import Optimizer, learning_rate
from charrnn.presets import PRESETS
from charrnn.streams import split_text
from charrnn.timetable import MOST_STEPS, Timetable
from charrnn.training_state import Progress
from tests.reference.min_char_rnn import MinCharRNN
from tests.runs import TEXT, read, train, trainer

FIFTY = "Sphinx of black quartz, judge my vow; then rest 5\n."


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every step reported, whatever the time."""
    monkeypatch.setattr(charrnn.training, "REPORT_SECONDS", 0.0)


def of(kind: type, events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def _disk(monkeypatch: pytest.MonkeyPatch, full: Callable[[Path, Checkpoint], bool]) -> None:
    """Let checkpoints be written but where `full` says that the disk is."""
    def save(path: Path, checkpoint: Checkpoint) -> None:
        if full(path, checkpoint):
            raise CheckpointError(f"{path.name} cannot be written: the disk is full")
        save_checkpoint(path, checkpoint)

    monkeypatch.setattr("charrnn.training.save_checkpoint", save)


def prose(length: int) -> str:
    """Return text of words in no order, the same on every machine."""
    words = re.findall(r"\w+", "the of and in a to it is was that for on are as with his they at be this from")
    drawn = np.random.default_rng(1).integers(0, len(words), length)
    return " ".join(words[i] for i in drawn)[:length]


# What is learned


@pytest.mark.parametrize("cell", CELLS)
def test_hell_to_ello(cell: str, tmp_path: Path) -> None:
    train(tmp_path / "run", "hello" * 100, cell=cell, batch_size=1, seq_len=25, val_fraction=0, lr=0.02, max_steps=150)
    model = load(tmp_path / "run")
    assert [chr(c) for c in model.vocabulary.code_points] == ["e", "h", "l", "o"]
    model.network.states[...] = 0
    best = model.network.logits(model.vocabulary.encode("hell")[:, None])[:, 0].argmax(axis=1)
    assert model.vocabulary.decode(best) == "ello"
    assert "".join(model.generate("h", length=14, argmax=True)) == "ellohellohello"


@pytest.mark.parametrize("cell", CELLS)
def test_overfits_fifty_characters(cell: str, tmp_path: Path) -> None:
    assert len(FIFTY) == 51  # fifty that are predicted
    train(tmp_path / "run", FIFTY, cell=cell, hidden_size=32, val_fraction=0, batch_size=1, seq_len=50, lr=0.02,
          epochs=150.0)
    model = load(tmp_path / "run")
    assert model.loss(FIFTY) < 0.05
    assert "".join(model.generate(FIFTY[0], length=50, argmax=True)) == FIFTY[1:]


def min_char_rnn(text: str, folder: Path, lr: float) -> tuple[MinCharRNN, np.ndarray, ModelConfig, TrainConfig]:
    """Return the independent program and the preset's settings, set up to start from the same weights."""
    corpus = read(folder, text)
    preset = dict(PRESETS["min-char-rnn"]) | {"lr": lr, "val_fraction": 0.0, "threads": 1}
    shape = {name: preset.pop(name) for name in ("cell", "hidden_size", "num_layers", "embedding_size", "dropout",
                                                 "recurrent_dropout", "recurrent_bias")}
    model = ModelConfig(vocab_size=len(corpus.vocabulary), **shape)
    config = TrainConfig(**preset)
    oracle = MinCharRNN(initial_parameters(model, config.seed), corpus.ids.astype(int), lr=lr)
    return oracle, corpus.ids, model, config


def test_min_char_rnn_preset_runs_like_the_original(tmp_path: Path, every_step: None) -> None:
    # At a rate of 0.1 this algorithm is chaotic: what rounding alone changes grows to whole nats within 200 steps. At
    # 0.01 it is not, and a free run shows that errors of no kind add up.
    text = prose(200 * 25 + 30)
    oracle, _, _, _ = min_char_rnn(text, tmp_path, lr=0.01)
    settings = PRESETS["min-char-rnn"] | {"lr": 0.01, "val_fraction": 0.0, "max_steps": 200}
    events = train(tmp_path / "run", text, **settings)
    losses = [event.loss for event in of(StepEvent, events)]
    expected = [oracle.step() / 25 for _ in range(200)]
    assert len(losses) == 200 and expected[-1] < expected[0] - 0.5
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("precision", ["f32", "f64"])
def test_min_char_rnn_preset_steps_like_the_original_at_its_own_rate(precision: str, tmp_path: Path) -> None:
    # Each step starts from the original's weights, squares and state, since at 0.1 two free runs part for no reason but
    # rounding. The updates are compared in float64 alone: where a weight's first gradient is next to nothing, its sign
    # decides about a whole 0.1, and in float32 that sign is rounding.
    oracle, ids, model, config = min_char_rnn(prose(200 * 25 + 30), tmp_path, lr=0.1)
    assert (config.peak_lr, config.clip_value, config.seq_len, config.batch_size) == (0.1, 5.0, 25, 1)
    network = Network(model, initial_parameters(model, 0), batch_size=1, seq_len=25, precision=precision, training=True)
    optimizer = Optimizer(config, network.flat, network.layout.decayed)
    split = split_text(ids, config)
    zeros = {"rnn.bias_hh_l0": np.zeros(100)}
    cut = 0
    for step in range(200):
        network.flat[...] = network.layout.from_named(oracle.weights | zeros, network.dtype)
        squares = {name: v / 25**2 + config.initial_accumulator for name, v in oracle.squares.items()}
        optimizer.second[...] = network.layout.from_named(squares | zeros, network.dtype)
        network.states[0, 0, 0, :100] = oracle.h
        network.pack()
        loss = network.loss_and_gradient(*split.window(step))
        assert loss == pytest.approx(oracle.step() / 25, abs=1e-4), step
        cut += int((np.abs(network.gradient) > 5 / 25).sum())
        optimizer.step(network.gradient, 0.1, 25, network.team)
        if precision == "f64":
            for name, weight in network.named_parameters().items():
                np.testing.assert_allclose(weight, (oracle.weights | zeros)[name], rtol=0, atol=1e-8, err_msg=name)
    assert cut > 10  # the limit of 5 took part


# What is reported

#: The fields that scripts rely on, for each event.
FIELDS = {
    "plan": {"characters", "train_characters", "val_characters", "vocab_size", "parameters", "steps", "threads",
             "config"},
    "step": {"step", "epoch", "loss", "lr", "grad_norm", "chars_per_second", "seconds"},
    "eval": {"step", "epoch", "val_loss", "bpc", "best", "seconds"},
    "checkpoint": {"path", "step", "kind"},
    "done": {"reason", "step", "best_val_loss", "seconds", "chars_per_second", "path"},
}


def test_events_and_metrics(tmp_path: Path, every_step: None) -> None:
    events = train(tmp_path / "run", max_steps=30, eval_every=10, sample_every=15, lr=0.02)
    for event in events:
        record = event.to_json()
        assert set(record) >= FIELDS.get(record["event"], set()) | {"event"}
        json.dumps(record, allow_nan=False)
    assert {event.name for event in events} >= set(FIELDS)
    assert isinstance(events[0], PlanEvent) and isinstance(events[-1], DoneEvent)

    plan, done = events[0], events[-1]
    corpus = read(tmp_path)
    assert (plan.characters, plan.vocab_size, plan.steps) == (len(TEXT), len(corpus.vocabulary), 30)
    assert plan.estimated_seconds is not None and 0.003 < plan.estimated_seconds < 60
    assert plan.train_characters + plan.val_characters == pytest.approx(len(TEXT), abs=5)
    weights = load_checkpoint(tmp_path / "run" / "best.safetensors").weights
    assert plan.parameters == sum(w.size for w in weights.values())
    assert plan.config["hidden_size"] == 16 and plan.config["lr"] == 0.02

    steps, evals = of(StepEvent, events), of(EvalEvent, events)
    assert [event.step for event in steps] == list(range(1, 31))
    assert steps[-1].loss < steps[0].loss - 0.3
    assert steps[0].loss == pytest.approx(math.log(plan.vocab_size), abs=0.3)
    assert [event.step for event in evals] == [10, 20, 30]
    assert [event.step for event in of(SampleEvent, events)] == [15, 30]
    assert all(len(event.text) == charrnn.training.SAMPLE_LENGTH for event in of(SampleEvent, events))
    for event in evals:
        assert event.bpc == pytest.approx(event.val_loss / math.log(2))
    assert (done.reason, done.step, done.best_val_loss) == ("max_steps", 30, min(event.val_loss for event in evals))
    assert done.chars_per_second == pytest.approx(30 * 40 / done.seconds)

    lines = (tmp_path / "run" / "metrics.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [e.to_json() for e in events if not isinstance(e, SampleEvent)]


def test_reported_loss_is_the_mean_since_the_last_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seldom = of(StepEvent, train(tmp_path / "seldom", max_steps=10, eval_every=5))
    monkeypatch.setattr(charrnn.training, "REPORT_SECONDS", 0.0)
    often = of(StepEvent, train(tmp_path / "often", max_steps=10, eval_every=5))
    assert len(seldom) < len(often) == 10
    counts = np.diff([0] + [event.step for event in seldom])
    total = sum(event.loss * count for event, count in zip(seldom, counts))
    assert total == pytest.approx(sum(event.loss for event in often), rel=1e-12)


@pytest.mark.parametrize("split", ["tail", "stream"])
def test_val_loss_is_what_evaluation_finds_and_best_the_lowest(split: str, tmp_path: Path) -> None:
    # So little text is learned by heart, and the loss on what is held out goes up again.
    text = prose(400)
    events = train(tmp_path / "run", text, hidden_size=64, max_steps=150, eval_every=15, lr=0.02, split=split)
    losses = [event.val_loss for event in of(EvalEvent, events)]
    assert np.argmin(losses) < len(losses) - 1, "nothing shown: the last was the best"
    assert [event.best for event in of(EvalEvent, events)] == [loss == min(losses[:i + 1])
                                                               for i, loss in enumerate(losses)]
    val = split_text(read(tmp_path, text).ids, TrainConfig(batch_size=4, seq_len=10, split=split)).val
    for kind, expected in (("best", min(losses)), ("last", losses[-1])):
        model = load(tmp_path / "run" / f"{kind}.safetensors")
        measured = [model.loss(model.vocabulary.decode(stream)) for stream in val]
        assert np.mean(measured) == pytest.approx(expected, abs=1e-4)
    saved = of(CheckpointEvent, events)
    assert {event.step for event in saved if event.kind == "best"} == {e.step for e in of(EvalEvent, events) if e.best}


def test_every_step_is_as_truncated_backpropagation_has_it(tmp_path: Path, every_step: None) -> None:
    settings = {"batch_size": 4, "seq_len": 10, "val_fraction": 0.0, "max_steps": 40, "seed": 5}
    run = trainer(tmp_path / "run", TEXT[:500], dropout=0.3, garble=0.3, **settings)
    reported = [(event.loss, event.grad_norm) for event in of(StepEvent, list(run.run()))]

    # The whole course, written out: windows in order, states carried and reset with each pass, dropout by step, and
    # the noise of a pass put into all of its text at once.
    split = split_text(run.corpus.ids, run.config)
    network = Network(run.model, initial_parameters(run.model, 5), batch_size=4, seq_len=10, training=True)
    optimizer = Optimizer(run.config, network.flat, network.layout.decayed)
    assert split.windows == 13  # so that there are three passes, and dropout differs between them
    for step in range(40):
        epoch, start = step // split.windows, step % split.windows * 10
        if start == 0:
            network.states[...] = 0
            garbled = Garbler(0.3, run.model.vocab_size, 5).garble(split.train.T.copy(), 0, epoch)
        ids, targets = (part[start:start + 10] for part in garbled)
        loss = network.loss_and_gradient(ids, targets, int(mix(np.uint64(5), np.uint64(step))))
        norm = optimizer.step(network.gradient, learning_rate(run.config, (step + 1) / 40), len(ids), network.team)
        network.pack()
        assert reported[step] == (loss, norm), step


# When it stops


def test_more_epochs_than_a_number_can_hold_are_very_many(tmp_path: Path) -> None:
    assert trainer(tmp_path / "run", epochs=1e308).plan.steps == MOST_STEPS


def test_stops_after_epochs(tmp_path: Path) -> None:
    done = train(tmp_path / "run", TEXT[:1000], epochs=1.5)[-1]
    windows = math.ceil((899 // 4) / 10)
    assert (done.reason, done.step) == ("epochs", round(1.5 * windows))


def test_stops_after_the_nearest_limit(tmp_path: Path) -> None:
    done = train(tmp_path / "run", TEXT[:1000], epochs=5.0, max_steps=3)[-1]
    assert (done.reason, done.step) == ("max_steps", 3)


def test_stops_in_time_with_the_rate_down(tmp_path: Path) -> None:
    started = time.monotonic()
    events = train(tmp_path / "run", max_time=1.5)
    assert events[-1].reason == "max_time"
    assert 1.0 < time.monotonic() - started < 4
    assert of(StepEvent, events)[-1].lr < 0.05 * max(event.lr for event in of(StepEvent, events))
    assert of(PlanEvent, events)[0].steps is None


def test_stops_when_patience_is_at_its_end(tmp_path: Path) -> None:
    # With a rate this small no weight moves, so no evaluation after the first is better.
    done = train(tmp_path / "run", lr=1e-30, optimizer="sgd", weight_decay=0.0, eval_every=2, patience=3)[-1]
    assert (done.reason, done.step) == ("patience", 8)


def test_stop_finishes_the_step_and_saves(tmp_path: Path, every_step: None) -> None:
    run = trainer(tmp_path / "run", max_steps=100)
    events = []
    for event in run.run():
        events.append(event)
        if isinstance(event, StepEvent) and event.step == 7:
            run.stop()
    assert events[-1].reason == "interrupted"
    assert events[-1].step == load_checkpoint(tmp_path / "run" / "last.safetensors").progress["step"] == 8


def test_save_saves_and_goes_on(tmp_path: Path, every_step: None) -> None:
    run = trainer(tmp_path / "run", max_steps=12, eval_every=100)
    saved = []
    for event in run.run():
        if isinstance(event, StepEvent) and event.step == 4:
            run.save()
        if isinstance(event, CheckpointEvent) and event.kind == "last":
            saved.append(event.step)
    assert saved == [4, 12]


# That it goes on exactly


def state_of(folder: Path) -> dict[str, Any]:
    """Return all that decides how a run goes on."""
    checkpoint = load_checkpoint(folder / "last.safetensors", training_state=True)
    progress = {name: value for name, value in checkpoint.progress.items() if name not in ("seconds", "reserve")}
    return checkpoint.weights | checkpoint.training_state | {"progress": np.array(str(progress))}


def run_in_two(folder: Path, stop_at: int, text: str, **settings: Any) -> list[Event]:
    first = trainer(folder, text, **settings)
    events = []
    for event in first.run():
        events.append(event)
        if isinstance(event, StepEvent) and event.step == stop_at:
            first.stop()
    assert events[-1].reason == "interrupted"
    return events + list(trainer(folder, text, resume=True, **settings).run())


@pytest.mark.parametrize("cell, optimizer, split, dropout, average", [
    ("lstm", "adamw", "tail", 0.3, 0.2), ("gru", "adam", "stream", 0.3, 0.0), ("rnn", "rmsprop", "tail", 0.3, 1.0),
    ("lstm", "adagrad", "tail", 0.0, 0.0), ("gru", "sgd", "tail", 0.0, 0.3), ("rnn", "adamw", "stream", 0.0, 0.0),
    ("lnlstm", "cadamw", "stream", 0.3, 0.0),
])
@pytest.mark.parametrize("stop_at", [6, 14])
def test_resumed_equals_uninterrupted(cell: str, optimizer: str, split: str, dropout: float, average: float,
                                      stop_at: int, tmp_path: Path, every_step: None) -> None:
    settings = {"cell": cell, "optimizer": optimizer, "split": split, "dropout": dropout,
                "recurrent_dropout": dropout / 2, "average": average, "garble": 0.3,
                "num_layers": 2, "embedding_size": 5 if cell == "gru" else 0, "max_steps": 24, "eval_every": 5,
                "lr": 0.01}
    text = TEXT[:500]  # an epoch has 11 or 12 steps, so both stops fall within one
    events = train(tmp_path / "whole", text, **settings)
    parts = run_in_two(tmp_path / "parts", stop_at, text, **settings)
    assert of(StepEvent, events)[10].epoch < 1 < of(StepEvent, events)[13].epoch
    expected, got = state_of(tmp_path / "whole"), state_of(tmp_path / "parts")
    assert set(got) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)
    reported = {StepEvent: ("step", "epoch", "loss", "lr", "grad_norm"), EvalEvent: ("step", "val_loss", "best")}
    for kind, fields in reported.items():
        whole = [[getattr(event, name) for name in fields] for event in of(kind, events)]
        assert [[getattr(event, name) for name in fields] for event in of(kind, parts)] == whole
    best = [load_checkpoint(tmp_path / run / "best.safetensors").weights for run in ("whole", "parts")]
    assert all(np.array_equal(best[0][name], best[1][name]) for name in best[0])


def test_every_optimizer_is_resumed_in_some_test() -> None:
    cases = test_resumed_equals_uninterrupted.pytestmark[1].args[1]
    assert {case[1] for case in cases} == set(OPTIMIZERS)
    assert {case[0] for case in cases} == set(CELLS)


def test_threads_and_time_of_reports_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charrnn.training, "useful_threads", lambda model, batch_size, seq_len, threads: threads)
    states = []
    for threads, seconds in ((1, 0.0), (2, 9.0), (3, 0.0)):
        monkeypatch.setattr(charrnn.training, "REPORT_SECONDS", seconds)
        train(tmp_path / str(threads), threads=threads, max_steps=12, dropout=0.2, num_layers=2, average=0.3)
        states.append(state_of(tmp_path / str(threads)))
    for state in states[1:]:
        for name in set(state) - {"progress"}:
            np.testing.assert_array_equal(state[name], states[0][name], err_msg=name)


def test_the_seed_decides(tmp_path: Path) -> None:
    for run, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(tmp_path / run, seed=seed, max_steps=5, dropout=0.2)
    a, b, c = (state_of(tmp_path / run)["output.weight"] for run in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_init_from_starts_from_the_weights_alone(tmp_path: Path, every_step: None) -> None:
    train(tmp_path / "first", max_steps=40, lr=0.02)
    start = load_checkpoint(tmp_path / "first" / "best.safetensors")
    second = trainer(tmp_path / "second", max_steps=1)
    second = charrnn.training.Trainer(second.corpus, second.model, second.config, second.run_folder, init_from=start)
    first_step = of(StepEvent, list(second.run()))[0]
    assert first_step.step == 1
    assert first_step.loss < math.log(len(start.vocabulary)) - 0.5


@pytest.mark.parametrize(("save_every", "steps"), [
    (15, [15, 30, 45, 48]), ("1m", [*range(2, 49, 2), 48]), ("5m", [10, 20, 30, 40, 48]), (None, [20, 40, 48])])
def test_saves_by_steps_by_time_or_every_ten_minutes(save_every: int | str | None, steps: list[int], tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    run = trainer(tmp_path / "run", max_steps=48, eval_every=1000, save_every=save_every)
    monkeypatch.setattr(run._timetable, "elapsed", lambda: 30.0 * run._progress.step)
    saves = [event.step for event in of(CheckpointEvent, list(run.run())) if event.kind == "last"]
    assert saves == steps


# What is refused


def test_a_changed_corpus_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "run", max_steps=2)
    changed = TEXT[:-5] + TEXT[-10:-5]
    with pytest.raises(CheckpointError, match=r"text is not the one that the run in .* was trained on"):
        trainer(tmp_path / "run", changed, max_steps=4, resume=True)


def test_another_shape_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "run", max_steps=2)
    with pytest.raises(ConfigError, match="shape differs"):
        trainer(tmp_path / "run", max_steps=4, hidden_size=17, resume=True)


def test_too_short_a_text_is_refused_and_a_short_one_shrinks_the_windows(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="too few"):
        trainer(tmp_path / "run", "ab")
    events = train(tmp_path / "run", FIFTY, batch_size=50, seq_len=64, max_steps=2)
    assert "1 streams" in of(WarningEvent, events)[0].message
    assert events[-1].step == 2


def test_more_memory_than_there_is_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="GiB of memory"):
        trainer(tmp_path / "run", hidden_size=65536, num_layers=900)


def test_divergence_is_an_error_and_harms_no_checkpoint(tmp_path: Path) -> None:
    train(tmp_path / "run", max_steps=5)
    good = (tmp_path / "run" / "last.safetensors").read_bytes()
    reckless = {"optimizer": "sgd", "lr": 1e38, "clip_norm": 0.0, "lr_schedule": "constant", "warmup": 0.0}
    with pytest.raises(TrainingError, match=r"diverged at step \d+.*--lr"):
        list(trainer(tmp_path / "run", max_steps=50, eval_every=100, resume=True, **reckless).run())
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == good
    load_checkpoint(tmp_path / "run" / "best.safetensors")


def test_a_validation_loss_that_is_no_number_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charrnn.reader, "mean_loss", lambda network, streams: math.nan)
    with pytest.raises(TrainingError, match="validation loss"):
        train(tmp_path / "run", max_steps=3)
    assert not (tmp_path / "run" / "best.safetensors").exists()


def test_a_full_disk_is_a_warning_and_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _disk(monkeypatch, lambda path, checkpoint: checkpoint.progress["step"] < 6)
    events = train(tmp_path / "run", max_steps=6, eval_every=3)
    assert "training goes on" in of(WarningEvent, events)[0].message
    assert events[-1].step == 6 and [event.step for event in of(CheckpointEvent, events)] == [6, 6]


def test_evaluating_takes_no_more_of_the_time_than_it_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charrnn.learner.Reader, "seconds", lambda self: 0.5)
    events = train(tmp_path / "slow", max_time=2.0)
    assert len(of(EvalEvent, events)) == 1  # the last one, where 20 would have been due
    monkeypatch.setattr(charrnn.learner.Reader, "seconds", lambda self: 100.0)
    events = train(tmp_path / "slower", max_time=2.0)
    assert len(of(EvalEvent, events)) == 1 and events[-1].step > 10  # half of the time is for training all the same


def test_a_run_whose_time_is_up_has_nothing_left_to_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charrnn.learner.Reader, "seconds", lambda self: 0.4)  # is kept for a last evaluation
    done = train(tmp_path / "run", max_time=1.0)[-1]
    again = list(trainer(tmp_path / "run", resume=True, max_time=1.0).run())
    assert "the time is up" in of(WarningEvent, again)[0].message
    assert again[-1].step == done.step and not of(EvalEvent, again)


def test_time_is_kept_for_the_last_evaluation_but_not_most_of_it() -> None:
    for limit, seconds, kept in ((100.0, 20.0, 22.0), (100.0, 80.0, 50.0), (None, 80.0, 88.0)):
        progress = Progress()
        Timetable(TrainConfig(max_time=limit), progress, windows=5).reserve_for(seconds)
        assert progress.reserve == pytest.approx(kept)


def test_a_run_that_is_resumed_does_not_evaluate_at_once() -> None:
    assert not Timetable(TrainConfig(max_time=200.0), Progress(seconds=100.0), windows=5).occasion()


def test_compiling_ends_when_what_evaluates_is_compiled_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    sample = charrnn.training.Trainer._sample

    def sampled(self: charrnn.training.Trainer) -> SampleEvent:
        happened.append("sampled")
        return sample(self)

    monkeypatch.setattr(charrnn.training, "is_compiled", lambda task: False)
    monkeypatch.setattr(charrnn.training, "mark_compiled", lambda task: None)
    monkeypatch.setattr(charrnn.training.Trainer, "_sample", sampled)
    for event in trainer(tmp_path / "run", max_steps=3).run():
        happened.append(type(event).__name__)
        compiled = happened.count("CompileEvent") == 2
        assert (tmp_path / "run" / "metrics.jsonl").exists() == compiled  # what is stopped before leaves no trace
    assert happened[:5] == ["PlanEvent", "CompileEvent", "StepEvent", "sampled", "CompileEvent"]


def test_time_to_compile_is_none_of_the_run_even_where_it_is_longer(tmp_path: Path,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charrnn.training, "is_compiled", lambda task: False)
    monkeypatch.setattr(charrnn.training, "mark_compiled", lambda task: None)
    monkeypatch.setattr(charrnn.learner.Learner, "rehearse", lambda self: time.sleep(1.5))
    events = train(tmp_path / "run", max_time=1.0)
    steps = of(StepEvent, events)
    assert events[-1].step > 10 and events[-1].seconds < 1.5
    assert steps[0].progress < 0.1 < 0.9 < steps[-1].progress  # the learning rate goes by it
    assert 0 < steps[0].chars_per_second < 1e7


def test_events_that_cannot_be_written_are_told_of_once_and_written_later(
        tmp_path: Path, every_step: None, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trainer(tmp_path / "run", max_steps=12)
    append = run.run_folder.append_metrics
    tries = iter(range(10**9))

    def failing(*events: dict[str, Any]) -> None:
        if 2 <= next(tries) < 6:
            raise CheckpointError("the disk is full")
        append(*events)

    monkeypatch.setattr(run.run_folder, "append_metrics", failing)
    events = list(run.run())
    assert [warning.message.split(";")[0] for warning in of(WarningEvent, events)] == ["the disk is full"]
    written = [json.loads(line) for line in run.run_folder.metrics.read_text().splitlines()]
    assert [event["step"] for event in written if event["event"] == "step"] == list(range(1, 13))


def test_a_run_whose_end_cannot_be_saved_does_not_end_as_if_it_were(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _disk(monkeypatch, lambda path, checkpoint: path.name == "last.safetensors" and checkpoint.progress["step"] > 4)
    with pytest.raises(CheckpointError, match=r"^last.safetensors cannot be written: the disk is full; the run is over "
                                              r"at step 12, and can be resumed after step 4$"):
        list(trainer(tmp_path / "run", max_steps=12, save_every=4).run())
    _disk(monkeypatch, lambda path, checkpoint: True)
    with pytest.raises(CheckpointError, match=r"the run is over at step 3, and cannot be resumed$"):
        list(trainer(tmp_path / "other", max_steps=3).run())


def test_the_best_that_could_not_be_written_does_not_keep_out_the_next_best(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter((2.0, 1.0, 1.5, 1.8))
    monkeypatch.setattr("charrnn.reader.Reader.loss", lambda self: next(losses))
    _disk(monkeypatch, lambda path, checkpoint: path.name == "best.safetensors" and checkpoint.progress["step"] == 2)
    run = trainer(tmp_path / "run", max_steps=4, eval_every=1)
    events = list(run.run())
    assert [event.best for event in of(EvalEvent, events)] == [True, True, True, False]
    assert load_checkpoint(run.run_folder.best).progress["step"] == 3
    assert load_checkpoint(run.run_folder.last).progress["best_val_loss"] == 1.5
