"""What is told of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from charrnn import machine


def test_it_names_what_figures_depend_on() -> None:
    told = machine.describe_machine()
    assert list(told)[:2] == ["processor", "cores"] and {"system", "Python", "charrnn", "numpy", "numba"} <= set(told)
    assert all(told.values())


def test_the_processor_is_named_by_the_system_or_else_by_python(tmp_path: Path,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "_CPU_INFO", info)
    monkeypatch.setattr(machine.platform, "processor", lambda: "made of sand")
    assert machine.describe_machine()["processor"] == "made of sand"
    info.write_text("processor\t: 0\nmodel name\t: Abacus 9: fast\nmodel name\t: Abacus 9: fast\n")
    assert machine.describe_machine()["processor"] == "Abacus 9: fast"
