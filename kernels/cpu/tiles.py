"""The two innermost loops of convolution, a tile of sums in registers each.

A core starts one or two multiplications of vectors a clock, but loads only about as many vectors. So an inner
loop is fast where every number it loads is used several times while it is in a register: a tile multiplies
every row's number by every column's.

``sums[k][j] += w[k] * x[j]``
    `output_tile`, for a few filters k and a few vectors j of output cells
``sums[k][t] += g[k] * x[t]``
    `weight_tile`, for a few filters k and a few taps t, a vector of cells at a time

The loops over k, j and t run when the code is built, one turn for every instruction.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .vectors import INDEX, SHORT, call, everywhere, load, pointer, size, store, vector_of


def output_tile(filters: int, vectors: int):
    """Return the loop that sums a tile of a convolution's outputs over all taps.

    It is called as ``tile(w, w0, x, x0, offsets, y, y0, pitch)`` in compiled code and sets, for k < `filters`
    and p < `vectors` times a vector's elements::

        y[y0 + k*pitch + p] = sum_t w[w0 + t*filters + k] * x[x0 + offsets[t] + p]

    All arrays are contiguous, their indices those of the flat array; x and y must reach as far.
    """

    @intrinsic
    def tile(typing, w, w0, x, x0, offsets, y, y0, pitch):
        def build(context, builder, signature, args):
            w, w0, x, x0, offsets, y, y0, pitch = args
            w_type, _, x_type, _, offsets_type, y_type, _, _ = signature.args
            vector = vector_of(context, x_type)
            w_at, x_at = pointer(context, builder, w_type, w, w0), pointer(context, builder, x_type, x, x0)
            y_at = pointer(context, builder, y_type, y, y0)
            offsets_at = pointer(context, builder, offsets_type, offsets, INDEX(0))
            taps = size(context, builder, offsets_type, offsets)
            zeros = [ir.Constant(vector, None)] * (filters * vectors)
            with Sums(builder, taps, 1, zeros) as loop:
                offset = builder.load(builder.gep(offsets_at, [loop.index]))
                cells = [
                    load(builder, builder.gep(x_at, [builder.add(offset, INDEX(j * vector.count))]), vector)
                    for j in range(vectors)
                ]
                first = builder.gep(w_at, [builder.mul(loop.index, INDEX(filters))])
                for k in range(filters):
                    weight = everywhere(builder, builder.load(builder.gep(first, [INDEX(k)])), vector)
                    for j in range(vectors):
                        loop.add(k * vectors + j, weight, cells[j])
            for k in range(filters):
                row = builder.gep(y_at, [builder.mul(pitch, INDEX(k))])
                for j in range(vectors):
                    store(builder, loop.sums[k * vectors + j], builder.gep(row, [INDEX(j * vector.count)]))
            return context.get_dummy_value()

        return types.void(w, types.int64, x, types.int64, offsets, y, types.int64, types.int64), build

    return tile


def weight_tile(filters: int, taps: int):
    """Return the loop that sums a tile of a convolution's weight gradient over cells of the output.

    It is called as ``tile(g, g0, pitch, g_image, x, x0, x_image, offsets, t0, images, cells, w, w0)`` in
    compiled code and adds, for k < `filters` and t < `taps`::

        w[w0 + k*taps + t] += sum_{n < images} sum_{p < cells}
            g[g0 + k*pitch + n*g_image + p] * x[x0 + offsets[t0 + t] + n*x_image + p]

    `cells` is rounded up to whole vectors.
    """

    @intrinsic
    def tile(typing, g, g0, pitch, g_image, x, x0, x_image, offsets, t0, images, cells, w, w0):
        def build(context, builder, signature, args):
            g, g0, pitch, g_image, x, x0, x_image, offsets, t0, images, cells, w, w0 = args
            g_type, x_type, offsets_type, w_type = (signature.args[i] for i in (0, 4, 7, 11))
            vector = vector_of(context, x_type)
            g_at, x_at = pointer(context, builder, g_type, g, g0), pointer(context, builder, x_type, x, x0)
            offsets_at = pointer(context, builder, offsets_type, offsets, t0)
            g_starts = [builder.mul(pitch, INDEX(k)) for k in range(filters)]
            x_starts = [builder.load(builder.gep(offsets_at, [INDEX(t)])) for t in range(taps)]
            zeros = [ir.Constant(vector, None)] * (filters * taps)
            with Sums(builder, images, 1, zeros) as all_images:
                g_at = builder.gep(g_at, [builder.mul(all_images.index, g_image)])
                x_at = builder.gep(x_at, [builder.mul(all_images.index, x_image)])
                g_rows = [builder.gep(g_at, [start]) for start in g_starts]
                x_rows = [builder.gep(x_at, [start]) for start in x_starts]
                with Sums(builder, cells, vector.count, all_images.sums) as image:
                    g_cells = [load(builder, builder.gep(row, [image.index]), vector) for row in g_rows]
                    for t in range(taps):
                        x_cells = load(builder, builder.gep(x_rows[t], [image.index]), vector)
                        for k in range(filters):
                            image.add(k * taps + t, g_cells[k], x_cells)
                all_images.sums = image.sums
            w_at = pointer(context, builder, w_type, w, w0)
            for start in range(0, filters * taps, vector.count):
                total = _sums_of_elements(builder, all_images.sums[start : start + vector.count])
                at = builder.gep(w_at, [INDEX(start)])
                store(builder, builder.fadd(load(builder, at, vector), total), at)
            return context.get_dummy_value()

        integer = types.int64
        g_types, x_types = (g, integer, integer, integer), (x, integer, integer)
        return types.void(*g_types, *x_types, offsets, integer, integer, integer, w, integer), build

    return tile


class Sums:
    """A loop over `index` = 0, `step`, ... below `stop`, at least once, that adds to vectors in registers."""

    def __init__(self, builder, stop, step, begin) -> None:
        self.builder, self.stop, self.step = builder, stop, step
        before = builder.block
        self.body = builder.append_basic_block("sums")
        builder.branch(self.body)
        builder.position_at_end(self.body)
        # A phi is a register's value at the start of a turn: from before the loop, or from the last turn.
        self.index = builder.phi(INDEX)
        self.index.add_incoming(INDEX(0), before)
        self.phis = [builder.phi(total.type) for total in begin]
        for phi, total in zip(self.phis, begin, strict=True):
            phi.add_incoming(total, before)
        self.sums = list(self.phis)

    def add(self, i, a, b) -> None:
        """Let sums[i] += a * b."""
        self.sums[i] = call(self.builder, "llvm.fmuladd", "{vector}", a.type, [a, b, self.sums[i]])

    def __enter__(self) -> Sums:
        return self

    def __exit__(self, *error: object) -> None:
        builder = self.builder
        following = builder.add(self.index, INDEX(self.step))
        end = builder.block
        self.index.add_incoming(following, end)
        for phi, total in zip(self.phis, self.sums, strict=True):
            phi.add_incoming(total, end)
        after = builder.append_basic_block("after")
        builder.cbranch(builder.icmp_signed("<", following, self.stop), self.body, after)
        builder.position_at_end(after)


def _sums_of_elements(builder, vectors):
    """Return one vector whose element i is the sum of the elements of ``vectors[i]``.

    Adding the even elements of two vectors to their odd ones leaves one vector with half-way sums of both.
    """
    while len(vectors) > 1:
        count = vectors[0].type.count
        even, odd = (
            ir.Constant(ir.VectorType(SHORT, count), list(range(start, 2 * count, 2))) for start in (0, 1)
        )
        vectors = [
            builder.fadd(builder.shuffle_vector(a, b, even), builder.shuffle_vector(a, b, odd))
            for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
    return vectors[0]
