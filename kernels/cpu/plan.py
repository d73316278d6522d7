"""How a convolution is cut into work for the micro-kernel, and its tables of distances: once a geometry."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..geometry import Geometry
from .micro_kernel import MOST_ROWS, filters_of

UNITS = 4  # parts of the work that are left for threads, if there are so many images
CROWDED = 1 << 10  # bytes: planes at such distances crowd into a few places of the first-level cache
LINE = 1 << 6  # bytes of a line of the cache
PART = 1 << 24  # multiply-adds that are worth a part of the batch: what parts sum up is added in the end
LEAST_PART = 1 << 19  # and so are less, if there are so few sums that each has ADDED of them
ADDED = 1 << 8
MOST_PARTS = 16


class Layout(NamedTuple):
    """What compiled code must know of its blocks, and of the images that numbers are broadcast from."""

    NR: int  # filters of a panel
    groups: int
    panels: int  # of one group
    block: int  # cells of one block, at most
    together: int  # images of one block
    copy: int  # elements of their copy with a border; 0 if images are read as they are
    plane: int  # distance from one channel to the next
    channels: int  # of one group
    all_channels: int
    filters: int  # of one group: of the sums
    all_filters: int
    each: bool  # whether each filter has a channel of its own; then the copy has these side by side
    H: int
    W: int
    PH: int
    PW: int


class Plan(NamedTuple):
    """The work of one convolution in one direction. Every table holds distances."""

    layout: Layout
    rows: Array  # of the micro-kernel, and in the end some more: a tile may begin at every entry
    places: Array  # of the sums of each row
    steps: Array  # what the micro-kernel sums up over
    taps: Array  # of the gradient by the input: where the sums of each tap are added
    scratch: int  # elements that a thread needs for itself
    units: int  # that threads share out
    work: int  # multiply-adds that take as long


def table(values: Array) -> Array:
    """Return the values, and the last one again for the rows that the last tile has too many."""
    flat = np.ravel(np.asarray(values, np.int64))
    return np.concatenate([flat, np.repeat(flat[-1:], MOST_ROWS - 1)])


@lru_cache(maxsize=1024)
def forward_plan(geometry: Geometry, itemsize: int, block: int, pooled: bool = False) -> Plan:
    """Return the plan of the output: rows are output cells, and steps are taps, as distances in x.

    A cell's distance says where its window begins, a tap's where it lies in a window. Their sum is the place
    of the number that the two meet at. So a stride, a dilation and a border are only distances.

    If the output is pooled, the four cells of each 2x2 window follow each other, and `taps` are the numbers
    h*OW + w of the first ones. Cells that no window meets are left out.
    """
    N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
    layout = _layout(geometry, itemsize, block, K, (C, H, W, PH, PW))
    Q = 2 if pooled else 1  # height and width of a window
    n, i, j, h, w = np.ogrid[: layout.together, : OH // Q, : OW // Q, :Q, :Q]
    oh, ow = i * Q + h, j * Q + w
    c, r, s = np.ogrid[: C // G, :KH, :KW]
    pixel, WP, P = _pixel(layout), W + 2 * PW, layout.together * oh.size * ow.size
    return Plan(
        layout,
        rows=table(n * _image(layout) + (oh * SH * WP + ow * SW) * pixel),
        places=table(np.arange(P) * layout.NR),
        steps=np.ravel(c * layout.plane + (r * DH * WP + s * DW) * pixel),
        taps=np.ravel(0 * n + oh * OW + ow)[:: Q * Q].copy(),
        scratch=layout.copy + (min(block, P) + MOST_ROWS + block // Q**2) * layout.NR,
        units=N // layout.together * layout.groups * -(-P // block) * layout.panels,
        work=_work(geometry),
    )


@lru_cache(maxsize=1024)
def weight_plan(geometry: Geometry, itemsize: int, block: int) -> Plan:
    """Return the plan of the gradient by the weights: rows are taps, and steps are cells, as distances in x.

    The batch is cut into `units` by its size alone: the sums are the same bits for every number of threads.
    """
    forward = forward_plan(geometry, itemsize, block)
    layout, T = forward.layout, len(forward.steps)
    P = geometry.OH * geometry.OW * layout.together
    part = min(PART, max(LEAST_PART, ADDED * T * geometry.K))
    jobs = geometry.N // layout.together
    if not layout.each:  # else the copy of an image, which takes as long as its sums, would be made again
        jobs *= -(-P // block)
    parts = min(jobs, MOST_PARTS, multiply_adds(geometry) // part)
    return forward._replace(
        rows=table(forward.steps),
        places=table(np.arange(T) * layout.NR),
        steps=forward.rows[:P],
        scratch=layout.copy + min(block, P) * layout.NR,
        units=max(1, parts),
    )


@lru_cache(maxsize=1024)
def input_plan(geometry: Geometry, itemsize: int, block: int) -> Plan:
    """Return the plan of the gradient by the input: rows are cells, and steps are filters, as distances in g.

    Each tap is a product of its own. Its sums are added to those of the others: sums (H, W, NR) are those of
    x with its border, and `taps` says how far from the beginning of a window each tap lies there.
    """
    N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
    layout = _layout(geometry, itemsize, block, C, (K, OH, OW, 0, 0))
    n, oh, ow = np.ogrid[: layout.together, :OH, :OW]
    r, s = np.ogrid[:KH, :KW]
    HP, WP = H + 2 * PH, W + 2 * PW
    return Plan(
        layout,
        rows=table(n * _image(layout) + (oh * OW + ow) * _pixel(layout)),
        places=table((n * HP * WP + oh * SH * WP + ow * SW) * layout.NR),
        steps=np.arange(K // G) * layout.plane,
        taps=np.ravel(r * DH * WP + s * DW) * layout.NR,
        scratch=layout.copy + layout.together * HP * WP * layout.NR,
        units=N // layout.together * layout.groups * layout.panels,
        work=_work(geometry),
    )


@lru_cache(maxsize=1024)
def few_plan(geometry: Geometry, itemsize: int, block: int) -> Plan:
    """Return the plan of the gradient by few channels of the input: rows are taps, steps filters of w.

    Vectors are cells of g: a plane of less than NR cells is copied.
    """
    N, C, _, _, K, KH, KW, *_, G, OH, OW = geometry
    NR, T, P = filters_of(itemsize), C // G * KH * KW, OH * OW
    rows_of_block = max(1, block // OW)
    copy = 0 if P >= NR else K // G * NR
    pitch = min(P, rows_of_block * OW) + 2 * NR
    layout = _layout(geometry, itemsize, block, C, (K, OH, OW, 0, 0))
    return Plan(
        layout._replace(block=rows_of_block, together=1, copy=copy, plane=max(P, NR)),
        rows=table(np.arange(T)),
        places=table(np.arange(T) * pitch),
        steps=np.arange(K // G) * T,
        taps=np.empty(0, np.int64),
        scratch=copy + T * pitch,
        units=N * G,
        work=_work(geometry),
    )


def _layout(
    geometry: Geometry, itemsize: int, block: int, filters: int, images: tuple[int, int, int, int, int]
) -> Layout:
    """Return how images (channels, H, W, PH, PW) are read for this number of filters."""
    N, P, G = geometry.N, geometry.OH * geometry.OW, geometry.G
    channels, H, W, PH, PW = images
    NR, plane, each = filters_of(itemsize), (H + 2 * PH) * (W + 2 * PW), is_depthwise(geometry)
    groups = -(-G // NR) if each else G
    of_group = (NR, NR) if each else (channels // G, filters // G)
    panels = -(-of_group[1] // NR)
    most = 1 if each else min(block // P, N * groups * panels // UNITS)
    together = max((i for i in range(1, most + 1) if N % i == 0), default=1)
    if not each and of_group[0] > 8 and plane * itemsize % CROWDED == 0:
        plane += LINE // itemsize
    copy = 0
    if each or plane != H * W:
        copy = -(-together * of_group[0] * plane * itemsize // LINE) * LINE // itemsize
    sizes = NR, groups, panels, block, together, copy, plane
    return Layout(*sizes, of_group[0], channels, of_group[1], filters, each, H, W, PH, PW)


def _image(layout: Layout) -> int:
    """Return the distance from one image to the next."""
    return (layout.channels if layout.copy else layout.all_channels) * layout.plane


def _pixel(layout: Layout) -> int:
    """Return the distance from one pixel of a row to the next."""
    return layout.NR if layout.each else 1


def is_depthwise(geometry: Geometry) -> bool:
    """Return whether every channel has one filter of its own, and is not alone."""
    return 1 < geometry.C == geometry.G == geometry.K


def _work(geometry: Geometry) -> int:
    """Return how many multiply-adds take as long; a depthwise convolution mostly moves numbers."""
    return multiply_adds(geometry) * (8 if is_depthwise(geometry) else 1)


def multiply_adds(geometry: Geometry) -> int:
    """Return the multiplications, each with an addition: the same number in all directions."""
    N, C, _, _, K, KH, KW, *_, G, OH, OW = geometry
    return N * K * OH * OW * (C // G) * KH * KW
