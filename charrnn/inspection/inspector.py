"""The whole inspection: read, rank, compare with baselines and chance, intervene, label."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charrnn.activations import takes_long
from charrnn.cells import get_cell
from charrnn.checkpoint import Checkpoint
from charrnn.errors import ConfigError, CorpusError, in_characters
from charrnn.inspection import chance, labels
from charrnn.inspection.baselines import ContextTable
from charrnn.inspection.feature import Tracked, check, track_all
from charrnn.inspection.features import BUILT_IN, chosen_features
from charrnn.inspection.findings import Ablation, BestUnit, Finding, GateUse, Inspection, Signals
from charrnn.inspection.intervention import Interventions
from charrnn.inspection.probes import Localisation, Probes
from charrnn.inspection.scoring import (
    Halves,
    associations,
    auc,
    average_precision,
    best_threshold,
    eta_squared,
    f1_at,
    fitted_line,
    halves,
    mean_run,
    r_squared,
    rank_correlation,
)
from charrnn.inspection.survey import Survey, signals_alone, survey
from charrnn.kernels.tile import HAS_BF16
from charrnn.model import initial_parameters
from charrnn.threads import Team, thread_count

#: Characters that are inspected, and how many of the first are left out, on which the states are still filling.
CHARACTERS, DROPPED = 100_000, 200

#: A text has to have so many characters.
SHORTEST = 5_000

#: A feature that the last three characters tell this well is not looked for: there is nothing to remember.
_OBVIOUS = 0.999

_FEWEST = 50  # places of a half that have a flag, and that lack it


@dataclass(frozen=True)
class _Best:
    """The unit that follows a feature best on the discovery half, and its score on the other."""

    layer: int
    unit: int
    sign: int
    score: float


def inspect(checkpoint: Checkpoint, ids: np.ndarray, *, name: str = "", source: str | None = None,
            regexes: Iterable[str] = (), features_file: str | Path | None = None, characters: int = CHARACTERS,
            intervene: bool = True, threads: int | None = None, seed: int = 0) -> Inspection:
    """Look for units that follow features of a text.

    Parameters
    ----------
    checkpoint : the model.
    ids : (N,) a text it was not trained on; the first `characters` of it are read.
    name : of the checkpoint, for the result.
    source : the state or gate to look at (None: the state that lasts, the last of the cell's).
    regexes, features_file : features beside those built in, as for `charrnn.inspection.features.chosen_features`.
    intervene : whether units are held, without which none is called a cell; only the state that lasts can be.
    seed : of the untrained net, of the null and of the choice of random units.

    Raises
    ------
    ConfigError : the cell has no such source, or a feature is unusable.
    CorpusError : the text is too short.
    """
    begin = time.perf_counter()
    config, cell = checkpoint.model, get_cell(checkpoint.model.cell)
    source = cell.states[-1] if source is None else source
    if source not in cell.states + cell.gates:
        raise ConfigError(f"--source {source!r}: a cell of kind {cell.name} has the states "
                          f"{', '.join(cell.states)} and the gates {', '.join(cell.gates)}")
    features = chosen_features(regexes, features_file)
    ids = np.ascontiguousarray(ids[:characters])
    if len(ids) < SHORTEST:
        raise CorpusError(f"the text has {in_characters(len(ids))}, too few to tell a cell from chance: take one of "
                          f"{SHORTEST} or more, at best {CHARACTERS}")
    alphabet = "".join(map(chr, checkpoint.vocabulary.code_points.tolist()))
    text = "".join(map(alphabet.__getitem__, ids.tolist()))
    check(features[len(BUILT_IN):], text)
    split = halves(len(ids), DROPPED)
    team = Team(thread_count(threads))
    # What is compared but not shown may be rounded; where the model takes long to read a text, so is all.
    precision = "bf16" if HAS_BF16 else "f32"
    try:
        own, random_net = _readings(checkpoint, ids, source, team, precision, seed)
        tracked, dropped = track_all(features, text)
        table = ContextTable(ids, split)
        tracked, baselines, obvious = _judged(tracked, table, split)
        dropped |= obvious
        levels = own.signals.levels.reshape(-1, len(ids))
        found = _best_units(own.signals, tracked, split, team)
        untrained = _best_units(random_net, tracked, split, team)
        del random_net
        maxima = chance.null_maxima(levels, tracked, split, team, seed) if tracked else np.zeros((1, 0))
        p_values = chance.p_values(maxima, np.array([_as_null(item, best.score)
                                                     for item, best in zip(tracked, found)]))
        kept = [k for k, item in enumerate(tracked)
                if labels.label(_metric(item), found[k].score, baselines[k][1], untrained[k].score,
                                p_values[k], None) is not None]
        probes = Probes(levels, split, team)
        local = probes.localise([tracked[k] for k in kept], [found[k].layer * config.hidden_size + found[k].unit
                                                             for k in kept], [found[k].score for k in kept])
        ablations: dict[int, Ablation | None] = {}
        if intervene and source == cell.states[-1]:
            worth = [k for k in kept if labels.gain(found[k].score, baselines[k][1]) >= labels.GAIN]
            if worth:
                held = Interventions(config, checkpoint.weights, ids, own, split, alphabet, team, precision,
                                     seed)
                ablations = {k: held.ablate(tracked[k], found[k].layer, found[k].unit) for k in worth}
    finally:
        team.close()
    forget = None if cell.forget_gate is None else own.gates.get(cell.gates[cell.forget_gate])
    findings = [_finding(tracked[k], found[k], own.signals, split, baselines[k], untrained[k].score,
                         float(p_values[k]), maxima[:, k], ablations.get(k), place, forget, seed)
                for k, place in zip(kept, local)]
    hidden, (dead, saturated) = config.hidden_size, probes.still()
    return Inspection(
        checkpoint=name, characters=len(ids), seconds=time.perf_counter() - begin,
        findings=tuple(sorted(findings, key=lambda finding: -finding.gain)),
        none_found=tuple(item.name for k, item in enumerate(tracked) if k not in kept),
        best={item.name: _best_unit(item, found[k], baselines[k][1], untrained[k].score, float(p_values[k]))
              for k, item in enumerate(tracked)},
        dropped=dropped, text=text, ids=ids, signals=own.signals,
        features={item.name: item.values for item in tracked},
        predictions=own.predictions, gates=own.gates,
        dead=tuple(divmod(unit, hidden) for unit in dead.tolist()),
        saturated=tuple(divmod(unit, hidden) for unit in saturated.tolist()),
        duplicates=tuple(tuple(divmod(unit, hidden) for unit in group) for group in probes.duplicates()))


def _readings(checkpoint: Checkpoint, ids: np.ndarray, source: str, team: Team, precision: str,
              seed: int) -> tuple[Survey, Signals]:
    """Read the text with the model, and with an untrained net of its shape."""
    config = checkpoint.model
    if takes_long(config, len(ids)):
        return (survey(config, checkpoint.weights, ids, source, team, precision),
                signals_alone(config, initial_parameters(config, seed + 1), ids, source, team, precision))
    # A text that is read as one, character by character, gives work to one thread: another reads with the other net.
    own, random_net, alone = [], [], Team(1)

    def read(part: int, parts: int) -> None:
        if part == 0:
            own.append(survey(config, checkpoint.weights, ids, source, alone))
        if part == parts - 1:
            random_net.append(signals_alone(config, initial_parameters(config, seed + 1), ids, source, alone,
                                            precision))

    team.run(read)
    return own[0], random_net[0]


def _metric(feature: Tracked) -> str:
    return "auc" if feature.is_flag else "r2"


def _as_null(feature: Tracked, score: float) -> float:
    """Return a score in the terms of `chance.null_maxima`."""
    return max(score - 0.5, 0.0) if feature.is_flag else math.sqrt(score)


def _judged(tracked: list[Tracked], table: ContextTable, split: Halves,
            ) -> tuple[list[Tracked], list[tuple[float, float]], dict[str, str]]:
    """Return the features that both halves have enough of and that ask for memory, their baselines, and the others."""
    judged, baselines, dropped = [], [], {}
    for feature in tracked:
        parts = [feature.values[places] for places in (split.discovery, split.report)]
        if feature.is_flag and min(min(part.sum(), (~part).sum()) for part in parts) < _FEWEST:
            dropped[feature.name] = "is all but confined to one half of the text"
            continue
        if min(np.ptp(part.astype(np.float32)) for part in parts) == 0:
            dropped[feature.name] = "is all but confined to one half of the text"
            continue
        scores = table.scores(feature)
        if scores[1] >= _OBVIOUS:
            dropped[feature.name] = "the last three characters alone tell it"
            continue
        judged.append(feature)
        baselines.append(scores)
    return judged, baselines, dropped


def _best_units(signals: Signals, tracked: list[Tracked], split: Halves, team: Team) -> list[_Best]:
    _, hidden, length = signals.levels.shape
    strengths = associations(signals.levels.reshape(-1, length), split.discovery, tracked, team)
    found = []
    for feature, strength in zip(tracked, strengths.T):
        index = int(np.argmax(np.abs(strength)))
        layer, unit = divmod(index, hidden)
        sign = 1 if strength[index] >= 0 else -1
        signal = signals.values(layer, unit)
        values = feature.values[split.report]
        if feature.is_flag:
            score = auc(sign * signal[split.report], values)
        else:
            score = r_squared(_line(signal, feature, split), values.astype(np.float64))
        found.append(_Best(layer, unit, sign, score))
    return found


def _best_unit(feature: Tracked, best: _Best, baseline: float, untrained: float, p_value: float) -> BestUnit:
    return BestUnit(layer=best.layer, unit=best.unit, metric=_metric(feature), score=best.score, baseline=baseline,
                    untrained=untrained, gain=labels.gain(best.score, max(baseline, untrained)), p_value=p_value)


def _line(signal: np.ndarray, feature: Tracked, split: Halves) -> np.ndarray:
    """Return what the line fitted to the discovery half predicts of a number on the report half."""
    slope, intercept = fitted_line(signal[split.discovery], feature.values[split.discovery])
    return slope * signal[split.report].astype(np.float64) + intercept


def _finding(feature: Tracked, best: _Best, signals: Signals, split: Halves, baselines: tuple[float, float],
             untrained: float, p_value: float, null: np.ndarray, ablation: Ablation | None, place: Localisation,
             forget: GateUse | None, seed: int) -> Finding:
    raw = signals.values(best.layer, best.unit)
    signal, values, blocks = best.sign * raw, feature.values, split.report_blocks()
    shown, true = signal[split.report], values[split.report]
    by_character, baseline = baselines
    high = float(np.quantile(null, 0.99))
    label = labels.label(_metric(feature), best.score, baseline, untrained, p_value, ablation)
    assert label is not None
    if feature.is_flag:
        threshold = best_threshold(signal[split.discovery], values[split.discovery])
        interval = chance.auc_interval(shown, true, blocks, seed)
        extra: dict[str, float | None] = {
            "base_rate": float(values.mean()), "average_precision": average_precision(shown, true),
            "f1": f1_at(threshold, shown, true), "threshold": best.sign * threshold,
            "eta_squared": eta_squared(shown, true), "mean_run": mean_run(signal >= threshold)}
    else:
        interval = chance.r2_interval(_line(raw, feature, split), true, blocks, seed)
        extra = {"rank_r2": rank_correlation(shown, true) ** 2,
                 "mean_run": mean_run(signal >= float(np.median(signal)))}
    if forget is not None:
        kept = float(forget.mean[best.layer, best.unit])
        extra["time_constant"] = -1 / math.log(kept) if 0 < kept < 1 else None
    return Finding(
        layer=best.layer, unit=best.unit, source=signals.source, feature=feature.name, metric=_metric(feature),
        score=best.score, interval=interval, sign=best.sign, baseline=baseline, by_character=by_character,
        by_three=baselines[1], untrained=untrained, gain=labels.gain(best.score, max(baseline, untrained)),
        p_value=p_value, chance=0.5 + high if feature.is_flag else high * high, ablation=ablation, probes=place.probes,
        units_needed=place.units_needed, label=label, **extra)
