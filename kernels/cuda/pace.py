"""How long a launch takes, estimated from measured launches: what tiles and pieces are chosen by.

Blocks of a grid are dealt out to the GPU's multiprocessors, which work on a few blocks each at the same time
and take the next one as soon as one is done. All steps of a block (load a tile, multiply) are alike. Two
measured times say how long a step takes: `alone` on its multiprocessor a block waits for memory most of the
time; with as many blocks as fit, one computes while another waits, and `together` they take little longer
than one. Between these two the time grows evenly, block by block.

The figures are of an H200, fitted to ``benchmarks/results/gpu-2026-11-27-h200-tiles.jsonl``. Another GPU has
other times, but much the same order. A test compares each choice with the fastest that was measured.
It matters more that every choice is good than that every estimate is exact: a sum in pieces costs more than
its second launch takes, so `ADDING_START` is longer than that launch.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from .toolchain import SIMULATED

CORES = 132  # multiprocessors of an H100 or H200
CAPABILITY = (9, 0)  # of the same
START = 2.0  # us: of a launch
ADDING_START, ADDING_BYTES = 8.0, 6e6  # us that pieces cost in any case, and the bytes that are added in a us


class Pace(NamedTuple):
    """A tile's measured times."""

    resident: int  # blocks that a multiprocessor works on at the same time
    alone: float  # us of a step of one block, if it is alone
    together: float  # us of a step of all resident blocks, divided by their number
    extra: float  # steps' worth of time that a block takes to begin and to write its results


def steps_time(blocks: int, steps: float, pace: Pace) -> float:
    """Return the us that `blocks` of so many steps take: those of the busiest multiprocessor."""
    rounds, rest = divmod(-(-blocks // cores()), pace.resident)
    round_time = pace.resident * pace.together
    time = rounds * round_time
    if rest:
        growth = (round_time - pace.alone) / max(1, pace.resident - 1)
        time += pace.alone + (rest - 1) * growth
    return START + (steps + pace.extra) * time


def adding_time(size: int, pieces: int) -> float:
    """Return the us that it takes to write the parts of a result of so many cells, and to add them."""
    if pieces == 1:
        return 0.0
    return ADDING_START + 8 * size * pieces / ADDING_BYTES + 0.02 * pieces


@cache
def cores() -> int:
    """Return how many multiprocessors the GPU has."""
    if SIMULATED:
        return CORES
    try:
        from cupy.cuda import Device

        return int(Device().attributes["MultiProcessorCount"])
    except Exception:  # no GPU: an estimate for one
        return CORES


def capability() -> tuple[int, int]:
    """Return the current GPU's compute capability, (9, 0) if there is none to ask."""
    if SIMULATED:
        return CAPABILITY
    try:
        from cupy.cuda import runtime

        return _capability(runtime.getDevice())
    except Exception:  # no GPU: an answer for that of the estimates
        return CAPABILITY


@cache
def _capability(gpu: int) -> tuple[int, int]:
    """Return the compute capability of one of several GPUs."""
    from cupy.cuda import Device

    digits = str(Device(gpu).compute_capability)  # "90", "120"
    return int(digits[:-1]), int(digits[-1])
