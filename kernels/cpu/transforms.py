"""The transforms of Winograd's convolution: small matrices on both sides of a tile of vectors.

`matrices` computes them from the points of evaluation, exactly. `two_sided` turns one into straight-line
code: a factor of 0 or 1 costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .vectors import INDEX, call, load, pointer, store, vector_of

Matrix = list[list[Fraction]]


class Matrices(NamedTuple):
    """Three matrices with A' [(G w) * (B' x)] = the correlation of x with w. A' is A transposed."""

    A: Matrix  # (points, m)
    B: Matrix  # (points, points)
    G: Matrix  # (points, r)


def matrices(m: int, r: int, points: Sequence[Fraction | int]) -> Matrices:
    """Return the matrices for m outputs and r taps, from m + r - 2 points. One more point is infinity.

    The coefficients of a product of two polynomials are a convolution of their coefficients. Such a product
    is known from its values at enough points, and a value costs one multiplication. The matrices A and G
    compute the values of two polynomials, and B' is what leads from a product back to coefficients,
    transposed: so a convolution becomes the correlation that networks compute.

    References
    ----------
    Winograd 1980, Arithmetic complexity of computations; Lavin and Gray 2016, Fast algorithms for
    convolutional neural networks.
    """
    finite = [Fraction(point) for point in points]
    others = [finite[:i] + finite[i + 1 :] for i in range(len(finite))]
    A = [[point**i for i in range(m)] for point in finite]
    G, B = [], []
    for point, rest in zip(finite, others, strict=True):
        scale = Fraction(1)
        for other in rest:
            scale *= point - other
        G.append([point**i / scale for i in range(r)])
        B.append([*_with_roots(rest), Fraction(0)])
    A.append([Fraction(int(i == m - 1)) for i in range(m)])
    G.append([Fraction(int(i == r - 1)) for i in range(r)])
    B.append(_with_roots(finite))
    return Matrices(A, transposed(B), G)


def _with_roots(roots: Sequence[Fraction]) -> list[Fraction]:
    """Return the coefficients of the polynomial with these roots, of x**0 first."""
    result = [Fraction(1)]
    for root in roots:
        zero = Fraction(0)
        result = [low - root * high for low, high in zip([zero, *result], [*result, zero], strict=True)]
    return result


def transposed(matrix: Matrix) -> Matrix:
    """Return the matrix with its rows as columns."""
    return [list(row) for row in zip(*matrix, strict=True)]


def two_sided(matrix: Matrix, last: bool = False):
    """Return an intrinsic that writes ``matrix @ tile @ matrix.T`` for tiles of numbers side by side.

    It is called as ``f(lanes, source, (s0, row, column), to, (t0, row, column))``. Number (i, j) of the
    first tile is source[s0 + i*row + j*column]. The numbers behind it are those of the other tiles, `lanes`
    in all: a multiple of what a vector holds. The results lie in `to` likewise.

    If this is the `last` transform of a convolution, ``before, (b0, row, column), wrong`` follow: numbers
    that are added to the results, and a vector to which 0 times each result is added. It holds NaN in the
    end if a result was no finite number.
    """
    size = len(matrix[0])

    def build(context, builder, signature, args):
        lanes, *args = args
        kinds = signature.args[1:]
        vector = vector_of(context, kinds[0])
        zero = ir.Constant(vector, None)
        tiles = []  # where the first number of each array is, and how far apart rows and columns are
        for i in range(0, 6 if last else 4, 2):
            first, *apart = cgutils.unpack_tuple(builder, args[i + 1], 3)
            tiles.append((pointer(context, builder, kinds[i], args[i], first), *apart))
        wrong = pointer(context, builder, kinds[6], args[6], INDEX(0)) if last else None
        half_done = cgutils.alloca_once(builder, ir.ArrayType(vector, size * len(matrix)))
        with cgutils.for_range_slice(builder, INDEX(0), lanes, INDEX(vector.count)) as (lane, _):

            def address(tile, i, j):
                start, row, column = tile
                place = builder.add(builder.mul(row, i), builder.mul(column, j))
                return builder.gep(start, [builder.add(lane, place)])

            def between(i, j):
                place = builder.add(builder.mul(i, INDEX(size)), j)
                return builder.gep(half_done, [INDEX(0), place])

            with cgutils.for_range(builder, INDEX(size)) as loop:
                places = [address(tiles[0], INDEX(i), loop.index) for i in range(size)]
                column = [load(builder, place, vector) for place in places]
                for i, value in enumerate(_times(builder, matrix, column)):
                    store(builder, value, between(INDEX(i), loop.index))
            with cgutils.for_range(builder, INDEX(len(matrix))) as loop:
                row = [load(builder, between(loop.index, INDEX(j)), vector) for j in range(size)]
                results = _times(builder, matrix, row)
                if last:
                    total = load(builder, wrong, vector)
                    for value in results:
                        total = call(builder, "llvm.fmuladd", "{vector}", vector, [value, zero, total])
                    store(builder, total, wrong)
                for j, value in enumerate(results):
                    if last:
                        before = load(builder, address(tiles[2], loop.index, INDEX(j)), vector)
                        value = builder.fadd(value, before)
                    store(builder, value, address(tiles[1], loop.index, INDEX(j)))
        return context.get_dummy_value()

    place = types.UniTuple(types.int64, 3)

    @intrinsic
    def transform(typing, lanes, source, source_place, to, to_place):
        return types.void(types.int64, source, place, to, place), build

    @intrinsic
    def last_transform(typing, lanes, source, source_place, to, to_place, before, before_place, wrong):
        return types.void(types.int64, source, place, to, place, before, place, wrong), build

    return last_transform if last else transform


def _times(builder, matrix: Matrix, vectors: list) -> list:
    """Return matrix @ vectors, as instructions."""
    return [_sum(builder, row, vectors) for row in matrix]


def _sum(builder, factors: Sequence[Fraction], vectors: Sequence):
    """Return the sum of factors times vectors; at least one factor is not 0."""
    total = None
    for factor, value in sorted(zip(factors, vectors, strict=True), key=lambda pair: pair[0] != 1):
        if total is None and factor:
            total = value if factor == 1 else builder.fmul(value, _constant(value.type, factor))
        elif factor in (1, -1):
            total = (builder.fadd if factor == 1 else builder.fsub)(total, value)
        elif factor:
            args = [value, _constant(value.type, factor), total]
            total = call(builder, "llvm.fmuladd", "{vector}", value.type, args)
    return total


def _constant(vector, value: Fraction) -> ir.Constant:
    return ir.Constant(vector, [float(value)] * vector.count)
