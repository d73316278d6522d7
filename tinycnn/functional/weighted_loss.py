"""Classification losses of more kinds: class weights, labels left out, distributions, labels per pixel."""

from typing import Any

import numpy as np

from tinycnn.backend import as_array, backend_of, is_array, to_backend
from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor, as_tensor, plain

from .arithmetic import add, mul, neg
from .elementwise import where
from .reduction import reduced, sum
from .shape import permute, reshape
from .softmax import log_softmax


def as_rows(x: Tensor) -> Tensor:
    """Return (N, K) as it is, and (N, K, H, W) as (N*H*W, K)."""
    if x.ndim == 2:
        return x
    return reshape(permute(x, 0, *range(2, x.ndim), 1), -1, x.shape[1])  # (N, H, W, K) -> (N*H*W, K)


def of_probabilities(logits: Tensor, target: Any, w: Array | None, s: float) -> Tensor:
    """Return the loss of each row for a truth that is a distribution over the classes."""
    truth = target.copy() if is_array(target) else target  # it may change before backward
    truth = as_tensor(truth, like=logits) if isinstance(logits, Tensor) else as_array(plain(truth))
    return against(truth if s == 0 else add(mul(truth, 1 - s), s / logits.shape[1]), logits, w)


def of_labels(
    each: Tensor,
    logits: Tensor,
    labels: Array,
    w: Array | None,
    counted: Array | None,
    s: float,
    reduction: str,
) -> Tensor:
    """Return the reduced loss of labels, some of which may be left out, for classes of weights `w`.

    `each` is the loss of each label; with weights it is not smoothed: smoothing gives each class its share
    of w.
    """
    if w is None:
        return reduce_counted(each, None, counted, reduction)
    weights = weights_of(w, labels)
    each = mul(each, weights * (1 - s))
    if s > 0:
        each = add(each, against(s / len(w), logits, w))
    return reduce_counted(each, weights, counted, reduction)


def against(truth: Any, logits: Tensor, w: Array | None) -> Tensor:
    """Return L_n = -sum_k w_k * t_nk * log softmax(z_n)_k."""
    log_p = log_softmax(logits, 1)
    if w is not None:
        log_p = mul(log_p, w.reshape(-1, *[1] * (logits.ndim - 2)))  # (K, 1, 1) beside (N, K, H, W)
    return neg(sum(mul(log_p, truth), 1))


def reduce_counted(each: Tensor, weights: Array | None, counted: Array | None, reduction: str) -> Tensor:
    """Reduce weighted losses of labels, of which some may be left out; the mean is over the weights."""
    if counted is not None:
        each = where(counted, each, 0.0)
    left = counted if weights is None else weights if counted is None else weights * counted
    if reduction != "mean" or left is None:
        return reduced(each, reduction)
    # If nothing is left, the mean of nothing is NaN and its gradient 0, as in PyTorch.
    with np.errstate(divide="ignore", invalid="ignore"):
        return mul(sum(each), 1 / left.sum().astype(each.dtype))


def class_weights(name: str, x: Tensor, weight: Any) -> Array | None:
    """Return the weight of each class, (K,), in x's backend and dtype.

    Raises
    ------
    TypeError, ValueError
        If they are not K numbers.
    """
    if weight is None:
        return None
    if isinstance(weight, str):
        raise TypeError(f"{name}: weight must be numbers, got {weight!r}; write reduction={weight!r}")
    w = as_array(plain(weight)) if hasattr(weight, "dtype") else np.asarray(weight)
    if w.shape != x.shape[1:2] or w.dtype.kind not in "fiu":
        raise ValueError(
            f"{name}: weight must be one number for each of the K={x.shape[1]} classes, shape "
            f"{x.shape[1:2]}, got {w.dtype} of shape {w.shape}"
        )
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype("float32")
    return to_backend(w, backend_of(plain(x))).astype(dtype)


def weights_of(w: Array, labels: Array) -> Array:
    """Return the weight of each label. For one out of range any weight will do: its loss is NaN."""
    return w[labels.clip(0, len(w) - 1)]
