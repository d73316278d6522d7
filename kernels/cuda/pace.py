"""How long a launch takes, estimated from measured launches: what tiles and pieces are chosen by.

Blocks of a grid are dealt out to the GPU's multiprocessors, which work on a few blocks each at the same time
and take the next one as soon as one is done. All steps of a block (load a tile, multiply) are alike. Two
measured times say how long a step takes: `alone` on its multiprocessor a block waits for memory most of the
time; with as many blocks as fit, one computes while another waits, and `together` they take little longer
than one. Between these two the time grows evenly, block by block.

The figures are of an H200, fitted to rows as those in ``benchmarks/results/gpu-*.jsonl``. Another GPU has
other times, but much the same order. A test compares each choice with the fastest that was measured.
It matters more that every choice is good than that every estimate is exact: a sum in pieces costs more than
its second launch takes, so `ADDING_START` is longer than that launch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import NamedTuple

from .tile_product import Tile
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


class Work(NamedTuple):
    """The size of a product: each block computes a tile of a matrix; several blocks may share its terms."""

    rows: int  # of a matrix: along BM
    columns: int  # along BN
    terms: int  # of a sum
    matrices: int = 1  # groups, and classes of a stride
    walks: int = 1  # how often a block walks along the terms

    def grid(self, tile: Tile) -> tuple[int, int, int]:
        """Return the blocks along columns, rows and matrices, without pieces."""
        return -(-self.columns // tile.BN), -(-self.rows // tile.BM), self.matrices

    def full(self, tile: Tile, wanted: int) -> int:
        """Return how many pieces there are, at most `wanted`, if none is empty."""
        steps = -(-self.terms // tile.BK)
        return -(-steps // -(-steps // max(1, min(wanted, steps)))) if steps else 1

    def time(self, tile: Tile, pieces: int, pace: Pace, adding_start: float = ADDING_START) -> float:
        """Return how many us all sums take, estimated: as long as the busiest multiprocessor."""
        rounds, rest = divmod(-(-math.prod(self.grid(tile)) * pieces // cores()), pace.resident)
        round_time = pace.resident * pace.together
        time = rounds * round_time
        if rest:
            growth = (round_time - pace.alone) / max(1, pace.resident - 1)
            time += pace.alone + (rest - 1) * growth
        steps = self.walks * -(-self.terms // (tile.BK * pieces))
        size = self.rows * self.columns * self.matrices
        adding = adding_start + 8 * size * pieces / ADDING_BYTES + 0.02 * pieces if pieces > 1 else 0.0
        return START + (steps + pace.extra) * time + adding

    def choices(
        self,
        tiles: Mapping[Tile, Pace],
        splits: Callable[[Work, Tile], Iterable[int]],
        adding_start: float = ADDING_START,
    ) -> list[tuple[Tile, int]]:
        """Return tiles and into how many pieces to cut the sums, one of the `splits`; the fastest first."""
        found = sorted(
            (self.time(t, p, pace, adding_start), t, p) for t, pace in tiles.items() for p in splits(self, t)
        )
        return [(tile, pieces) for _, tile, pieces in found]


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
