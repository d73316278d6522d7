"""What Numba has no name for, as the LLVM instructions that it becomes. `simulated` says the same in Python.

Each function returns the types that a call has, and what to build for it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import cuda, types
from numba.core import cgutils
from numba.cuda.extending import intrinsic

LANES, BYTES = 4, 16  # of a load or store of 128 bits
SHARED = 3  # NVVM's number for the memory that the threads of a block share
FLOATS = types.CPointer(types.float32)

device: Any = cuda.jit(device=True)


def shared(size: int) -> Any:
    """Return a function for kernels: a block's own `size` float32, beginning at a multiple of 16 bytes."""

    @intrinsic
    def allocate(typing_context):
        def build(context, builder, signature, arguments):
            array = ir.ArrayType(ir.FloatType(), size)
            memory = cgutils.add_global_variable(builder.module, array, "shared", SHARED)
            memory.align = BYTES
            memory.initializer = ir.Constant(array, ir.Undefined)
            return builder.addrspacecast(memory, ir.FloatType().as_pointer(), "generic")

        return FLOATS(), build

    return allocate


@intrinsic
def load4(typing_context, p, i):
    """``p[i], p[i+1], p[i+2], p[i+3]`` in one load; their address must be a multiple of 16 bytes."""

    def build(context, builder, signature, arguments):
        loaded = builder.load(_as_vector(builder, *arguments))
        loaded.align = BYTES
        lanes = [builder.extract_element(loaded, _lane(lane)) for lane in range(LANES)]
        return context.make_tuple(builder, signature.return_type, lanes)

    return types.UniTuple(types.float32, LANES)(p, i), build


@intrinsic
def store4(typing_context, p, i, values):
    """``p[i], p[i+1], p[i+2], p[i+3] = values`` in one store; their address: a multiple of 16 bytes."""

    def build(context, builder, signature, arguments):
        p, i, values = arguments
        vector = ir.Constant(ir.VectorType(ir.FloatType(), LANES), ir.Undefined)
        for lane in range(LANES):
            vector = builder.insert_element(vector, builder.extract_value(values, lane), _lane(lane))
        builder.store(vector, _as_vector(builder, p, i)).align = BYTES

    return types.void(p, i, values), build


@intrinsic
def divide(typing_context, a, b):
    """``a / b`` of int32 without remainder, towards 0: one instruction, where ``//`` obeys Python's rules."""

    def build(context, builder, signature, arguments):
        return builder.sdiv(*arguments)

    return types.int32(types.int32, types.int32), build


def _as_vector(builder: ir.IRBuilder, p: ir.Value, i: ir.Value) -> ir.Value:
    vector = ir.VectorType(ir.FloatType(), LANES)
    return builder.bitcast(builder.gep(p, [i]), vector.as_pointer())


def _lane(lane: int) -> ir.Constant:
    return ir.Constant(ir.IntType(32), lane)
