"""The vectors of this processor, and instructions on them, for functions that Numba compiles.

A core adds or multiplies a whole vector of numbers in one instruction. A compiler finds such instructions by
itself where a loop is long and simple, but not for the short rows and small tiles of a convolution. There
they are built one by one, in LLVM's portable machine language, by the functions that `tiles` and `rows` give
to Numba as its `intrinsic`. `builder` writes the next instruction; a value is a register that will exist.
"""

from __future__ import annotations

import platform
from typing import Any, NamedTuple

from llvmlite import binding, ir
from numba.core import cgutils, config


class Registers(NamedTuple):
    """How long a vector is, and how many sums of the micro-kernel fit into the registers."""

    vector_bytes: int
    rows: int  # MR
    vectors: int  # in a row of sums: NR is so many times a vector's elements
    narrow_rows: int  # MR for half as many vectors


def _registers() -> Registers:
    """Return what suits this processor: sums in 20 to 24 of 32 registers, or in 12 of 16."""
    features = _features()
    if "avx512vl" in features:
        return Registers(64, 10, 2, 12)
    if "avx2" in features:
        return Registers(32, 6, 2, 12)
    if platform.machine().lower() in ("arm64", "aarch64"):
        return Registers(16, 6, 4, 12)
    return Registers(16, 6, 2, 12)


def _features() -> set[str]:
    """Return what the processor that Numba compiles for can do, as LLVM names it.

    It is this processor, unless ``NUMBA_CPU_FEATURES`` says something else.
    """
    settings: Any = config  # its attributes are made at run time
    chosen = settings.CPU_FEATURES
    text = binding.get_host_cpu_features().flatten() if chosen is None else chosen
    return {name[1:] for name in text.split(",") if name.startswith("+")}


REGISTERS = _registers()
VECTOR_BYTES = REGISTERS.vector_bytes
INDEX = ir.IntType(64)
SHORT = ir.IntType(32)


def vector_of(context, array_type) -> ir.VectorType:
    """Return the type of a vector of the array's elements."""
    return ir.VectorType(
        context.get_data_type(array_type.dtype), VECTOR_BYTES * 8 // array_type.dtype.bitwidth
    )


def pointer(context, builder, array_type, array, index):
    """Return the address of the flat array's element `index`."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def size(context, builder, array_type, array):
    """Return how many elements the array has."""
    return context.make_array(array_type)(context, builder, array).nitems


def load(builder, pointer, vector):
    """Load a vector that begins at any element."""
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=_bytes(vector))


def store(builder, value, pointer) -> None:
    """Store a vector from any element on."""
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=_bytes(value.type))


def add_product(builder, total, a, b) -> None:
    """Add a * b to the variable `total`, which LLVM keeps in a register."""
    sum_of = call(builder, "llvm.fmuladd", "{vector}", a.type, [a, b, builder.load(total)])
    builder.store(sum_of, total)


def masked_load(builder, pointer, inside, vector):
    """Load the elements that `inside` marks, 0 for the others."""
    at = builder.bitcast(pointer, vector.as_pointer())
    return call(
        builder,
        "llvm.masked.load",
        "{vector}.p0",
        vector,
        [at, _align(vector), inside, ir.Constant(vector, None)],
    )


def masked_store(builder, value, pointer, inside) -> None:
    """Store the elements that `inside` marks, and touch no others."""
    at = builder.bitcast(pointer, value.type.as_pointer())
    call(
        builder,
        "llvm.masked.store",
        "{vector}.p0",
        ir.VoidType(),
        [value, at, _align(value.type), inside],
        value.type,
    )


def call(builder, name, suffix, result, args, vector=None):
    """Call one of LLVM's own functions, whose name ends in the type it is meant for."""
    vector = vector or result
    letter = "i" if isinstance(vector.element, ir.IntType) else "f"
    kind = f"v{vector.count}{letter}{8 * _bytes(vector)}"
    function = ir.FunctionType(result, [arg.type for arg in args])
    function = cgutils.get_or_insert_function(
        builder.module, function, f"{name}.{suffix.format(vector=kind)}"
    )
    return builder.call(function, args)


def _bytes(vector) -> int:
    """Return the bytes of one element."""
    return 8 if isinstance(vector.element, ir.DoubleType) else 4


def _align(vector) -> ir.Constant:
    return ir.Constant(SHORT, _bytes(vector))


def everywhere(builder, number, vector):
    """Return a vector with `number` in all elements."""
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, number, ir.Constant(SHORT, 0))
    zeros = ir.Constant(ir.VectorType(SHORT, vector.count), None)
    return builder.shuffle_vector(one, undefined, zeros)
