"""How far a gradient gets back through time: why plain recurrent nets forget, and gated ones remember.

What moves h at step t - k moves the loss at step t through k steps of the recurrence, so the gradient going back is
multiplied by k Jacobians dh_s / dh_{s-1}. Those of a plain net are diag(1 - h_s²) W_hh: none stretches a gradient by
more than the largest singular value of W_hh, so where that is below 1 the gradient vanishes, and it can explode only
above (Bengio, Simard and Frasconi 1994; Pascanu, Mikolov and Bengio 2013). An LSTM has a second way back, from c to c,
which multiplies by the forget gate alone; a GRU has one from h to h, by z.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from charrnn.activations import record
from charrnn.cells import get_cell
from charrnn.config import ModelConfig, TrainConfig
from charrnn.errors import CorpusError, in_characters
from charrnn.gradient_flow.flow import OPEN, SHUT, Clipping, GradientFlow, KeepGate, LayerFlow
from charrnn.kernels.share import ALONE
from charrnn.kernels.softmax import cross_entropy
from charrnn.network import Network, step_operations
from charrnn.streams import split_text
from charrnn.threads import thread_count

#: Steps that gradients are followed back by default.
REACH = 100

#: Predictions whose gradients are followed, so many at a time; and characters read before each, so that the state is
#: one of the middle of a text.
POSITIONS, ROWS, WARM_UP = 64, 16, 200

#: Characters over which the gates are watched.
GATE_CHARACTERS = 8_000

#: Training windows whose gradient's norm is taken, fewer where they would take more operations.
WINDOWS, _OPERATIONS = 20, 4e11

#: Singular values listed of each matrix.
SINGULAR_VALUES = 5


def measure(model: ModelConfig, weights: Mapping[str, np.ndarray], train: TrainConfig, ids: np.ndarray, *, name: str,
            trained: bool, reach: int = REACH, recorded: np.ndarray | None = None,
            threads: int | None = None) -> GradientFlow:
    """Return the gradient flow of a model over a text (N,).

    Parameters
    ----------
    weights : under PyTorch's names and shapes.
    train : batch size, window and clipping of its training.
    reach : K, steps that gradients are followed back.
    recorded : norms of the gradient while it was trained.
    threads : CPU threads (None: all that the process may use).

    Raises
    ------
    CorpusError : the text is too short to go so far back.
    """
    if len(ids) < reach + 2:
        raise CorpusError(f"the text has {in_characters(len(ids))} that the model knows, and to follow a gradient "
                          f"{reach} steps back takes {reach + 2}: name a longer text, or use a smaller --reach")
    count = thread_count(threads)
    norms = _norms(model, weights, ids, reach, count)
    low, high = np.sort(norms, axis=-1)[..., [norms.shape[-1] // 10, -1 - norms.shape[-1] // 10]].transpose(2, 0, 1)
    with np.errstate(divide="ignore"):
        typical = np.exp(np.log(norms).mean(axis=-1))
    layers = tuple(
        LayerFlow(norms=typical[layer], low=low[layer], high=high[layer],
                  singular_values=_singular_values(model, weights, layer), keep=keep)
        for layer, keep in enumerate(_keep_gates(model, weights, ids[:GATE_CHARACTERS], count)))
    return GradientFlow(name=name, model=model, trained=trained, seq_len=train.seq_len, characters=len(ids),
                        positions=norms.shape[-1], layers=layers,
                        clipping=_clipping(model, weights, train, ids, np.zeros(0) if recorded is None else recorded,
                                           count))


class _FollowedNetwork(Network):
    """A network that goes back through a window step by step, so that what arrives at each can be looked at."""

    def gradient_norms(self, ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the norm (L, T, B) of the gradient of a window's last loss by h after each of its steps.

        Parameters
        ----------
        ids : (T, B) the window.
        targets : (1, B) what comes after its last step.
        """
        window, weights, groups = self.forward(ids), self.weights, self.layout.groups(self.flat)
        steps, batch = ids.shape
        logits = window.logits[steps - 1:steps].copy()
        cross_entropy(logits, weights.output_bias, targets, self._losses[:1], self.config.vocab_size, 1.0, 0, batch)
        step = window._replace(logits=logits, dh=np.zeros_like(window.dh[:1]), dstates=np.zeros_like(window.dstates))
        norms, alone = np.zeros((self.config.num_layers, steps, batch)), ALONE._replace(last=batch)
        for t in range(steps - 1, -1, -1):
            arrived = step.dstates[:, 0].copy()  # through the steps after it
            arrived[-1] += logits[0] @ groups["output"]
            step = step._replace(z=window.z[:, t:t + 1].copy(), states=window.states[:, :, t:t + 2].copy(),
                                 tape=window.tape[:, t:t + 1].copy())
            self._backward(ids[t:t + 1], weights, step, alone, 0.0, np.uint64(0), self._gradients, self._no_sums)
            for layer in range(self.config.num_layers - 1):  # through the layer above
                arrived[layer] += step.z[layer + 1, 0] @ groups["input"][layer]
            norms[:, t] = np.linalg.norm(arrived.astype(np.float64), axis=-1)
            logits[...] = 0
        return norms


def _norms(model: ModelConfig, weights: Mapping[str, np.ndarray], ids: np.ndarray, reach: int,
           threads: int) -> np.ndarray:
    """Return the norms (L, K + 1, P) of the gradients of P losses by the states at k steps before each."""
    steps = reach + 1
    warm_up = min(WARM_UP, len(ids) - steps - 1)
    starts = np.unique(np.linspace(0, len(ids) - warm_up - steps - 1, POSITIONS).astype(np.int64))
    rows = min(ROWS, len(starts))
    network = _FollowedNetwork(model, weights, batch_size=rows, seq_len=max(steps, warm_up), threads=threads,
                               training=True)
    found = []
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, len(starts) - rows + 1, rows):
                text = ids[starts[first:first + rows] + np.arange(warm_up + steps + 1)[:, None]]
                network.states[...] = 0
                network.forward(np.ascontiguousarray(text[:warm_up]))
                window, targets = text[warm_up:-1], text[-1:]
                found.append(network.gradient_norms(np.ascontiguousarray(window), np.ascontiguousarray(targets)))
    finally:
        network.team.close()
    norms = np.concatenate(found, axis=-1)[:, ::-1]
    return np.where(np.isfinite(norms), norms, np.inf)


def _singular_values(model: ModelConfig, weights: Mapping[str, np.ndarray], layer: int) -> dict[str, list[float]]:
    gates = get_cell(model.cell).gates
    matrices = weights[f"rnn.weight_hh_l{layer}"].astype(np.float64).reshape(len(gates), model.hidden_size, -1)
    return {gate: np.linalg.svd(matrix, compute_uv=False)[:SINGULAR_VALUES].tolist()
            for gate, matrix in zip(gates, matrices)}


def _keep_gates(model: ModelConfig, weights: Mapping[str, np.ndarray], ids: np.ndarray,
                threads: int) -> Iterator[KeepGate | None]:
    """Yield the use of the gate that scales the old state, layer by layer."""
    cell = get_cell(model.cell)
    if cell.keep_gate is None:
        yield from [None] * model.num_layers
        return
    name = cell.gates[cell.keep_gate]
    for values in record(model, weights, ids, names=(name,), threads=threads)[name]:
        kept = np.log(np.maximum(values, 1e-30)).mean(axis=0, dtype=np.float64)
        yield KeepGate(name=name, mean=float(values.mean(dtype=np.float64)), open=float(np.mean(values > OPEN)),
                       shut=float(np.mean(values < SHUT)), memory=np.sort(-1 / np.minimum(kept, -1e-9)))


def _clipping(model: ModelConfig, weights: Mapping[str, np.ndarray], train: TrainConfig, ids: np.ndarray,
              recorded: np.ndarray, threads: int) -> Clipping:
    """Take the gradients of some windows, read as in training but for noise, and compare them with its limits."""
    split = split_text(ids, train.replace(val_fraction=0.0, test_fraction=0.0))
    affordable = int(_OPERATIONS / step_operations(model, split.batch_size, split.seq_len))
    network = Network(model, weights, batch_size=split.batch_size, seq_len=split.seq_len, threads=threads,
                      training=True)
    norms, cut = [], []
    try:
        for index in range(min(split.windows, max(3, min(WINDOWS, affordable)))):
            window = split.window(index)
            network.loss_and_gradient(*window, key=index)
            gradient = network.gradient.astype(np.float64)
            norm = float(np.linalg.norm(gradient))
            norms.append(norm)
            if train.clip_value:  # which acts after the other limit, on the gradient of the summed loss
                scale = min(1.0, train.clip_norm / norm) if train.clip_norm and norm else 1.0
                cut.append(float(np.mean(np.abs(gradient[gradient != 0]) * scale > train.clip_value / len(window[0]))))
    finally:
        network.team.close()
    return Clipping(clip_norm=train.clip_norm, clip_value=train.clip_value, norms=np.array(norms),
                    cut=float(np.mean(cut)) if cut else 0.0, recorded=recorded)
