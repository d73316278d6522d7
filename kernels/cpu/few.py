"""The gradient by the input for few channels: of an image, of a generator's last layer, or in many groups.

They would leave most of a vector of channels empty. So cells of g lie along the vector, and MR weights are
broadcast: the micro-kernel, with its arrays in each other's roles. What it sums up are the products of every
tap with all cells, (taps, cells). Their rows are then added to the rows of x that the tap meets.
"""

from __future__ import annotations

from .blocks import NARROW, WIDE, macro_kernel
from .compiled import compiled
from .panels import lay_out
from .parts import in_parts
from .rows import add_row


@compiled
def few_channels(geometry, layout, g, w, start, x, rows, places, steps, taps, memory, work):
    """Write the gradient by the input for a share of all units (image, group)."""
    part, first, last = in_parts(work)
    if first == last:
        return
    scratch = memory[part]
    _, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
    NR, _, panels, rows_of_block, _, copied, plane = layout[:7]
    channels, filters, P, T = C // G, K // G, OH * OW, C // G * KH * KW
    last_p = max(P, NR) - NR
    bias, zeros = start[: G * panels * NR], start[G * panels * NR :]
    zero, fresh = first - first, first >= 0  # no constants, see `input_blocks`
    tile = WIDE if fresh else NARROW
    scratch[:copied] = 0  # see `weight_blocks`
    for unit in range(first, last):
        group, to = unit % G, unit * channels * H * W
        v, v0 = g, unit * filters * P
        if copied:
            lay_out(scratch, g, unit // G, group, layout)
            v, v0 = scratch, zero
        for c in range(channels):
            added = bias[group * panels * NR + c]
            for i in range(to + c * H * W, to + (c + 1) * H * W):
                x[i] = added
        for oh0 in range(0, OH, rows_of_block):
            oh1 = min(OH, oh0 + rows_of_block)
            p0 = min(oh0 * OW, last_p)
            for next_p in range(p0, oh1 * OW, NR):
                p = min(next_p, last_p)  # the last vector of a plane ends with it
                s0, w0 = copied + p - p0, group * filters * T
                macro_kernel(
                    w, w0, rows, zero, T, steps, v, v0 + p, plane, scratch, s0, places, zeros, fresh, tile
                )
            for t in range(T):
                c, r, s = t // (KH * KW), t // KW % KH, t % KW
                # Of each row, the windows whose tap lies inside the image.
                ow0, ow1 = max(0, -((s * DW - PW) // SW)), min(OW, -((s * DW - PW - W) // SW))
                for oh in range(oh0, oh1):
                    h = oh * SH - PH + r * DH
                    if 0 <= h < H:
                        at = to + (c * H + h) * W + ow0 * SW + s * DW - PW
                        products = copied + places[t] + oh * OW + ow0 - p0
                        if SW == 1:
                            add_row(x, at, scratch, products, ow1 - ow0)
                        else:
                            for i in range(ow1 - ow0):
                                x[at + i * SW] += scratch[products + i]
