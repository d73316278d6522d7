"""Dropout."""

from tinycnn import backend
from tinycnn.tensor import Tensor, plain

from .arithmetic import mul
from .cards import operation
from .conversion import floating
from .examples import unary
from .shape import shape_of


@operation(example=unary(training=[False]))
def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Set each element to 0 with probability `p` and divide the rest by 1 - p, so that the mean stays.

    Outside training, x is returned as it is. `tinycnn.manual_seed` seeds the random numbers.

    Raises
    ------
    ValueError
        If `p` is not in [0, 1].

    References
    ----------
    Srivastava et al. 2014, Dropout.
    """
    shape = shape_of("dropout", x)
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is a probability, 0 to 1, got {p}")
    if not training or p == 0:
        return x
    keep = backend.generator(backend.backend_of(plain(x))).random(shape, dtype="float32") >= p
    scale = 0.0 if p == 1 else 1 / (1 - p)
    x = floating(x)
    return mul(x, keep * x.dtype.type(scale))
