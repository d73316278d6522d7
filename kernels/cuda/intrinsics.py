"""What Numba has no name for, as the LLVM instructions that it becomes. `simulated` says the same in Python.

Each function returns the types that a call has, and what to build for it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.cuda.extending import intrinsic

from .toolchain import cuda

LANES, BYTES = 4, 16  # of a load or store of 128 bits
SHARED = 3  # NVVM's number for the memory that the threads of a block share
FLOATS = types.CPointer(types.float32)
INT32 = ir.IntType(32)

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


@intrinsic
def copy4_or_zero(typing_context, p, i, q, j, there):
    """Begin to copy a float32 from ``q[j]`` to ``p[i]`` in shared memory; a 0, if `there` is 0 and not 1."""

    def build(context, builder, signature, arguments):
        p, i, q, j, there = arguments
        size = builder.shl(there, ir.Constant(INT32, 2))  # bytes that are read: the rest becomes zeros
        text = "cp.async.ca.shared.global [$0], [$1], 4, $2;"
        _assembly(builder, text, "r,l,r", _shared_address(builder, p, i), _address(builder, q, j), size)
        return context.get_dummy_value()

    return types.void(p, i, q, j, there), build


@intrinsic
def commit_copies(typing_context):
    """Make one group of the copies that this thread has begun since the last group."""

    def build(context, builder, signature, arguments):
        _assembly(builder, "cp.async.commit_group;", "")
        return context.get_dummy_value()

    return types.void(), build


def all_but(groups: int) -> Any:
    """Return a function for kernels: wait until all but the last `groups` groups of copies have arrived."""

    @intrinsic
    def wait(typing_context):
        def build(context, builder, signature, arguments):
            _assembly(builder, f"cp.async.wait_group {groups};", "")
            return context.get_dummy_value()

        return types.void(), build

    return wait


@intrinsic
def to_tf32(typing_context, x):
    """Round `x` to TF32: 8 bits of exponent as float32, but 10 of 23 bits behind the point."""

    def build(context, builder, signature, arguments):
        kind = ir.FunctionType(INT32, [ir.FloatType()])
        rounded = builder.call(ir.InlineAsm(kind, "cvt.rna.tf32.f32 $0, $1;", "=r,f"), arguments)
        return builder.bitcast(rounded, ir.FloatType())

    return types.float32(x), build


@intrinsic
def cut_to_tf32(typing_context, x):
    """Return `x` without the 13 bits that TF32 does not have: the next number towards 0."""

    def build(context, builder, signature, arguments):
        kept = builder.and_(builder.bitcast(arguments[0], INT32), ir.Constant(INT32, 0xFFFFE000))
        return builder.bitcast(kept, ir.FloatType())

    return types.float32(x), build


@intrinsic
def mma(typing_context, c0, c1, c2, c3, a0, a1, a2, a3, b0, b1):
    """Return c + a @ b of a warp: 16x8, 16x8 and 8x8 numbers, of which each thread holds four, four, two."""
    text = (
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{$0, $1, $2, $3}, {$8, $9, $10, $11}, {$12, $13}, {$4, $5, $6, $7};"
    )

    def build(context, builder, signature, arguments):
        of_c, of_ab = list(arguments[:4]), [builder.bitcast(value, INT32) for value in arguments[4:]]
        four = ir.LiteralStructType([ir.FloatType()] * 4)
        kind = ir.FunctionType(four, [ir.FloatType()] * 4 + [INT32] * 6)
        constraints = ",".join(["=f"] * 4 + ["f"] * 4 + ["r"] * 6)
        # All threads of a warp must come here together: the compiler may not move it into a branch.
        result = builder.call(ir.InlineAsm(kind, text, constraints, side_effect=True), of_c + of_ab)
        lanes = [builder.extract_value(result, lane) for lane in range(4)]
        return context.make_tuple(builder, signature.return_type, lanes)

    one = types.float32
    return types.UniTuple(one, 4)(*[one] * 10), build


def _assembly(builder: ir.IRBuilder, text: str, inputs: str, *values: ir.Value) -> None:
    """Build one line of assembly that the compiler neither moves nor leaves out."""
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
    constraints = f"{inputs},~{{memory}}" if inputs else "~{memory}"
    builder.call(ir.InlineAsm(kind, text, constraints, side_effect=True), values)


def _address(builder: ir.IRBuilder, p: ir.Value, i: ir.Value) -> ir.Value:
    return builder.ptrtoint(builder.gep(p, [i]), ir.IntType(64))


def _shared_address(builder: ir.IRBuilder, p: ir.Value, i: ir.Value) -> ir.Value:
    there = builder.addrspacecast(builder.gep(p, [i]), ir.PointerType(ir.FloatType(), SHARED))
    return builder.ptrtoint(there, INT32)


def _as_vector(builder: ir.IRBuilder, p: ir.Value, i: ir.Value) -> ir.Value:
    vector = ir.VectorType(ir.FloatType(), LANES)
    return builder.bitcast(builder.gep(p, [i]), vector.as_pointer())


def _lane(lane: int) -> ir.Constant:
    return ir.Constant(INT32, lane)
