"""What a run chooses for settings that were left out."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from charrnn import sizing
from charrnn.config import CHOSEN, ModelConfig, TrainConfig
from charrnn.network import step_operations
from charrnn.sizing import READ_PER_WEIGHT, Task, choose, task_of

#: Tiny Shakespeare, on two cores with bfloat16.
SHAKESPEARE = Task(characters=1_003_855, vocab_size=65, rate=3e11)
LARGE = dataclasses.replace(SHAKESPEARE, characters=6_000_000, seconds=240)
CHINESE = dataclasses.replace(SHAKESPEARE, characters=290_000, vocab_size=3043, seconds=240)


def weights(settings: dict[str, Any], vocab_size: int = 65) -> float:
    shape = {name: settings[name] for name in ("hidden_size", "num_layers", "embedding_size")}
    return step_operations(ModelConfig(vocab_size=vocab_size, **shape), 1, 1) / 6


def chosen(task: Task = SHAKESPEARE, given: dict[str, Any] | None = None, **limits: float) -> dict[str, Any]:
    return choose(dataclasses.replace(task, **limits), given or {}).settings


def test_everything_that_may_be_chosen_is() -> None:
    settings = chosen(seconds=60)
    assert set(settings) == CHOSEN
    shape = {field.name for field in dataclasses.fields(ModelConfig)} & set(settings)
    ModelConfig(vocab_size=65, **{name: settings[name] for name in shape})
    TrainConfig(**{name: value for name, value in settings.items() if name not in shape})


@pytest.mark.parametrize("seconds, layers, units", [(30, 1, 320), (180, 2, 256), (900, 2, 448), (3600, 2, 640)])
def test_more_time_makes_a_larger_net(seconds: float, layers: int, units: int) -> None:
    settings = chosen(seconds=seconds)
    assert (settings["num_layers"], settings["hidden_size"]) == (layers, units)


def test_speed_counts_as_time_does() -> None:
    assert chosen(seconds=60) == chosen(seconds=240, rate=SHAKESPEARE.rate / 4)


def test_the_net_reads_enough_text_for_each_of_its_weights() -> None:
    for seconds in (20, 100, 1000, 5000):
        task = dataclasses.replace(SHAKESPEARE, seconds=seconds)
        size = weights(choose(task, {}).settings)
        assert 0.9 * READ_PER_WEIGHT < task.read(size, 2048) / size < 2.5 * READ_PER_WEIGHT, seconds


def test_a_net_that_reads_no_text_often_is_smaller_and_reads_more() -> None:
    fresh, often = chosen(LARGE), chosen(seconds=LARGE.seconds)
    assert weights(fresh) < weights(often)
    read = LARGE.read(weights(fresh), 2048)
    assert read < sizing.FRESH_PASSES * LARGE.characters and read > sizing.FRESH_PER_WEIGHT * weights(fresh)


def test_dropout_follows_how_often_the_net_reads_how_little() -> None:
    dropouts = [chosen(seconds=seconds)["dropout"] for seconds in (30, 180, 900, 3600, 36000)]
    assert dropouts == sorted(dropouts) and dropouts[0] == 0 and 0.2 <= dropouts[2] < dropouts[3] <= dropouts[4] == 0.6
    assert chosen(LARGE)["dropout"] == chosen(LARGE)["recurrent_dropout"] == 0
    recurrent = [chosen(seconds=seconds)["recurrent_dropout"] for seconds in (30, 180, 900, 3600)]
    assert recurrent == sorted(set(recurrent)) and recurrent[0] == 0 and 0.25 <= recurrent[-1] <= 0.35


def test_narrow_nets_leave_out_no_outputs_but_recurrent_connections() -> None:
    dropouts = [chosen(seconds=3600, given={"hidden_size": units})["dropout"] for units in (64, 128, 256, 512, 640)]
    assert dropouts == sorted(dropouts) and dropouts[:2] == [0, 0] and len(set(dropouts)) == 4
    assert chosen(seconds=3600, given={"hidden_size": 128})["recurrent_dropout"] >= 0.2
    tied = {"hidden_size": 128, "tie_weights": True}
    assert chosen(seconds=3600, given=tied)["dropout"] > 0.2


def test_wider_and_deeper_nets_take_lower_rates() -> None:
    rates = [chosen(seconds=60, given={"hidden_size": units, "num_layers": layers})["lr"]
             for layers, units in ((1, 256), (2, 256), (2, 512), (2, 1024))]
    assert rates == sorted(rates, reverse=True) and len(set(rates)) == 4
    assert chosen(seconds=60, given={"batch_size": 4, "hidden_size": 256})["lr"] < chosen(
        seconds=60, given={"hidden_size": 256})["lr"]


def test_larger_steps_take_higher_rates_up_to_an_end() -> None:
    rates = [chosen(seconds=60, given={"hidden_size": 256, "num_layers": 2, "batch_size": size})["lr"]
             for size in (4, 16, 32, 64)]
    assert rates[0] < rates[1] < rates[2] == rates[3]
    assert rates[2] / rates[1] == pytest.approx(2**0.5, abs=0.05)


def test_only_long_texts_have_noise() -> None:
    assert chosen(SHAKESPEARE, seconds=240)["garble"] == 0 < chosen(LARGE, seconds=240)["garble"] <= 0.01
    assert "garble" not in chosen(LARGE, seconds=240, given={"garble": 0.0})


def test_tied_nets_that_read_little_text_often_have_more_weight_decay() -> None:
    short = dataclasses.replace(CHINESE, characters=90_000, vocab_size=2500)
    decays = [chosen(short, seconds=seconds)["weight_decay"] for seconds in (4, 30, 60, 240, 3600)]
    assert decays == sorted(decays) and decays[0] == TrainConfig.weight_decay and len(set(decays)) >= 3
    assert decays[-2:] == [sizing.MOST_DECAY] * 2
    assert chosen(short, seconds=240, given={"optimizer": "adamw"})["weight_decay"] == sizing.MOST_DECAY
    for given in ({"tie_weights": False}, {"optimizer": "sgd"}, {"optimizer": "adam"}):
        assert chosen(short, seconds=240, given=given)["weight_decay"] == TrainConfig.weight_decay
    long = dataclasses.replace(short, characters=10_000_000, seconds=240)
    few = dataclasses.replace(short, vocab_size=100, seconds=240)
    for task in (long, few):
        assert chosen(task, given={"tie_weights": True})["weight_decay"] == TrainConfig.weight_decay
    assert "weight_decay" not in chosen(short, seconds=240, given={"weight_decay": 0.0})


def test_nets_with_a_normalised_output_take_lower_rates() -> None:
    for units in (64, 256, 320, 512):
        plain = chosen(seconds=60, given={"hidden_size": units})["lr"]
        assert 0.2 <= chosen(seconds=60, given={"hidden_size": units, "cell": "lnlstm"})["lr"] / plain <= 0.4


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_cells_without_a_state_of_their_own_take_lower_rates(cell: str) -> None:
    for units in (64, 128, 256):
        plain = chosen(seconds=60, given={"hidden_size": units})["lr"]
        assert 0.35 <= chosen(seconds=60, given={"hidden_size": units, "cell": cell})["lr"] / plain <= 0.45


def test_short_runs_take_small_steps_so_that_there_are_enough() -> None:
    assert [chosen(seconds=seconds)["batch_size"] for seconds in (30, 180, 900, 3600)] == [16, 16, 32, 32]
    assert "batch_size" not in chosen(seconds=3600, given={"batch_size": 16})


def test_passes_and_steps_limit_the_size_without_a_clock() -> None:
    assert chosen(passes=10) == chosen(passes=10, rate=1.0)
    assert weights(chosen(passes=2)) < weights(chosen(passes=10))
    assert weights(chosen(steps=1000)) < weights(chosen(steps=10_000))
    assert chosen(steps=3)["hidden_size"] == sizing.FEWEST
    assert chosen(LARGE, seconds=float("inf"), passes=10)["hidden_size"] == sizing.MOST_UNTIMED


def test_the_nearest_limit_counts() -> None:
    assert chosen(seconds=3600, passes=1) == chosen(passes=1)
    assert chosen(seconds=30, passes=1000) == chosen(seconds=30)


def test_what_is_given_is_kept_and_the_rest_goes_by_it() -> None:
    given = {"hidden_size": 512, "num_layers": 3, "dropout": 0.0, "seq_len": 100, "lr": 0.1}
    assert set(chosen(seconds=60, given=given)) == CHOSEN - set(given)
    assert chosen(seconds=60, given={"hidden_size": 96})["num_layers"] == 1
    deep = chosen(seconds=900, given={"num_layers": 3})
    assert "num_layers" not in deep and deep["hidden_size"] < chosen(seconds=900)["hidden_size"]
    smaller = chosen(passes=10, given={"hidden_size": 64})["recurrent_dropout"]
    assert smaller < chosen(passes=10)["recurrent_dropout"]
    assert chosen(seconds=60, given={"lr": None}) == chosen(seconds=60)
    assert chosen(seconds=900, given={"cell": "gru"})["hidden_size"] > chosen(seconds=900)["hidden_size"]


@pytest.mark.parametrize("passes", [1e-320, 1e308])
def test_passes_may_be_next_to_none_and_more_than_can_be_counted(passes: float) -> None:
    settings = choose(Task(characters=10**7, vocab_size=65, passes=passes), {}).settings
    assert settings["recurrent_dropout"] == (0 if passes < 1 else sizing.MOST_DROPOUT)


def test_the_rule_that_leaves_out_steps_takes_higher_rates_than_adam() -> None:
    for task, units in ((SHAKESPEARE, 64), (SHAKESPEARE, 256), (SHAKESPEARE, 640), (CHINESE, 320)):
        given = {"hidden_size": units}
        adam, cautious = (chosen(task, given | {"optimizer": name}, seconds=240)["lr"] for name in ("adamw", "cadamw"))
        assert 1.95 <= cautious / adam <= 2.05
        assert cautious == chosen(task, given, seconds=240)["lr"]


def test_other_optimizers_keep_their_own_rate() -> None:
    assert "lr" not in chosen(seconds=60, given={"optimizer": "sgd"})


def test_thousands_of_characters_are_embedded() -> None:
    settings = chosen(CHINESE)
    assert settings["embedding_size"] == settings["hidden_size"] >= 256 and settings["tie_weights"]
    assert 0.3 <= settings["dropout"] <= 0.5
    assert settings["lr"] < 0.5 * chosen(CHINESE, given={"tie_weights": False})["lr"]
    few = chosen(CHINESE, vocab_size=100)
    assert few["embedding_size"] == 0 and not few["tie_weights"]
    tied = chosen(CHINESE, vocab_size=100, given={"tie_weights": True})
    assert tied["embedding_size"] == tied["hidden_size"]
    assert not chosen(CHINESE, given={"embedding_size": 32})["tie_weights"]
    assert "tie_weights" not in chosen(CHINESE, given={"tie_weights": False})


def test_the_reason_is_one_line_with_the_limits() -> None:
    reason = choose(dataclasses.replace(SHAKESPEARE, seconds=900), {}).reason
    assert reason.startswith("in 900 s at 300 Gflop/s 2 × 448 units read 1,003,855 characters about 1")
    assert "\n" not in reason and "dropout" in reason
    assert "Gflop" not in choose(dataclasses.replace(SHAKESPEARE, passes=10), {}).reason
    assert choose(SHAKESPEARE, dict.fromkeys(CHOSEN, 1)).reason == ""


@pytest.mark.parametrize(("passes", "words"), [(0.004, "read 0.4 % of 1,003,855 characters,"),
                                               (0.42, "read 42 % of 1,003,855 characters,"),
                                               (0.996, "read 1,003,855 characters about once,"),
                                               (123.4, "read 1,003,855 characters about 120 times,")])
def test_the_reason_says_how_often_the_text_is_read(passes: float, words: str) -> None:
    assert f" {words}" in choose(dataclasses.replace(SHAKESPEARE, passes=passes), {}).reason


def test_the_task_is_what_is_trained_on_and_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizing, "training_rate", lambda precision, threads: {"f32": 100.0}[precision] * threads)
    task = task_of(1000, 20, {"max_time": 60, "test_fraction": 0.2, "threads": 1, "precision": "f32"})
    assert task == Task(characters=700, vocab_size=20, seconds=60, rate=100.0)
    assert task_of(1000, 20, {"max_steps": 5}) == Task(characters=900, vocab_size=20, steps=5)
    assert task_of(1000, 20, {}).passes == 10
