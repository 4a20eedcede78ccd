"""How threads divide a step of the net: by rows of the batch, or, of few rows, by columns of every product.

Rows are independent, so threads with rows of their own never meet. Threads that share columns need each other's results
a few times in every step, which at this size is some microseconds: they wait for each other in a loop, not by the
operating system.
"""

from __future__ import annotations

import os
import platform
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from charrnn.kernels.jit import jit
from charrnn.kernels.tile import address

#: Elements between a barrier's numbers, so that each has a cache line of its own.
_LINE = 8

#: Turns in the waiting loop after which a thread lets others have its core, should there be more threads than cores.
_PATIENCE = 2000

_IS_X86 = platform.machine().lower() in ("x86_64", "amd64")


class Share(NamedTuple):
    """What one thread does of a step."""

    first: int  # rows of the batch, from this one
    last: int  # to before this one
    part: int  # which of `parts` shares of the columns
    parts: int
    barrier: np.ndarray  # (4 * _LINE,) int64, as `new_barrier` says
    member: int = 0  # which of all `members` threads this is, for work that is shared out otherwise
    members: int = 1


def new_barrier() -> np.ndarray:
    """Return a barrier at which nobody waits.

    It holds how many wait, how often all have met, how often one lost patience, and whether one will never come.
    """
    return np.zeros(4 * _LINE, np.int64)


#: The share, of no rows yet, of a thread that works alone.
ALONE = Share(0, 0, 0, 1, new_barrier())


def abandon(barrier: np.ndarray) -> None:
    """Let go all who wait, now and later: one of them failed, and the results will not be used."""
    barrier[3 * _LINE] = 1


def was_crowded(barrier: np.ndarray) -> bool:
    """Tell whether threads had to wait for one that had no core: more than once in 20 times that they met."""
    return bool(20 * barrier[2 * _LINE] > barrier[_LINE])


def _call(builder, name, result):
    """Emit a call of a function without arguments."""
    function = builder.module.globals.get(name)
    builder.call(function or ir.Function(builder.module, ir.FunctionType(result, []), name), [])


@intrinsic
def _atomic_add(typing_context, at, value):
    """Add to the int64 at an address and return what it was; nothing is moved across."""

    def emit(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", pointer, arguments[1], "seq_cst")

    return types.int64(types.intp, types.int64), emit


@intrinsic
def _atomic_load(typing_context, at):
    """Return the int64 at an address as other threads left it."""

    def emit(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(types.intp), emit


@intrinsic
def _pause(typing_context):
    """Tell the core that this is a waiting loop."""

    def emit(context, builder, signature, arguments):
        if _IS_X86:
            _call(builder, "llvm.x86.sse2.pause", ir.VoidType())
        return context.get_dummy_value()

    return types.void(), emit


@intrinsic
def _let_others_run(typing_context):
    """Give up the rest of the time slice, where the system has the call for it."""

    def emit(context, builder, signature, arguments):
        if os.name == "posix":
            _call(builder, "sched_yield", ir.IntType(32))
        return context.get_dummy_value()

    return types.void(), emit


@jit
def _wait_for(count, barrier):
    """Return when `count` threads have come to the barrier."""
    if count == 1:
        return
    waiting = address(barrier)
    met, impatient, abandoned = waiting + 8 * _LINE, waiting + 16 * _LINE, waiting + 24 * _LINE
    before = _atomic_load(met)
    if _atomic_add(waiting, np.int64(1)) == count - 1:
        _atomic_add(waiting, -np.int64(count))
        _atomic_add(met, np.int64(1))
        return
    turns = 0
    while _atomic_load(met) == before and _atomic_load(abandoned) == 0:
        turns += 1
        if turns == _PATIENCE:
            _atomic_add(impatient, np.int64(1))
        if turns % _PATIENCE == 0:
            _let_others_run()
        _pause()


@jit
def meet(share):
    """Return when every thread that shares the columns has come here; what each wrote before is then seen by all."""
    _wait_for(share.parts, share.barrier)


@jit
def meet_all(share):
    """As `meet`, of all members of the team."""
    _wait_for(share.members, share.barrier)
