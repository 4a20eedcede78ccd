"""python -m benchmarks [--json] [ROW...]: the table of speeds; with words, only the rows whose name holds one of
them."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

import numpy as np

from benchmarks import ours, peers
from benchmarks.measure import Result, compare, machine, seconds_per_call
from charrnn.config import ModelConfig, TrainConfig
from charrnn.kernels.tile import HAS_BF16

VOCAB = 65

#: cell, layers, hidden size, batch, steps, target, for PyTorch in float32 with fused Adam.
TRAINING = [("lstm", 2, 128, 50, 50, 1.8), ("lstm", 2, 256, 50, 50, 1.7), ("lstm", 2, 512, 64, 64, 1.5),
            ("lstm", 3, 512, 50, 50, 1.4), ("gru", 2, 128, 50, 50, 2.5), ("rnn", 2, 128, 50, 50, 2.0)]

#: hidden size, batch, steps, whether PyTorch autocasts to bfloat16, target.
BF16 = [(128, 50, 50, True, 1.6), (512, 64, 64, True, 1.5), (512, 64, 64, False, 2.3)]

#: What differs from the usual, what is close to it and round, and the batch: cliffs would show in the ratio.
ODD = [("H = 100", {"hidden": 100}, {"hidden": 128}), ("H = 200", {"hidden": 200}, {"hidden": 256}),
       ("H = 300", {"hidden": 300}, {"hidden": 256}), ("B = 1", {"batch": 1}, {"batch": 2}),
       ("B = 7", {"batch": 7}, {"batch": 8}), ("B = 33", {"batch": 33}, {"batch": 32}),
       ("V = 5", {"vocab": 5}, {"vocab": 64}), ("V = 3000", {"vocab": 3000}, {"vocab": 3072})]


def _model(cell: str, layers: int, hidden: int, vocab: int = VOCAB) -> ModelConfig:
    return ModelConfig(vocab_size=vocab, cell=cell, num_layers=layers, hidden_size=hidden)


def _training() -> Iterator[tuple[str, Callable[[], Result]]]:
    for cell, layers, hidden, batch, steps, target in TRAINING:
        name = f"train {cell} {layers} x {hidden}, B={batch}, T={steps}"
        yield name, lambda n=name, c=cell, k=layers, h=hidden, b=batch, t=steps, goal=target: compare(
            n, "PyTorch", ours.training_step(_model(c, k, h), b, t), peers.torch_training_step(c, VOCAB, h, k, b, t),
            characters=b * t, target=goal, duration=2.0 if h >= 512 else 1.0)
    name = "train rnn 1 x 100, B=1, T=25"
    settings = TrainConfig(optimizer="adagrad", clip_norm=5.0, weight_decay=0.0, lr=0.1)

    def small() -> Callable[[], float]:
        return ours.training_step(_model("rnn", 1, 100), 1, 25, train=settings)

    yield name, lambda: compare(name, "PyTorch", small(), peers.torch_training_step(
        "rnn", VOCAB, 100, 1, 1, 25, optimizer="adagrad"), characters=25, target=8)
    yield name + " ", lambda: compare(name, "NumPy", small(), peers.numpy_min_char_rnn(VOCAB, 100, 25), characters=25,
                                      target=10)


def _bf16() -> Iterator[tuple[str, Callable[[], Result]]]:
    for hidden, batch, steps, autocast, target in BF16:
        name, peer = f"train bf16 lstm 2 x {hidden}, B={batch}, T={steps}", f"PyTorch {'bf16' if autocast else 'f32'}"
        yield f"{name} {peer}", lambda n=name, p=peer, h=hidden, b=batch, t=steps, a=autocast, goal=target: compare(
            n, p, ours.training_step(_model("lstm", 2, h), b, t, precision="bf16"),
            peers.torch_training_step("lstm", VOCAB, h, 2, b, t, bf16=a), characters=b * t, target=goal,
            duration=2.0 if h >= 512 else 1.0)
    for hidden, batch, steps in ((128, 50, 50), (512, 64, 64)):
        useful = f"useful GF/s, bf16 lstm 2 x {hidden}"
        yield useful, lambda n=useful, h=hidden, r=batch, t=steps: _useful(
            n, "PyTorch 2048 x 2048", ours.training_step(_model("lstm", 2, h), r, t, precision="bf16"), h, r * t,
            peers.torch_bf16_product(2048), None)
    one = "sample bf16 1 stream, lstm 2 x 512"
    yield one, lambda: compare(
        one, "ONNX Runtime f32", ours.sampling(_model("lstm", 2, 512), 1, 500, precision="bf16"),
        peers.onnx_sampling(VOCAB, 512, 2, 500), characters=500, target=2.0)


def _sampling() -> Iterator[tuple[str, Callable[[], Result]]]:
    for hidden, target in ((128, 3.0), (512, 2.0)):
        name = f"sample 1 stream, lstm 2 x {hidden}"
        yield name, lambda n=name, h=hidden, goal=target: compare(
            n, "ONNX Runtime", ours.sampling(_model("lstm", 2, h), 1, 500), peers.onnx_sampling(VOCAB, h, 2, 500),
            characters=500, target=goal)
    name = "sample 64 streams, lstm 2 x 512"
    yield name, lambda: compare(name, "PyTorch", ours.sampling(_model("lstm", 2, 512), 64, 50),
                                peers.torch_sampling(VOCAB, 512, 2, 64, 50), characters=64 * 50, target=2.0)


def _roofline() -> Iterator[tuple[str, Callable[[], Result]]]:
    """Useful rate of training against NumPy's rate of one large product."""
    a, b = (np.random.default_rng(0).random((2048, 2048), np.float32) for _ in range(2))
    for hidden, batch, steps in ((256, 50, 50), (512, 64, 64)):
        name = f"useful GF/s, lstm 2 x {hidden}"
        yield name, lambda n=name, h=hidden, r=batch, t=steps: _useful(
            n, "NumPy 2048 x 2048", ours.training_step(_model("lstm", 2, h), r, t), h, r * t, lambda: a @ b, 0.85)


def _useful(name: str, peer: str, step: Callable[[], float], hidden: int, characters: int,
            product: Callable[[], object], target: float | None) -> Result:
    """Compare the rate of a step of a 2-layer LSTM, by the operations it needs, to that of a 2048 x 2048 product."""
    flops = ours.useful_flops(_model("lstm", 2, hidden), 4) * characters
    step()
    rates = [(flops / seconds_per_call(step, 1.5) / 1e9, 2 * 2048**3 / seconds_per_call(product, 1.0) / 1e9)
             for _ in range(5)]
    ratios = [x / y for x, y in rates]
    return Result(name, peer, statistics.median(x for x, _ in rates), statistics.median(y for _, y in rates), "GF/s",
                  statistics.median(ratios), min(ratios), max(ratios), target)


def _threads() -> Iterator[tuple[str, Callable[[], Result]]]:
    name = "2 threads, lstm 2 x 128, B=50"
    config = _model("lstm", 2, 128)
    yield name, lambda: compare(name, "1 thread", ours.training_step(config, 50, 50, threads=2),
                                ours.training_step(config, 50, 50, threads=1), characters=2500, target=1.8)


def _odd() -> Iterator[tuple[str, Callable[[], Result]]]:
    """Useful rate at odd sizes against that at round ones: characters a second times the work of a character."""
    usual = {"hidden": 128, "batch": 50, "vocab": VOCAB}
    for label, odd, even in ODD:

        def measure(label: str = label, odd: dict[str, int] = odd, even: dict[str, int] = even) -> Result:
            calls, work = [], []
            for changed in (odd, even):
                sizes = usual | changed
                config = _model("lstm", 2, sizes["hidden"], sizes["vocab"])
                calls.append(ours.training_step(config, sizes["batch"], 50))
                work.append(ours.useful_flops(config, 4) * sizes["batch"] * 50 / 1e9)
            for call in calls:
                call()
            rates = [[w / seconds_per_call(call, 1.0) for call, w in zip(calls, work)] for _ in range(5)]
            ratios = [x / y for x, y in rates]
            return Result(f"odd size {label}", " ".join(f"{k} {v}" for k, v in even.items()),
                          statistics.median(x for x, _ in rates), statistics.median(y for _, y in rates), "GF/s",
                          statistics.median(ratios), min(ratios), max(ratios), 0.75)

        yield f"odd size {label}", measure


_TORCH_MEMORY = """
from benchmarks.peers import torch_training_step
step = torch_training_step("lstm", 65, 512, 2, 64, 64)
for _ in range(3): step()
"""
_OUR_MEMORY = """
from benchmarks.ours import training_step
from charrnn.config import ModelConfig
step = training_step(ModelConfig(vocab_size=65, num_layers=2, hidden_size=512), 64, 64)
for _ in range(3): step()
"""
# Not getrusage: its peak is inherited from the process that starts this one.
_REPORT = """
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def _memory() -> Iterator[tuple[str, Callable[[], Result]]]:
    def measure() -> Result:
        peaks = [int(subprocess.run([sys.executable, "-c", code + _REPORT], capture_output=True, text=True,
                                    check=True).stdout) / 1024 for code in (_OUR_MEMORY, _TORCH_MEMORY)]
        ratio = peaks[0] / peaks[1]
        return Result("peak memory, lstm 2 x 512 (at most)", "PyTorch", peaks[0], peaks[1], "MiB", ratio, ratio, ratio,
                      0.6)

    yield "peak memory", measure


def _seconds(name: str, command: list[str], limit: float, runs: int, environment: dict[str, str] | None = None,
             until: str | None = None, folder: str | None = None) -> Result:
    """Time a command, run in a folder, to its end, or until it has written `until` ("": anything)."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "charrnn", *command], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, env=os.environ | (environment or {}), cwd=folder)
        assert process.stdout is not None
        written = b""
        while until is not None and (not written or until.encode() not in written):
            written += process.stdout.read(1)
        if until is not None:
            times.append(time.perf_counter() - start)
        process.stdout.read()
        process.wait()
        if until is None:
            times.append(time.perf_counter() - start)
    value = statistics.median(times)
    return Result(name, f"limit {limit:g} s", value, limit, "s", value / limit, min(times) / limit, max(times) / limit,
                  1.0)


def _start() -> Iterator[tuple[str, Callable[[], Result]]]:
    yield "start: charrnn --help", lambda: _seconds("start: charrnn --help (at most)", ["--help"], 0.25, 7)

    def first_run() -> Result:
        with tempfile.TemporaryDirectory() as folder:
            command = ["train", "--max-steps", "1", "--json", "--out", folder + "/run"]
            return _seconds("start: the first run ever, to its first step (at most)", command, 12, 1,
                            {"CHARRNN_CACHE": folder + "/cache"}, until='"event": "step"')

    def sample() -> Result:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "charrnn", "train", "--max-steps", "1", "--hidden-size", "128",
                            "--quiet", "--out", folder + "/run"], check=True)
            command = ["sample", folder + "/run", "--length", "50", "--seed", "1"]
            _seconds("", command, 1, 1)
            return _seconds("start: charrnn sample to its first character (at most)", command, 0.8, 5, until="")

    def first_sample() -> Result:  # with nothing compiled, and nothing is
        with tempfile.TemporaryDirectory() as folder:
            command = ["sample", "python-docs", "--length", "200", "--seed", "1"]
            return _seconds("start: the first sample ever, 200 characters (at most)", command, 1, 7,
                            {"CHARRNN_CACHE": folder})

    def first_look() -> Result:  # nor here
        with tempfile.TemporaryDirectory() as folder:
            return _seconds("start: the first inspect-cells ever (at most)", ["inspect-cells"], 1, 7,
                            {"CHARRNN_CACHE": folder + "/cache"}, folder=folder)

    yield "start: first run", first_run
    yield "start: first sample", first_sample
    yield "start: first look at cells", first_look
    yield "start: sample", sample


def _line(result: Result) -> str:
    upper = "at most" in result.work
    met = "" if result.target is None else ("met" if (result.ratio <= result.target) == upper or
                                            result.ratio == result.target else "MISSED")
    target = "" if result.target is None else f"{result.target:g}"
    return (f"{result.work:<58} {result.peer:<18} {result.ours:>11,.4g} {result.theirs:>11,.4g} {result.unit:<7}"
            f"{result.ratio:>6.2f} ({result.low:.2f} to {result.high:.2f})  {target:>5} {met}")


def main() -> None:
    """Measure the rows asked for and print them as they are ready."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object a row")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only rows whose name holds one of these words")
    options = parser.parse_args()
    about = machine()
    words = ", ".join(f"{key}: {value}" for key, value in about.items())
    print(json.dumps(about) if options.json else words, flush=True)
    groups = [_training, _sampling, _roofline, _threads, _odd, _memory, _start] + ([_bf16] if HAS_BF16 else [])
    if not options.json:
        print(f"{'work':<58} {'peer':<18} {'charrnn':>11} {'peer':>11} {'':<7}{'ratio':>6} (lowest to highest)  goal")
    for group in groups:
        for name, measure in group():
            if not options.rows or any(word in name for word in options.rows):
                result = measure()
                print(json.dumps(asdict(result)) if options.json else _line(result), flush=True)


if __name__ == "__main__":
    main()
