"""The CUDA kernels of single convolutions: whether they are right, and how fast."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.measuring.works import GPU_CONVOLUTIONS, Convolution
from tinycnn.kernels import im2col
from tinycnn.kernels.cuda import OPT_IN, RUNGS
from tinycnn.kernels.geometry import conv2d_geometry

from .checks import bound, check
from .machine import SIMULATED, Clock, library, on_cpu, say, telling
from .variants import Named, on_tensor_cores, variants

# x, w, options: full tiles, parts of tiles, stride, groups, dilation, 1x1, few results, one image
SMOKE: list[tuple[Any, Any, dict[str, Any]]] = [
    ((2, 16, 20, 20), (128, 16, 3, 3), {"padding": (1, 1)}),
    ((3, 5, 9, 11), (33, 5, 3, 2), {"stride": (2, 1), "padding": (1, 0)}),
    ((2, 8, 12, 12), (8, 4, 3, 3), {"groups": 2, "dilation": (2, 2), "padding": (2, 2)}),
    ((4, 64, 14, 14), (128, 64, 4, 4), {"stride": (2, 2), "padding": (1, 1)}),
    ((32, 32, 13, 13), (64, 32, 3, 3), {}),
    ((8, 3, 30, 30), (32, 3, 3, 3), {}),
    ((64, 128, 7, 7), (1, 128, 7, 7), {}),
    ((5, 1, 28, 28), (64, 1, 4, 4), {"stride": (2, 2), "padding": (1, 1)}),
    ((2, 7, 6, 6), (2, 7, 3, 3), {"padding": (1, 1)}),
]
if SIMULATED:
    SMOKE = [((1, 2, 4, 4), (3, 2, 2, 2), {}), ((1, 2, 5, 5), (4, 1, 3, 3), {"groups": 2, "stride": (2, 2)})]


def calls(kernels: Any, x: Any, w: Any, g: Any, geometry: Any) -> dict[str, Callable[[], Any]]:
    """Return the three directions of a convolution as `kernels` compute them."""
    return {
        "forward": lambda: kernels.conv2d(x, w, geometry),
        "input": lambda: kernels.conv2d_input(g, w, geometry),
        "weight": lambda: kernels.conv2d_weight(x, g, geometry),
    }


def operands(geometry: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return random x, w and g, the same every time."""
    N, C, H, W, K, KH, KW, _, _, _, _, _, _, G, OH, OW = geometry
    rng = np.random.default_rng(0)
    shapes = (N, C, H, W), (K, C // G, KH, KW), (N, K, OH, OW)
    x, w, g = (rng.standard_normal(shape, "float32") for shape in shapes)
    return x, w, g


def smoke(rung: str) -> None:
    """Compare a rung with im2col in float64, on all geometries of `SMOKE` and in all directions."""
    to = library().asarray
    for x_shape, w_shape, options in SMOKE:
        window = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1, **options}
        geometry = conv2d_geometry(x_shape, w_shape, **window)
        x, w, g = operands(geometry)
        exact = calls(im2col, *(a.astype("float64") for a in (x, w, g)), geometry)
        arrays = to(x), to(w), to(g)
        if rung == "variants":
            works = variants(geometry, *arrays)
        elif rung in OPT_IN:
            works = opt_in(rung, geometry, *arrays)
        else:
            works = named(rung, calls(RUNGS[rung], *arrays, geometry))
        for direction, name, work in works:
            check(rung, name, direction, work, exact[direction](), x=x_shape, w=w_shape)


def named(name: str, works: dict[str, Callable[[], Any]]) -> Iterator[Named]:
    """Yield the directions of a convolution as `variants` does."""
    yield from ((direction, name, work) for direction, work in works.items())


def opt_in(rung: str, geometry: Any, *arrays: Any) -> Iterator[Named]:
    """Yield rung 8 with the tile that it chooses, which is too large for the simulator, and with each."""
    if not SIMULATED:
        yield from named(rung, calls(OPT_IN[rung], *arrays, geometry))
    yield from on_tensor_cores(rung, geometry, *arrays)


def shapes(names: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    """Yield each named convolution of the benchmark, and its geometry."""
    for name in names:
        (c,) = (c for c in GPU_CONVOLUTIONS if f"{c.H}x{c.W}" == name)
        if SIMULATED:
            c = Convolution(1, min(c.C, 4), 4, 4, 5, c.KH, c.KW, c.stride, c.padding)
        sizes = (c.N, c.C, c.H, c.W), (c.K, c.C, c.KH, c.KW)
        yield c, conv2d_geometry(*sizes, (c.stride,) * 2, (c.padding,) * 2, (1, 1), 1)


def convolutions(names: tuple[str, ...]) -> Iterator[tuple[Any, Clock, Any, tuple[Any, ...]]]:
    """Yield each named convolution with a clock, its geometry, and x, w and g on the GPU."""
    clock = Clock()
    for c, geometry in shapes(names):
        yield c, clock, geometry, tuple(map(library().asarray, operands(geometry)))


def time_all(part: str, c: Any, clock: Clock, works: Any, truth: dict[str, Any]) -> None:
    """Say how long each piece of work takes, and how far it is from the truth."""
    for direction, name, work in works:
        row = {"part": part, "shape": str(c), "direction": direction, "variant": name, "flop": c.flop}
        with telling(row):
            done = work()
            right = truth.setdefault(direction, done)
            error = float(abs(done - right).max() / abs(right).max())
            reading = clock(work)
            tflops = round(c.flop / reading["gpu_us"] / 1e6, 2)
            say(**row, ok=error < 10 * bound(name), error=error, tflops=tflops, **reading)


def chosen(*names: str) -> None:
    """Time im2col + cuBLAS and our own choice, in all directions."""
    for c, clock, geometry, arrays in convolutions(names):
        truth: dict[str, Any] = {}
        for name, kernels in (("im2col+cuBLAS", im2col), ("chosen", RUNGS["epilogue"])):
            time_all("chosen", c, clock, named(name, calls(kernels, *arrays, geometry)), truth)
        if c.C < 4:
            few = {"input": calls(RUNGS["coalesced"], *arrays, geometry)["input"]}
            time_all("chosen", c, clock, named("coalesced", few), truth)


def tensor_cores(*names: str) -> None:
    """Time rung 8 beside im2col + cuBLAS: the choice and every tile, in 3xTF32 and in TF32."""
    for c, clock, geometry, arrays in convolutions(names[:1] if SIMULATED else names):
        truth: dict[str, Any] = {}
        works = named("im2col+cuBLAS", calls(im2col, *arrays, geometry))
        time_all("tensor cores", c, clock, works, truth)
        for rung in OPT_IN:
            time_all("tensor cores", c, clock, opt_in(rung, geometry, *arrays), truth)


def tiles(*names: str) -> None:
    """Time every tile, and several numbers of pieces."""
    for c, clock, geometry, arrays in convolutions(names):
        truth = {d: work() for d, work in calls(im2col, *arrays, geometry).items()}
        time_all("tiles", c, clock, variants(geometry, *arrays), truth)


def one(*names: str) -> None:
    """Run each direction of a convolution a few times, for a profiler to look at."""
    for _, _, geometry, arrays in convolutions(names):
        for work in calls(RUNGS["epilogue"], *arrays, geometry).values():
            for _ in range(3):
                on_cpu(work())
