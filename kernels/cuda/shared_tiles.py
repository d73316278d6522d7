"""Rung 3: shared memory. A block reads a patch of the input once, and its threads use it many times.

A block computes a tile of the output, for some filters at once. Channel by channel its threads copy the patch
that the tile looks at, and the filters' weights, to the memory that they share, which lies on the same
multiprocessor. From there a cell of x serves KH*KW windows and all the block's filters.

``syncthreads`` twice a channel: nobody may read before all have written, and nobody may write the next
channel before all have read this one.

What is slow about it: every product still loads two numbers, if from near by, and near by has its limit too:
32 numbers a cycle, for 128 multiplications that could be done in it.

The patch must fit into shared memory; where it does not, rung 2 does the work.
"""

from __future__ import annotations

from ..arrays import Array
from ..geometry import Geometry
from .direct import at
from .target import FLOAT32, MOST_BLOCKS, SHARED_BYTES, ZERO, cuda, divide, int32, kernel


def writer(TILE_H: int = 8, TILE_W: int = 16, FILTERS: int = 8):
    """Return a function that writes the output: blocks of TILE_H x TILE_W threads, FILTERS sums in each."""
    THREADS = TILE_H * TILE_W

    @kernel(THREADS)
    def output_kernel(x, w, y, geometry, PATCH_H, PATCH_W, TILES_W):
        N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
        CG, KG = divide(C, G), divide(K, G)
        memory = cuda.shared.array(0, FLOAT32)  # the patch (PATCH_H, PATCH_W), the weights (FILTERS, KH, KW)
        patch_size, filter_size = PATCH_H * PATCH_W, KH * KW
        thread, block = int32(cuda.threadIdx.x), int32(cuda.blockIdx.x)
        n = int32(cuda.blockIdx.z)
        blocks_of_group = divide(KG + FILTERS - 1, FILTERS)
        group = divide(int32(cuda.blockIdx.y), blocks_of_group)
        first = (
            int32(cuda.blockIdx.y - group * blocks_of_group) * FILTERS
        )  # of this block's filters, in its group
        tile_oh, tile_ow = divide(block, TILES_W) * TILE_H, block % TILES_W * TILE_W
        my_oh, my_ow = divide(thread, TILE_W), thread % TILE_W
        top, left = tile_oh * SH - PH, tile_ow * SW - PW

        sums = cuda.local.array(FILTERS, FLOAT32)
        for f in range(FILTERS):
            sums[f] = ZERO
        for c in range(CG):
            for cell in range(thread, patch_size, THREADS):
                i = top + divide(int32(cell), PATCH_W)
                j = left + cell % PATCH_W
                value = ZERO
                if 0 <= i < H and 0 <= j < W:
                    value = x[at(n, group * CG + c, i, j, C, H, W)]
                memory[cell] = value
            for cell in range(thread, FILTERS * filter_size, THREADS):
                f = divide(int32(cell), filter_size)
                value = ZERO
                if first + f < KG:
                    value = w[at(group * KG + first + f, c, 0, cell - f * filter_size, CG, 1, filter_size)]
                memory[patch_size + cell] = value
            cuda.syncthreads()
            for r in range(KH):
                for s in range(KW):
                    value = memory[int32((my_oh * SH + r * DH) * PATCH_W + my_ow * SW + s * DW)]
                    weight = int32(patch_size + r * KW + s)
                    for f in range(FILTERS):
                        sums[f] += value * memory[int32(weight + f * filter_size)]
            cuda.syncthreads()

        oh, ow = tile_oh + my_oh, tile_ow + my_ow
        for f in range(FILTERS):
            if oh < OH and ow < OW and first + f < KG:
                y[at(n, group * KG + first + f, oh, ow, K, OH, OW)] = sums[f]

    def write_output(x: Array, w: Array, y: Array, geometry: Geometry) -> bool:
        N, _, _, _, K, KH, KW, SH, SW, _, _, DH, DW, G, OH, OW = geometry
        PATCH_H = (TILE_H - 1) * SH + (KH - 1) * DH + 1
        PATCH_W = (TILE_W - 1) * SW + (KW - 1) * DW + 1
        shared = 4 * (PATCH_H * PATCH_W + FILTERS * KH * KW)
        tiles_h, tiles_w = -(-OH // TILE_H), -(-OW // TILE_W)
        filter_blocks = G * -(-(K // G) // FILTERS)
        if shared > SHARED_BYTES or max(N, filter_blocks) > MOST_BLOCKS:
            return False
        grid = (tiles_h * tiles_w, filter_blocks, N)
        output_kernel.launch(grid, (THREADS,), x, w, y, geometry, PATCH_H, PATCH_W, tiles_w, shared=shared)
        return True

    write_output.kernel = output_kernel  # type: ignore[attr-defined]
    return write_output


write_output = writer()
