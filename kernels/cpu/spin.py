"""Waiting without sleeping: a counter that one thread turns and another looks at."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiled import compiled


@intrinsic
def _read(typing, counter):  # noqa: ANN001, ANN202
    def build(context, builder, signature, args):  # noqa: ANN001, ANN202
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load_atomic(data, "acquire", 8)

    return types.int64(counter), build


@intrinsic
def _add_one(typing, counter):  # noqa: ANN001, ANN202
    def build(context, builder, signature, args):  # noqa: ANN001, ANN202
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        builder.atomic_rmw("add", data, ir.IntType(64)(1), "release")
        return context.get_dummy_value()

    return types.void(counter), build


@compiled
def turn(counter):
    """Let the counter, an int64 array of one element, go on by one."""
    _add_one(counter)


@compiled
def spin(counter, seen, looks):
    """Wait until the counter is above `seen`, for as many looks at most."""
    for _ in range(looks):
        if _read(counter) > seen:
            return
