"""python -m benchmarks.quality: the held-out losses of whole runs, as docs/quality.md has them.

`budget TEXT... --max-time T` trains on each text with nothing given but the time, as a user would, and prints what was
chosen, the loss, and that of the best n-gram of the text. `grid TEXT --epochs N` trains the nets of the first table of
Karpathy, Johnson and Fei-Fei (2015) but for the widest: LSTM, RNN and GRU of 1 to 3 layers and 64 to 256 units.
Options after `--` go to `charrnn train` as they are.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from benchmarks.ngram import best_order, parts
from charrnn.config import TextConfig, TrainConfig
from charrnn.corpus import read_corpus

CELLS, LAYERS, UNITS = ("lstm", "rnn", "gru"), (1, 2, 3), (64, 128, 256)

#: The paper's split; its learning rate was decayed, its windows had 100 characters and its batches 100 streams.
#: AdamW, and no noise in the text, is what docs/quality.md has figures of.
PAPER = ("--optimizer", "adamw", "--garble", "0", "--split", "stream", "--val-fraction", "0.05",
         "--test-fraction", "0.05", "--batch-size", "100", "--seq-len", "100", "--dropout", "0",
         "--recurrent-dropout", "0")


def run(text: str, *options: str) -> dict[str, dict[str, Any]]:
    """Train in a process of its own and return the last event of each kind."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-m", "charrnn", "train", text, "--out", f"{folder}/run", "--json",
                               *options], stdout=subprocess.PIPE, text=True, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return {event["event"]: event for event in events}


def shape(config: dict[str, Any]) -> str:
    """Return what was chosen, in a few words."""
    return f"{config['num_layers']} x {config['hidden_size']}, dropout {config['dropout']:g}, lr {config['lr']:g}"


def budget(texts: Sequence[str], seconds: str, seeds: int, options: Sequence[str]) -> None:
    """Print one line for each text: what was chosen, the loss of each seed, and that of the best n-gram."""
    print("| text | chosen | val loss (tail) | passes | best n-gram |\n|---|---|---|---|---|")
    for text in texts:
        encoding = options[options.index("--encoding") + 1] if "--encoding" in options else "utf-8"
        corpus = read_corpus([text], TextConfig(encoding=encoding))
        order, loss = best_order(*parts(corpus.ids, TrainConfig()), len(corpus.vocabulary))
        runs = [run(text, "--max-time", seconds, "--seed", str(seed), *options) for seed in range(1, seeds + 1)]
        found = [one["done"]["best_val_loss"] for one in runs]
        passes = statistics.mean(one["eval"]["epoch"] for one in runs)
        print(f"| {text} | {shape(runs[0]['plan']['config'])} | {', '.join(f'{value:.4f}' for value in found)} | "
              f"{passes:.1f} | {loss:.4f} (order {order}) |", flush=True)


def grid(text: str, epochs: int, options: Sequence[str]) -> None:
    """Print the validation loss of every cell, layers and units of the paper's table as it is measured."""
    print("| cell | layers | units | val loss (stream) |\n|---|---|---|---|", flush=True)
    for cell, layers, units in itertools.product(CELLS, LAYERS, UNITS):
        events = run(text, "--cell", cell, "--num-layers", str(layers), "--hidden-size", str(units), "--epochs",
                     str(epochs), *PAPER, *options)
        print(f"| {cell} | {layers} | {units} | {events['done']['best_val_loss']:.4f} |", flush=True)


def main() -> None:
    """Print one of the tables."""
    own, options = sys.argv[1:], []
    if "--" in own:
        own, options = own[:own.index("--")], own[own.index("--") + 1:]
    parser = argparse.ArgumentParser(description="Held-out losses of whole runs.")
    tables = parser.add_subparsers(dest="table", required=True)
    table = tables.add_parser("budget")
    table.add_argument("texts", nargs="+")
    table.add_argument("--max-time", default="4m")
    table.add_argument("--seeds", type=int, default=1)
    table = tables.add_parser("grid")
    table.add_argument("text")
    table.add_argument("--epochs", type=int, default=2)
    chosen = parser.parse_args(own)
    if chosen.table == "budget":
        budget(chosen.texts, chosen.max_time, chosen.seeds, options)
    else:
        grid(chosen.text, chosen.epochs, options)


if __name__ == "__main__":
    main()
