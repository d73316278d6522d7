"""Pooling by sums (Eq. 2): a window's cells are added up. NumPy or CuPy arrays.

Mean pooling divides this sum. Every cell counts, so the adjoint adds g to all cells of its window.
"""

from ..arrays import Array, array_module
from ..geometry import Geometry, taps
from .windows import crop, pad


def sum_pool2d(x: Array, geometry: Geometry) -> Array:
    """Return each window's sum, (N, C, OH, OW); padding counts as 0."""
    padded = pad(x, geometry)
    y = array_module(x).zeros(geometry.y_shape, x.dtype)
    for _, _, rows, columns in taps(geometry):
        y += padded[:, :, rows, columns]
    return y


def sum_pool2d_input(g: Array, geometry: Geometry) -> Array:
    """Return zeros (N, C, H, W) with `g` added to all cells of its window: `sum_pool2d`'s adjoint."""
    x = array_module(g).zeros(geometry.padded_shape, g.dtype)
    for _, _, rows, columns in taps(geometry):
        x[:, :, rows, columns] += g
    return crop(x, geometry)
