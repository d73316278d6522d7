"""Convolution as loops that Numba compiles: the rungs of the ladder between NumPy and our own micro-kernel.

Both compute Eq. 1 and its derivatives, without padding, strides, dilation and groups. They differ in which
loop is the innermost one: over the taps of one cell, or along a row of cells.
"""

import numpy as np
from numba import njit

from tinycnn.kernels.cpu.threads import split
from tinycnn.kernels.geometry import Geometry

compiled = njit(fastmath={"contract"}, nogil=True)  # "contract": a product and a sum in one instruction


@compiled
def cell_by_cell(x, w, y, start, stop):
    """Sum up all taps of a cell, then of the next cell."""
    _, K, OH, OW = y.shape
    _, C, KH, KW = w.shape
    for n in range(start, stop):
        for k in range(K):
            for oh in range(OH):
                for ow in range(OW):
                    total = x.dtype.type(0)
                    for c in range(C):
                        for r in range(KH):
                            for s in range(KW):
                                total += x[n, c, oh + r, ow + s] * w[k, c, r, s]
                    y[n, k, oh, ow] = total


@compiled
def along_rows(x, w, y, start, stop):
    """Add one tap to a whole row of cells, then the next tap."""
    _, K, OH, OW = y.shape
    _, C, KH, KW = w.shape
    for n in range(start, stop):
        for k in range(K):
            for oh in range(OH):
                y[n, k, oh] = 0
                for c in range(C):
                    for r in range(KH):
                        for s in range(KW):
                            for ow in range(OW):
                                y[n, k, oh, ow] += x[n, c, oh + r, ow + s] * w[k, c, r, s]


@compiled
def input_along_rows(g, w, x, start, stop):
    """Add what a row of g passes back through one tap."""
    _, K, OH, OW = g.shape
    _, C, KH, KW = w.shape
    for n in range(start, stop):
        x[n] = 0
        for k in range(K):
            for oh in range(OH):
                for c in range(C):
                    for r in range(KH):
                        for s in range(KW):
                            for ow in range(OW):
                                x[n, c, oh + r, ow + s] += g[n, k, oh, ow] * w[k, c, r, s]


@compiled
def weight_along_rows(x, g, w, start, stop):
    """Sum up a row of g with the cells of x that one tap meets."""
    N, _, OH, OW = g.shape
    _, C, KH, KW = w.shape
    for k in range(start, stop):
        w[k] = 0
        for n in range(N):
            for oh in range(OH):
                for c in range(C):
                    for r in range(KH):
                        for s in range(KW):
                            for ow in range(OW):
                                w[k, c, r, s] += g[n, k, oh, ow] * x[n, c, oh + r, ow + s]


def directions(forward):
    """Return `forward` and both derivatives as entries of a set of kernels."""

    def run(kernel, a, b, result, count):
        split(lambda _, *units: kernel(a, b, result, *units), count)
        return result

    def conv2d(x, w, geometry: Geometry, bias=None):
        y = run(forward, x, w, np.empty(geometry.y_shape, x.dtype), geometry.N)
        return y if bias is None else y + bias.reshape(1, -1, 1, 1)

    def conv2d_input(g, w, geometry: Geometry, bias=None):
        x = run(input_along_rows, g, w, np.empty(geometry.x_shape, g.dtype), geometry.N)
        return x if bias is None else x + bias.reshape(1, -1, 1, 1)

    def conv2d_weight(x, g, geometry: Geometry):
        return run(weight_along_rows, x, g, np.empty(geometry.w_shape, x.dtype), geometry.K)

    return {"conv2d": conv2d, "conv2d_input": conv2d_input, "conv2d_weight": conv2d_weight}
