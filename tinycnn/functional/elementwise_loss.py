"""Losses that compare element by element. The target has the input's shape: nothing is broadcast."""

from typing import Any

from tinycnn.autograd import Function
from tinycnn.backend import as_array, backend_of, is_array, to_backend
from tinycnn.dispatch import kernels_for
from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor, as_tensor, plain

from .activation import sigmoid, softplus
from .arithmetic import add, mul, neg, sub
from .cards import operation
from .conversion import floating
from .elementwise import abs
from .examples import alike, probabilities
from .reduction import reduced
from .shape import shape_of


@operation(example=alike(), equation=6)
def mse_loss(x: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Squared error (x - target)^2, mean over all elements.

    Raises
    ------
    ValueError
        If the shapes differ: they are not broadcast.
    """
    difference = sub(*_compared("mse_loss", x, target))
    return reduced(mul(difference, difference), reduction)


@operation(example=alike(), equation=6)
def l1_loss(x: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Absolute error ``|x - target|``, mean over all elements; shapes as `mse_loss`."""
    return reduced(abs(sub(*_compared("l1_loss", x, target))), reduction)


class BinaryCrossEntropy(Function):
    """L = t * log(1 + e^{-z}) + (1 - t) * log(1 + e^z). dL/dz = g * (s(z) - t), dL/dt = -g * z.

    s is the sigmoid: the output minus the truth.
    """

    keeps = "z, t"
    floats = True

    def forward(self, z: Array, t: Array) -> Array:
        return kernels_for(z).binary_cross_entropy(z, t)

    def backward(self, g: Tensor, z: Tensor, t: Tensor) -> tuple[Tensor | None, Tensor | None]:
        need_z, need_t = self.needs_input_grad
        return BinaryCrossEntropyInput()(g, z, t) if need_z else None, -g * z if need_t else None


@operation(BinaryCrossEntropy, example=alike(probabilities), equation=6)
def binary_cross_entropy_with_logits(
    logits: Tensor, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Tensor:
    """Cross-entropy of a yes-or-no answer: -t * log sigmoid(z) - (1 - t) * log(1 - sigmoid(z)).

    Computed as t * softplus(-z) + (1 - t) * softplus(z), since log sigmoid(z) = -softplus(-z). So an infinite
    logit that is wrong costs infinity (in PyTorch NaN for -inf). One that is right would cost 0 * infinity,
    which is NaN, as in PyTorch.

    Parameters
    ----------
    logits
        Any shape.
    target
        The same shape, probabilities from 0 to 1.
    weight
        How much each element counts; broadcast to the shape.
    reduction
        "mean" over all elements, "sum" or "none".
    pos_weight
        How much the first term, of the answer yes, counts more than the second; broadcast to the shape.

    Raises
    ------
    ValueError
        If the shapes differ: logits and target are not broadcast.
    """
    name = "binary_cross_entropy_with_logits"
    z, t = _compared(name, logits, target)
    if pos_weight is None:
        each = BinaryCrossEntropy()(z, t)
    else:
        yes, no = mul(t, softplus(neg(z))), mul(sub(1, t), softplus(z))
        each = add(mul(yes, _fitting(name, "pos_weight", z, pos_weight)), no)
    return reduced(each if weight is None else mul(each, _fitting(name, "weight", z, weight)), reduction)


class BinaryCrossEntropyInput(Function):
    """y = g * (s(z) - t), s the sigmoid: `BinaryCrossEntropy`'s dL/dz as a function of g, z and t.

    For u = dL/dy: dL/dg = u * (s(z) - t), dL/dz = u * g * s(z) * s(-z), dL/dt = -u * g.
    """

    keeps = "g, z, t"

    def forward(self, g: Array, z: Array, t: Array) -> Array:
        return kernels_for(z).binary_cross_entropy_input(g, z, t)

    def backward(self, u: Tensor, g: Tensor, z: Tensor, t: Tensor) -> tuple[Tensor | None, ...]:
        need_g, need_z, need_t = self.needs_input_grad
        return (
            BinaryCrossEntropyInput()(u, z, t) if need_g else None,
            u * g * (sigmoid(z) * sigmoid(-z)) if need_z else None,
            -u * g if need_t else None,
        )


def _fitting(name: str, what: str, x: Tensor, weight: Any) -> Array:
    """Return weights in x's backend and dtype, checked to be broadcast to its shape."""
    if isinstance(weight, str):
        raise TypeError(f"{name}: {what} must be numbers, got {weight!r}; write reduction={weight!r}")
    w = to_backend(as_array(plain(weight)), backend_of(plain(x))).astype(x.dtype)
    if w.ndim > x.ndim or any(n not in (1, m) for n, m in zip(w.shape[::-1], x.shape[::-1], strict=False)):
        raise ValueError(f"{name}: {what} of shape {w.shape} cannot be broadcast to the input {x.shape}")
    return w


def _compared(name: str, x: Tensor, target: Any) -> tuple[Tensor, Tensor]:
    """Return input and target, checked to have one shape; integers become float32."""
    shape = shape_of(name, x)
    target = target.copy() if is_array(target) else target  # it may change before backward
    t = as_tensor(target, like=x) if isinstance(x, Tensor) else as_array(target)
    if t.shape != shape:
        raise ValueError(f"{name}: the target has shape {t.shape}, the input {shape}: they must be equal")
    return floating(x), floating(t)
