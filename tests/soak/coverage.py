"""A coverage-guided fuzzer on what reads checkpoints and texts: it keeps the inputs that reach new code.

Needs atheris (`pip install ".[fuzz]"`); without it nothing is tried. What it starts from is in tests/data/fuzz.
"""

from __future__ import annotations

import importlib.util
import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.command_line import ROOT, environment
from tests.soak import Outcome

SEEDS = ROOT / "tests" / "data" / "fuzz"


def read_checkpoint(data: bytes) -> None:
    """Read a checkpoint, whose checksum is put right so that what lies behind it is reached."""
    from charrnn.checkpoint import decode_checkpoint
    from charrnn.errors import CheckpointError
    from tests.checkpoints import resigned

    for variant in (data, resigned(data)):
        try:
            decode_checkpoint(variant)
        except CheckpointError as error:
            assert str(error).isprintable()


def read_text(data: bytes) -> None:
    """Read a text; the first byte chooses how."""
    from charrnn.config import TextConfig
    from charrnn.corpus import read_corpus
    from charrnn.errors import CharRNNError

    ways = ({}, {"errors": "replace"}, {"bytes": True}, {"normalize": "nfkc"}, {"encoding": "utf-16"},
            {"encoding": "shift_jis"}, {"encoding": "utf-7"})
    way = ways[data[0] % len(ways)] if data else {}
    try:
        corpus = read_corpus(["-"], TextConfig(**way), stdin=io.BytesIO(data[1:]), block_size=64)
    except CharRNNError as error:
        assert str(error).isprintable()
    else:
        assert len(corpus.vocabulary.decode_bytes(corpus.ids)) >= len(corpus)


TARGETS: dict[str, Callable[[bytes], None]] = {"checkpoint": read_checkpoint, "corpus": read_text}


def _fuzz(name: str, arguments: list[str]) -> None:
    """Fuzz a target until it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["charrnn"], enable_loader_override=False):
        import charrnn.checkpoint
        import charrnn.corpus  # noqa: F401 - imported here so that both are instrumented
    for seed in sorted((SEEDS / name).iterdir()):  # tables that are made once take their time
        TARGETS[name](seed.read_bytes())
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name])
    atheris.Fuzz()


def _inputs_tried(log: str) -> int:
    """Return how many inputs a fuzzer had tried when it wrote the last line that counts them."""
    counts = re.findall(r"^#(\d+)|^Done (\d+) runs", log, flags=re.MULTILINE)
    return max((int(running or whole) for running, whole in counts), default=0)


def run(*, quick: bool) -> Iterator[Outcome]:
    """Fuzz both targets with a million inputs each (2,000 if quick).

    Each round is a process of its own: what a fuzzer notes down grows with the inputs, and would in the end be taken
    for memory that the target needs.
    """
    rounds, inputs = (1, 2_000) if quick else (10, 100_000)
    for name in TARGETS:
        outcome = Outcome(f"coverage-guided inputs for reading a {name}")
        if importlib.util.find_spec("atheris") is None:
            outcome.measured = "not tried: atheris is not installed"
            yield outcome
            continue
        with tempfile.TemporaryDirectory() as found:
            for seed in range(1, rounds + 1):
                words = [f"-runs={inputs}", f"-seed={seed}", "-timeout=5", "-rss_limit_mb=600", "-verbosity=1",
                         f"-artifact_prefix={found}/", found, str(SEEDS / name)]
                done = subprocess.run([sys.executable, "-m", "tests.soak.coverage", name, *words], env=environment(),
                                      cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
                outcome.tried += _inputs_tried(done.stderr)
                if done.returncode:
                    outcome.failures.append(done.stderr[-800:])
                    break
            kept = sum(1 for _ in Path(found).iterdir())
            outcome.measured = f"{kept} kept since they reached new code"
        yield outcome


if __name__ == "__main__":
    _fuzz(sys.argv[1], sys.argv[2:])
