"""Loops over a row of numbers, a vector at a time.

A sum is a plain loop: the compiler finds the vectors. For long rows it would also do so for copying and
adding. But the rows of small images end in the middle of a vector, and there it goes on number by number: a
convolution of 14 x 14 images in groups took 1.17 times as long. So these loops are built by hand. Elements
of the last vector that lie beyond the end are masked out, neither read nor written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .compiled import in_any_order
from .vectors import INDEX, SHORT, everywhere, masked_load, masked_store, pointer, size, vector_of


def _writes_row(adds):
    """Return the code of an intrinsic that writes a row to another place, or adds it to what is there."""

    def build(context, builder, signature, args):
        to_type, _, source_type, _, _ = signature.args
        to, to0, source, source0, count = args
        to_at = pointer(context, builder, to_type, to, to0)
        source_at = pointer(context, builder, source_type, source, source0)
        vector = vector_of(context, source_type)
        with row(builder, count, vector.count) as (p, inside):
            at = builder.gep(to_at, [p])
            cells = masked_load(builder, builder.gep(source_at, [p]), inside, vector)
            if adds:
                cells = builder.fadd(masked_load(builder, at, inside, vector), cells)
            masked_store(builder, cells, at, inside)
        return context.get_dummy_value()

    return build


@intrinsic
def copy_row(typing, to, to0, source, source0, count):
    """Let to[to0 + p] = source[source0 + p] for p < `count`."""
    return types.void(to, types.int64, source, types.int64, types.int64), _writes_row(adds=False)


@intrinsic
def add_row(typing, to, to0, source, source0, count):
    """Let to[to0 + p] += source[source0 + p] for p < `count`."""
    return types.void(to, types.int64, source, types.int64, types.int64), _writes_row(adds=True)


@in_any_order
def sum_row(cells):
    """Return the sum of the cells."""
    total = cells.dtype.type(0)
    for i in range(len(cells)):
        total += cells[i]
    return total


@in_any_order
def dot_rows(a, b):
    """Return sum_i a[i] * b[i]."""
    total = a.dtype.type(0)
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


def largest_row(step: int):
    """Return the loop that finds the largest cell of every window in a row of windows.

    It is called as ``largest(best, winner, w0, cells, c0, at, offsets, count)`` in compiled code. For
    p < `count`, window p has the cells ``cells[c0 + offset + p*step]``, whose numbers are
    ``at + offset + p*step``, for all `offsets`, at least one. ``best[w0 + p]`` and ``winner[w0 + p]`` become
    the largest cell and its number: the first of equal ones, or the last that is NaN.
    """

    @intrinsic
    def largest(typing, best, winner, w0, cells, c0, at, offsets, count):
        def build(context, builder, signature, args):
            best_type, winner_type, _, cells_type, _, _, offsets_type, _ = signature.args
            best, winner, w0, cells, c0, at, offsets, count = args
            best_at = pointer(context, builder, best_type, best, w0)
            winner_at = pointer(context, builder, winner_type, winner, w0)
            cells_at = pointer(context, builder, cells_type, cells, c0)
            offsets_at = pointer(context, builder, offsets_type, offsets, INDEX(0))
            vector = vector_of(context, cells_type)
            numbers = ir.VectorType(SHORT, vector.count)
            steps = ir.Constant(numbers, [step * lane for lane in range(vector.count)])

            def look(i, p):
                """Return the cell i of the windows p, p + 1, ..., and its number."""
                first = builder.add(builder.load(builder.gep(offsets_at, [i])), builder.mul(p, INDEX(step)))
                value = every(builder, builder.gep(cells_at, [first]), builder.sub(count, p), step, vector)
                number = everywhere(builder, builder.trunc(builder.add(at, first), SHORT), numbers)
                return value, builder.add(number, steps)

            with row(builder, count, vector.count) as (p, inside):
                first = look(INDEX(0), p)
                highest, where = (cgutils.alloca_once_value(builder, value) for value in first)
                cells_of_window = size(context, builder, offsets_type, offsets)
                with cgutils.for_range_slice(builder, INDEX(1), cells_of_window, INDEX(1)) as (i, _):
                    value, number = look(i, p)
                    take = builder.fcmp_ordered(">", value, builder.load(highest))
                    take = builder.or_(take, builder.fcmp_unordered("uno", value, value))
                    for new, kept in ((value, highest), (number, where)):
                        builder.store(builder.select(take, new, builder.load(kept)), kept)
                masked_store(builder, builder.load(highest), builder.gep(best_at, [p]), inside)
                masked_store(builder, builder.load(where), builder.gep(winner_at, [p]), inside)
            return context.get_dummy_value()

        integer = types.int64
        signature = types.void(best, winner, integer, cells, integer, integer, offsets, integer)
        return signature, build

    return largest


def every(builder, cells_at, left, step: int, vector):
    """Return the cells 0, step, 2*step, ...: `left` of them, loaded as `step` (1 or 2) whole vectors."""
    last = builder.add(builder.mul(builder.sub(left, INDEX(1)), INDEX(step)), INDEX(1))
    vectors = []
    for i in range(step):
        start = INDEX(i * vector.count)
        inside = below(builder, builder.sub(last, start), vector.count)
        vectors.append(masked_load(builder, builder.gep(cells_at, [start]), inside, vector))
    if step == 1:
        return vectors[0]
    a, b = vectors
    order = ir.Constant(ir.VectorType(SHORT, vector.count), list(range(0, 2 * vector.count, 2)))
    return builder.shuffle_vector(a, b, order)


@contextmanager
def row(builder, count, lanes: int) -> Iterator[tuple]:
    """Loop over p = 0, `lanes`, ... below `count`; yield p and which elements are still inside."""
    with cgutils.for_range_slice(builder, INDEX(0), count, INDEX(lanes)) as (p, _):
        yield p, below(builder, builder.sub(count, p), lanes)


def below(builder, limit, lanes: int):
    """Return the mask of the elements 0 .. `lanes`-1 that are below `limit`."""
    numbers = ir.Constant(ir.VectorType(SHORT, lanes), list(range(lanes)))
    return builder.icmp_signed("<", numbers, everywhere(builder, builder.trunc(limit, SHORT), numbers.type))
