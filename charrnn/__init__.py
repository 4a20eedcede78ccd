"""charrnn: a character-level recurrent language model for the CPU.

    charrnn.train("novel.txt", max_steps=1000)   a run: iterating over it trains and yields events
    charrnn.load("checkpoints/novel")            a model: .generate, .loss, .logprobs, .states, .evaluate

The commands of the program `charrnn` are made of the same functions. docs/api.md has examples; every error is a
`CharRNNError`. What stands here is imported when it is first used, so that `import charrnn` takes no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charrnn.config import ModelConfig, SampleConfig, TextConfig, TrainConfig
    from charrnn.errors import CharRNNError
    from charrnn.language_model import LanguageModel, load
    from charrnn.training_run import TrainingRun, train

__version__ = "0.1.0"
__all__ = ["CharRNNError", "LanguageModel", "ModelConfig", "SampleConfig", "TextConfig", "TrainConfig", "TrainingRun",
           "load", "train"]

_HOMES = {
    "CharRNNError": "errors", "ModelConfig": "config", "SampleConfig": "config", "TextConfig": "config",
    "TrainConfig": "config", "LanguageModel": "language_model", "load": "language_model", "TrainingRun": "training_run",
    "train": "training_run",
}


def __getattr__(name: str) -> Any:
    """Import what is used for the first time (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"charrnn.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
