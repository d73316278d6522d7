"""The vectors of this processor, and the two innermost loops of convolution written for them.

A core multiplies and adds a whole vector of numbers in one instruction, and starts one or two of these a
clock; but it can load only about as many vectors as it multiplies. So an inner loop is fast where every number
it loads is used several times while it stands in a register. Both loops below keep a tile of sums in
registers, and multiply every row's number by every column's:

`output_tile`     sums[k][j] += w[k] * x[j]   for a few filters k and a few vectors j of output cells
`weight_tile`     sums[k][t] += g[k] * x[t]   for a few filters k and a few taps t, a vector of cells at a time

A compiler does not find this by itself in loops over arrays. So they are written as what it would have to
find: Numba's `intrinsic` lets Python build the instructions (of LLVM's portable machine language), and the
loops over a tile below run when it is built, one turn for every instruction.
"""

from __future__ import annotations

import platform
from typing import NamedTuple

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic


class Registers(NamedTuple):
    """How long a vector is, and the tiles that fit into the registers beside what is multiplied."""

    vector_bytes: int
    wide: tuple[int, int]  # filters, vectors of output cells
    narrow: tuple[int, int]  # for at most as many filters as this
    weights: tuple[int, int]  # filters, taps: their product is a multiple of a vector's elements


def _registers() -> Registers:
    """Return what suits this processor: about 24 of 32 registers for sums, or 12 of 16."""
    features = binding.get_host_cpu_features()
    if features.get("avx512vl"):
        # Only AMD's compilers settings use the long vectors; elsewhere they would be cut in two.
        long = binding.get_host_cpu_name().startswith("znver")
        return Registers(64 if long else 32, (8, 3), (4, 6), (4, 4))
    if features.get("avx2"):
        return Registers(32, (4, 3), (2, 6), (4, 2))
    if platform.machine().lower() in ("arm64", "aarch64"):
        return Registers(16, (8, 3), (4, 6), (4, 4))
    return Registers(16, (4, 3), (2, 6), (4, 2))


REGISTERS = _registers()
VECTOR_BYTES = REGISTERS.vector_bytes
INDEX, BYTE = ir.IntType(64), ir.IntType(8)


def output_tile(filters: int, vectors: int):
    """Return the loop that sums a tile of a convolution's outputs over all taps.

    It is called as ``tile(w, w0, x, x0, offsets, y, y0, pitch)`` in compiled code and sets, for k < `filters`
    and p < `vectors` times a vector's elements::

        y[y0 + k*pitch + p] = sum_t w[w0 + t*filters + k] * x[x0 + offsets[t] + p]

    All arrays are contiguous, their indices those of the flat array; x and y must reach as far.
    """

    @intrinsic
    def tile(typing, w, w0, x, x0, offsets, y, y0, pitch):  # noqa: ANN001, ANN202
        def build(context, builder, signature, args):  # noqa: ANN001, ANN202
            w, w0, x, x0, offsets, y, y0, pitch = args
            w_type, _, x_type, _, offsets_type, y_type, _, _ = signature.args
            vector = _vector(context, x_type)
            w_at, x_at = _pointer(context, builder, w_type, w, w0), _pointer(context, builder, x_type, x, x0)
            y_at = _pointer(context, builder, y_type, y, y0)
            offsets_at = _pointer(context, builder, offsets_type, offsets, INDEX(0))
            taps = _size(context, builder, offsets_type, offsets)
            with _Loop(builder, taps, 1, vector, filters * vectors) as loop:
                offset = builder.load(builder.gep(offsets_at, [loop.index]))
                cells = [
                    _load(builder, builder.gep(x_at, [builder.add(offset, INDEX(j * vector.count))]), vector)
                    for j in range(vectors)
                ]
                first = builder.gep(w_at, [builder.mul(loop.index, INDEX(filters))])
                for k in range(filters):
                    weight = _everywhere(builder, builder.load(builder.gep(first, [INDEX(k)])), vector)
                    for j in range(vectors):
                        loop.add(k * vectors + j, weight, cells[j])
            for k in range(filters):
                row = builder.gep(y_at, [builder.mul(pitch, INDEX(k))])
                for j in range(vectors):
                    _store(builder, loop.sums[k * vectors + j], builder.gep(row, [INDEX(j * vector.count)]))
            return context.get_dummy_value()

        return types.void(w, types.int64, x, types.int64, offsets, y, types.int64, types.int64), build

    return tile


def weight_tile(filters: int, taps: int):
    """Return the loop that sums a tile of a convolution's weight gradient over cells of the output.

    It is called as ``tile(g, g0, pitch, x, x0, offsets, t0, cells, w, w0)`` in compiled code and adds, for
    k < `filters` and t < `taps`::

        w[w0 + k*taps + t] += sum_{p < cells} g[g0 + k*pitch + p] * x[x0 + offsets[t0 + t] + p]

    `cells` is rounded up to whole vectors.
    """

    @intrinsic
    def tile(typing, g, g0, pitch, x, x0, offsets, t0, cells, w, w0):  # noqa: ANN001, ANN202
        def build(context, builder, signature, args):  # noqa: ANN001, ANN202
            g, g0, pitch, x, x0, offsets, t0, cells, w, w0 = args
            g_type, _, _, x_type, _, offsets_type, _, _, w_type, _ = signature.args
            vector = _vector(context, x_type)
            g_at, x_at = _pointer(context, builder, g_type, g, g0), _pointer(context, builder, x_type, x, x0)
            g_rows = [builder.gep(g_at, [builder.mul(pitch, INDEX(k))]) for k in range(filters)]
            offsets_at = _pointer(context, builder, offsets_type, offsets, t0)
            x_rows = [
                builder.gep(x_at, [builder.load(builder.gep(offsets_at, [INDEX(t)]))]) for t in range(taps)
            ]
            with _Loop(builder, cells, vector.count, vector, filters * taps) as loop:
                g_cells = [_load(builder, builder.gep(row, [loop.index]), vector) for row in g_rows]
                for t in range(taps):
                    x_cells = _load(builder, builder.gep(x_rows[t], [loop.index]), vector)
                    for k in range(filters):
                        loop.add(k * taps + t, g_cells[k], x_cells)
            w_at = _pointer(context, builder, w_type, w, w0)
            for start in range(0, filters * taps, vector.count):
                total = _sums_of_elements(builder, loop.sums[start : start + vector.count])
                at = builder.gep(w_at, [INDEX(start)])
                _store(builder, builder.fadd(_load(builder, at, vector), total), at)
            return context.get_dummy_value()

        integer = types.int64
        signature = types.void(g, integer, integer, x, integer, offsets, integer, integer, w, integer)
        return signature, build

    return tile


def _row(bias: bool):
    """Return the loop that copies a row, or adds a bias to it, a vector at a time.

    What is left at the end is less than a vector: its last elements are masked out, neither read nor written.
    """

    def build(context, builder, signature, args):  # noqa: ANN001, ANN202
        to, to0, source, source0, count, *add = args
        to_type, _, source_type, *_ = signature.args
        vector = _vector(context, source_type)
        to_at = _pointer(context, builder, to_type, to, to0)
        source_at = _pointer(context, builder, source_type, source, source0)
        short = ir.IntType(32)
        lanes = ir.Constant(ir.VectorType(short, vector.count), list(range(vector.count)))
        if bias:
            (number,) = add
            addend = _everywhere(builder, number, vector)
        with cgutils.for_range_slice(builder, INDEX(0), count, INDEX(vector.count)) as (index, _):
            left = _everywhere(builder, builder.trunc(builder.sub(count, index), short), lanes.type)
            inside = builder.icmp_signed("<", lanes, left)
            cells = _masked_load(builder, builder.gep(source_at, [index]), inside, vector)
            if bias:
                cells = builder.fadd(cells, addend)
            _masked_store(builder, cells, builder.gep(to_at, [index]), inside)
        return context.get_dummy_value()

    return build


@intrinsic
def copy_row(typing, to, to0, source, source0, count):  # noqa: ANN001, ANN201
    """Let to[to0 + p] = source[source0 + p] for p < `count`."""
    return types.void(to, types.int64, source, types.int64, types.int64), _row(bias=False)


@intrinsic
def add_row(typing, to, to0, source, source0, count, bias):  # noqa: ANN001, ANN201
    """Let to[to0 + p] = source[source0 + p] + bias for p < `count`."""
    signature = types.void(to, types.int64, source, types.int64, types.int64, source.dtype)
    return signature, _row(bias=True)


class _Loop:
    """A loop over `index` from 0 to below `stop` (at least once) that adds to sums kept in registers."""

    def __init__(self, builder, stop, step, vector, count) -> None:  # noqa: ANN001
        self.builder, self.stop, self.step, self.vector = builder, stop, step, vector
        before = builder.block
        self.body = builder.append_basic_block("sums")
        self.after = builder.append_basic_block("after")
        builder.branch(self.body)
        builder.position_at_end(self.body)
        # A phi is a register's value at the start of a turn: from before the loop, or from the last turn.
        self.index = builder.phi(INDEX)
        self.index.add_incoming(INDEX(0), before)
        self.phis = [builder.phi(vector) for _ in range(count)]
        for phi in self.phis:
            phi.add_incoming(ir.Constant(vector, None), before)
        self.sums = list(self.phis)

    def add(self, i, a, b) -> None:  # noqa: ANN001
        """Let sums[i] += a * b."""
        self.sums[i] = _call(
            self.builder, "llvm.fmuladd", "{vector}", self.vector, [a, b, self.sums[i]]
        )

    def __enter__(self) -> _Loop:
        return self

    def __exit__(self, *error: object) -> None:
        builder = self.builder
        following = builder.add(self.index, INDEX(self.step))
        self.index.add_incoming(following, self.body)
        for phi, total in zip(self.phis, self.sums, strict=True):
            phi.add_incoming(total, self.body)
        builder.cbranch(builder.icmp_signed("<", following, self.stop), self.body, self.after)
        builder.position_at_end(self.after)


def _sums_of_elements(builder, vectors):  # noqa: ANN001, ANN202
    """Return one vector whose element i is the sum of the elements of ``vectors[i]``.

    Adding the even elements of two vectors to their odd ones leaves one vector with half-way sums of both.
    """
    while len(vectors) > 1:
        count = vectors[0].type.count
        even, odd = (
            ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(start, 2 * count, 2)))
            for start in (0, 1)
        )
        vectors = [
            builder.fadd(builder.shuffle_vector(a, b, even), builder.shuffle_vector(a, b, odd))
            for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
    return vectors[0]


def _vector(context, array_type) -> ir.VectorType:  # noqa: ANN001
    return ir.VectorType(
        context.get_data_type(array_type.dtype), VECTOR_BYTES * 8 // array_type.dtype.bitwidth
    )


def _pointer(context, builder, array_type, array, index):  # noqa: ANN001, ANN202
    """Return the address of the flat array's element `index`."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _size(context, builder, array_type, array):  # noqa: ANN001, ANN202
    return context.make_array(array_type)(context, builder, array).nitems


def _load(builder, pointer, vector):  # noqa: ANN001, ANN202
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=_bytes(vector))


def _store(builder, value, pointer) -> None:  # noqa: ANN001
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=_bytes(value.type))


def _masked_load(builder, pointer, inside, vector):  # noqa: ANN001, ANN202
    """Load the elements that `inside` marks, 0 for the others."""
    at = builder.bitcast(pointer, vector.as_pointer())
    return _call(
        builder, "llvm.masked.load", "{vector}.p0", vector, [at, _align(vector), inside, ir.Constant(vector, None)]
    )


def _masked_store(builder, value, pointer, inside) -> None:  # noqa: ANN001
    at = builder.bitcast(pointer, value.type.as_pointer())
    _call(
        builder, "llvm.masked.store", "{vector}.p0", ir.VoidType(), [value, at, _align(value.type), inside],
        value.type,
    )


def _call(builder, name, suffix, result, args, vector=None):  # noqa: ANN001, ANN202
    """Call one of LLVM's own functions, whose name ends in the type it is meant for."""
    vector = vector or result
    kind = f"v{vector.count}f{8 * _bytes(vector)}"
    function = ir.FunctionType(result, [arg.type for arg in args])
    function = cgutils.get_or_insert_function(
        builder.module, function, f"{name}.{suffix.format(vector=kind)}"
    )
    return builder.call(function, args)


def _bytes(vector) -> int:  # noqa: ANN001
    """Return the bytes of one element."""
    return 8 if isinstance(vector.element, ir.DoubleType) else 4


def _align(vector) -> ir.Constant:  # noqa: ANN001
    return ir.Constant(ir.IntType(32), _bytes(vector))


def _everywhere(builder, number, vector):  # noqa: ANN001, ANN202
    """Return a vector with `number` in all elements."""
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(one, undefined, zeros)
