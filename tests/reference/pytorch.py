"""The same model built from PyTorch's own layers, for goldens and for live comparison; needs torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

Array = np.ndarray
State = list[tuple[Array, ...]]



def normalised_lstm(x: torch.Tensor, start: list[torch.Tensor], weights: list[torch.Tensor],
                    *_: Any) -> tuple[torch.Tensor, ...]:
    """As `torch.lstm`, of one layer whose h has a root mean square of 1 after every step."""
    (h,), (c,) = start
    outputs = []
    for step in x:
        h, c = torch.lstm_cell(step, (h, c), *weights)
        h = torch.nn.functional.rms_norm(h, h.shape[1:], eps=1e-5)
        outputs.append(h)
    return torch.stack(outputs), h[None], c[None]


class NormalisedLSTM(torch.nn.LSTM):
    """Layers of `normalised_lstm`, with the parameters of `torch.nn.LSTM`."""

    def forward(self, x: torch.Tensor, state: Any) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        finals = []
        for k, weights in enumerate(self.all_weights):
            x, *final = normalised_lstm(x, [array[k:k + 1] for array in state], weights)
            finals.append(final)
        return x, tuple(torch.cat(arrays) for arrays in zip(*finals))


LAYERS = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN, "lnlstm": NormalisedLSTM}
FUNCTIONS = {"lstm": torch.lstm, "gru": torch.gru, "rnn": torch.rnn_tanh, "lnlstm": normalised_lstm}


class Model(torch.nn.Module):
    """Characters, `torch.nn.LSTM` (or GRU, or RNN), linear layer; its parameter names are charrnn's."""

    def __init__(self, cell: str, weights: dict[str, Array]) -> None:
        super().__init__()
        vocab_size, hidden_size = weights["output.weight"].shape
        num_layers = sum(name.startswith("rnn.weight_hh_l") for name in weights)
        self.cell, self.vocab_size = cell, vocab_size
        if "embedding.weight" in weights:
            self.embedding = torch.nn.Embedding(*weights["embedding.weight"].shape)
        self.rnn = LAYERS[cell](weights["rnn.weight_ih_l0"].shape[1], hidden_size, num_layers)
        self.output = torch.nn.Linear(hidden_size, vocab_size)
        self.to(torch.from_numpy(weights["output.bias"]).dtype)
        self.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})

    def forward(self, ids: torch.Tensor, state: list[torch.Tensor],
                masks: torch.Tensor | None = None) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return logits (T, B, V) and the final state, in PyTorch's form: h and, for lstm, c, each (L, B, H).

        `masks` (L, T, B, H) are dropout masks; PyTorch's layer draws its own, so with them the layers run one by one.
        """
        dtype = self.output.weight.dtype
        x = self.embedding(ids) if hasattr(self, "embedding") else torch.nn.functional.one_hot(ids, self.vocab_size)
        x = x.to(dtype)
        if masks is None:
            x, final = self.rnn(x, tuple(state) if "lstm" in self.cell else state[0])
            return self.output(x), list(final) if "lstm" in self.cell else [final]
        finals = []
        for k, mask in enumerate(masks):
            start = [array[k:k + 1] for array in state]
            x, *final = FUNCTIONS[self.cell](x, start if "lstm" in self.cell else start[0], self.rnn.all_weights[k],
                                             True, 1, 0.0, False, False, False)
            x = x * mask
            finals.append(final)
        return self.output(x), [torch.cat(arrays) for arrays in zip(*finals)]

    def weights(self) -> dict[str, Array]:
        """Return a copy of the parameters."""
        return {name: parameter.detach().numpy().copy() for name, parameter in self.named_parameters()}


def to_torch(state: State) -> list[torch.Tensor]:
    """Return a state, one tuple a layer, in PyTorch's form: one tensor (L, B, H) for h, one for c."""
    return [torch.tensor(np.stack(arrays)) for arrays in zip(*state)]


def from_torch(state: list[torch.Tensor]) -> State:
    """Return the inverse of `to_torch`."""
    return list(zip(*(array.detach().numpy() for array in state)))


def run(model: Model, ids: Array, targets: Array, state: State, masks: Array | None = None) -> dict[str, Any]:
    """Return one window's `logits`, `loss`, `final` state, `gradients` (of the weights) and `dstate` (of `state`)."""
    start = [array.requires_grad_() for array in to_torch(state)]
    model.zero_grad()
    logits, final = model(torch.tensor(ids), start, None if masks is None else torch.tensor(masks))
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor(targets).flatten())
    loss.backward()
    return {
        "logits": logits.detach().numpy(),
        "loss": float(loss.detach()),
        "final": from_torch(final),
        "gradients": {name: parameter.grad.numpy().copy() for name, parameter in model.named_parameters()},
        "dstate": list(zip(*(array.grad.numpy() for array in start))),
    }


class CautiousAdamW(torch.optim.AdamW):
    """AdamW that moves no element against its gradient."""

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        decays = [(parameter, 1 - group["lr"] * group["weight_decay"]) for group in self.param_groups
                  for parameter in group["params"]]
        decayed = [decay * parameter for parameter, decay in decays]
        super().step()
        for (parameter, _), start in zip(decays, decayed):
            moved = parameter - start
            parameter.copy_(torch.where(moved * parameter.grad < 0, parameter, start))


def make_optimizer(name: str, model: Model, lr: float, *, beta1: float, beta2: float,
                   weight_decay: float) -> torch.optim.Optimizer:
    """Return PyTorch's optimizer of that name; matrices decay, biases do not."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    biases = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": biases, "weight_decay": 0.0}]
    return {
        "sgd": lambda: torch.optim.SGD(groups, lr=lr, momentum=beta1),
        "adagrad": lambda: torch.optim.Adagrad(groups, lr=lr),
        "rmsprop": lambda: torch.optim.RMSprop(groups, lr=lr, alpha=beta2),
        "adam": lambda: torch.optim.Adam(groups, lr=lr, betas=(beta1, beta2)),
        "adamw": lambda: torch.optim.AdamW(groups, lr=lr, betas=(beta1, beta2)),
        "cadamw": lambda: CautiousAdamW(groups, lr=lr, betas=(beta1, beta2)),
    }[name]()
