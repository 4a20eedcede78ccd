"""How large a net to train, and how: what a run takes for the settings that were left out.

Three things decide: how much text there is, how many different characters it has, and how much can be computed in the
time (or the number of passes) that was given. With N characters to train on, W weights that a character is multiplied
with, and D characters read in the whole run (every pass counts):

- **Size.** W · D, the effort, is what time and machine allow. The same effort reads much text with a small net or
  little with a large one; `READ_PER_WEIGHT` is where the two balance. Hence W = sqrt(effort / READ_PER_WEIGHT): four
  times the time makes a net twice as large, which reads twice as much. Text that is new to the net is worth reading
  more of, with a smaller one: `FRESH_PER_WEIGHT`.
- **Regularisation.** A net learns a text by heart the more, the more weights there are for a character of it (W / N)
  and the more often it reads it (D / N). Their product, effort / N², is what dropout follows, by its logarithm: on one
  million characters none in half a minute, strong dropout in an hour; on many megabytes, none. The output's weights
  are left out: with thousands of characters they are the most, and a run is over before it knows them by heart.
  Narrow nets leave out recurrent connections alone, since they can spare no outputs; the wider, the more of both.
  With many characters and tied weights, dropout is not enough for a short text: weight decay follows the same
  product, in proportion.
- **Noise.** Long texts are seldom all of one kind, so a little noise is put into them; short ones are better without.
- **Rate.** Wider and deeper nets take a lower learning rate, and so do small steps, whose gradients are noisier, and
  cells other than an LSTM. C-AdamW, which leaves out steps, takes twice that of Adam.

The figures behind the constants are in docs/quality.md and docs/regularisation.md, with the commands that print them.
Nothing here needs to be exact: the loss is flat around the best size, a speed that is measured wrong by a factor of two
makes a net larger by 1.4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from charrnn.cells import get_cell
from charrnn.config import DEFAULT_EPOCHS, ModelConfig, TrainConfig
from charrnn.network import choose_precision, step_operations, training_rate
from charrnn.threads import thread_count

#: Characters that a run reads for each weight of its net, at the balance of size and reading; those of a run that makes
#: few passes, where more reading pays more; and how many passes are few.
READ_PER_WEIGHT, FRESH_PER_WEIGHT, FRESH_PASSES = 6.0, 10.0, 2.5

#: Share of a run's time that goes into training, not into evaluating, saving and sampling.
TRAINING_SHARE = 0.9

#: Units to choose from: multiples of the step, from the smallest to the largest; without a limit of time, up to the
#: last. More than `WIDEST_ALONE` in one layer are better spent on two.
UNIT_STEP, FEWEST, MOST, MOST_UNTIMED, WIDEST_ALONE = 64, 64, 1024, 512, 320

#: Different characters above which each gets a learned vector, which is its row of the output's weights too.
ONE_HOT_CHARACTERS = 256

#: Effort / N² up to which there is no dropout of recurrent connections, and its slope by the logarithm.
NO_RECURRENT, RECURRENT_SLOPE = 1.0, 0.0625

#: The same of outputs, and the most of either. Nets of up to `SPARES_NONE` units a layer can spare no outputs, those of
#: `SPARES_ALL` and more as many as that comes to; in between, by proportion. Tied nets, whose characters' vectors lose
#: elements as well, lose this share.
NO_DROPOUT, DROPOUT_SLOPE, MOST_DROPOUT = 1.5, 0.12, 0.6
SPARES_NONE, SPARES_ALL, TIED_SPARES = 128, 640, 0.75

#: Weight decay of tied nets on many characters, for each of effort / N², and the most; and the optimizers that do not
#: add it to the gradient.
DECAY_TIED, MOST_DECAY = 5e-4, 0.3
DECOUPLED = ("cadamw", "adamw")

#: Share of the training text in whose place noise is read (`charrnn.garbling`), from so many characters on: that much
#: text is seldom all of one kind.
GARBLE, GARBLED_FROM = 0.005, 2e6

#: Streams of a run that reads at most so many characters: it needs many steps more than it needs exact gradients.
SMALL_BATCH, SMALL_BATCH_READS = 16, 12e6

#: The learning rate of Adam for two layers of 256 LSTM units; its factors for one layer and for tied weights; the
#: characters of a step for which it is that, and those above which it does not rise: it goes by the root of them.
LR, LR_ALONE, LR_TIED, STEP, LARGEST_STEP = 5e-3, 1.9, 0.4, 1024, 2048

#: The rate's factors for cells whose output is normalised, and so larger than that of others, and for those that have
#: no state besides their output.
LR_NORMALISED, LR_OUTPUT_ALONE = 0.3, 0.4

#: The highest rate of Adam for LSTMs, and the factor on all rates for C-AdamW.
HIGHEST_LR, LR_CAUTIOUS = 1e-2, 2.0


@dataclass(frozen=True)
class Choice:
    """Settings for a run.

    Attributes
    ----------
    settings : by the names of `ModelConfig` and `TrainConfig`; those that were given are not among them.
    reason : why, in a line.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What there is to learn, and how long.

    Attributes
    ----------
    characters : N, to train on.
    vocab_size : V, different ones.
    seconds, passes, steps : limits of the run, infinite where there is none.
    rate : floating-point operations a second that training reaches on this machine.
    """

    characters: int
    vocab_size: int
    seconds: float = math.inf
    passes: float = math.inf
    steps: float = math.inf
    rate: float = math.inf

    def read(self, weights: float, step: int) -> float:
        """Return D, the characters that a net with `weights` in products can read in steps of `step` characters."""
        time = TRAINING_SHARE * self.seconds * self.rate / (6 * weights) if self.seconds < math.inf else math.inf
        return min(time, self.passes * self.characters, self.steps * step)


def task_of(characters: int, vocab_size: int, given: Mapping[str, Any]) -> Task:
    """Return the task of a run on a text of so many characters, with the settings that were given."""
    held_out = sum(given.get(name, getattr(TrainConfig, name)) for name in ("val_fraction", "test_fraction"))
    seconds, passes, steps = (given.get(name) for name in ("max_time", "epochs", "max_steps"))
    if seconds is None and passes is None and steps is None:
        passes = DEFAULT_EPOCHS
    rate = math.inf
    if seconds is not None:
        precision = choose_precision(given.get("precision", TrainConfig.precision))
        rate = training_rate(precision, thread_count(given.get("threads")))
    return Task(characters=max(1, round(characters * (1 - held_out))), vocab_size=vocab_size, rate=rate,
                **{name: math.inf if value is None else value
                   for name, value in (("seconds", seconds), ("passes", passes), ("steps", steps))})


def choose(task: Task, given: Mapping[str, Any]) -> Choice:
    """Return what a run takes for the settings that are not in `given`, or are None there."""
    given = {name: value for name, value in given.items() if value is not None}
    settings = {"batch_size": SMALL_BATCH, "seq_len": TrainConfig.seq_len, **given}
    step = settings["batch_size"] * settings["seq_len"]
    _choose_size(settings, task, step)
    settings.setdefault("embedding_size", _embedding_size(settings, task.vocab_size))
    settings.setdefault("tie_weights", settings["embedding_size"] == settings["hidden_size"] and
                        task.vocab_size > ONE_HOT_CHARACTERS)
    if "batch_size" not in given and task.read(_weights(settings, task.vocab_size), step) > SMALL_BATCH_READS:
        settings["batch_size"] = TrainConfig.batch_size
        step = settings["batch_size"] * settings["seq_len"]
    weights = _weights(settings, task.vocab_size)
    read = task.read(weights, step)
    strain = (weights - settings["hidden_size"] * task.vocab_size) * read / task.characters**2
    spared = TIED_SPARES if settings["tie_weights"] else \
        min(max((settings["hidden_size"] - SPARES_NONE) / (SPARES_ALL - SPARES_NONE), 0.0), 1.0)
    dropout = spared * _dropout(strain, NO_DROPOUT, DROPOUT_SLOPE)
    settings.setdefault("dropout", round(20 * dropout) / 20)
    settings.setdefault("recurrent_dropout", round(20 * _dropout(strain, NO_RECURRENT, RECURRENT_SLOPE)) / 20)
    settings.setdefault("weight_decay", _weight_decay(settings, task.vocab_size, strain))
    if settings.get("optimizer", TrainConfig.optimizer) in ("cadamw", "adamw", "adam"):
        settings.setdefault("lr", _learning_rate(settings, step))
    settings.setdefault("garble", GARBLE if task.characters >= GARBLED_FROM else 0.0)
    chosen = {name: value for name, value in settings.items() if name not in given}
    return Choice(chosen, _reason(chosen, settings, task, read / task.characters))


def _dropout(strain: float, least: float, slope: float) -> float:
    return min(slope * math.log(max(strain / least, 1.0)), MOST_DROPOUT)


def _weight_decay(settings: Mapping[str, Any], vocab_size: int, strain: float) -> float:
    """Return the decay, to one digit; more than usual only where it is decoupled: in a gradient it would be all."""
    usual = TrainConfig.weight_decay
    decoupled = settings.get("optimizer", TrainConfig.optimizer) in DECOUPLED
    if not (decoupled and settings["tie_weights"] and vocab_size > ONE_HOT_CHARACTERS):
        return usual
    return max(usual, float(f"{min(DECAY_TIED * strain, MOST_DECAY):.1g}"))


def _learning_rate(settings: Mapping[str, Any], step: int) -> float:
    """Return the highest rate of Adam or its kin, rounded to two digits, for steps of `step` characters."""
    cell = get_cell(settings.get("cell", ModelConfig.cell))
    rate = LR * (256 / settings["hidden_size"]) ** 0.75 * math.sqrt(min(step, LARGEST_STEP) / STEP)
    rate *= (LR_ALONE if settings["num_layers"] == 1 else 1.0) * (LR_TIED if settings["tie_weights"] else 1.0)
    rate = min(rate, HIGHEST_LR)
    rate *= LR_NORMALISED if cell.normalised else LR_OUTPUT_ALONE if len(cell.states) == 1 else 1.0
    rate *= LR_CAUTIOUS if settings.get("optimizer", TrainConfig.optimizer) == "cadamw" else 1.0
    return float(f"{rate:.2g}")


def _choose_size(settings: dict[str, Any], task: Task, step: int) -> None:
    """Put layers and units where they are missing: so many weights that each sees `READ_PER_WEIGHT` characters."""
    most = MOST if task.seconds < math.inf else MOST_UNTIMED
    for layers in [settings["num_layers"]] if "num_layers" in settings else [1, 2]:
        sizes = [settings["hidden_size"]] if "hidden_size" in settings else range(FEWEST, most + 1, UNIT_STEP)
        fitting = [units for units in sizes
                   if _fits(settings | {"num_layers": layers, "hidden_size": units}, task, step)]
        units = max(fitting, default=min(sizes))
        if units <= WIDEST_ALONE:
            break
    settings.setdefault("num_layers", layers)
    settings.setdefault("hidden_size", units)


def _fits(settings: dict[str, Any], task: Task, step: int) -> bool:
    weights = _weights(settings, task.vocab_size)
    # Without the output's: of thousands of characters, most are rare, and their rows are no great help.
    needed = weights - settings["hidden_size"] * task.vocab_size
    read = task.read(weights, step)
    return read >= (FRESH_PER_WEIGHT if read <= FRESH_PASSES * task.characters else READ_PER_WEIGHT) * needed


def _weights(settings: dict[str, Any], vocab_size: int) -> float:
    """Return W, the weights in products that every character meets."""
    shape = {name: settings[name] for name in ("cell", "hidden_size", "num_layers") if name in settings}
    config = ModelConfig(vocab_size=vocab_size, embedding_size=_embedding_size(settings, vocab_size), **shape)
    return step_operations(config, 1, 1) / 6


def _embedding_size(settings: Mapping[str, Any], vocab_size: int) -> int:
    embeds = settings.get("tie_weights", False) or vocab_size > ONE_HOT_CHARACTERS
    return int(settings.get("embedding_size", settings["hidden_size"] if embeds else 0))


def _reason(chosen: Mapping[str, Any], settings: Mapping[str, Any], task: Task, passes: float) -> str:
    if not chosen:
        return ""
    limit = f"in {task.seconds:g} s at {task.rate / 1e9:.0f} Gflop/s " if task.seconds < math.inf else ""
    size = f"{settings['num_layers']} × {settings['hidden_size']} units"
    times = "once" if _rounded(passes) == "1" else f"{_rounded(passes)} times"
    read = f"{task.characters:,} characters about {times}" if passes > 0.99 else \
        f"{_rounded(100 * passes)} % of {task.characters:,} characters"
    against = "dropout keeps them from learning it by heart" \
        if settings["dropout"] or settings["recurrent_dropout"] else "not often enough to learn it by heart"
    return f"{limit}{size} read {read}, {against}"


def _rounded(number: float) -> str:
    """Return a number of two digits that count, written out: 1 of 0.996, 120 of 123.4."""
    return f"{float(f'{number:.2g}'):,.12g}"
