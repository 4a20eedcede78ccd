"""How many threads there are, and that a team does all parts of a job."""

from __future__ import annotations

import os
import threading

import pytest

from charrnn.threads import Team, available_threads, thread_count


def test_no_more_threads_than_cpus() -> None:
    assert thread_count(None) == available_threads()
    assert thread_count(1) == 1
    assert thread_count(10**9) == (os.cpu_count() or 1)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_team_does_every_part(size: int) -> None:
    team = Team(size)
    done: list[tuple[int, int]] = []
    meeting = threading.Barrier(size)

    def job(part: int, parts: int) -> None:
        meeting.wait(60)  # which all of them reach only if they run at once
        done.append((part, parts))

    team.run(job)
    team.close()
    assert sorted(done) == [(part, size) for part in range(size)]
