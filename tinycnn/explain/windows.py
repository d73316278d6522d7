"""Which input cells a window reads, and which windows read an input cell: one relation from its two sides."""

from collections.abc import Iterator

from tinycnn.kernels.geometry import Conv2dGeometry, Pool2dGeometry

Geometry = Conv2dGeometry | Pool2dGeometry


def cells_of_window(geometry: Geometry, oh: int, ow: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (r, s, i, j): kernel cell (r, s) of window (oh, ow) meets input cell (i, j), padding included.

    i = oh*SH - PH + r*DH and j = ow*SW - PW + s*DW.
    """
    for r in range(geometry.KH):
        for s in range(geometry.KW):
            i = oh * geometry.SH - geometry.PH + r * geometry.DH
            j = ow * geometry.SW - geometry.PW + s * geometry.DW
            yield r, s, i, j


def windows_over_cell(geometry: Geometry, i: int, j: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (oh, ow, r, s): input cell (i, j) meets kernel cell (r, s) in window (oh, ow).

    The same equations, solved: oh = (i + PH - r*DH) / SH, where that is an integer from 0 to OH-1.
    """
    for r in range(geometry.KH - 1, -1, -1):  # the first window is the one whose last kernel row meets i
        oh, between = divmod(i + geometry.PH - r * geometry.DH, geometry.SH)
        if between or not 0 <= oh < geometry.OH:
            continue
        for s in range(geometry.KW - 1, -1, -1):
            ow, between = divmod(j + geometry.PW - s * geometry.DW, geometry.SW)
            if not between and 0 <= ow < geometry.OW:
                yield oh, ow, r, s


def is_inside(geometry: Geometry, i: int, j: int) -> bool:
    """Return whether (i, j) is a cell of the input, not of its padding."""
    return 0 <= i < geometry.H and 0 <= j < geometry.W


def window_of(geometry: Geometry, oh: int, ow: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the first and the last cell that window (oh, ow) reads, padding included."""
    i, j = oh * geometry.SH - geometry.PH, ow * geometry.SW - geometry.PW
    return (i, j), (i + (geometry.KH - 1) * geometry.DH, j + (geometry.KW - 1) * geometry.DW)
