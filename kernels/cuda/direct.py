"""Rung 1: the equation verbatim, one thread for every cell of the result.

Gone are the outer loops of `tinycnn.kernels.plain.loops`: a thread's number says which cell it computes.
Threads share nothing: for every product both factors are read from global memory.

What is slow about it: here neighbouring threads compute neighbouring CHANNELS, so that the 32 addresses which
the threads of a warp use at the same time lie a whole plane apart, and each is a transaction of its own.
"""

from __future__ import annotations

from ..arrays import Array
from ..geometry import Geometry
from .target import ZERO, cuda, device, divide, int32, kernel

THREADS = 128


@device
def at(a, b, c, d, B, C, D):
    """Where cell (a, b, c, d) of an array (A, B, C, D) lies: row after row, the last index fastest."""
    return int32(((a * B + b) * C + c) * D + d)


@device
def unravel(number, B, C):
    """(a, b, c) with number = (a*B + b)*C + c: the cell of an array (A, B, C) that lies there."""
    rest = divide(number, C)
    a = divide(rest, B)
    return a, int32(rest - a * B), int32(number - rest * C)


@device
def output_cell(x, w, n, k, oh, ow, geometry):
    """y[n,k,oh,ow] = sum_{c,r,s} x[n, c, oh*SH - PH + r*DH, ow*SW - PW + s*DW] * w[k,c,r,s], Eq. 1."""
    N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
    CG = divide(C, G)
    first = divide(k, divide(K, G)) * CG  # the first channel of k's group
    total = ZERO
    for c in range(CG):
        for r in range(KH):
            i = oh * SH - PH + r * DH
            for s in range(KW):
                j = ow * SW - PW + s * DW
                if 0 <= i < H and 0 <= j < W:
                    total += x[at(n, first + c, i, j, C, H, W)] * w[at(k, c, r, s, CG, KH, KW)]
    return total


@device
def input_cell(g, w, n, c, i, j, geometry):
    """x[n,c,i,j] = sum of g[n,k,oh,ow] * w[k,c,r,s] over all that met this cell: i = oh*SH - PH + r*DH."""
    N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
    CG, KG = divide(C, G), divide(K, G)
    group = divide(c, CG)
    total = ZERO
    for r in range(KH):
        top = int32(i + PH - r * DH)
        oh = divide(top, SH)
        for s in range(KW):
            left = int32(j + PW - s * DW)
            ow = divide(left, SW)
            if oh * SH == top and ow * SW == left and 0 <= oh < OH and 0 <= ow < OW:
                for k in range(group * KG, (group + 1) * KG):
                    total += g[at(n, k, oh, ow, K, OH, OW)] * w[at(k, c - group * CG, r, s, CG, KH, KW)]
    return total


@device
def weight_cell(x, g, k, c, r, s, geometry):
    """w[k,c,r,s] = sum_{n,oh,ow} x[n, c, oh*SH - PH + r*DH, ow*SW - PW + s*DW] * g[n,k,oh,ow]."""
    N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
    first = divide(k, divide(K, G)) * divide(C, G)  # the first channel of k's group
    total = ZERO
    for n in range(N):
        for oh in range(OH):
            i = oh * SH - PH + r * DH
            for ow in range(OW):
                j = ow * SW - PW + s * DW
                if 0 <= i < H and 0 <= j < W:
                    total += x[at(n, first + c, i, j, C, H, W)] * g[at(n, k, oh, ow, K, OH, OW)]
    return total


@device
def neighbours_differ_in_b(number, B, C, D):
    """The cell (a, b, c, d) of an array (A, B, C, D) that thread `number` computes."""
    rest, d, b = unravel(number, D, B)
    a, c = divide(rest, C), int32(rest % C)
    return a, b, c, d


def kernels_for(cell_of):
    """Make the three kernels, for output, input and weight; `cell_of` says which cell a thread computes."""

    @kernel(THREADS)
    def output_kernel(x, w, y, geometry):
        N, K, OH, OW = geometry[0], geometry[4], geometry[14], geometry[15]
        number = int32(cuda.grid(1))
        if number < N * K * OH * OW:
            n, k, oh, ow = cell_of(number, K, OH, OW)
            y[at(n, k, oh, ow, K, OH, OW)] = output_cell(x, w, n, k, oh, ow, geometry)

    @kernel(THREADS)
    def input_kernel(g, w, x, geometry):
        N, C, H, W = geometry[:4]
        number = int32(cuda.grid(1))
        if number < N * C * H * W:
            n, c, i, j = cell_of(number, C, H, W)
            x[at(n, c, i, j, C, H, W)] = input_cell(g, w, n, c, i, j, geometry)

    @kernel(THREADS)
    def weight_kernel(x, g, w, geometry):
        K, KH, KW = geometry[4:7]
        CG = divide(geometry[1], geometry[13])
        number = int32(cuda.grid(1))
        if number < K * CG * KH * KW:
            k, c, r, s = cell_of(number, CG, KH, KW)
            w[at(k, c, r, s, CG, KH, KW)] = weight_cell(x, g, k, c, r, s, geometry)

    return output_kernel, input_kernel, weight_kernel


def writes(kernels):
    """Return the functions that write output, input and weight: a thread for every cell, any geometry."""

    def write_with(which):
        def write(a: Array, b: Array, out: Array, geometry: Geometry) -> bool:
            blocks = -(-out.size // THREADS)
            which.launch((blocks,), (THREADS,), a, b, out, geometry)
            return True

        return write

    return tuple(map(write_with, kernels))


KERNELS = kernels_for(neighbours_differ_in_b)
WRITES = writes(KERNELS)
