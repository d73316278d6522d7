"""This processor's vectors, and instructions on them, for functions that Numba compiles.

A core adds or multiplies a whole vector of numbers in one instruction. A compiler finds such instructions by
itself where a loop is long and simple, but not for the short rows and small tiles that convolution is made of.
There they are built one by one, in LLVM's portable machine language, by the functions that `tiles` and `rows` give
to Numba as its `intrinsic`. `builder` writes the next instruction; a value is a register that will exist.
"""

from __future__ import annotations

import platform
from typing import NamedTuple

from llvmlite import binding, ir
from numba.core import cgutils


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
        # Only AMD's compiler settings use the long vectors; elsewhere they would be cut in two.
        long = binding.get_host_cpu_name().startswith("znver")
        return Registers(64 if long else 32, (8, 3), (4, 6), (4, 4))
    if features.get("avx2"):
        return Registers(32, (4, 3), (2, 6), (4, 2))
    if platform.machine().lower() in ("arm64", "aarch64"):
        return Registers(16, (8, 3), (4, 6), (4, 4))
    return Registers(16, (4, 3), (2, 6), (4, 2))


REGISTERS = _registers()
VECTOR_BYTES = REGISTERS.vector_bytes
INDEX = ir.IntType(64)
SHORT = ir.IntType(32)


def vector_of(context, array_type) -> ir.VectorType:  # noqa: ANN001
    return ir.VectorType(
        context.get_data_type(array_type.dtype), VECTOR_BYTES * 8 // array_type.dtype.bitwidth
    )


def pointer(context, builder, array_type, array, index):  # noqa: ANN001, ANN202
    """Return the address of the flat array's element `index`."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def size(context, builder, array_type, array):  # noqa: ANN001, ANN202
    return context.make_array(array_type)(context, builder, array).nitems


def load(builder, pointer, vector):  # noqa: ANN001, ANN202
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=_bytes(vector))


def store(builder, value, pointer) -> None:  # noqa: ANN001
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=_bytes(value.type))


def masked_load(builder, pointer, inside, vector):  # noqa: ANN001, ANN202
    """Load the elements that `inside` marks, 0 for the others."""
    at = builder.bitcast(pointer, vector.as_pointer())
    return call(
        builder,
        "llvm.masked.load",
        "{vector}.p0",
        vector,
        [at, _align(vector), inside, ir.Constant(vector, None)],
    )


def masked_store(builder, value, pointer, inside) -> None:  # noqa: ANN001
    at = builder.bitcast(pointer, value.type.as_pointer())
    call(
        builder,
        "llvm.masked.store",
        "{vector}.p0",
        ir.VoidType(),
        [value, at, _align(value.type), inside],
        value.type,
    )


def call(builder, name, suffix, result, args, vector=None):  # noqa: ANN001, ANN202
    """Call one of LLVM's own functions, whose name ends in the type it is meant for."""
    vector = vector or result
    letter = "i" if isinstance(vector.element, ir.IntType) else "f"
    kind = f"v{vector.count}{letter}{8 * _bytes(vector)}"
    function = ir.FunctionType(result, [arg.type for arg in args])
    function = cgutils.get_or_insert_function(
        builder.module, function, f"{name}.{suffix.format(vector=kind)}"
    )
    return builder.call(function, args)


def _bytes(vector) -> int:  # noqa: ANN001
    """Return the bytes of one element."""
    return 8 if isinstance(vector.element, ir.DoubleType) else 4


def _align(vector) -> ir.Constant:  # noqa: ANN001
    return ir.Constant(SHORT, _bytes(vector))


def everywhere(builder, number, vector):  # noqa: ANN001, ANN202
    """Return a vector with `number` in all elements."""
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, number, ir.Constant(SHORT, 0))
    zeros = ir.Constant(ir.VectorType(SHORT, vector.count), None)
    return builder.shuffle_vector(one, undefined, zeros)
