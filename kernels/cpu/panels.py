"""Moving numbers to where the micro-kernel reads them, and its sums to where they belong.

A panel has NR filters side by side, and one row for every tap or cell; in arrays, filters are far apart. So
what goes in or comes out is transposed, in blocks that fit into the registers.
"""

from __future__ import annotations

import threading

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .. import arena
from ..arrays import Array, ready
from .compiled import compiled, inner
from .rows import copy_row
from .vectors import INDEX, SHORT, VECTOR_BYTES, load, pointer, store

EDGE = 8  # rows of a block that is transposed in registers, at most
LINE = 64  # bytes: a vector that begins with a line of the cache is loaded at once
MOST_OWN = 1 << 22  # bytes that a thread keeps


def aligned(count: int, dtype: np.dtype) -> Array:
    """Return a new array of `count` numbers, with any content; it begins where a line of the cache does."""
    memory = arena.empty((count * dtype.itemsize + LINE,), np.uint8)
    return np.ndarray((count,), dtype, memory, _to_next_line(memory))


@compiled
def _to_next_line(memory):
    """Return how many bytes of the memory lie before a line of the cache begins."""
    return -memory.ctypes.data % LINE


class _Own(threading.local):
    """The memory that a thread keeps for itself."""

    memory = np.empty(0, np.uint8)


_own = _Own()


def workspace(parts: int, count: int, dtype: np.dtype) -> Array:
    """Return memory for one run of a kernel: a row for each part, with any content, on a cache line.

    A row has at least `count` numbers. The next call from this thread may return the same memory.
    """
    row = -(-count * dtype.itemsize // LINE) * LINE
    own = _own.memory
    if len(own) < parts * row:
        own = aligned(parts * row, own.dtype)
        if len(own) <= MOST_OWN:
            _own.memory = own
    return own[: parts * row].view(dtype).reshape(parts, -1)


@intrinsic
def _transpose_block(typing, to, to0, to_pitch, source, s0, s_pitch):
    """As `transpose`, for as many rows and columns as a vector has elements, or `EDGE`."""

    def build(context, builder, signature, args):
        to_type, _, _, source_type, _, _ = signature.args
        to, to0, to_pitch, source, s0, s_pitch = args
        to_at = pointer(context, builder, to_type, to, to0)
        source_at = pointer(context, builder, source_type, source, s0)
        count = min(EDGE, VECTOR_BYTES * 8 // to_type.dtype.bitwidth)
        vector = ir.VectorType(context.get_data_type(to_type.dtype), count)
        starts = [builder.gep(source_at, [builder.mul(s_pitch, INDEX(i))]) for i in range(count)]
        lines = [load(builder, start, vector) for start in starts]
        # Swap what is off the diagonal of all blocks of 2x2 numbers, then of 2x2 such blocks, and so on.
        half = 1
        while half < count:
            kept = [j if not j & half else count + j - half for j in range(count)]
            swapped = [j + half if not j & half else count + j for j in range(count)]
            orders = [ir.Constant(ir.VectorType(SHORT, count), order) for order in (kept, swapped)]
            for i in range(count):
                if not i & half:
                    pair = lines[i], lines[i + half]
                    lines[i], lines[i + half] = (builder.shuffle_vector(*pair, order) for order in orders)
            half *= 2
        for i, line in enumerate(lines):
            store(builder, line, builder.gep(to_at, [builder.mul(to_pitch, INDEX(i))]))
        return context.get_dummy_value()

    integer = types.int64
    return types.void(to, integer, integer, source, integer, integer), build


@compiled
def transpose(to, to0, to_pitch, source, s0, s_pitch, rows, columns):
    """Let to[to0 + i*to_pitch + j] = source[s0 + j*s_pitch + i] for i < `rows`, j < `columns`."""
    edge = min(EDGE, VECTOR_BYTES // to.itemsize)
    if rows < edge or columns < edge:
        for i in range(rows):
            for j in range(columns):
                to[to0 + i * to_pitch + j] = source[s0 + j * s_pitch + i]
        return
    for first_i in range(0, rows, edge):
        i = min(first_i, rows - edge)  # the last block may overlap the one before
        for first_j in range(0, columns, edge):
            j = min(first_j, columns - edge)
            _transpose_block(to, to0 + i * to_pitch + j, to_pitch, source, s0 + j * s_pitch + i, s_pitch)


@inner
def lay_out(to, source, n, group, layout):
    """Copy a group of channels of the images n.. into a border of zeros, which is at the beginning of `to`.

    If `each` filter has a channel of its own, a group's channels lie side by side.
    """
    NR, _, _, _, together, _, plane, channels, all_channels, _, _, each, H, W, PH, PW = layout
    c0, WP = group * channels, W + 2 * PW
    for i in range(together):
        at = ((n + i) * all_channels + c0) * H * W
        if each:
            c, high, wide = min(NR, all_channels - c0), H, W
            if PW == 0:  # then all rows are one
                high, wide = 1, H * W
            for h in range(high):
                pixel = i * plane + (h + PH) * WP + PW
                transpose(to, pixel * NR, NR, source, at + h * W, H * W, wide, c)
        else:
            for c in range(channels):
                for h in range(H):
                    row = (i * channels + c) * plane + (h + PH) * WP + PW
                    copy_row(to, row, source, at + (c * H + h) * W, W)


def packed(
    w: Array, bias: Array | None, G: int, each: int, filters: int, taps: int, NR: int
) -> tuple[Array, Array]:
    """Return w (G, each, filters, taps) and a bias (G, filters), or zeros, as panels of NR filters.

    They are (G, panels, taps, each, NR) and (G, panels, NR); what a panel has too many of is 0. In the end of
    the second there is one more panel of zeros.
    """
    panels = G * -(-filters // NR)
    size = panels * taps * each * NR
    memory = aligned(size + (panels + 1) * NR, w.dtype)
    numbers = w.reshape(-1)
    addends = numbers[:0] if bias is None else ready(bias, w.dtype)
    weights, start = memory[:size], memory[size:]
    _pack(numbers, addends, weights, start, G, each, filters, taps, NR)
    return weights, start


@compiled
def _pack(w, bias, packed, start, G, each, filters, taps, NR):
    """See `packed`. The bias may be empty."""
    panels = -(-filters // NR)
    if filters % NR:
        packed[:] = 0
    start[:] = 0
    for k in range(len(bias)):
        start[k // filters * panels * NR + k % filters] = bias[k]
    for panel in range(G * panels):
        group, k = panel // panels, panel % panels * NR
        for i in range(each):
            to, at = (panel * taps * each + i) * NR, ((group * each + i) * filters + k) * taps
            transpose(packed, to, each * NR, w, at, taps, taps, min(NR, filters - k))
