"""An inspection with made-up findings, for the tests of what shows one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.inspection.findings import Ablation, BestUnit, Finding, GateUse, Inspection, Predictions, Signals
from charrnn.model import initial_parameters
from charrnn.vocabulary import Vocabulary

TEXT = 'He said "no" twice.\nThen "yes", once.\n' * 30


def finding(**changes: Any) -> Finding:
    """Return a finding, with some fields changed."""
    first = Finding(
        layer=0, unit=3, source="c", feature="inside_double_quotes", metric="auc", score=0.991, interval=(0.985, 0.996),
        sign=1, baseline=0.7, by_character=0.6, by_three=0.7, untrained=0.65, gain=0.97, p_value=0.005, chance=0.62,
        ablation=Ablation(delta=1.25, percentile=100.0, random=(0.1,), forced_on=2.0, forced_off=1.0,
                          predicted='"', characters=60),
        probes={1: 0.99, 3: 0.992}, units_needed=1, label="cell")
    return replace(first, **changes)


def inspection(text: str = TEXT, *findings: Finding, layers: int = 2, units: int = 8, cell: str = "lstm",
               is_bytes: bool = False) -> tuple[Inspection, Checkpoint]:
    """Return an inspection of an untrained model on a text; unit 3 of layer 0 is 1 inside quotes and else -1."""
    code_points = np.unique([ord(char) for char in text]).astype(np.uint32)
    vocabulary = Vocabulary(code_points, is_bytes)
    ids = np.searchsorted(code_points, [ord(char) for char in text]).astype(vocabulary.dtype)
    config = ModelConfig(vocab_size=len(vocabulary), cell=cell, hidden_size=units, num_layers=layers)
    checkpoint = Checkpoint(model=config, vocabulary=vocabulary, text=TextConfig(), train=TrainConfig(),
                            weights=initial_parameters(config, 1))
    quoted = np.logical_xor.accumulate([char == '"' for char in text])
    random = np.random.default_rng(0)
    levels = random.integers(0, 65535, (layers, units, len(ids)), np.uint16)
    levels[0, 3] = np.where(quoted, 65534, 0)
    line = np.zeros(len(text), np.float32)
    for place in range(1, len(text)):
        line[place] = 0 if text[place - 1] == "\n" else line[place - 1] + 1
    gates = {"lstm": "ifo", "gru": "rz", "rnn": ""}[cell]
    shares = random.random((2, len(gates), layers, units)).astype(np.float32) / 2
    choices = min(5, len(vocabulary))
    probabilities = np.tile(np.array([0.6, 0.2, 0.1, 0.05, 0.01], np.float32)[:choices], (len(ids), 1))
    expected = (ids[:, None] + np.arange(choices)) % len(vocabulary)
    return Inspection(
        checkpoint="runs/made-up", characters=len(ids), seconds=1.5, findings=findings,
        none_found=("line_position", "inside_url"), dropped={"inside_latex_math": "fewer than 200 places"},
        text=text, ids=ids,
        signals=Signals("c" if cell == "lstm" else "h", levels, cell == "lstm"),
        best={"line_position": BestUnit(layer=1, unit=6, metric="r2", score=0.42, baseline=0.4, untrained=0.1,
                                        gain=0.03, p_value=0.5)},
        features={"inside_double_quotes": quoted, "line_position": line},
        predictions=Predictions(np.full(len(ids) - 1, 1.5, np.float32), expected.astype(ids.dtype), probabilities),
        gates={gate: GateUse(shut=shares[0, k], open=shares[1, k], mean=shares[0, k])
               for k, gate in enumerate(gates)},
        dead=(), saturated=((1, 4),), duplicates=()), checkpoint
