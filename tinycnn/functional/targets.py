"""What a classification loss compares with: labels or probabilities, weights of classes, labels left out."""

from typing import Any

import numpy as np

from tinycnn.autograd.anomaly import detecting_anomaly
from tinycnn.backend import as_array, backend_of, to_backend
from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor, as_tensor, plain

from .shape import shape_of

PYTORCHS_IGNORED = -100  # by default; here nothing is left out unless it is asked for


def label_tensor(target: Any) -> Tensor:
    """Return labels as a tensor; a list becomes one in NumPy, where they are cheap to check."""
    return as_tensor(target) if hasattr(target, "dtype") else Tensor(target, backend="numpy")


def refuse_out_of_range(name: str, labels: Array, K: int, what: str = "") -> None:
    """Raise ValueError for labels outside 0 to K-1; `name` is the operation, `what` names its input.

    Labels that live on a GPU are looked at under `tinycnn.detect_anomaly` only: each look waits for all the
    work before it. Operations let their result be NaN there.
    """
    if not labels.size or (not isinstance(labels, np.ndarray) and not detecting_anomaly()):
        return
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= K:
        hint = f"; ignore_index={lowest} leaves such labels out" if lowest == PYTORCHS_IGNORED else ""
        raise ValueError(f"{name}: labels go from 0 to K-1={K - 1}{what}, got {lowest} to {highest}{hint}")


def check_labels(
    name: str, x: Tensor, target: Any, ignore_index: int | None = None
) -> tuple[Array, Array | None]:
    """Return the labels of x, and which of them count.

    Returns
    -------
    labels
        A copy in x's backend, 0 in the place of those left out.
    counted
        Booleans; None if all count.

    Raises
    ------
    TypeError, ValueError
        For a wrong shape, dtype or range.
    """
    if len(shape_of(name, x)) < 2:
        raise ValueError(f"{name}: the input must be (N, K) or (N, K, H, W), got shape {x.shape}")
    t = label_tensor(target)
    if t.dtype.kind not in "iu":
        raise TypeError(f"{name}: labels must be integers, got {t.dtype}{_hint(name, t, x.shape)}")
    N, K = x.shape[:2]
    expected = (N, *x.shape[2:])
    if t.shape != expected:
        hint = _hint(name, t, x.shape)
        raise ValueError(
            f"{name}: labels for the input {x.shape} must have shape {expected}, got {t.shape}{hint}"
        )
    given, counted, where = t.data, None, backend_of(plain(x))
    if ignore_index is not None:
        counted = given != ignore_index
        given = given * counted
        counted = to_backend(counted, where)
    refuse_out_of_range(name, given, K, f" for the input (N, K, ...)={x.shape}")
    # A copy: one buffer may serve for several batches before backward.
    return to_backend(given, where).copy(), counted


def _hint(name: str, t: Tensor, shape: tuple[int, ...]) -> str:
    """Return what to do about one-hot rows given as labels."""
    if t.shape != shape:
        return ""
    if name == "cross_entropy":
        return "; probabilities and one-hot rows of the input's shape are taken as floats"
    return "; labels.argmax(1) turns one-hot rows into labels"


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


def of_labels(w: Array, labels: Array) -> Array:
    """Return the weight of each label; of one that is out of range, which makes the loss NaN, any."""
    return w[labels.clip(0, len(w) - 1)]


def are_probabilities(x: Tensor, target: Any) -> bool:
    """Return whether the target is a distribution over the classes for each label of x: floats like x."""
    t = target if hasattr(target, "dtype") else np.asarray(target)
    return t.dtype.kind == "f" and t.shape == shape_of("cross_entropy", x)
