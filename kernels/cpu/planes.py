"""Planes in the cache: how large a strip of an image is, and how it is laid out."""

from __future__ import annotations

from ..geometry import Conv2dGeometry
from .compiled import compiled
from .rows import copy_row
from .shifts import Layout

STRIP = 1024  # cells of a strip of the output, at most about
LINE = 16  # elements of a cache line in float32
PLANES = 1 << 17  # cells of all its planes, at most about: half of a usual L2 cache in float32
SERIAL = 1 << 20  # multiply-adds that are done before another thread has started

copy_1, copy_2 = copy_row(1), copy_row(2)


def strip_of(layout: Layout, rows: int, N: int, channels: int, strip: int) -> tuple[int, int, int, int]:
    """Return (rows, images, cells of each, pitch of the planes) of a strip of about so many cells.

    It has all rows of several small images, or some rows of one.
    """
    most = min(strip, PLANES // (channels * layout.SH * layout.SW))
    if rows * layout.WP > most:
        rows, images = max(1, most // layout.WP), 1
    else:
        images = max(1, min(N, most // ((rows + layout.halo) * layout.WP)))
    each = (rows + layout.halo) * layout.WP
    # An odd number of cache lines: multiples of a power of two would crowd into a few places of the cache.
    pitch = (images * each // LINE | 1) * LINE
    return rows, images, each, pitch if pitch >= images * each else pitch + 2 * LINE


def parts_of(geometry: Conv2dGeometry) -> int:
    """Return how many threads the work is worth."""
    N, C, _, _, K, KH, KW, *_, G, OH, OW = geometry
    return 1 + N * K * OH * OW * (C // G) * KH * KW // SERIAL


@compiled
def lay_out(planes, plane0, plane, image, layout, first, rows):
    """Lay rows first.. of an image's planes out, the first of them from cell `plane0` of `planes` on.

    Columns outside the image are 0 from the start, and never written.
    """
    top, left, SH, SW, WP, _ = layout
    channels, H, W = image.shape
    cells = image.ravel()
    # The rows and columns of an image that are nowhere outside of it, as long copies.
    whole = SH == SW == 1 and left == 0 and WP == W and first >= top and first + rows - top <= H
    for c in range(channels):
        for a in range(SH):
            for b in range(SW):
                at = plane0 + ((c * SH + a) * SW + b) * plane
                if whole:
                    copy_1(planes, at, cells, (c * H + first - top) * W, rows * W)
                    continue
                # The columns begin.. end of the plane lie inside the image.
                column = b - left
                begin = min(max(0, -(column // SW)), WP)
                end = max(begin, min(WP, -((column - W) // SW)))
                for i in range(rows):
                    h = (first + i) * SH + a - top
                    if 0 <= h < H:
                        source = (c * H + h) * W + begin * SW + column
                        if SW == 1:
                            copy_1(planes, at + begin, cells, source, end - begin)
                        elif SW == 2:
                            copy_2(planes, at + begin, cells, source, end - begin)
                        else:
                            for j in range(end - begin):
                                planes[at + begin + j] = cells[source + j * SW]
                    else:
                        for j in range(WP):
                            planes[at + j] = 0
                    at += WP
