"""Text as it is generated, with what a cell does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from charrnn.activations import record
from charrnn.config import SampleConfig
from charrnn.inspection.live import generate_with_values
from charrnn.language_model import load
from charrnn.sampling import generate


@pytest.mark.parametrize(("source", "prime"), [("c", "the quick "), ("h", ""), ("f", "fox")])
def test_values_are_those_of_reading_the_text(source: str, prime: str, trained: Path) -> None:
    model = load(trained)
    config = SampleConfig(length=75, seed=4)
    pieces = list(generate_with_values(model, prime, config, (0, 5), source))
    code_points, values = (np.concatenate(parts) for parts in zip(*pieces))
    written = "".join(map(chr, code_points))
    assert written == prime + "".join(piece.text for piece in generate(model, prime, config))
    read = model.vocabulary.encode(written if prime else "\n" + written)
    expected = record(model.checkpoint.model, model.checkpoint.weights, read, names=(source,), rows=1)[source][0, :, 5]
    expected = np.tanh(expected) if source == "c" else expected
    assert np.allclose(values, expected if prime else expected[1:], atol=1e-5)
