"""The peers: PyTorch for training and batches, ONNX Runtime for one stream, NumPy for the algorithm in plain arrays."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np


class _Model:
    """A PyTorch module built on first use, so that this file can be read without PyTorch."""

    def __new__(cls, cell: str, vocab: int, hidden: int, layers: int):  # type: ignore[no-untyped-def]
        import torch

        class Model(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.embedding = torch.nn.Embedding.from_pretrained(torch.eye(vocab))  # one-hot, as a look-up
                self.rnn = getattr(torch.nn, cell.upper())(vocab, hidden, layers)
                self.output = torch.nn.Linear(hidden, vocab)

            def forward(self, ids, state):  # type: ignore[no-untyped-def]
                y, state = self.rnn(self.embedding(ids), state)
                return self.output(y), state

        return Model()


def zero_state(cell: str, layers: int, batch: int, hidden: int):  # type: ignore[no-untyped-def]
    """Return a cell's zero state as PyTorch takes it."""
    import torch

    h = torch.zeros(layers, batch, hidden)
    return (h, torch.zeros_like(h)) if cell == "lstm" else h


def torch_training_step(cell: str, vocab: int, hidden: int, layers: int, batch: int, steps: int, *,
                        bf16: bool = False, optimizer: str = "adam") -> Callable[[], float]:
    """Return a call that makes one update with PyTorch: fused Adam (or Adagrad), clipping by norm."""
    import torch

    model = _Model(cell, vocab, hidden, layers)
    parameters = [*model.rnn.parameters(), *model.output.parameters()]
    rule = (torch.optim.Adam(parameters, lr=2e-3, betas=(0.9, 0.99), fused=True) if optimizer == "adam"
            else torch.optim.Adagrad(parameters, lr=0.1))
    ids, targets = (torch.randint(0, vocab, (steps, batch)) for _ in range(2))
    state = zero_state(cell, layers, batch, hidden)

    def step() -> float:
        nonlocal state
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits, state = model(ids, state)
        loss = torch.nn.functional.cross_entropy(logits.float().view(-1, vocab), targets.view(-1))
        rule.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        rule.step()
        state = tuple(s.detach() for s in state) if cell == "lstm" else state.detach()
        return float(loss.detach())

    return step


def torch_bf16_product(size: int) -> Callable[[], object]:
    """Return a call that multiplies two square matrices in bfloat16."""
    import torch

    a, b = (torch.rand(size, size).bfloat16() for _ in range(2))
    return lambda: a @ b


def torch_sampling(vocab: int, hidden: int, layers: int, streams: int, characters: int) -> Callable[[], object]:
    """Return a call that draws with PyTorch, a batch of streams, one character a call of the network."""
    import torch

    model = _Model("lstm", vocab, hidden, layers).eval()

    @torch.inference_mode()
    def sample() -> None:
        ids, state = torch.zeros(1, streams, dtype=torch.long), zero_state("lstm", layers, streams, hidden)
        for _ in range(characters):
            logits, state = model(ids, state)
            ids = torch.multinomial(torch.softmax(logits[0], -1), 1).T

    return sample


def onnx_sampling(vocab: int, hidden: int, layers: int, characters: int) -> Callable[[], object]:
    """Return a call that draws one stream with ONNX Runtime: a model of one step, states in and out."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    weights, nodes = [], [helper.make_node("Gather", ["one_hot", "id"], ["x0"])]
    weights.append(numpy_helper.from_array(np.eye(vocab, dtype=np.float32)[:, None], "one_hot"))
    for layer in range(layers):
        for name, shape in (("w", (1, 4 * hidden, hidden if layer else vocab)), ("r", (1, 4 * hidden, hidden)),
                            ("b", (1, 8 * hidden))):
            values = ((random.random(shape) - 0.5) * 2 / np.sqrt(hidden)).astype(np.float32)
            weights.append(numpy_helper.from_array(values, f"{name}{layer}"))
        ins = [f"x{layer}", f"w{layer}", f"r{layer}", f"b{layer}", "", f"h{layer}", f"c{layer}"]
        nodes += [helper.make_node("LSTM", ins, ["", f"y{layer}", f"d{layer}"], hidden_size=hidden),
                  helper.make_node("Identity", [f"y{layer}"], [f"x{layer + 1}"])]
    values = ((random.random((hidden, vocab)) - 0.5) / np.sqrt(hidden)).astype(np.float32)
    weights.append(numpy_helper.from_array(values, "v"))
    nodes.append(helper.make_node("MatMul", [f"x{layers}", "v"], ["logits"]))
    shape = [1, 1, hidden]
    inputs = [helper.make_tensor_value_info("id", TensorProto.INT64, [1])]
    inputs += [helper.make_tensor_value_info(f"{s}{k}", TensorProto.FLOAT, shape) for k in range(layers) for s in "hc"]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)]
    outputs += [helper.make_tensor_value_info(f"{s}{k}", TensorProto.FLOAT, None) for k in range(layers) for s in "yd"]
    graph = helper.make_graph(nodes, "step", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data = io.BytesIO()
    onnx.save(model, data)
    session = onnxruntime.InferenceSession(data.getvalue(), providers=["CPUExecutionProvider"])
    names = [f"{s}{k}" for k in range(layers) for s in "hc"]

    def sample() -> None:
        feed = {name: np.zeros(shape, np.float32) for name in names}
        id_ = 0
        for _ in range(characters):
            logits, *states = session.run(None, {"id": np.array([id_]), **feed})
            p = np.exp(logits.ravel() - logits.max())
            id_ = min(int(np.searchsorted(np.cumsum(p), random.random() * p.sum())), vocab - 1)
            feed = dict(zip(names, states))

    return sample


def numpy_min_char_rnn(vocab: int, hidden: int, steps: int) -> Callable[[], float]:
    """Return a call that makes one update of the min-char-rnn algorithm in NumPy, float64 as NumPy defaults to."""
    from tests.reference.min_char_rnn import MinCharRNN

    random = np.random.default_rng(0)
    weights = {"rnn.weight_ih_l0": random.standard_normal((hidden, vocab)) * 0.01,
               "rnn.weight_hh_l0": random.standard_normal((hidden, hidden)) * 0.01,
               "rnn.bias_ih_l0": np.zeros(hidden), "output.weight": random.standard_normal((vocab, hidden)) * 0.01,
               "output.bias": np.zeros(vocab)}
    net = MinCharRNN(weights, random.integers(0, vocab, 100_000), seq_len=steps)
    return net.step
