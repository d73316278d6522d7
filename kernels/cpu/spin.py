"""Waiting without sleeping: a counter that one thread turns and another looks at."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiled import compiled


@intrinsic
def _read(typing, counter):
    def build(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load_atomic(data, "acquire", 8)

    return types.int64(counter), build


@intrinsic
def _add_one(typing, counter):
    def build(context, builder, signature, args):
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


@compiled
def turn_and_spin(turned, counter, seen, looks):
    """Let one counter go on, and wait for another, as `spin`: without Python's lock in between."""
    turn(turned)
    spin(counter, seen, looks)


@compiled
def hand_over(turned, taken, looks, more):
    """Let one counter go on, and wait until the other does, for as many looks at most; then a little more."""
    turn(turned)
    spin(taken, 0, looks)
    if _read(taken) > 0:
        spin(taken, 2, more)  # it turns twice at most: this only takes time
