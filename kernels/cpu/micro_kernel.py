"""The innermost loop of every convolution: MR x NR sums that stay in registers.

A vector holds numbers of neighbouring filters; NR filters are one vector, or a few. One number of the image
is broadcast to all places of a vector, and multiplied with the weights of NR filters at once. MR output cells
take part: weights that are loaded once are used for MR cells, a number that is broadcast for NR filters::

    sums[i][f] += a[i][t] * v[t][f]        i < MR cells, f < NR filters, for every tap t

So vectors are full, whatever the width of the image. The MR cells may lie anywhere: tables of distances say
where, and a stride, a dilation or the end of a row is only another distance.

The same loop computes all directions. For the gradient by the weights, MR taps of x are broadcast, a vector
holds filters of g, and t runs over cells. `twin` is the loop in Python: it says what the compiled one does,
and tests compare both.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .vectors import (
    INDEX,
    REGISTERS,
    VECTOR_BYTES,
    add_product,
    everywhere,
    load,
    pointer,
    size,
    store,
    vector_of,
)

ROWS, NARROW_ROWS = REGISTERS.rows, REGISTERS.narrow_rows  # MR, and MR for half of NR filters
MOST_ROWS = max(ROWS, NARROW_ROWS)


def filters_of(itemsize: int) -> int:
    """Return NR for numbers of so many bytes."""
    return REGISTERS.vectors * VECTOR_BYTES // itemsize


def twin(MR: int, NR: int, each: bool = False) -> Callable[..., None]:
    """Return the micro-kernel as a function in Python; see `micro_kernel`."""
    lanes = np.arange(NR) if each else 0

    def tile(a, a0, rows, i0, steps, v, v0, pitch, sums, s0, places, start, fresh):
        at = [s0 + places[i] + np.arange(NR) for i in range(i0, i0 + MR)]
        totals = [start[:NR] if fresh else sums[place] for place in at]
        for t, step in enumerate(steps):
            weights = v[v0 + t * pitch + np.arange(NR)]
            numbers = [a[a0 + rows[i0 + i] + step + lanes] for i in range(MR)]
            totals = [total + number * weights for total, number in zip(totals, numbers, strict=True)]
        for place, total in zip(at, totals, strict=True):
            sums[place] = total

    return tile


def micro_kernel(MR: int, vectors: int, each: bool = False):
    """Return the micro-kernel for MR rows of so many vectors: an intrinsic for compiled code.

    It is called as ``tile(a, a0, rows, i0, steps, v, v0, pitch, sums, s0, places, start, fresh)``. For rows
    i = i0, ..., i0 + MR - 1 and f < NR it sets::

        sums[s0 + places[i] + f] = before + sum_t a[a0 + rows[i] + steps[t]] * v[v0 + t*pitch + f]

    Here `before` is start[f] if `fresh`, else what was in `sums`. Everything is read before anything is
    written, so a row that is there twice does no harm. Arrays are flat, tables int64, with at least one step.

    If `each` weight has a number of its own, f is added to the place in a: for depthwise convolution.
    """
    names = ("a", "a0", "rows", "i0", "steps", "v", "v0", "pitch", "sums", "s0", "places", "start", "fresh")

    @intrinsic
    def tile(typing, a, a0, rows, i0, steps, v, v0, pitch, sums, s0, places, start, fresh):
        def build(context, builder, signature, args):
            kind, value = (dict(zip(names, each, strict=True)) for each in (signature.args, args))
            vector = vector_of(context, kind["a"])

            def at(name, index):
                return pointer(context, builder, kind[name], value[name], index)

            def plus(address, distance):
                return builder.gep(address, [distance])

            def row_addresses(first, table):
                return [plus(first, builder.load(plus(table, INDEX(i)))) for i in range(MR)]

            def load_row(address):
                return [load(builder, plus(address, INDEX(j * vector.count)), vector) for j in range(vectors)]

            a_rows = row_addresses(at("a", value["a0"]), at("rows", value["i0"]))
            sum_rows = row_addresses(at("sums", value["s0"]), at("places", value["i0"]))
            fresh = builder.trunc(value["fresh"], ir.IntType(1))
            before = [load_row(builder.select(fresh, at("start", INDEX(0)), row)) for row in sum_rows]
            steps_at, v_at = at("steps", INDEX(0)), at("v", value["v0"])
            count = size(context, builder, kind["steps"], value["steps"])
            totals = [[cgutils.alloca_once_value(builder, total) for total in row] for row in before]
            with cgutils.for_range(builder, count) as loop:
                weights = load_row(plus(v_at, builder.mul(loop.index, value["pitch"])))
                step = builder.load(plus(steps_at, loop.index))
                for i, row in enumerate(a_rows):
                    if each:
                        numbers = load_row(plus(row, step))
                    else:
                        numbers = [everywhere(builder, builder.load(plus(row, step)), vector)] * vectors
                    for j in range(vectors):
                        add_product(builder, totals[i][j], numbers[j], weights[j])
            for i, row in enumerate(sum_rows):
                for j in range(vectors):
                    store(builder, builder.load(totals[i][j]), plus(row, INDEX(j * vector.count)))
            return context.get_dummy_value()

        index, flag = types.int64, types.boolean
        return types.void(
            a, index, rows, index, steps, v, index, index, sums, index, places, start, flag
        ), build

    return tile


wide_tile = micro_kernel(ROWS, REGISTERS.vectors)
narrow_tile = micro_kernel(NARROW_ROWS, REGISTERS.vectors // 2)
depthwise_tile = micro_kernel(ROWS, REGISTERS.vectors, each=True)
