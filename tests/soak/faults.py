"""Faults while a checkpoint is written: an error, a full disk or a kill at every system call, and lost writes."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from charrnn.checkpoint import encode_checkpoint, load_checkpoint, read_description
from charrnn.errors import CheckpointError
from charrnn.storage import sweep_temps
from tests.checkpoints import make
from tests.command_line import SMALL, environment
from tests.soak import Outcome

BEGIN, END = "/save-begins", "/save-ends"
ERRORS = ("EIO", "ENOSPC", "EMFILE", "EROFS")
STEPS = 8  # of the runs on full disks and under limits

#: Saves as the trainer does, under the folder's lock, between two calls that a trace shows.
SAVE = f"""
import os, sys
from pathlib import Path
from charrnn.checkpoint import load_checkpoint, save_checkpoint
from charrnn.errors import CheckpointError
from charrnn.run_folder import RunFolder
run = RunFolder(sys.argv[1])
new = load_checkpoint(sys.argv[2], training_state=True)
with run.lock():
    os.path.exists("{BEGIN}")
    for save in (lambda: save_checkpoint(run.last, new), lambda: run.append_metrics({{"event": "checkpoint"}})):
        try:
            save()
        except CheckpointError as error:
            print(error)
    os.path.exists("{END}")
"""


class _Case:
    """A run folder with an old checkpoint, and a new one that is going to be saved."""

    def __init__(self, scratch: Path) -> None:
        self.folder, self.new, self.trace = scratch / "run", scratch / "new.safetensors", scratch / "trace"
        self.old_data, self.new_data = encode_checkpoint(make(seed=1)), encode_checkpoint(make(seed=2))
        self.new.write_bytes(self.new_data)

    def reset(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        (self.folder / "last.safetensors").write_bytes(self.old_data)
        (self.folder / "metrics.jsonl").write_text('{"event": "plan"}\n')

    def save(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Save under strace with these options."""
        command = ["strace", "-f", "-y", "-s", "16", "-o", str(self.trace), *options, sys.executable, "-c", SAVE,
                   str(self.folder), str(self.new)]
        settled = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
        return subprocess.run(command, env=environment(**settled), capture_output=True, text=True, timeout=900,
                              check=False)

    def calls(self) -> list[tuple[str, int, str]]:
        """Return the system calls of the save: name, how many of that name came before it, and the whole line."""
        counts: dict[str, int] = {}
        found, inside = [], False
        for line in self.trace.read_text(errors="replace").splitlines():
            match = re.match(r"\d+ +(\w+)\(", line)
            if not match:
                continue
            name = match[1]
            counts[name] = counts.get(name, 0) + 1
            if END in line:
                break
            if inside and name not in ("munmap", "mmap", "brk", "futex", "rt_sigaction", "mprotect", "madvise"):
                found.append((name, counts[name], line))
            inside = inside or BEGIN in line
        return found

    def problem(self, *, killed: bool = False) -> str:
        """Return what is wrong in the folder, or ''."""
        if killed:
            sweep_temps(self.folder)
        data = (self.folder / "last.safetensors").read_bytes()
        if data not in (self.old_data, self.new_data):
            return "last.safetensors is neither the old checkpoint nor the new one"
        lines = (self.folder / "metrics.jsonl").read_bytes().splitlines(keepends=True)
        if lines[0] != b'{"event": "plan"}\n' or not all(line.endswith(b"}\n") for line in lines):
            return f"metrics.jsonl holds {lines}"
        litter = {path.name for path in self.folder.iterdir()} - {"last.safetensors", "metrics.jsonl", ".charrnn.lock"}
        return f"left behind {sorted(litter)}" if litter else ""


def _injected(case: _Case, calls: list[tuple[str, int, str]], stride: int) -> Iterator[Outcome]:
    """Yield what comes of an error, and of a kill, at every system call of a save."""
    failing = Outcome(f"an error ({', '.join(ERRORS)} in turn) at every system call of a save")
    killing = Outcome("kill -9 at every system call of a save")
    unheard = ("close", "lseek", "fstat", "newfstatat", "getpid", "getrandom", "ioctl", "flock")
    for number, (name, count, line) in list(enumerate(calls))[::stride]:
        for outcome, fault in ((failing, f"error={ERRORS[number % len(ERRORS)]}"), (killing, "signal=KILL")):
            if outcome is failing and name in unheard:
                continue  # an error here is no reason to give a save up, or cannot happen
            case.reset()
            done = case.save("-e", f"inject={name}:{fault}:when={count}")
            outcome.tried += 1
            killed = outcome is killing
            problem = case.problem(killed=killed)
            if not problem and not killed and (done.returncode or "Traceback" in done.stderr):
                problem = f"exit code {done.returncode}: {done.stderr[-300:]}"
            if killed and done.returncode not in (-signal.SIGKILL, 128 + signal.SIGKILL):
                problem = f"was not killed: {done.returncode}"
            if problem:
                outcome.failures.append(f"{fault} at {line[:100]}: {problem}")
    yield from (failing, killing)


def _replayed(case: _Case, calls: list[tuple[str, int, str]]) -> Outcome:
    """Cut the power after every system call of a save: what was not flushed is lost, in whole or in part, or is not."""
    outcome = Outcome("power cut after every system call of a save, with and without what was not flushed")
    written, synced, renamed, durable = 0, 0, False, False
    for name, _, line in calls:
        temporary = ".charrnn-tmp" in line
        match name:
            case "write" if temporary:
                written += int(line.rpartition("= ")[2])
            case "fsync" if temporary:
                synced = written
            case "rename" | "renameat" | "renameat2" if temporary:
                renamed = True
            case "fsync" if renamed:
                durable = True
        for kept in {synced, (synced + written) // 2, written}:
            for name_kept in {renamed, durable}:
                outcome.tried += 1
                found = case.new_data[:kept] if name_kept else case.old_data
                path = case.folder / "last.safetensors"
                path.write_bytes(found)
                try:
                    load_checkpoint(path, training_state=True)
                except CheckpointError as error:
                    outcome.failures.append(f"after {line[:100]}: {error}")
    if not durable:
        outcome.failures.append("the folder's list of names is never flushed")
    return outcome


@contextlib.contextmanager
def _small_disk(folder: Path, size: int, options: str = "") -> Iterator[bool]:
    """Mount a file system of so many bytes on a folder; yields whether that is allowed here."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}{options}", "none", str(folder)],
                             capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=False)


def _train(root: Path, *words: str, limits: str = "") -> subprocess.CompletedProcess[str]:
    """Train for some steps in `root`/disk/run, saving at each, under a shell's limits."""
    command = [sys.executable, "-m", "charrnn", "train", "text.txt", "--out", "disk/run", "--quiet", *SMALL, *words]
    script = f'{limits} exec "$@"'
    return subprocess.run(["bash", "-c", script, "bash", *command], cwd=root, env=environment(), capture_output=True,
                          text=True, timeout=900, check=False)


def _sound(folder: Path, code: int) -> str:
    """Return what is wrong with what a run that ended with an exit code has left in its folder, or ''."""
    last = folder / "last.safetensors"
    if code == 0 and not (last.exists() and read_description(last).progress["step"] == STEPS):
        return "ended as if it were saved"
    for path in folder.iterdir() if folder.exists() else ():
        if path.suffix == ".safetensors":
            try:
                load_checkpoint(path, training_state=True)
            except CheckpointError as error:
                return str(error)
        elif path.name not in ("metrics.jsonl", "account.jsonl", "report.html", ".charrnn.lock"):
            return f"left {path.name} behind"
    return ""


def _limited(root: Path, quick: bool) -> Iterator[Outcome]:
    """Yield what training does on disks that fill up and under limits of every kind."""
    (root / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 40)
    short = ("--max-steps", str(STEPS), "--save-every", "1", "--eval-every", "4")
    whole = root / "disk" / "run"
    assert _train(root, *short).returncode == 0
    size = sum(path.stat().st_size for path in whole.iterdir())
    shutil.rmtree(root / "disk")
    full = Outcome("training on a disk that is full after any number of 4 kB blocks")
    for blocks in range(1, 3 * size // 4096, 9 if quick else 1):
        with _small_disk(root / "disk", blocks * 4096) as mounted:
            if not mounted:
                full.measured = "not tried: mounting is not allowed here"
                break
            full.tried += 1
            done = _train(root, *short)
            clear = done.returncode in (0, 1) and "Traceback" not in done.stderr and (
                not done.stderr or "the disk is full" in done.stderr)
            problem = _sound(whole, done.returncode) if clear else f"exit code {done.returncode}: {done.stderr[-300:]}"
            if problem:
                full.failures.append(f"{blocks} blocks: {problem}")
    yield full

    limits = Outcome("training under RLIMIT_FSIZE, RLIMIT_NOFILE and RLIMIT_AS of every size")
    cases = [*(f"ulimit -f {kilobytes};" for kilobytes in range(0, 40, 40 if quick else 2)),
             *(f"ulimit -n {number};" for number in range(12, 40, 28 if quick else 2)),
             *(f"ulimit -v {megabytes * 1024};" for megabytes in range(300, 2100, 1800 if quick else 100))]
    for case in cases:
        shutil.rmtree(root / "disk", ignore_errors=True)
        limits.tried += 1
        done = _train(root, *short, limits=case)
        # Python itself, NumPy's threads or the dynamic linker may not even start.
        started = not re.search(r"ImportError|OpenBLAS|error while loading|can't start new thread|Fatal Python error|"
                                r"init_fs_encoding|LLVM ERROR|cannot allocate", done.stderr)
        problem = _sound(whole, done.returncode)
        if not problem and started and (done.returncode not in (0, 1) or "Traceback" in done.stderr):
            problem = f"exit code {done.returncode}: {done.stderr[-400:]}"
        if problem:
            limits.failures.append(f"{case} {problem}")
    yield limits

    shutil.rmtree(root / "disk", ignore_errors=True)
    read_only = Outcome("training on a read-only file system is refused at once")
    with _small_disk(root / "disk", 2**20, ",ro") as mounted:
        if mounted:
            read_only.tried = 1
            done = _train(root, *short)
            if (done.returncode, done.stderr.count("\n")) != (1, 1) or "is read-only" not in done.stderr:
                read_only.failures.append(f"exit code {done.returncode}: {done.stderr[-300:]}")
    yield read_only


def run(*, quick: bool) -> Iterator[Outcome]:
    """Inject faults into saves and training runs; a part needs strace, and another the right to mount."""
    with tempfile.TemporaryDirectory() as scratch:
        if shutil.which("strace"):
            case = _Case(Path(scratch))
            case.reset()
            done = case.save()
            calls = case.calls()
            if done.returncode or done.stdout or not calls or case.problem():
                yield Outcome("a traced save", 1, [f"{done.stdout}{done.stderr[-300:]} {len(calls)} calls"])
            else:
                yield from _injected(case, calls, 12 if quick else 1)
                yield _replayed(case, calls)
        root = Path(scratch, "limits")
        root.mkdir()
        yield from _limited(root, quick)
