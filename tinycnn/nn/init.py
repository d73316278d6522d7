"""Initial weights: drawn as PyTorch draws them by default."""

import math

from tinycnn import backend as _backend
from tinycnn import gpu

from .module import Parameter


def uniform(shape: tuple[int, ...], bound: float) -> Parameter:
    """Return a parameter drawn from U(-bound, bound), float32, in the current backend."""
    try:
        return Parameter((_backend.generator().random(shape, dtype="float32") * 2 - 1) * bound)
    except MemoryError as error:
        gpu.raise_out_of_memory(error, f"a new parameter {shape}")
        raise


def fan_in_bound(fan_in: int) -> float:
    """Return 1/sqrt(fan_in), PyTorch's bound for weights and biases of dense and convolution layers.

    fan_in is the number of inputs that one output sums. This is Kaiming's uniform rule with the gain for
    a = sqrt(5).

    References
    ----------
    He et al. 2015, Delving Deep into Rectifiers.
    """
    return 1 / math.sqrt(fan_in)
