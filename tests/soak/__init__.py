"""The long tests of docs/reliability.md: faults injected at random or at every possible place, and hours of work.

`python -m tests.soak` runs them all and prints a table; the ordinary tests run a quick share of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What one test of a part has come to.

    Attributes
    ----------
    test : what was tried.
    tried : how often.
    failures : one line for each time that the promise was not kept.
    measured : what else was measured, in words.
    """

    test: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)
    measured: str = ""

    def row(self) -> str:
        """Return the outcome as a row of a Markdown table."""
        kept = f"{self.tried - len(self.failures):,} of {self.tried:,}"
        return f"| {self.test} | {kept}{f'; {self.measured}' if self.measured else ''} |"
