"""Rung 4: convolution is a matrix product, of a matrix that is never written (implicit GEMM).

`tinycnn.kernels.im2col` lays the patches of x out as columns, (C/G*KH*KW, N*OH*OW), and multiplies the
filters, (K/G, C/G*KH*KW), with it. The columns are KH*KW times the size of x: to write and read them costs
more than the product. Here element (q, p) of that matrix is fetched where it is needed: q says which
(c, r, s), p says which (n, oh, ow), and Eq. 1 says which cell of x that is.

The product is the classic one. A block computes a TILE x TILE tile of the output and walks along q; in each
step its threads load a tile of either matrix to shared memory, one element each, and every element is used
TILE times.

What is slow about it: like rung 3 it is bound by shared memory, with two loads for one product. But any
geometry, even 1 x 1 kernels of 1,000 channels, now fills the same tiles.
"""

from __future__ import annotations

from ..arrays import Array
from ..geometry import Geometry
from .direct import at, unravel
from .target import MOST_BLOCKS, ZERO, cuda, divide, int32, kernel, shared


def writer(TILE: int = 16):
    """Return a function that writes the output, in blocks of TILE x TILE threads."""
    B = TILE * TILE  # where the columns' tile begins, after the filters'
    shared_floats = shared(2 * TILE * TILE)

    @kernel(TILE * TILE)
    def output_kernel(x, w, y, geometry):
        N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
        CG, KG = divide(C, G), divide(K, G)
        P, Q = N * OH * OW, CG * KH * KW
        memory = shared_floats()
        row, col = int32(cuda.threadIdx.y), int32(cuda.threadIdx.x)
        group = int32(cuda.blockIdx.z)
        k = int32(cuda.blockIdx.y * TILE + row)  # the filter that this thread computes, in its group
        p = int32(cuda.blockIdx.x * TILE + col)  # and for which pixel
        n, oh, ow = unravel(p, OH, OW)
        total = ZERO
        for first in range(0, Q, TILE):
            q = int32(first + col)
            value = ZERO
            if k < KG and q < Q:
                value = w[int32((group * KG + k) * Q + q)]
            memory[row * TILE + col] = value

            q = int32(first + row)
            c, r, s = unravel(q, KH, KW)
            i, j = oh * SH - PH + r * DH, ow * SW - PW + s * DW
            value = ZERO
            if p < P and q < Q and 0 <= i < H and 0 <= j < W:
                value = x[at(n, group * CG + c, i, j, C, H, W)]
            memory[B + row * TILE + col] = value
            cuda.syncthreads()
            for t in range(TILE):
                total += memory[row * TILE + t] * memory[B + t * TILE + col]
            cuda.syncthreads()
        if k < KG and p < P:
            y[at(n, group * KG + k, oh, ow, K, OH, OW)] = total

    def write_output(x: Array, w: Array, y: Array, geometry: Geometry) -> bool:
        N, _, _, _, K, _, _, _, _, _, _, _, _, G, OH, OW = geometry
        grid = (-(-N * OH * OW // TILE), -(-(K // G) // TILE), G)
        if max(grid[1:]) > MOST_BLOCKS:
            return False
        output_kernel.launch(grid, (TILE, TILE), x, w, y, geometry)
        return True

    write_output.kernel = output_kernel  # type: ignore[attr-defined]
    return write_output


write_output = writer()
