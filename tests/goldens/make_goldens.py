"""Write the golden files: what PyTorch computes for small models.

Run by hand, from the root of the repository and with torch 2.13.0: `python -m tests.goldens.make_goldens`. The inputs
are seeded and one thread computes, so the same machine writes the same bytes; another may differ in the last digits.

Each file is one model, `{cell}_{case}.npz`. Inputs are float32, so that a float32 program starts from the same numbers;
what PyTorch made of them is float64.

- `weight/NAME`, `state/I/L`: the initial weights and states (array I of layer L: 0 is h, 1 is c);
- `ids`, `targets` (T, B) int64, and `masks` (L, T, B, H) where the case has dropout;
- `logits` (T, B, V), `loss`, `gradient/NAME`, `dstate/I/L` (of the initial state), `final/I/L`: one pass both ways;
- `optimizer/OPT/losses` (5,), `optimizer/OPT/norms` (5,) and `optimizer/OPT/weight/NAME`: the losses and gradient norms
  (before clipping) of five updates, always from the same window and initial state, and the weights after them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.reference.network import GATES

FOLDER = Path(__file__).parent

#: Settings of the five updates; the norm limit bites in some of them and not in others.
STEPS = 5
CLIP_NORM = {"lstm": 0.15, "gru": 0.4, "rnn": 0.6, "lnlstm": 1.5}
BETA1, BETA2, WEIGHT_DECAY = 0.9, 0.99, 0.05
LR = {"sgd": 0.1, "adagrad": 0.05, "rmsprop": 0.01, "adam": 0.02, "adamw": 0.02, "cadamw": 0.02}


@dataclass(frozen=True)
class Case:
    """The size of a golden model and of its window."""

    vocab_size: int
    embedding_size: int
    hidden_size: int
    num_layers: int
    seq_len: int
    batch_size: int
    dropout: float = 0.0
    optimizers: bool = False


CASES = {
    "onehot": Case(7, 0, 9, 2, seq_len=6, batch_size=3),
    "embedded": Case(7, 5, 9, 2, seq_len=6, batch_size=3, optimizers=True),
    "dropout": Case(12, 0, 16, 2, seq_len=8, batch_size=4, dropout=0.5),
}


def shapes(cell: str, case: Case) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the weights, in PyTorch's order."""
    V, E, H = case.vocab_size, case.embedding_size, case.hidden_size
    rows = len(GATES[cell]) * H
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (V, E)} if E else {}
    for k in range(case.num_layers):
        shapes[f"rnn.weight_ih_l{k}"] = (rows, H if k else E or V)
        shapes[f"rnn.weight_hh_l{k}"] = (rows, H)
        shapes[f"rnn.bias_ih_l{k}"] = shapes[f"rnn.bias_hh_l{k}"] = (rows,)
    return shapes | {"output.weight": (V, H), "output.bias": (V,)}


def draw(cell: str, case: Case, seed: int) -> dict[str, Any]:
    """Return random `weights` and `state` (exact in float32), `ids`, `targets` and `masks` (None without dropout)."""
    rng = np.random.default_rng(seed)

    def uniform(*shape: int) -> np.ndarray:
        return rng.uniform(-0.6, 0.6, shape).astype(np.float32).astype(np.float64)

    T, B, H, L = case.seq_len, case.batch_size, case.hidden_size, case.num_layers
    weights = {name: uniform(*shape) for name, shape in shapes(cell, case).items()}
    state = [tuple(uniform(B, H) for _ in range(2 if "lstm" in cell else 1)) for _ in range(L)]
    text = rng.integers(0, case.vocab_size, (T + 1, B))
    masks = None
    if case.dropout:
        masks = (rng.random((L, T, B, H)) >= case.dropout) / (1 - case.dropout)
    return {"weights": weights, "state": state, "ids": text[:-1], "targets": text[1:], "masks": masks}


def flatten_state(name: str, state: list[tuple[np.ndarray, ...]]) -> dict[str, np.ndarray]:
    """Return a state's arrays under the names that the file gives them."""
    return {f"{name}/{i}/{k}": array for k, layer in enumerate(state) for i, array in enumerate(layer)}


def load(cell: str, case: str) -> dict[str, Any]:
    """Return a golden file as nested dicts and lists of float64, in the forms that `tests.reference` uses.

    Keys: `weights`, `state`, `ids`, `targets`, `masks` (None without dropout), `logits`, `loss`, `gradients`, `dstate`,
    `final`, `optimizers` (a dict of `losses`, `norms` and `weights` for each optimizer; empty where not recorded).
    """
    with np.load(FOLDER / f"{cell}_{case}.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    arrays = {name: array.astype(np.float64) if array.dtype == np.float32 else array for name, array in arrays.items()}

    def below(prefix: str) -> dict[str, np.ndarray]:
        return {name[len(prefix):]: array for name, array in arrays.items() if name.startswith(prefix)}

    def state(name: str) -> list[tuple[np.ndarray, ...]]:
        kinds, layers = range(2 if "lstm" in cell else 1), range(CASES[case].num_layers)
        return [tuple(arrays[f"{name}/{i}/{k}"] for i in kinds) for k in layers]

    return {
        "weights": below("weight/"), "state": state("state"), "ids": arrays["ids"], "targets": arrays["targets"],
        "masks": arrays.get("masks"), "logits": arrays["logits"], "loss": float(arrays["loss"]),
        "gradients": below("gradient/"), "dstate": state("dstate"), "final": state("final"),
        "optimizers": {
            name: {"losses": arrays[f"optimizer/{name}/losses"], "norms": arrays[f"optimizer/{name}/norms"],
                   "weights": below(f"optimizer/{name}/weight/")}
            for name in LR if f"optimizer/{name}/losses" in arrays
        },
    }


def updates(cell: str, window: dict[str, Any], optimizer_name: str) -> dict[str, np.ndarray]:
    """Return the losses and norms of `STEPS` updates by PyTorch on the same window, and the weights after them."""
    import torch

    from tests.reference import pytorch

    model = pytorch.Model(cell, window["weights"])
    optimizer = pytorch.make_optimizer(optimizer_name, model, LR[optimizer_name], beta1=BETA1, beta2=BETA2,
                                       weight_decay=WEIGHT_DECAY)
    losses, norms = [], []
    for _ in range(STEPS):
        result = pytorch.run(model, window["ids"], window["targets"], window["state"], window["masks"])
        losses.append(result["loss"])
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM[cell])))
        optimizer.step()
    arrays = {"losses": np.array(losses), "norms": np.array(norms)}
    arrays |= {f"weight/{name}": array for name, array in model.weights().items()}
    return {f"optimizer/{optimizer_name}/{name}": array for name, array in arrays.items()}


def make(cell: str, case_name: str, seed: int) -> dict[str, np.ndarray]:
    """Return the arrays of one golden file."""
    from tests.reference import pytorch

    case = CASES[case_name]
    window = draw(cell, case, seed)
    result = pytorch.run(pytorch.Model(cell, window["weights"]), window["ids"], window["targets"], window["state"],
                         window["masks"])
    arrays = {f"weight/{name}": array for name, array in window["weights"].items()}
    arrays |= flatten_state("state", window["state"])
    arrays |= {} if window["masks"] is None else {"masks": window["masks"]}
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    arrays |= {"ids": window["ids"], "targets": window["targets"]}
    arrays |= {"logits": result["logits"], "loss": np.array(result["loss"])}
    arrays |= {f"gradient/{name}": array for name, array in result["gradients"].items()}
    arrays |= flatten_state("dstate", result["dstate"]) | flatten_state("final", result["final"])
    for optimizer_name in LR if case.optimizers else ():
        arrays |= updates(cell, window, optimizer_name)
    return arrays


def main() -> None:
    """Write all golden files."""
    import torch

    torch.set_num_threads(1)
    for i, cell in enumerate(GATES):
        for j, case_name in enumerate(CASES):
            path = FOLDER / f"{cell}_{case_name}.npz"
            np.savez(path, **make(cell, case_name, seed=10 * i + j))
            print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
