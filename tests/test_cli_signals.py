"""Signals: the first stops and saves, SIGUSR1 saves and goes on, a second Ctrl-C quits at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from charrnn.cli.signals import handled

from .command_line import environment

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 143)])
def test_a_signal_stops_the_run_and_decides_the_exit_code(number: str, code: int) -> None:
    calls: list[str] = []
    with handled(stop=lambda: calls.append("stop"), save=lambda: calls.append("save"),
                 stopping=lambda: calls.append("stopping"), abandon=lambda early: calls.append("abandon")) as stop:
        assert stop.exit_code == 0
        os.kill(os.getpid(), getattr(signal, number))
        assert calls == ["stop", "stopping"]
        assert stop.exit_code == code
        os.kill(os.getpid(), signal.SIGTERM)  # the run is stopping already
    assert calls == ["stop", "stopping"]
    assert stop.exit_code == code


def test_sigusr1_saves_and_goes_on() -> None:
    calls: list[str] = []
    with handled(stop=lambda: calls.append("stop"), save=lambda: calls.append("save"),
                 stopping=lambda: None, abandon=lambda early: None) as stop:
        os.kill(os.getpid(), signal.SIGUSR1)
    assert (calls, stop.exit_code) == (["save"], 0)


def test_the_old_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)]
    with handled(stop=lambda: None, save=lambda: None, stopping=lambda: None, abandon=lambda early: None):
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)] == before


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with handled(stop=lambda: None, save=lambda: None, stopping=lambda: None, abandon=lambda early: None) as stop:
            os.kill(os.getpid(), signal.SIGHUP)
        assert stop.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_interrupt_quits_at_once() -> None:
    script = """
import os, signal, sys
from charrnn.cli.signals import handled
with handled(stop=lambda: print("stop"), save=print, stopping=lambda: None,
             abandon=lambda early: print(early, flush=True)):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    print("still here", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, timeout=60,
                          check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (130, ["stop", "False"], "")


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 143)])
def test_where_there_is_nothing_to_save_a_signal_quits_at_once(number: str, code: int) -> None:
    script = f"""
import os, signal
from charrnn.cli.signals import handled
with handled(stop=lambda: print("stop"), save=print, stopping=lambda: print("stopping"),
             abandon=lambda early: print(early, flush=True)) as stop:
    stop.at_once = True
    os.kill(os.getpid(), signal.{number})
    print("still here", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, timeout=60,
                          check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (code, ["True"], "")


@pytest.mark.parametrize(("signals", "code", "said"), [
    (["SIGINT"], 0, ["stopping", "stop", "computed"]), (["SIGTERM"], 0, ["stopping", "stop", "computed"]),
    (["SIGINT", "SIGINT"], 130, ["stopping", "False"]), (["SIGTERM", "SIGINT"], 130, ["stopping", "False"]),
    (["SIGUSR1"], 0, ["save", "computed"])])
def test_signals_are_answered_while_a_kernel_runs(signals: list[str], code: int, said: list[str]) -> None:
    script = """
import hashlib
from charrnn.cli.signals import handled
with handled(stop=lambda: print("stop"), save=lambda: print("save"), stopping=lambda: print("stopping", flush=True),
             abandon=lambda early: print(early, flush=True)):
    print("begin", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 15_000_000); print("computed")  # lets no handler run
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "begin\n"
        time.sleep(0.2)  # the computation has begun
        for name in signals:
            process.send_signal(getattr(signal, name))
            time.sleep(0.1)
        shown = process.stdout.read()
    assert (process.returncode, shown.split()) == (code, said)
