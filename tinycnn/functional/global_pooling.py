"""Pooling (Eq. 2) with one window, the whole image: a number for each channel."""

from tinycnn.tensor import Tensor

from .cards import operation
from .examples import pictures
from .reduction import mean
from .shape import flatten, images, reshape
from .statistics import max


@operation(example=pictures, equation=2)
def global_max_pool2d(x: Tensor) -> Tensor:
    """Maximum of each channel: (N, C, H, W) -> (N, C, 1, 1); the first of equal ones takes the gradient."""
    some_cells("global_max_pool2d", x)
    return reshape(max(flatten(x, 2), 2), *x.shape[:2], 1, 1)


@operation(example=pictures, equation=2)
def global_avg_pool2d(x: Tensor) -> Tensor:
    """Mean of each channel: (N, C, H, W) -> (N, C, 1, 1)."""
    some_cells("global_avg_pool2d", x)
    return mean(x, (2, 3), keepdim=True)


def some_cells(name: str, x: Tensor) -> None:
    """Refuse images without a cell."""
    if 0 in images(name, x)[2:]:
        raise ValueError(f"{name}: the input must be (N, C, H, W) with H, W at least 1, got shape {x.shape}")
