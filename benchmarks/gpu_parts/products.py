"""The matrix products of dense layers, by our own kernel and by cuBLAS: whether they are right, how fast."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinycnn.kernels.cuda import products as ours
from tinycnn.kernels.cuda import tensor_cores

from .checks import check
from .convolutions import time_all
from .machine import SIMULATED, Clock, library


class Dense(NamedTuple):
    """A dense layer with a batch of N."""

    N: int
    inputs: int
    outputs: int

    @property
    def flop(self) -> int:
        """A multiplication and an addition for every product: the same in all directions."""
        return 2 * self.N * self.inputs * self.outputs

    def __str__(self) -> str:
        return f"dense N{self.N} {self.inputs}->{self.outputs}"


# The two layers of cnn28 with batches of 32 and 128, the two of cnn224 with one of 64, and a large one.
LAYERS = (
    *(Dense(N, *layer) for N in (32, 128) for layer in ((1600, 128), (128, 10))),
    *(Dense(64, *layer) for layer in ((128 * 26 * 26, 512), (512, 10))),
    Dense(4096, 1024, 4096),
)
# Full tiles, parts of tiles, a long sum, one result, and a result that takes the largest tile.
SMOKE = (Dense(64, 64, 64), Dense(33, 65, 31), Dense(32, 5000, 10), Dense(1, 7, 1), Dense(1700, 40, 1700))
if SIMULATED:
    LAYERS, SMOKE = (Dense(3, 5, 4),), (Dense(3, 5, 4),)
PIECES = (1, 4, 16)


def directions(xp: Any, layer: Dense) -> dict[str, tuple[Any, Any]]:
    """Return the factors a and b of a @ b.T, for y, dx and dW; some are turned views, as in training."""
    rng = np.random.default_rng(0)
    x, w, g = (
        xp.asarray(rng.standard_normal(shape, "float32"))
        for shape in ((layer.N, layer.inputs), (layer.outputs, layer.inputs), (layer.N, layer.outputs))
    )
    return {"forward": (x, w), "input": (g, w.T), "weight": (g.T, x.T)}


def works(layer: Dense, tiles: bool) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield cuBLAS, our own choice, and on request every tile with several numbers of pieces."""
    for direction, (a, b) in directions(library(), layer).items():
        yield direction, "cuBLAS", lambda a=a, b=b: a @ b.T
        yield direction, "chosen", lambda a=a, b=b: ours.matmul(a, b.T)
        yield direction, "tf32x3", lambda a=a, b=b: ours.matmul(a, b.T, tensor_cores.tf32x3)
        for tile in ours.TILES if tiles else ():
            for pieces in PIECES:
                if pieces == 1 or pieces * tile.BK <= a.shape[1]:
                    name = "x".join(map(str, tile[:3])) + f"/{pieces}"
                    yield (
                        direction,
                        name,
                        lambda a=a, b=b, t=tile, p=pieces: ours.linear(a, b, None, t, p),
                    )


def smoke() -> None:
    """Compare every product with NumPy's in float64."""
    for layer in SMOKE:
        exact = {d: a.astype("float64") @ b.T for d, (a, b) in directions(np, layer).items()}
        for direction, name, work in works(layer, tiles=not SIMULATED):
            check("products", name, direction, work, exact[direction], layer=str(layer))


def products() -> None:
    """Time every product; all are compared with that of cuBLAS, which is the first."""
    clock = Clock()
    for layer in LAYERS:
        time_all("products", layer, clock, works(layer, tiles=not SIMULATED), {})
