"""The rule by which a finding gets its label; it is printed with the findings."""

from __future__ import annotations

from charrnn.inspection.findings import Ablation

STRONG_AUC, STRONG_R2 = 0.9, 0.8
#: Share of what the baselines leave that a unit has to win.
GAIN = 0.3
P_VALUE = 0.01
#: Percentile, among random units, of the harm done by holding the unit.
PERCENTILE = 95.0

RULE = (f"cell: held-out AUC >= {STRONG_AUC} or R2 >= {STRONG_R2}, gain >= {GAIN} of what the best baseline leaves, "
        f"p < {P_VALUE}, and holding the unit at its mean hurts what the feature predicts more than it does for "
        f"{PERCENTILE:g} % of random units. candidate: the same without the last. correlate only: as strong, and "
        "beyond an untrained net, but the last three characters tell it nearly as well.")


def gain(score: float, baseline: float) -> float:
    """Return the share of what `baseline` leaves to 1 that `score` wins; below -1 it says nothing more, and is -1."""
    return max((score - baseline) / max(1 - baseline, 1e-6), -1.0)


def label(metric: str, score: float, baseline: float, untrained: float, p_value: float,
          ablation: Ablation | None) -> str | None:
    """Return one of `charrnn.inspection.findings.LABELS`, or None where nothing was found.

    Parameters
    ----------
    metric : "auc" or "r2", of the scores.
    baseline, untrained : scores of the last characters, and of the best unit of an untrained net.
    """
    strong = score >= (STRONG_AUC if metric == "auc" else STRONG_R2)
    if not strong or p_value >= P_VALUE or gain(score, untrained) < GAIN:
        return None
    if gain(score, baseline) < GAIN:
        return "correlate only"
    if ablation is not None and ablation.delta > 0 and ablation.percentile >= PERCENTILE:
        return "cell"
    return "candidate"
