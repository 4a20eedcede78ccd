"""Options: the promised ones exist, their defaults are the configurations', and they are read as documented."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.cli import evaluate, info, sample, train
from charrnn.cli.options import DURATION, INTERVAL, Command
from charrnn.config import CHOSEN, ModelConfig, SampleConfig, TextConfig, TrainConfig, option
from charrnn.presets import PRESETS

# The contract with users and their scripts: adding is free, losing one of these breaks them.
PROMISED = {
    train.command: """
        --glob --cell --hidden-size --num-layers --embedding-size --dropout --batch-size --seq-len --optimizer --lr
        --lr-schedule --clip-norm --clip-value --weight-decay --epochs --max-steps --max-time --val-fraction
        --test-fraction --split --eval-every --save-every --sample-every --patience --seed --threads --precision --out
        --resume --init-from --preset --encoding --errors --bytes --normalize --overwrite --dry-run --quiet --json
        --beta1 --beta2 --warmup""",
    sample.command: """
        --length --temperature --argmax --top-k --top-p --min-p --prime --prime-file --num-samples --stop --seed
        --on-unknown --no-echo-prime --json --threads""",
    evaluate.command: "--json",
    info.command: "--json",
}


def _options(command: click.Command) -> dict[str, click.Parameter]:
    return {name: parameter for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize("command", PROMISED, ids=lambda command: command.name)
def test_every_promised_option_exists_and_says_what_it_does(command: Command) -> None:
    options = _options(command)
    promised = PROMISED[command].split()
    assert not set(promised) - set(options)
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help


@pytest.mark.parametrize(("command", "configuration", "others"), [
    (train.command, ModelConfig, {"vocab_size"}), (train.command, TrainConfig, set()),
    (train.command, TextConfig, set()), (sample.command, SampleConfig, {"seed", "holds"}),
], ids=lambda value: getattr(value, "__name__", ""))
def test_options_have_the_defaults_of_the_configurations(command: Command, configuration: type,
                                                         others: set[str]) -> None:
    options = _options(command)
    context = click.Context(command)
    for field in fields(configuration):
        if field.name not in others:
            default = None if field.name in CHOSEN else field.default
            assert options[option(field.name)].get_default(context) == default, field.name


@pytest.mark.parametrize("name", PRESETS)
def test_presets_name_settings_and_make_valid_configurations(name: str) -> None:
    rest: dict[str, Any] = dict(PRESETS[name])
    for configuration in (ModelConfig, TrainConfig):
        own = {field.name: rest.pop(field.name) for field in fields(configuration) if field.name in rest}
        configuration(**own, **({"vocab_size": 1} if configuration is ModelConfig else {}))
    assert not rest


@pytest.mark.parametrize(("text", "seconds"), [
    ("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("1h30m", 5400), ("1h1m1s", 3661), ("0.5h", 1800),
    (" 2H ", 7200), ("1.5", 1.5), ("0", 0),
])
def test_durations(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "s", "1x", "1m1h", "15m30", "-5", "nan", "inf", "1e3", "1 h", "h1", "90ss", "٣"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write 90 or 90s"):
        DURATION.convert(text, None, None)


@given(st.text(max_size=8))
def test_any_text_is_a_duration_or_a_clear_error(text: str) -> None:
    try:
        assert DURATION.convert(text, None, None) >= 0
    except click.BadParameter as error:
        assert "is no time" in error.message


@pytest.mark.parametrize(("text", "value"), [("500", 500), ("1", 1), ("-3", -3), (" 10m ", "10m"),
                                             ("1h30m", "1h30m"), ("2.5s", "2.5s")])
def test_intervals_are_steps_or_times(text: str, value: int | str) -> None:
    assert INTERVAL.convert(text, None, None) == value


@pytest.mark.parametrize("text", ["", "x", "10 m", "1.5", "nan", "inf", "9" * 5000, "m", "1m30"])
def test_what_is_no_interval(text: str) -> None:
    with pytest.raises(click.BadParameter, match="neither a number of steps"):
        INTERVAL.convert(text, None, None)
