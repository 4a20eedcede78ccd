"""A quick share of the long tests, `python -m tests.soak`."""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path

import pytest

from charrnn import storage
from tests.soak import damage, faults, fuzz, memory
from tests.soak.__main__ import PARTS
from tests.soak.coverage import _inputs_tried

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs strace, /proc or pseudo-terminals")


def _assert_kept(part: str, **more: float) -> None:
    outcomes = list(importlib.import_module(f"tests.soak.{part}").run(quick=True, **more))
    assert outcomes
    for outcome in outcomes:
        assert outcome.failures == [], outcome.test


@linux
@pytest.mark.parametrize("part", ["damage", "fuzz", "faults", "kills", "streams"])
def test_a_quick_share_of_each_part(part: str) -> None:
    assert part in PARTS
    _assert_kept(part)


@pytest.mark.slow
@linux
@pytest.mark.parametrize("part", ["bounds", "coverage"])
def test_a_quick_share_of_the_slow_parts(part: str) -> None:
    _assert_kept(part)


@pytest.mark.slow
@linux
def test_memory_is_flat_for_some_seconds() -> None:
    _assert_kept("memory", minutes=0.2)


# That the tests can fail


def test_an_answer_that_is_wrong_is_noticed() -> None:
    original = damage.checkpoint_of(20_000)
    source = damage.encode_checkpoint(original)
    assert len(source) == 20_000 and damage._problem(source, original, source) == ""

    def crash(data: bytes) -> None:
        raise KeyError("a stray exception")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(damage, "decode_checkpoint", crash)
        assert "KeyError" in damage._problem(source, original, source)
        patch.setattr(damage, "decode_checkpoint", lambda data: original)
        flipped = source[:-1] + bytes([source[-1] ^ 1])
        assert "another checkpoint" in damage._problem(flipped, original, source)


@linux
def test_a_save_that_is_not_flushed_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = faults._Case(tmp_path)
    case.reset()
    name = str(case.folder / ".last.safetensors.1-0123abcd.charrnn-tmp")
    calls = [("write", 1, f'write(3<{name}>, ""..., 99) = {len(case.new_data)}'), ("fsync", 1, f"fsync(3<{name}>) = 0"),
             ("rename", 1, f'rename("{name}", "last") = 0'), ("fsync", 2, "fsync(4<run>) = 0")]
    assert faults._replayed(case, calls).failures == []
    assert "is no usable checkpoint" in faults._replayed(case, [calls[0], *calls[2:]]).failures[0]
    assert "never flushed" in faults._replayed(case, calls[:3]).failures[0]


def test_litter_and_half_files_are_noticed(tmp_path: Path) -> None:
    case = faults._Case(tmp_path)
    case.reset()
    assert case.problem() == ""
    with storage._temporary(case.folder / "last.safetensors"):
        assert "left behind" in case.problem()
    (case.folder / "last.safetensors").write_bytes(case.new_data[:-1])
    assert "neither" in case.problem()


def test_a_wrong_text_is_noticed(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        read = fuzz.read_corpus
        patch.setattr(fuzz, "read_corpus", lambda paths, config, **more: read([tmp_path / "other"], config, **more))
        (tmp_path / "other").write_bytes(b"not what was asked for")
        problems = [fuzz._corpus_problem(tmp_path / "text", random.Random(seed)) for seed in range(60)]
    assert any("other bytes" in problem for problem in problems)
    assert any("another text" in problem for problem in problems)


@linux
def test_a_growing_process_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grower = "import time\nheld = []\nfor n in range(60): held.append(b'x' * 10**6); time.sleep(0.05)"
    popen = memory.subprocess.Popen
    monkeypatch.setattr(memory.subprocess, "Popen",
                        lambda command, **more: popen([sys.executable, "-c", grower], **more))
    outcome = memory._watched("growing", [], tmp_path, 10)
    assert outcome.failures and "memory grew by" in outcome.failures[0]


def test_inputs_are_counted_up_to_where_a_fuzzer_ended() -> None:
    log = "#2\tINITED cov: 2\n#524288\tpulse  cov: 51\n==7== ERROR: libFuzzer: out-of-memory (used: 601Mb)\n"
    assert _inputs_tried(log) == 524288
    assert _inputs_tried("#8\tNEW\nDone 2000 runs in 1 second(s)\n") == 2000
    assert _inputs_tried("no module named atheris") == 0
