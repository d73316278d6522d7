"""Which input cell each kernel cell meets in each window: the slices of the kernels (`taps`), as numbers."""

from collections.abc import Iterator

import numpy as np

from tinycnn.kernels.geometry import Geometry, taps

from .steps import Cell, Index


class Windows:
    """The cell (i, j) that kernel cell (r, s) meets in window (oh, ow), for one geometry.

    i = oh*SH - PH + r*DH and j = ow*SW - PW + s*DW; negative, or beyond the input, in the padding.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        cells = np.indices(geometry.padded_shape[2:]) - np.reshape([geometry.PH, geometry.PW], (2, 1, 1))
        met = np.stack([cells[:, rows, columns] for _, _, rows, columns in taps(geometry)])
        met = met.reshape(geometry.KH, geometry.KW, 2, geometry.OH, geometry.OW)
        self.i, self.j = met.transpose(2, 3, 4, 0, 1)  # each (OH, OW, KH, KW)
        self.inside = (self.i >= 0) & (self.i < geometry.H) & (self.j >= 0) & (self.j < geometry.W)

    def cells(self, oh: int, ow: int) -> list[Cell]:
        """Return the cells that window (oh, ow) reads, the padding's too, in the order of the kernel."""
        return list(zip(self.i[oh, ow].ravel().tolist(), self.j[oh, ow].ravel().tolist(), strict=True))

    def inner_cells(self, oh: int, ow: int) -> list[Cell]:
        """Return the cells that window (oh, ow) reads and that are no padding."""
        inside = self.inside[oh, ow].ravel()
        return [cell for cell, is_inside in zip(self.cells(oh, ow), inside, strict=True) if is_inside]

    def over(self, i: int, j: int) -> list[Cell]:
        """Return the windows (oh, ow) that read cell (i, j)."""
        met = (self.i == i) & (self.j == j)
        return [(oh, ow) for oh, ow, _, _ in np.argwhere(met).tolist()]

    def channels(self, k: int) -> range:
        """Return the input channels that filter `k` sees: those of its group."""
        size = self.geometry.C // self.geometry.G
        first = k // (self.geometry.K // self.geometry.G) * size
        return range(first, first + size)

    def frame(self, oh: int, ow: int) -> tuple[Cell, Cell]:
        """Return the first and the last cell of a window, padding included."""
        cells = self.cells(oh, ow)
        return cells[0], cells[-1]


def products(windows: Windows, array: str, index: Index) -> Iterator[tuple[Index, Index, Index]]:
    """Yield the indices (x, w, y) of every product of Eq. 1 with the element `index` of x, w or y in it.

    Eq. 1 multiplies x[n,c,i,j] by w[k,c,r,s] and adds the product to y[n,k,oh,ow]; w counts the channels
    of its group.
    """
    geometry = windows.geometry
    CG, KG = geometry.C // geometry.G, geometry.K // geometry.G
    met = np.zeros_like(windows.inside)
    if array == "x":
        n, c, i, j = index
        met = (windows.i == i) & (windows.j == j)
        images, pairs = range(n, n + 1), [(k, c) for k in range(c // CG * KG, c // CG * KG + KG)]
    elif array == "y":
        n, k, oh, ow = index
        met[oh, ow] = windows.inside[oh, ow]
        images, pairs = range(n, n + 1), [(k, c) for c in range(k // KG * CG, k // KG * CG + CG)]
    else:
        k, c, r, s = index
        met[:, :, r, s] = windows.inside[:, :, r, s]
        images, pairs = range(geometry.N), [(k, k // KG * CG + c)]
    places = np.argwhere(met).tolist()
    for n in images:
        for k, c in pairs:
            for oh, ow, r, s in places:
                i, j = int(windows.i[oh, ow, r, s]), int(windows.j[oh, ow, r, s])
                yield (n, c, i, j), (k, c % CG, r, s), (n, k, oh, ow)
