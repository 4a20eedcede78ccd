"""What an inspection finds, as data: for the terminal, the page, JSON and notebooks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from charrnn.inspection.losses import loss_by_class, loss_by_distance
from charrnn.kernels.signals import LEVELS

#: What a finding may be called, strongest first; the rule is in `charrnn.inspection.labels`.
LABELS = ("cell", "candidate", "correlate only")


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """What becomes of the predictions that a feature helps with when a unit is held.

    Attributes
    ----------
    delta : change of their loss with the unit held at its mean, nats a character.
    percentile : share (0 to 100) of random units of the same layer whose change is smaller.
    random : the changes for these random units.
    forced_on, forced_off : change with the unit held where it is when the feature is on (high), or off (low).
    predicted : the next characters that were looked at.
    characters : how many of them.
    """

    delta: float
    percentile: float
    random: tuple[float, ...]
    forced_on: float
    forced_off: float
    predicted: str
    characters: int


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One unit that follows one feature.

    Scores are those of held-out text, which played no part in choosing the unit: for a yes/no feature the AUC, from
    0.5 (nothing) to 1, and for a number R², from 0 to 1.

    Attributes
    ----------
    layer, unit : counted from 0.
    source : the signal, a state of the cell.
    feature : the feature's name.
    metric : "auc" or "r2".
    score : of the unit alone.
    interval : its 95 % confidence interval, by block bootstrap.
    sign : 1 where the signal rises with the feature, -1 where it falls.
    baseline : the best score from the last characters alone: `by_character` or `by_three`.
    by_character, by_three : scores from the current character, and from the last three.
    untrained : the score of the best unit of an untrained net of the same shape.
    gain : (score - b) / (1 - b), where b is the better of `baseline` and `untrained`.
    p_value : family-wise over all units and features.
    chance : score that the best unit exceeds for 1 in 100 features taken from other stretches of text.
    ablation : evidence by intervention, or None where it was not tried.
    probes : scores of the best 1, 3, 10 and all units together, by that number; all is the last.
    units_needed : the fewest units that reach what all reach, nearly.
    label : one of `LABELS`.
    base_rate : how often a yes/no feature is on.
    average_precision, f1, threshold : of a yes/no feature; the signal's threshold is the best one on the other half.
    eta_squared : share of the signal's variance that a yes/no feature explains.
    rank_r2 : squared rank correlation with a number.
    mean_run : characters for which the signal stays on the feature's side of its threshold, on average.
    time_constant : characters after which the unit has forgotten all but 1 / e, from its mean forget gate.
    """

    layer: int
    unit: int
    source: str
    feature: str
    metric: str
    score: float
    interval: tuple[float, float]
    sign: int
    baseline: float
    by_character: float
    by_three: float
    untrained: float
    gain: float
    p_value: float
    chance: float
    ablation: Ablation | None
    probes: dict[int, float]
    units_needed: int
    label: str
    base_rate: float | None = None
    average_precision: float | None = None
    f1: float | None = None
    threshold: float | None = None
    eta_squared: float | None = None
    rank_r2: float | None = None
    mean_run: float | None = None
    time_constant: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dict that `json.dumps` takes."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class BestUnit:
    """The unit that follows a feature best, whether or not that is worth a label; fields as in `Finding`."""

    layer: int
    unit: int
    metric: str
    score: float
    baseline: float
    untrained: float
    gain: float
    p_value: float


@dataclass(frozen=True)
class Signals:
    """One state of every unit over the whole text, between -1 and 1, in 16 bits.

    Attributes
    ----------
    source : name of the state.
    levels : (L, H, N) uint16, from 0 for -1 to `LEVELS` - 1 for 1.
    squashed : whether these are of its tanh, since it may lie beyond -1 and 1.
    """

    source: str
    levels: np.ndarray
    squashed: bool

    def values(self, layer: int, unit: int) -> np.ndarray:
        """Return one unit's signal, (N,) float32."""
        half = np.float32(LEVELS // 2)
        return self.levels[layer, unit] / half - np.float32(1)


@dataclass(frozen=True)
class Predictions:
    """What the model expected to come after each character of the text.

    Attributes
    ----------
    losses : (N - 1,) float32, of the character that did come, in nats.
    ids : (N, k) the most probable next characters, most probable first.
    probabilities : (N, k) float32, theirs.
    """

    losses: np.ndarray
    ids: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True, kw_only=True)
class GateUse:
    """How one gate is used over the text (the saturation plot of Karpathy, Johnson and Fei-Fei 2015).

    Attributes
    ----------
    shut, open : (L, H) shares of the characters at which the gate is below 0.1, and above 0.9.
    mean : (L, H).
    """

    shut: np.ndarray
    open: np.ndarray
    mean: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """All that was found, and what it was found in.

    Attributes
    ----------
    checkpoint : name of what was inspected.
    characters : N, length of the text.
    seconds : how long it took.
    findings : ordered by gain.
    none_found : features that no unit follows.
    best : by feature, the best unit for each of those that could be judged.
    dropped : features that could not be judged on this text, with the reason.
    text : (N,) characters; of a model of bytes, each byte as the character of its value.
    ids : (N,) ids.
    signals : every unit's signal over the text.
    features : values (N,) of every feature that was judged, bool or float32, by name.
    predictions : the model's own.
    gates : use of each gate between 0 and 1, by the gate's name.
    dead : (layer, unit) of units that never move.
    saturated : (layer, unit) of units that never move since they are stuck at -1 or 1; of an LSTM, what such a unit
        gives out is its output gate alone.
    duplicates : groups of (layer, unit) that carry one signal (|r| > 0.95).
    """

    checkpoint: str
    characters: int
    seconds: float
    findings: tuple[Finding, ...]
    none_found: tuple[str, ...]
    best: dict[str, BestUnit]
    dropped: dict[str, str]
    text: str
    ids: np.ndarray
    signals: Signals
    features: dict[str, np.ndarray]
    predictions: Predictions
    gates: dict[str, GateUse]
    dead: tuple[tuple[int, int], ...]
    saturated: tuple[tuple[int, int], ...]
    duplicates: tuple[tuple[tuple[int, int], ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints: the findings with all scores, without the arrays."""
        return {"checkpoint": self.checkpoint, "characters": self.characters, "seconds": self.seconds,
                "findings": [finding.to_json() for finding in self.findings], "none_found": list(self.none_found),
                "best": {name: asdict(unit) for name, unit in self.best.items()}, "dropped": self.dropped,
                "losses": {"by_class": [asdict(part) for part in loss_by_class(self.text, self.predictions.losses)],
                           "by_distance": [asdict(part) for part in loss_by_distance(self.text,
                                                                                     self.predictions.losses)]},
                "dead_units": [list(unit) for unit in self.dead],
                "saturated_units": [list(unit) for unit in self.saturated],
                "duplicates": [[list(unit) for unit in group] for group in self.duplicates]}
