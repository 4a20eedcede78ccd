"""Every setting of a model and of its training, with its default: the one place where defaults are written.

The command line takes its options and their defaults from these classes, the trainer and the model receive them, and
the checkpoint stores them. Nothing here imports NumPy or Numba, so that `charrnn --help` stays quick.
"""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from charrnn.errors import ConfigError

OPTIMIZERS = ("cadamw", "adamw", "adam", "rmsprop", "adagrad", "sgd")
LR_SCHEDULES = ("cosine", "step", "constant")
SPLITS = ("tail", "stream")
HELD_OUT = ("val", "test")
PRECISIONS = ("auto", "f32", "bf16")
NORMALIZATIONS = ("none", "nfc", "nfkc")

#: The learning rate that is used for an optimizer when none is given.
DEFAULT_LR = {"cadamw": 1e-2, "adamw": 5e-3, "adam": 5e-3, "rmsprop": 2e-3, "adagrad": 0.1, "sgd": 0.5}

#: The decay of the gradient's average likewise.
DEFAULT_BETA1 = {"cadamw": 0.7, "adamw": 0.9, "adam": 0.9, "rmsprop": 0.9, "adagrad": 0.9, "sgd": 0.9}

#: How many passes over the training text a run makes when neither epochs, steps nor time are given.
DEFAULT_EPOCHS = 10.0

#: What a run chooses for its text and time where it is left out (`charrnn.sizing`). The defaults below are for
#: configurations that are made by hand.
CHOSEN = frozenset({"hidden_size", "num_layers", "embedding_size", "tie_weights", "dropout", "recurrent_dropout",
                    "batch_size", "seq_len", "lr", "weight_decay", "garble"})

#: Seconds between saves when `--save-every` does not say.
DEFAULT_SAVE_SECONDS = 600.0

_Config = TypeVar("_Config", bound="_Checked")

_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_DURATION = re.compile(rf"(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?|{_NUMBER}")
_SECONDS = (3600, 60, 1, 1)  # of the form's groups


def seconds_in(duration: str) -> float | None:
    """Return the seconds in a time that is written 90, 90s, 15m, 2h or 1h30m; None if it is written otherwise."""
    text = duration.strip().lower()
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        return None
    return sum(float(number) * unit for number, unit in zip(match.groups(), _SECONDS) if number)


@dataclass(frozen=True, kw_only=True)
class _Checked:
    """Shared by the configurations: conversion to and from JSON, and the checks that their fields need."""

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a dict that `json.dumps` takes."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls: type[_Config], settings: dict[str, Any]) -> _Config:
        """Return the configuration that `to_json` wrote; unknown or missing names raise `ConfigError`."""
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(settings, dict):
            raise ConfigError(f"{cls.__name__} must be an object of settings")
        if not names.issuperset(settings):
            raise ConfigError(f"{cls.__name__} has settings this version does not know: "
                              f"{sorted(map(str, set(settings) - names))}")
        try:
            return cls(**settings)
        except TypeError as error:
            raise ConfigError(f"{cls.__name__}: {error}") from None

    def replace(self: _Config, **changes: Any) -> _Config:
        """Return a copy with some settings changed, checked again."""
        return dataclasses.replace(self, **changes)

    def _whole(self, name: str, low: int, high: int = 2**31 - 1) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ConfigError(f"{option(name)} must be a whole number from {low} to {high}, not {value!r}")

    def _real(self, name: str, low: float, high: float = math.inf, *, open_low: bool = False,
              open_high: bool = False) -> None:
        value = getattr(self, name)
        number = not isinstance(value, bool) and isinstance(value, (int, float)) and math.isfinite(value)
        if not number or not low <= value <= high or (open_low and value == low) or (open_high and value == high):
            ends = f"{'above' if open_low else 'at least'} {low:g}"
            if high < math.inf:
                ends += f" and {'below' if open_high else 'at most'} {high:g}"
            raise ConfigError(f"{option(name)} must be a number {ends}, not {value!r}")

    def _choice(self, name: str, choices: tuple[str, ...]) -> None:
        if getattr(self, name) not in choices:
            raise ConfigError(f"{option(name)} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")


def option(name: str) -> str:
    """Return a field's name as the command line spells it: `hidden_size` is `--hidden-size`."""
    return "--" + name.replace("_", "-")


@dataclass(frozen=True, kw_only=True)
class ModelConfig(_Checked):
    """The shape of a network: everything that its weights depend on.

    Attributes
    ----------
    vocab_size : V, number of distinct characters.
    cell : name of the recurrent cell, a module of `charrnn.cells`.
    hidden_size : H, units in each layer.
    num_layers : L, recurrent layers on top of each other.
    embedding_size : E, length of the learned vector that stands for a character; 0 means one-hot.
    dropout : probability with which an output of a layer, or an element of an embedded character, is left out in
        training.
    recurrent_dropout : probability with which a recurrent weight is left out of an update in training, for a whole
        window (DropConnect on the hidden-to-hidden matrices, Merity, Keskar and Socher 2017).
    tie_weights : whether a character's embedding and its row of the output's weights are the same, as Press and Wolf
        (2017) and Inan et al. (2017) propose; takes an `embedding_size` that is the `hidden_size`, which 0 is set to.
    recurrent_bias : whether the recurrent product has a bias of its own, as in PyTorch, or keeps it at 0.
    """

    vocab_size: int
    cell: str = "lstm"
    hidden_size: int = 256
    num_layers: int = 2
    embedding_size: int = 0
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    tie_weights: bool = False
    recurrent_bias: bool = True

    def __post_init__(self) -> None:
        from charrnn.cells import CELLS

        self._whole("vocab_size", 1, 0x110000)
        self._choice("cell", CELLS)
        self._whole("hidden_size", 1, 65536)
        self._whole("num_layers", 1, 1000)
        self._whole("embedding_size", 0, 65536)
        self._real("dropout", 0, 1, open_high=True)
        self._real("recurrent_dropout", 0, 1, open_high=True)
        for name in ("tie_weights", "recurrent_bias"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{option(name)} must be on or off, not {getattr(self, name)!r}")
        if self.tie_weights and not self.embedding_size:
            object.__setattr__(self, "embedding_size", self.hidden_size)
        if self.tie_weights and self.embedding_size != self.hidden_size:
            raise ConfigError(f"--tie-weights takes an --embedding-size that is the --hidden-size, {self.hidden_size}, "
                              f"not {self.embedding_size}")


@dataclass(frozen=True, kw_only=True)
class TrainConfig(_Checked):
    """How a model is trained. Zero switches `clip_norm`, `clip_value` and `weight_decay` off; None means "chosen for
    you".

    Attributes
    ----------
    batch_size : B, parallel streams that the training text is cut into.
    seq_len : T, characters that the gradient flows back through (the window of truncated BPTT).
    optimizer, lr : update rule and its highest learning rate (None: `DEFAULT_LR`).
    beta1 : decay of the gradient's average in Adam and its kin, the momentum of SGD (None: `DEFAULT_BETA1`).
    beta2 : decay of the squared gradient's average in Adam and its kin, and in RMSProp.
    initial_accumulator : what Adagrad's sums of squares start from; min-char-rnn's constant under the root.
    lr_schedule, warmup : course of the rate over the run, and the share of the run in which it rises from 0.
    clip_norm : limit on the norm of the gradient of the mean loss.
    clip_value : limit on each element of the gradient of the loss summed over a window's steps, as min-char-rnn and
        char-rnn have it; on the mean loss that is `clip_value / seq_len`.
    weight_decay : decoupled in AdamW and C-AdamW, added to the gradient in the other optimizers; never applied to
        biases.
    average : share of the steps so far over which the weights are averaged that are evaluated, saved as the best and
        sampled from (`charrnn.averaging`); 0: the newest weights alone.
    garble : share of the training text, on average, in whose place noise is read, in stretches (`charrnn.garbling`).
    epochs, max_steps, max_time : when to stop, whichever comes first; max_time in seconds.
    val_fraction, test_fraction, split : how much of the text is held out, and from where.
    eval_every, sample_every : steps between evaluations and samples (None: about 20 in a run).
    save_every : steps between saves, or a time such as "10m" (None: `DEFAULT_SAVE_SECONDS`); evaluations save as well.
    patience : evaluations without a better loss after which training stops (None: never).
    seed : decides the initial weights, the dropout and the noise.
    threads : CPU threads (None: all that the process may use); never changes a result.
    precision : "f32", "bf16" (products only; needs CPU support) or "auto".
    """

    batch_size: int = 32
    seq_len: int = 64
    optimizer: str = "cadamw"
    lr: float | None = None
    beta1: float | None = None
    beta2: float = 0.99
    initial_accumulator: float = 0.0
    lr_schedule: str = "cosine"
    warmup: float = 0.02
    clip_norm: float = 1.0
    clip_value: float = 0.0
    weight_decay: float = 0.01
    average: float = 0.0
    garble: float = 0.0
    epochs: float | None = None
    max_steps: int | None = None
    max_time: float | None = None
    val_fraction: float = 0.1
    test_fraction: float = 0.0
    split: str = "tail"
    eval_every: int | None = None
    save_every: int | str | None = None
    sample_every: int | None = None
    patience: int | None = None
    seed: int = 0
    threads: int | None = None
    precision: str = "auto"

    def __post_init__(self) -> None:
        self._whole("batch_size", 1)
        self._whole("seq_len", 1)
        self._choice("optimizer", OPTIMIZERS)
        if self.lr is not None:
            self._real("lr", 0, open_low=True)
        if self.beta1 is not None:
            self._real("beta1", 0, 1, open_high=True)
        self._real("beta2", 0, 1, open_high=True)
        self._real("initial_accumulator", 0)
        self._choice("lr_schedule", LR_SCHEDULES)
        self._real("warmup", 0, 1)
        self._real("clip_norm", 0)
        self._real("clip_value", 0)
        self._real("weight_decay", 0)
        self._real("average", 0, 1)
        self._real("garble", 0, 1)
        for name in ("epochs", "max_time"):
            if getattr(self, name) is not None:
                self._real(name, 0, open_low=True)
        for name in ("max_steps", "eval_every", "sample_every", "patience", "threads"):
            if getattr(self, name) is not None:
                self._whole(name, 1)
        if isinstance(self.save_every, str):
            if not 0 < self.save_seconds < math.inf:
                raise ConfigError("--save-every must be a number of steps, or a time above 0 such as 90s, 10m or 1h, "
                                  f"not {self.save_every!r}")
        elif self.save_every is not None:
            self._whole("save_every", 1)
        self._real("val_fraction", 0, 1, open_high=True)
        self._real("test_fraction", 0, 1, open_high=True)
        if self.val_fraction + self.test_fraction >= 1:
            raise ConfigError("--val-fraction and --test-fraction together leave no text to train on: "
                              "their sum must be below 1")
        self._choice("split", SPLITS)
        self._whole("seed", 0, 2**63 - 1)
        self._choice("precision", PRECISIONS)

    @property
    def peak_lr(self) -> float:
        """The highest learning rate of the run: `lr`, or the optimizer's own default."""
        return DEFAULT_LR[self.optimizer] if self.lr is None else self.lr

    @property
    def momentum(self) -> float:
        """The decay of the gradient's average: `beta1`, or the optimizer's own default."""
        return DEFAULT_BETA1[self.optimizer] if self.beta1 is None else self.beta1

    @property
    def save_seconds(self) -> float:
        """Seconds between saves, infinite where steps are counted instead."""
        if self.save_every is None:
            return DEFAULT_SAVE_SECONDS
        return (seconds_in(self.save_every) or 0.0) if isinstance(self.save_every, str) else math.inf


@dataclass(frozen=True, kw_only=True)
class TextConfig(_Checked):
    """How bytes become characters. Stored with the model, and applied to primes and evaluated texts as well.

    Attributes
    ----------
    encoding : a codec's name; "utf-8" also recognises the byte order marks of UTF-8, UTF-16 and UTF-32.
    errors : "strict" or "replace" (an invalid byte becomes U+FFFD) or "ignore".
    bytes : every byte is one character, nothing is decoded.
    normalize : Unicode normalisation of the text, "none", "nfc" or "nfkc".
    """

    encoding: str = "utf-8"
    errors: str = "strict"
    bytes: bool = False
    normalize: str = "none"

    def __post_init__(self) -> None:
        import codecs

        try:
            is_text = codecs.lookup(self.encoding)._is_text_encoding
        except (LookupError, TypeError, ValueError):
            is_text = False
        if not is_text:
            raise ConfigError(f"--encoding {self.encoding!r} is no text encoding that Python knows; "
                              "try utf-8, utf-16, latin-1, cp1251, shift_jis or another name")
        self._choice("errors", ("strict", "replace", "ignore"))
        if not isinstance(self.bytes, bool):
            raise ConfigError(f"--bytes must be on or off, not {self.bytes!r}")
        self._choice("normalize", NORMALIZATIONS)
        if self.bytes and (self.encoding != "utf-8" or self.errors != "strict" or self.normalize != "none"):
            raise ConfigError("--bytes reads bytes as they are: leave out --encoding, --errors and --normalize")


class CellHold(NamedTuple):
    """A unit whose lasting state (an LSTM's c, from which its h follows; a GRU's or RNN's h) is held at a value."""

    layer: int
    unit: int
    value: float


@dataclass(frozen=True, kw_only=True)
class SampleConfig(_Checked):
    """How text is generated.

    The options act in this order: logits / temperature, then `top_k`, `top_p`, `min_p` on the probabilities that
    remain, each renormalised. From what is left a character is drawn, or `beam` looks for the text whose characters
    have the largest product of these probabilities. `argmax` takes the most probable character, whatever the others
    say.

    Attributes
    ----------
    length : characters to generate for each sample, the prime not counted; of a model of bytes, bytes.
    temperature : above 0; below 1 sharpens, above 1 flattens the distribution.
    argmax : take the most probable character, draw nothing.
    top_k : only the k most probable characters (0: all).
    top_p : only the most probable characters that together reach this probability (1: all).
    min_p : only characters at least this share as probable as the most probable one (0: all).
    beam : beginnings of texts that beam search keeps at each step (0: no search).
    seed : decides every draw; sample k has the seed `sample_seed(seed, k)`.
    num_samples : texts to generate; with `beam`, so many of the best that were found, the best first.
    stop : a text ends, after it, where one of these appears.
    until_line : a text ends after so many line ends (None: no limit).
    holds : cells held at a value while the text is written, from the prime's last character on.
    precision : of the products, "f32", "bf16" (faster, needs CPU support) or "auto" (bf16 where there is support).
        Under "bf16" the log-probabilities differ by about a hundredth, so that other characters may be drawn.
    """

    length: int = 1000
    temperature: float = 1.0
    argmax: bool = False
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    beam: int = 0
    seed: int = 0
    num_samples: int = 1
    stop: tuple[str, ...] = ()
    until_line: int | None = None
    holds: tuple[CellHold, ...] = ()
    precision: str = "f32"

    def __post_init__(self) -> None:
        self._whole("length", 0)
        self._real("temperature", 0, open_low=True)
        self._whole("top_k", 0)
        self._real("top_p", 0, 1, open_low=True)
        self._real("min_p", 0, 1)
        self._whole("beam", 0)
        self._whole("seed", 0, 2**63 - 1)
        self._whole("num_samples", 1)
        if self.until_line is not None:
            self._whole("until_line", 1)
        if self.beam and self.argmax:
            raise ConfigError("--beam and --argmax exclude each other; --beam 1 is --argmax with the filters applied")
        if self.beam and self.num_samples > self.beam:
            raise ConfigError(f"--num-samples {self.num_samples} needs a --beam of at least {self.num_samples}: with "
                              "--beam, the samples are the best texts that were found")
        if not all(isinstance(text, str) and text for text in self.stop):
            raise ConfigError("--stop must not be empty")
        self._choice("precision", PRECISIONS)
        if len({(hold.layer, hold.unit) for hold in self.holds}) < len(self.holds):
            raise ConfigError("--set-cell and --zero-cell name a cell twice; hold it at one value")
        if not all(abs(hold.value) <= 1e30 for hold in self.holds):
            raise ConfigError("--set-cell must hold a cell at a number from -1e30 to 1e30")
