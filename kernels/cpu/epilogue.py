"""An activation and 2x2 max-pooling, computed on a convolution's sums before they are written to memory.

A row of sums holds one cell for NR filters. So ReLU and the comparison of cells work on full vectors. The
four cells of a pooling window are four rows that follow each other. One row is left of them.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .vectors import INDEX, REGISTERS, everywhere, load, pointer, store, vector_of


def _activated(builder, value, slope):
    """Return value where it is not negative, else slope * value; a slope of 0 makes a negative infinity 0."""
    zero = ir.Constant(value.type, None)
    scaled = builder.fmul(value, everywhere(builder, slope, value.type))
    scaled = builder.select(builder.fcmp_ordered("==", slope, ir.Constant(slope.type, 0.0)), zero, scaled)
    return builder.select(builder.fcmp_ordered("<", value, zero), scaled, value)


@intrinsic
def activate(typing, sums, s0, slope):
    """Let f be activated in the row of sums from s0 on: f stays if it is not negative, else slope * f."""

    def build(context, builder, signature, args):
        sums, s0, slope = args
        at, vector = (
            pointer(context, builder, signature.args[0], sums, s0),
            vector_of(context, signature.args[0]),
        )
        for j in range(REGISTERS.vectors):
            here = builder.gep(at, [INDEX(j * vector.count)])
            store(builder, _activated(builder, load(builder, here, vector), slope), here)
        return context.get_dummy_value()

    return types.void(sums, types.int64, sums.dtype), build


@intrinsic
def largest_of_4(typing, sums, s0, s_below, first, below, to0, winners0, slope):
    """Write the largest of four rows of sums, activated, and which it was.

    The rows are the cells of a 2x2 window with the numbers first, first + 1, first + below and
    first + below + 1. Two begin at s0, one after the other, and two `s_below` numbers on. The largest are
    written to `sums` from to0 on, and their numbers, as bits, from winners0 on. Of equal ones the first wins;
    NaN wins over any number, the last over all.
    """

    def build(context, builder, signature, args):
        sums_type, _, _, _, _, _, _, _ = signature.args
        sums, s0, s_below, first, below, to0, winners0, slope = args
        vector = vector_of(context, sums_type)
        integers = ir.VectorType(ir.IntType(sums_type.dtype.bitwidth), vector.count)
        second_row = builder.add(first, below)
        numbers = [first, builder.add(first, INDEX(1)), second_row, builder.add(second_row, INDEX(1))]
        if integers.element != INDEX:
            numbers = [builder.trunc(number, integers.element) for number in numbers]
        numbers = [everywhere(builder, number, integers) for number in numbers]

        def better(a, b):
            """Return the better of two values with their numbers."""
            take = builder.fcmp_ordered(">", b[0], a[0])
            take = builder.or_(take, builder.fcmp_unordered("uno", b[0], b[0]))
            return builder.select(take, b[0], a[0]), builder.select(take, b[1], a[1])

        def at(start, j):
            return pointer(context, builder, sums_type, sums, builder.add(start, INDEX(j * vector.count)))

        n = REGISTERS.vectors
        for j in range(n):
            values = [
                load(builder, at(row, q), vector)
                for row in (s0, builder.add(s0, s_below))
                for q in (j, n + j)
            ]
            a, b, c, d = zip(values, numbers, strict=True)
            value, number = better(better(a, b), better(c, d))
            store(builder, _activated(builder, value, slope), at(to0, j))
            store(builder, builder.bitcast(number, vector), at(winners0, j))
        return context.get_dummy_value()

    index = types.int64
    return types.void(sums, index, index, index, index, index, index, sums.dtype), build
