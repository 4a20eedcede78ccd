"""Runs from names and settings, as Python and the command line ask for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.config import CHOSEN, ModelConfig, TextConfig, TrainConfig
from charrnn.errors import CheckpointError, ConfigError, CorpusError, TrainingError
from charrnn.events import DoneEvent, StepEvent
from charrnn.presets import PRESETS
from charrnn.sizing import choose, task_of
from charrnn.training_run import TrainingRun, train

from .runs import TEXT

SMALL: dict[str, Any] = {"hidden_size": 8, "num_layers": 1, "batch_size": 2, "seq_len": 8, "threads": 1,
                         "precision": "f32"}


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A text in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "dogs.txt"
    path.write_text(TEXT)
    return path


def test_a_run_from_a_path(corpus: Path) -> None:
    run = train("dogs.txt", max_steps=3, **SMALL)
    assert (run.path, run.plan.steps) == (Path("checkpoints/dogs"), 3)
    assert not run.path.exists()  # nothing happens before the run is iterated over
    events = list(run)
    assert events[0] is run.plan and isinstance(events[-1], DoneEvent)
    assert events[-1].step == 3
    assert charrnn.load(run.path).checkpoint.model == ModelConfig(
        vocab_size=len(run.corpus.vocabulary), hidden_size=8, num_layers=1)
    assert train(corpus, max_steps=1, **SMALL).path == Path("checkpoints/dogs-2")


def test_the_same_text_in_memory_trains_the_same_model(corpus: Path) -> None:
    losses = []
    for run in (train([corpus], out="a", max_steps=3, **SMALL), train(text=TEXT, out="b", max_steps=3, **SMALL)):
        losses.append([event.loss for event in run if isinstance(event, StepEvent)])
        assert charrnn.load(run.path).checkpoint.corpus["sha256"] == run.corpus.sha256
    assert losses[0] == losses[1]


def test_a_text_in_memory_is_read_as_it_is() -> None:
    text = "één 語\r\n" * 50
    run = train(text=text, encoding="cp1251", max_steps=1, **SMALL)  # an encoding is for bytes
    assert run.corpus.vocabulary.decode(run.corpus.ids) == text.replace("\r\n", "\n")
    assert run.path == Path("checkpoints/text")
    assert train(text="é" * 100, bytes=True, **SMALL).plan.characters == 200
    with pytest.raises(CorpusError, match=r"the given text: .* is not valid utf-8"):
        train(text="\ud800" * 100)
    with pytest.raises(CorpusError, match="there is no text in it"):
        train(text="")


def test_several_texts_and_settings_of_all_kinds(corpus: Path) -> None:
    Path("cats.txt").write_text("cats\r\n" * 50)
    run = train([corpus, "cats.txt"], TrainConfig(batch_size=3, lr=0.25, max_steps=5), cell="gru", hidden_size=4,
                num_layers=1, normalize="nfc", lr=0.5)
    wanted = {"batch_size": 3, "lr": 0.5, "max_steps": 5, "cell": "gru", "hidden_size": 4, "normalize": "nfc"}
    assert run.plan.config.items() >= wanted.items()
    assert run.path == Path("checkpoints/dogs-and-1-more")
    assert run.corpus.notices == ("cats.txt: line ends CRLF are read as LF",)


def test_without_anything_it_is_the_built_in_text_with_what_is_chosen_for_it() -> None:
    run = train()
    assert run.corpus.sources == ("python-docs (built-in)",)
    assert run.path == Path("checkpoints/builtin")
    defaults = ModelConfig(vocab_size=len(run.corpus.vocabulary)).to_json() | TrainConfig().to_json() | \
        {"beta1": TrainConfig().momentum} | TextConfig().to_json()
    choice = choose(task_of(len(run.corpus), len(run.corpus.vocabulary), {}), {})
    wanted = defaults | choice.settings
    assert {name: run.plan.config[name] for name in defaults if name != "precision"} == \
        {name: value for name, value in wanted.items() if name != "precision"}
    assert run.plan.reason == choice.reason != ""


def test_what_was_chosen_is_stored_and_resumed(corpus: Path) -> None:
    run = train(corpus, out="run", max_steps=2, seq_len=8, threads=1, precision="f32")
    list(run)
    stored = charrnn.load("run").checkpoint
    chosen = {name: run.plan.config[name] for name in CHOSEN}
    assert (stored.model.to_json() | stored.train.to_json()).items() >= chosen.items()
    resumed = train(corpus, out="run", resume=True, max_steps=100_000)  # for which another net would be chosen
    assert {name: resumed.plan.config[name] for name in CHOSEN} == chosen and resumed.plan.reason == ""
    further = train(corpus, init_from="run", max_steps=100_000).plan
    assert further.config["hidden_size"] == chosen["hidden_size"] and further.reason != ""


def test_a_preset_and_what_wins_over_it(corpus: Path) -> None:
    config = train(corpus, preset="min-char-rnn", seq_len=10).plan.config
    assert config.items() >= {**PRESETS["min-char-rnn"], "seq_len": 10}.items()
    assert train(corpus, preset="min-char-rnn").plan.reason == ""


def test_a_run_is_stopped_saved_and_resumed(corpus: Path) -> None:
    run = train(corpus, out="run", max_steps=1000, eval_every=1000, **SMALL)
    for event in run:
        if isinstance(event, StepEvent):
            run.stop()
    assert isinstance(event, DoneEvent) and event.reason == "interrupted" and event.step < 3
    with pytest.raises(CheckpointError, match="already holds a run"):
        list(train(corpus, out="run", max_steps=1, **SMALL))
    resumed = train(corpus, out="run", resume=True, max_steps=5)
    *_, event = resumed
    assert isinstance(event, DoneEvent) and event.step == 5
    *_, event = train(corpus, out="run", overwrite=True, max_steps=2, **SMALL)
    assert isinstance(event, DoneEvent) and event.step == 2


def test_a_run_that_is_stopped_before_its_first_step_leaves_all_as_it_was(corpus: Path) -> None:
    for _ in range(2):  # the same call starts it again
        run = train(corpus, out="run", max_steps=3, **SMALL)
        run.stop()
        *_, event = run
        assert isinstance(event, DoneEvent) and (event.reason, event.step) == ("interrupted", 0)
        assert not {path.suffix for path in Path("run").iterdir()} & {".safetensors", ".jsonl"}
    list(train(corpus, out="run", max_steps=3, **SMALL))
    saved = {path: path.read_bytes() for path in Path("run").iterdir() if path.suffix in (".safetensors", ".jsonl")}
    assert len(saved) >= 3
    resumed = train(out="run", resume=True, max_steps=9)
    resumed.stop()
    *_, event = resumed
    assert isinstance(event, DoneEvent) and (event.reason, event.step) == ("interrupted", 3)
    assert all(path.read_bytes() == data for path, data in saved.items() if path.name != "account.jsonl")
    *_, event = train(out="run", resume=True, max_steps=9)
    assert isinstance(event, DoneEvent) and event.step == 9


def test_a_run_is_iterated_over_once(corpus: Path) -> None:
    run = train(corpus, out="run", max_steps=100, **SMALL)
    for event in run:
        if isinstance(event, StepEvent):
            break
    with pytest.raises(TrainingError, match="resume=True"):
        list(run)


def test_a_run_that_has_gone_on_since_it_was_prepared_is_not_rolled_back(corpus: Path) -> None:
    list(train(corpus, out="run", max_steps=3, **SMALL))
    late = train(out="run", resume=True, max_steps=9)
    list(train(out="run", resume=True, max_steps=6))
    with pytest.raises(CheckpointError, match="has gone on meanwhile; resume it anew"):
        list(late)
    assert charrnn.load("run/last.safetensors").checkpoint.progress["step"] == 6


def test_the_settings_a_run_was_started_with_resume_it(corpus: Path) -> None:
    config = TrainConfig(batch_size=2, seq_len=8, threads=1, max_steps=2)  # leaves rate, beta1 and precision open
    list(train(corpus, config, out="run", hidden_size=8, num_layers=1))
    *_, event = train(config=config.replace(max_steps=4), out="run", resume=True)
    assert isinstance(event, DoneEvent) and event.step == 4


def test_a_run_starts_from_the_weights_of_another(corpus: Path) -> None:
    list(train(corpus, out="run", max_steps=1, **SMALL))
    run = train(corpus, init_from="run", lr=0.3)
    assert (run.plan.config["hidden_size"], run.plan.config["lr"]) == (8, 0.3)
    with pytest.raises(ConfigError, match="--cell gru contradicts the checkpoint of --init-from: --cell lstm"):
        train(corpus, init_from="run", cell="gru")


def test_a_run_from_the_weights_of_another_has_no_more_weight_decay_than_usual() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4F00 + 100))) * 3
    first = train(text=text, out="run", max_steps=30_000, **SMALL)
    assert first.plan.config["weight_decay"] > TrainConfig.weight_decay
    list(train(text=text, out="short", max_steps=1, **SMALL))
    further = train(text=text, init_from="short", max_steps=30_000)
    assert further.plan.config["tie_weights"] and further.plan.config["weight_decay"] == TrainConfig.weight_decay


@pytest.mark.parametrize(("arguments", "message"), [
    ({"hiden_size": 8}, "there is no setting 'hiden_size'; did you mean 'hidden_size'"),
    ({"vocab_size": 8}, "there is no setting 'vocab_size'"), ({"zzz": 8}, "there are .*batch_size, "),
    ({"hidden_size": 0}, "--hidden-size must be"), ({"text": "a" * 99, "corpus": "dogs.txt"}, "not both"),
    ({"resume": True}, "--resume needs --out"), ({"preset": "none"}, "--preset must be one of min-char-rnn"),
    ({"resume": True, "out": "run", "overwrite": True}, "leave out --overwrite"),
])
def test_arguments_that_cannot_work(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train(**arguments)


def test_a_run_says_where_it_is(corpus: Path) -> None:
    run = train(corpus, out="runs/a")
    assert isinstance(run, TrainingRun) and repr(run) == f"<TrainingRun in {Path('runs/a')}>"


def test_settings_that_cannot_work_are_refused_before_the_text_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def unread(*_: Any, **__: Any) -> None:
        raise AssertionError("the text was read")

    monkeypatch.setattr(charrnn.training_run, "read_corpus", unread)
    for name, value in (("val_fraction", float("nan")), ("test_fraction", float("inf")), ("max_steps", 0),
                        ("epochs", -1.0), ("batch_size", -1), ("max_time", 0.0), ("hidden_size", 10**9)):
        with pytest.raises(ConfigError, match=f"^{'--' + name.replace('_', '-')} must be"):
            train("dogs.txt", out="run", **{name: value})
