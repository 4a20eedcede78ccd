"""Small training runs, which several test files look at from different sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.corpus import Corpus, read_corpus
from charrnn.events import Event
from charrnn.run_folder import RunFolder
from charrnn.training import Trainer

#: Enough prose-like text for a few hundred small steps.
TEXT = "".join(f"The {colour} {animal} {verb} over {number} lazy dogs.\n"
               for number in range(8) for colour in ("quick", "brown", "grey")
               for animal, verb in (("fox", "jumps"), ("hare", "leaps"), ("cat", "walks")))

_MODEL = {"cell", "hidden_size", "num_layers", "embedding_size", "dropout", "recurrent_dropout", "tie_weights",
          "recurrent_bias"}
_SMALL = {"hidden_size": 16, "num_layers": 1, "batch_size": 4, "seq_len": 10, "precision": "f32", "threads": 1}


def read(folder: Path, text: str = TEXT) -> Corpus:
    """Return `text` as a corpus, read from a file in `folder`."""
    path = folder / "corpus.txt"
    path.write_text(text, encoding="utf-8", newline="")
    return read_corpus([path], TextConfig())


def trainer(folder: Path, text: str = TEXT, *, resume: bool = False, **settings: Any) -> Trainer:
    """Return the trainer of a run in `folder`; `settings` are fields of `ModelConfig` and `TrainConfig`."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus = read(folder.parent, text)
    settings = _SMALL | settings
    shape = {name: settings.pop(name) for name in _MODEL & set(settings)}
    run = RunFolder(folder)
    if not resume:
        run.create(overwrite=True)
    return Trainer(corpus, ModelConfig(vocab_size=len(corpus.vocabulary), **shape), TrainConfig(**settings), run,
                   resume=resume)


def train(folder: Path, text: str = TEXT, **settings: Any) -> list[Event]:
    """Return the events of a whole run."""
    return list(trainer(folder, text, **settings).run())
