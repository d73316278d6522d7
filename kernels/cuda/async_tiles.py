"""Rung 7: copies that nobody waits for (cp.async), into three tiles in turn, for the gradient by the weights.

In rung 5 a block loads a tile, waits for it, multiplies, and waits again before the tile may be overwritten.
Here there are several tiles in shared memory (stages). While one is multiplied, the next ones are on their
way: the threads only say what is to be copied from where to where. The copy passes by the registers, which
are all needed for sums, and fills in zeros itself if a cell lies outside the input. One barrier a step is
left: it says that all threads' copies of the next tile have arrived, and that all are done with the last one.

All else is as in rung 5: the same cells in the same places, the same product, the same sums. GPUs from
compute capability 8.0 on can do it. On an H200 it was up to 1.2 times as fast as rung 5 with the same tiles,
and no faster than rung 5 with tiles of 16 pixels, of which three do not fit into shared memory. So rung 5
serves; ``TINYCNN_KERNELS=async`` chooses this rung.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

from ..arrays import Array
from ..geometry import Geometry
from . import weight_tiles
from .launch import LAUNCHES
from .pace import Pace, capability
from .parts import Sums
from .target import Kernel, all_but, commit_copies, copy4_or_zero, cuda, device, divide, int32
from .tile_product import BlockProduct, Tile, padded_product

TILES = {Tile(128, 128, 8, 8, 8): Pace(2, 1.00, 1.055, 0.57), Tile(64, 64, 8, 8, 4): Pace(4, 1.09, 0.325, 0)}
STAGES = 3
CAPABILITY = (8, 0)  # of the first GPUs with such copies


@device
def copy_or_zero(memory, to, source, cell, there):
    """Begin to copy ``source[cell]`` to shared memory; a 0, if `there` is 0 and not 1."""
    copy4_or_zero(memory, to, source, int32(cell * there), there)


def copy_ahead(tile: Tile, by: BlockProduct, load: Callable[..., None]) -> Callable[..., None]:
    """Return the loop along the pixels: begin to copy a tile, multiply the one that has arrived."""
    BK, first_a, first_b, add_product = tile.BK, by.first_a, by.first_b, by.add_product
    STAGE = BK * (by.row_a + by.row_b)  # how long a stage is
    AHEAD, END, wait = STAGES - 1, STAGES * STAGE, all_but(STAGES - 2)

    @device
    def walk(memory, first, end, thread, a, b, sums, *of_load):
        lane, a_first, b_first = int32(thread % BK), first_a(thread), first_b(thread)
        steps = int32(0)
        if end > first:
            steps = divide(end - first + BK - 1, int32(BK))
        put, get = int32(0), int32(0)  # the stages that are copied to and multiplied from
        for step in range(int32(-AHEAD), steps):
            if step + AHEAD < steps:
                load(memory, put, int32(first + (step + AHEAD) * BK + lane), end, thread, *of_load)
                put = int32(put + STAGE)
                if put == END:
                    put = int32(0)
            commit_copies()
            if step >= 0:
                add_product(memory, int32(get + a_first), int32(get + b_first), a, b, sums)
                get = int32(get + STAGE)
                if get == END:
                    get = int32(0)
            wait()
            cuda.syncthreads()

    return walk


@cache
def async_kernel(tile: Tile, product_of=padded_product) -> Kernel:
    """Make the kernel; its arguments are those of `weight_tiles.parts_kernel`."""
    return weight_tiles.make_kernel(tile, product_of, copy_or_zero, copy_ahead, STAGES)


@lru_cache(LAUNCHES)
def plan(geometry: Geometry) -> Sums | None:
    """Return how to compute the gradient in the fastest way; None if it does not fit a grid."""
    best = weight_tiles.choices(geometry, TILES)
    plans = (weight_tiles.plan(geometry, tile, pieces, make=async_kernel) for tile, pieces in best)
    return next(filter(None, plans), None)


def write_weight(x: Array, g: Array, w: Array, geometry: Geometry) -> bool:
    """Write w = conv2d_weight(x, g); or return False, if the GPU has no copies that nobody waits for."""
    if capability() < CAPABILITY or (planned := plan(geometry)) is None:
        return False
    planned.write((x, g), w, w)
    return True
