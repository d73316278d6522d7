"""Run kernels on arrays with pages beside them that nobody may touch: one step outside ends the process.

python -m tests.helpers.guarded after    every array ends where such a page begins
python -m tests.helpers.guarded before   every array begins where such a page ends
"""

import ctypes
import math
import mmap
import sys
from collections.abc import Iterator

import numpy as np

from tinycnn.kernels import arena, table
from tinycnn.kernels.geometry import conv2d_geometry, pool2d_geometry

PROT_NONE = 0
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int


class Guarded:
    """Makes arrays that have a page without access on one side."""

    def __init__(self, after: bool) -> None:
        self.after = after

    def empty(self, shape, dtype) -> np.ndarray:
        """Return a new array with any content."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        pages = -(-size // mmap.PAGESIZE)
        memory = mmap.mmap(-1, (pages + 2) * mmap.PAGESIZE)
        begin = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for page in (0, pages + 1):
            if _libc.mprotect(begin + page * mmap.PAGESIZE, mmap.PAGESIZE, PROT_NONE):
                raise OSError(ctypes.get_errno(), "mprotect")
        at = mmap.PAGESIZE + (pages * mmap.PAGESIZE - size if self.after else 0)
        return np.ndarray(shape, dtype, memory, at)

    def copy(self, array: np.ndarray) -> np.ndarray:
        """Return a copy of the array; one by columns if that is how it lies in memory."""
        if array.flags.f_contiguous and not array.flags.c_contiguous:
            return self.copy(array.T).T
        guarded = self.empty(array.shape, array.dtype)
        guarded[...] = array
        return guarded


CONVOLUTIONS = (
    ((3, 5, 7, 9), (11, 5, 3, 2), {}),
    ((2, 14, 13, 13), (37, 14, 3, 3), {}),
    ((2, 13, 14, 14), (20, 13, 4, 4), {"stride": 2, "padding": 1}),
    ((32, 16, 5, 5), (17, 16, 3, 3), {"padding": 1}),
    ((38, 26, 12, 13), (25, 26, 3, 3), {"padding": 1}),  # by Winograd's tiles
    ((1, 28, 23, 24), (34, 14, 3, 3), {"groups": 2, "dilation": 2}),
    ((2, 1, 28, 28), (33, 1, 5, 5), {}),
    ((2, 3, 5, 5), (8, 3, 2, 2), {"stride": 3}),
    ((2, 37, 9, 13), (37, 1, 3, 3), {"groups": 37, "padding": (1, 0)}),
    ((3, 5, 25, 30), (5, 1, 3, 2), {"groups": 5, "padding": 1}),
)
POOLINGS = ((2, {}), (3, {"stride": 1}), (3, {"stride": 2, "padding": 1}))


def calls(rng: np.random.Generator, dtype: str) -> Iterator[tuple]:
    """Yield (name of a kernel, its arguments)."""

    def new(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(dtype)

    for x_shape, w_shape, options in CONVOLUTIONS:
        geometry = conv2d_geometry(x_shape, w_shape, **options)
        x, w, g = (new(*shape) for shape in (x_shape, w_shape, geometry.y_shape))
        yield "conv2d", (x, w, geometry, new(geometry.K))
        yield "conv2d_input", (g, w, geometry, new(geometry.C))
        yield "conv2d_weight", (x, g, geometry)
        for slope, pooled in ((0.0, min(geometry.OH, geometry.OW) >= 2), (0.2, False)):
            yield "conv2d_epilogue", (x, w, geometry, new(geometry.K), slope, pooled)
    for kernel, options in POOLINGS:
        x = new(2, 3, 7, 9)
        geometry = pool2d_geometry(x.shape, kernel, **options)
        index = table.PLAIN.max_pool2d(x, geometry)[1]
        g = new(*geometry.y_shape)
        yield from ((name, (x, geometry)) for name in ("max_pool2d", "min_pool2d", "sum_pool2d"))
        yield "pool_gather", (x, index)
        yield "pool_scatter", (g, index, geometry)
        yield "sum_pool2d_input", (g, geometry)
    yield "matmul", (new(33, 70), new(70, 41))
    yield "matmul", (new(33, 70), new(128, 70).T)
    yield "matmul", (new(70, 33).T, new(70, 256))
    for size in (1, 7, 100):
        x, y, numbers = new(2, 3, size, 1), new(2, 3, size, 1), new(3)
        yield from (("relu", (x,)), ("gate", (x, y)), ("leaky_relu", (x, 0.2)), ("leaky_gate", (x, y, 0.2)))
        yield from (("channel_sum", (x,)), ("channel_dot", (x, y)), ("channel_affine", (x, numbers, numbers)))
        yield from (("normalise", (x, 0.1)), ("normalise_input", (x, y, numbers**2, 0.1)))
        yield "normalise_epilogue", (x, numbers, numbers, 0.1, 0.2)
        yield "normalise_epilogue_input", (x, y, y, numbers, numbers**2, 0.1, 0.2)
        yield "adam", (x, y, new(2, 3, size, 1), y**2, 0.1, (0.9, 0.999), 1e-8, 1)


def main() -> None:
    """Call every kernel of `cpu` on guarded arrays, with results in guarded arrays, and compare."""
    guard = Guarded({"after": True, "before": False}[sys.argv[1]])
    arena.empty = guard.empty  # what the kernels take their results from
    for dtype in ("float32", "float64"):
        for name, arguments in calls(np.random.default_rng(0), dtype):
            print(name, dtype, flush=True)  # the last line says what a process was at that ends here
            guarded = [guard.copy(a) if isinstance(a, np.ndarray) else a for a in arguments]
            compare(getattr(table.cpu(), name)(*guarded), expected(name, arguments))
            compare(tuple(guarded), arguments)  # what is written in place
    array = guard.empty((5,), "float32")
    print("and now outside", flush=True)
    outside = array.ctypes.data + (array.nbytes if guard.after else -1)
    ctypes.string_at(outside, 1)  # proves that the guard is there: this must end the process
    print("no guard")


def expected(name: str, arguments: tuple) -> object:
    """Return what the plain kernels compute."""
    if name == "normalise_epilogue":
        x, weight, bias, eps, slope = arguments
        y, mean, variance = table.PLAIN.normalise(x, eps)
        return y, table.PLAIN.leaky_relu(table.PLAIN.channel_affine(y, weight, bias), slope), mean, variance
    if name == "normalise_epilogue_input":
        g, y, z, weight, variance, eps, slope = arguments
        g = table.PLAIN.leaky_gate(g, z, slope)
        x = table.PLAIN.normalise_input(table.PLAIN.channel_affine(g, weight), y, variance, eps)
        return x, table.PLAIN.channel_dot(g, y), table.PLAIN.channel_sum(g)
    if name != "conv2d_epilogue":
        return getattr(table.PLAIN, name)(*arguments)
    x, w, geometry, bias, slope, pooled = arguments
    y, index = table.PLAIN.conv2d(x, w, geometry, bias), None
    if pooled:
        y, index = table.PLAIN.max_pool2d(y, pool2d_geometry(y.shape, 2))
    return table.PLAIN.leaky_relu(y, slope), index


def compare(ours: object, expected: object) -> None:
    """Compare arrays, or tuples of them and of other things."""
    if isinstance(expected, tuple):
        for one, other in zip(ours, expected, strict=True):
            compare(one, other)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3)


if __name__ == "__main__":
    main()
