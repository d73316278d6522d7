"""Classification losses (Eq. 6): how far logits are from the true class.

They take logits, the numbers before softmax or sigmoid: log(softmax(z)) computed in two
steps is log(0) = -inf as soon as softmax rounds to 0, in one step it is not.
"""

from typing import Any

import numpy as np

from tinycnn.autograd import Function
from tinycnn.autograd.anomaly import detecting_anomaly
from tinycnn.backend import as_array, backend_of, is_array, to_backend
from tinycnn.dispatch import kernels_for
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor, as_tensor, plain

from .arithmetic import add, mul, neg
from .cards import operation
from .elementwise import where
from .examples import classes
from .reduction import mean, sum
from .shape import permute, reshape, shape_of
from .softmax import log_softmax, softmax

PYTORCHS_IGNORED = -100  # by default; here nothing is left out unless it is asked for


class CrossEntropy(Function):
    """L_n = -sum_k t_nk * log softmax(z_n)_k. dL_n/dz_nk = softmax(z_n)_k - t_nk: the output minus the truth.

    t_n is one-hot, 1 at the label, and with smoothing s the mixture (1 - s) * one-hot + s/K.
    """

    keeps = "z"
    floats = True

    def __init__(self, labels: Array, smoothing: float) -> None:
        self.labels, self.smoothing = labels, smoothing

    def forward(self, z: Array) -> Array:
        return kernels_for(z).cross_entropy(z, self.labels, self.smoothing)

    def backward(self, g: Tensor, z: Tensor) -> Tensor:
        return CrossEntropyInput(self.labels, self.smoothing)(g, z)


@operation(
    CrossEntropy,
    example=classes(reduction=["mean", "sum", "none"], label_smoothing=[0.0, 0.1], weighted=True),
    equation=6,
)
def cross_entropy(
    logits: Tensor,
    target: Any,
    weight: Any = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy from logits: L_n = -log softmax(z_n)[y_n] (Eq. 6).

    dL_n/dz_nk = softmax(z_n)[k] - [k = y_n]: the output minus the one-hot truth. With weights w, and a truth
    t_n that is a distribution over the classes: L_n = -sum_k w_k * t_nk * log softmax(z_n)_k.

    Parameters
    ----------
    logits
        (N, K), or (N, K, H, W) for one label per pixel.
    target
        (N,) or (N, H, W) integer labels, 0 to K-1; or floats of the shape of the logits, the truth itself.
    weight
        (K,), how much each class counts.
    ignore_index
        Labels with this number are left out. PyTorch leaves out -100 by default; here nothing is.
    reduction
        "mean" over what counts, weighted for labels by the w of the label as in PyTorch; "sum"; or "none".
    label_smoothing
        This share of the truth is spread evenly over all K classes.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, or a label is no integer or out of range. On a GPU, labels out of range make the
        loss NaN instead: to look for them would mean to wait for the GPU.

    Examples
    --------
    >>> from tinycnn import Tensor, functional as F
    >>> F.cross_entropy(Tensor([[0.0, 0.0]]), [1]).item()  # log(2): two classes, no idea
    0.6931471824645996
    """
    name, s = "cross_entropy", label_smoothing
    if not 0 <= s <= 1:
        raise ValueError(f"{name}: label_smoothing must be in [0, 1], got {s}")
    if are_probabilities(logits, target):
        if ignore_index is not None:
            raise ValueError(f"{name}: ignore_index is for labels, not for probabilities")
        return reduced(_of_probabilities(logits, target, class_weights(name, logits, weight), s), reduction)
    labels, counted = check_labels(name, logits, target, ignore_index)
    if weight is not None:
        return _weighted(logits, labels, class_weights(name, logits, weight), counted, s, reduction)
    each = reshape(CrossEntropy(labels.reshape(-1), s)(as_rows(logits)), *labels.shape)
    return reduced(each, reduction) if counted is None else reduce_counted(each, None, counted, reduction)


class CrossEntropyInput(Function):
    """y_nk = g_n * (s_nk - t_nk), s = softmax(z): `CrossEntropy`'s derivative, as a function of g and z.

    For u = dL/dy: dL/dg_n = sum_k u_nk * (s_nk - t_nk), and with v_nk = g_n * u_nk, dL/dz is what `Softmax`
    makes of v: s_nk * (v_nk - sum_j v_nj s_nj).
    """

    keeps = "g, z"

    def __init__(self, labels: Array, smoothing: float) -> None:
        self.labels, self.smoothing = labels, smoothing

    def forward(self, g: Array, z: Array) -> Array:
        return kernels_for(z).cross_entropy_input(g, z, self.labels, self.smoothing)

    def backward(self, u: Tensor, g: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        xp = array_module(self.labels)
        truth = xp.full(z.shape, self.smoothing / z.shape[1], z.dtype)
        truth[xp.arange(len(truth)), self.labels] += 1 - self.smoothing
        s, v = softmax(z, 1), u * reshape(g, -1, 1)
        return sum(u * (s - truth), 1), s * (v - sum(v * s, 1, keepdim=True))


def _of_probabilities(logits: Tensor, target: Any, w: Array | None, s: float) -> Tensor:
    """Return the loss of each row for a truth that is a distribution over the classes."""
    truth = target.copy() if is_array(target) else target  # it may change before backward
    truth = as_tensor(truth, like=logits) if isinstance(logits, Tensor) else as_array(plain(truth))
    return _against(truth if s == 0 else add(mul(truth, 1 - s), s / logits.shape[1]), logits, w)


def _weighted(
    logits: Tensor, labels: Array, w: Array, counted: Array | None, s: float, reduction: str
) -> Tensor:
    """Return the loss for classes of different weights: smoothing gives each class its share of w."""
    each, weights = CrossEntropy(labels.reshape(-1), 0.0)(as_rows(logits)), of_labels(w, labels)
    each = mul(reshape(each, *labels.shape), weights * (1 - s))
    if s > 0:
        each = add(each, _against(s / len(w), logits, w))
    return reduce_counted(each, weights, counted, reduction)


def _against(truth: Any, logits: Tensor, w: Array | None) -> Tensor:
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


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """Return the mean or the sum of the losses, or all of them."""
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def as_rows(x: Tensor) -> Tensor:
    """Return (N, K) as it is, and (N, K, H, W) as (N*H*W, K)."""
    if x.ndim == 2:
        return x
    return reshape(permute(x, 0, *range(2, x.ndim), 1), -1, x.shape[1])  # (N, H, W, K) -> (N*H*W, K)


def label_tensor(target: Any) -> Tensor:
    """Return labels as a tensor; a list becomes one in NumPy, where they are cheap to check."""
    return as_tensor(target) if hasattr(target, "dtype") else Tensor(target, backend="numpy")


def refuse_out_of_range(name: str, labels: Array, K: int, what: str = "") -> None:
    """Raise ValueError for labels outside 0 to K-1; `name` is the operation, `what` names its input.

    Labels on a GPU are checked under `tinycnn.detect_anomaly` only, as a check waits for all work before it.
    Without a check, a label out of range makes the result of the operation NaN.
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
    """Return the weight of each label. For one out of range any weight will do: its loss is NaN."""
    return w[labels.clip(0, len(w) - 1)]


def are_probabilities(x: Tensor, target: Any) -> bool:
    """Return whether the target is a distribution over the classes for each label of x: floats like x."""
    t = target if hasattr(target, "dtype") else np.asarray(target)
    return t.dtype.kind == "f" and t.shape == shape_of("cross_entropy", x)
