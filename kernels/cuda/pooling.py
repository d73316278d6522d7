"""Max-pooling with shared memory, forward and backward (Eq. 2).

Forward, a block computes a tile of windows of one plane, and its threads first copy the patch that these look
at to the memory they share: where windows overlap, a cell is read once and compared several times.

Backward, g goes to each window's winner. To start a thread for every window, and add where two windows share
a winner, would take atomic additions, in an order that changes from run to run. So it is turned round: a
thread is an input cell and asks the few windows that saw it which of them it won. It writes its sum once;
cells that won nothing write 0; and the windows' winners and g are what the block's threads share.

Anything but float32, and a patch too large for shared memory, is for `tinycnn.kernels.plain`.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array, array_module
from ..geometry import Geometry, Pair
from ..plain import windows as plain
from .direct import unravel
from .operands import LIMIT, fits, result, too_large
from .target import FLOAT32, INT32, SHARED_BYTES, ZERO, Kernel, cuda, device, divide, int32, kernel

TILE_H, TILE_W = 8, 16  # windows, or input cells, of a block
THREADS = TILE_H * TILE_W


@device
def larger(a, b):
    """Whether a beats b: the first of equal cells wins, NaN wins over any number."""
    return a > b or a != a


@device
def smaller(a, b):
    """Whether a beats b, where the minimum is asked for."""
    return a < b or a != a


def best_kernel(beats) -> Kernel:
    """Make the kernel that writes each window's best cell, and its index i*W + j."""

    @kernel(THREADS)
    def kernel_of_best(x, y, index, geometry, PATCH_H, PATCH_W):
        N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
        patch = cuda.shared.array(0, FLOAT32)
        plane, first_oh, first_ow = tile_of_block(OH, OW)
        thread = int32(cuda.threadIdx.x)
        top, left = int32(first_oh * SH - PH), int32(first_ow * SW - PW)
        for cell in range(thread, PATCH_H * PATCH_W, THREADS):
            i, j = top + divide(int32(cell), PATCH_W), left + cell % PATCH_W
            if 0 <= i < H and 0 <= j < W:
                patch[cell] = x[int32((plane * H + i) * W + j)]
        cuda.syncthreads()

        row, column = divide(thread, TILE_W), int32(thread % TILE_W)
        oh, ow = int32(first_oh + row), int32(first_ow + column)
        if oh < OH and ow < OW:
            best, winner = ZERO, int32(-1)
            for r in range(KH):
                i = int32(oh * SH - PH + r * DH)
                for s in range(KW):
                    j = int32(ow * SW - PW + s * DW)
                    if 0 <= i < H and 0 <= j < W:  # padding never wins
                        value = patch[int32((i - top) * PATCH_W + j - left)]
                        if winner < 0 or beats(value, best):
                            best, winner = value, int32(i * W + j)
            cell = int32((plane * OH + oh) * OW + ow)
            y[cell] = best
            index[cell] = winner

    return kernel_of_best


MAX_KERNEL, MIN_KERNEL = best_kernel(larger), best_kernel(smaller)


@kernel(THREADS)
def scatter_kernel(g, index, x, geometry, PATCH_H, PATCH_W):
    """Write every input cell's sum of g over the windows that it won."""
    N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
    size = PATCH_H * PATCH_W  # of the windows that saw a cell of this tile
    shared_g = cuda.shared.array(0, FLOAT32)
    winners = cuda.shared.array(0, INT32)  # the same memory: it begins behind g
    plane, first_i, first_j = tile_of_block(H, W)
    thread = int32(cuda.threadIdx.x)
    top, left = first_window(first_i, PH, DH, KH, SH), first_window(first_j, PW, DW, KW, SW)
    for window in range(thread, size, THREADS):
        oh, ow = top + divide(int32(window), PATCH_W), left + window % PATCH_W
        if oh < OH and ow < OW:
            cell = int32((plane * OH + oh) * OW + ow)
            shared_g[window] = g[cell]
            winners[size + window] = int32(index[cell])
    cuda.syncthreads()

    i, j = int32(first_i + divide(thread, TILE_W)), int32(first_j + thread % TILE_W)
    if i < H and j < W:
        total = ZERO
        for oh in range(first_window(i, PH, DH, KH, SH), min(divide(i + PH, SH) + 1, OH)):
            for ow in range(first_window(j, PW, DW, KW, SW), min(divide(j + PW, SW) + 1, OW)):
                window = int32((oh - top) * PATCH_W + ow - left)
                if winners[size + window] == i * W + j:
                    total += shared_g[window]
        x[int32((plane * H + i) * W + j)] = total


@device
def tile_of_block(height, width):
    """The plane, and the row and column that this block's tile begins at."""
    tiles_h, tiles_w = divide(height + TILE_H - 1, TILE_H), divide(width + TILE_W - 1, TILE_W)
    plane, tile_row, tile_column = unravel(int32(cuda.blockIdx.x), tiles_h, tiles_w)
    return plane, int32(tile_row * TILE_H), int32(tile_column * TILE_W)


@device
def first_window(i, P, D, K, S):
    """The first window that sees input cell i: the smallest o >= 0 with o*S - P + (K-1)*D >= i."""
    behind = int32(i + P - (K - 1) * D)
    if behind <= 0:
        return int32(0)
    return divide(behind + S - 1, S)


def max_pool2d(x: Array, geometry: Geometry) -> tuple[Array, Array]:
    """Return each window's maximum and the winner's index h*W + w, both (N, C, OH, OW). Eq. 2."""
    return _best(MAX_KERNEL, x, geometry) or plain.max_pool2d(x, geometry)


def min_pool2d(x: Array, geometry: Geometry) -> tuple[Array, Array]:
    """Return each window's minimum and the winner's index; see `max_pool2d`."""
    return _best(MIN_KERNEL, x, geometry) or plain.min_pool2d(x, geometry)


def pool_scatter(g: Array, index: Array, geometry: Geometry) -> Array:
    """Return zeros (N, C, H, W) with every `g` (N, C, OH, OW) added at its cell `index`."""
    N, C, H, W, _, KH, KW, SH, SW, _, _, DH, DW, *_ = geometry
    # How many windows along an axis may see a cell of a tile.
    patch = (TILE_H - 1 + (KH - 1) * DH) // SH + 1, (TILE_W - 1 + (KW - 1) * DW) // SW + 1
    if fits(g) and not too_large(geometry.x_shape):
        x = result(g, geometry.x_shape)
        g, index = map(array_module(g).ascontiguousarray, (g, index))
        if _launch(scatter_kernel, geometry, (H, W), patch, 8, g, index, x):
            return x
    return plain.pool_scatter(g, index, geometry)


def _best(which: Kernel, x: Array, geometry: Geometry) -> tuple[Array, Array] | None:
    """Return what `max_pool2d` does, or None if it is not for this kernel."""
    if not fits(x) or too_large(geometry.y_shape):
        return None
    _, _, _, _, _, KH, KW, SH, SW, _, _, DH, DW, _, OH, OW = geometry
    patch = (TILE_H - 1) * SH + (KH - 1) * DH + 1, (TILE_W - 1) * SW + (KW - 1) * DW + 1
    y = result(x, (*x.shape[:2], OH, OW))
    index = array_module(x).empty(y.shape, np.int32)  # a plane has fewer cells than int32 counts
    x = array_module(x).ascontiguousarray(x)
    return (y, index) if _launch(which, geometry, (OH, OW), patch, 4, x, y, index) else None


def _launch(which: Kernel, geometry: Geometry, cells: Pair, patch: Pair, size: int, *arrays: Array) -> bool:
    """Start a thread for each of the `cells` (height, width) of every plane, if the patch fits.

    `size` is how many bytes a cell of the patch has.
    """
    blocks = geometry.N * geometry.C * -(-cells[0] // TILE_H) * -(-cells[1] // TILE_W)
    shared = size * patch[0] * patch[1]
    if shared > SHARED_BYTES or blocks >= LIMIT:
        return False
    which.launch((blocks,), (THREADS,), *arrays, geometry, *patch, shared=shared)
    return True
