"""Losses (Eq. 6): how far the outputs are from the truth.

Classification losses take logits, the numbers before softmax or sigmoid: log(softmax(z)) computed in two
steps is log(0) = -inf as soon as softmax rounds to 0, in one step it is not.
"""

from typing import Any

from tinycnn.arrays import as_array
from tinycnn.autograd import Function
from tinycnn.autograd.safety import detecting_anomaly
from tinycnn.backend import backend_of, to_backend
from tinycnn.dispatch import kernels_for
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor, as_tensor, plain

from .activation import softmax, softplus
from .arithmetic import add, mul, neg, sub
from .cards import operation
from .conversion import floating
from .elementwise import abs
from .examples import alike, classes, probabilities
from .indexing import gather
from .reduction import mean, sum
from .shape import permute, reshape, shape_of


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
    example=classes(reduction=["mean", "sum", "none"], label_smoothing=[0.0, 0.1]),
    equation=6,
)
def cross_entropy(
    logits: Tensor, target: Any, reduction: str = "mean", label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy from logits: L_n = -log softmax(z_n)[y_n] (Eq. 6).

    dL_n/dz_nk = softmax(z_n)[k] - [k = y_n]: the output minus the one-hot truth.

    Parameters
    ----------
    logits
        (N, K), or (N, K, H, W) for one label a pixel.
    target
        (N,) or (N, H, W) integer labels, 0 to K-1.
    reduction
        "mean" over N, "sum" or "none".
    label_smoothing
        This share of the truth is spread evenly over all K classes.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, or a label is no integer or out of range. Of labels that live on a GPU,
        those out of range make the loss NaN instead: to look for them would be to wait for it.

    Examples
    --------
    >>> from tinycnn import Tensor, functional as F
    >>> F.cross_entropy(Tensor([[0.0, 0.0]]), [1]).item()  # log(2): two classes, no idea
    0.6931471824645996
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be in [0, 1], got {label_smoothing}")
    labels = _check_labels("cross_entropy", logits, target)
    loss = CrossEntropy(labels.reshape(-1), label_smoothing)(_rows(logits))
    return _reduce(reshape(loss, *labels.shape), reduction)


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


@operation(example=classes())
def nll_loss(log_probabilities: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Negative log-likelihood: L_n = -x[n, y_n], for x = log_softmax(logits); see `cross_entropy`."""
    labels = _check_labels("nll_loss", log_probabilities, target)
    return _reduce(neg(_picked(log_probabilities, labels)), reduction)


@operation(example=alike())
def mse_loss(x: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Squared error (x - target)^2, mean over all elements.

    Raises
    ------
    ValueError
        If the shapes differ: they are not broadcast.
    """
    difference = sub(*_compared("mse_loss", x, target))
    return _reduce(mul(difference, difference), reduction)


@operation(example=alike())
def l1_loss(x: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Absolute error ``|x - target|``, mean over all elements; shapes as `mse_loss`."""
    return _reduce(abs(sub(*_compared("l1_loss", x, target))), reduction)


@operation(example=alike(probabilities))
def binary_cross_entropy_with_logits(logits: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Cross-entropy of a yes-or-no answer: -t * log sigmoid(z) - (1 - t) * log(1 - sigmoid(z)).

    Computed as t * softplus(-z) + (1 - t) * softplus(z), since log sigmoid(z) = -softplus(-z).

    Parameters
    ----------
    logits
        Any shape.
    target
        The same shape, probabilities from 0 to 1.

    Raises
    ------
    ValueError
        If the shapes differ: they are not broadcast.
    """
    z, t = _compared("binary_cross_entropy_with_logits", logits, target)
    return _reduce(add(mul(t, softplus(neg(z))), mul(sub(1, t), softplus(z))), reduction)


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _compared(name: str, x: Tensor, target: Any) -> tuple[Tensor, Tensor]:
    """Return what is compared elementwise: two of one shape, integers as float32."""
    shape = shape_of(name, x)
    t = as_tensor(target, like=x) if isinstance(x, Tensor) else as_array(target)
    if t.shape != shape:
        raise ValueError(f"{name}: the target has shape {t.shape}, the input {shape}: they must be equal")
    return floating(x), floating(t)


def _picked(x: Tensor, labels: Array) -> Tensor:
    """Return x[n, labels[n]] of (N, K), or the same at every pixel of (N, K, H, W)."""
    return reshape(gather(_rows(x), 1, labels.reshape(-1, 1)), *labels.shape)


def _rows(x: Tensor) -> Tensor:
    """Return (N, K) as it is, and (N, K, H, W) as (N*H*W, K)."""
    if x.ndim == 2:
        return x
    return reshape(permute(x, 0, *range(2, x.ndim), 1), -1, x.shape[1])  # (N, H, W, K) -> (N*H*W, K)


def _check_labels(name: str, x: Tensor, target: Any) -> Array:
    """Return a copy of the labels in x's backend, after checking shape, dtype and range."""
    if len(shape_of(name, x)) < 2:
        raise ValueError(f"{name}: the input must be (N, K) or (N, K, H, W), got shape {x.shape}")
    t = label_tensor(target)
    if t.dtype.kind not in "iu":
        raise TypeError(f"{name}: labels must be integers, got {t.dtype}; one-hot targets are not taken")
    N, K = x.shape[:2]
    expected = (N, *x.shape[2:])
    if t.shape != expected:
        raise ValueError(f"{name}: labels for the input {x.shape} must have shape {expected}, got {t.shape}")
    refuse_out_of_range(name, t, K, f" for the input (N, K, ...)={x.shape}")
    # A copy: one buffer may serve for several batches before backward.
    return to_backend(t.data, backend_of(plain(x))).copy()


def label_tensor(target: Any) -> Tensor:
    """Return labels as a tensor; a list as one of NumPy, where they can be looked at."""
    return as_tensor(target) if hasattr(target, "dtype") else Tensor(target, backend="numpy")


def refuse_out_of_range(name: str, labels: Tensor, K: int, what: str = "") -> None:
    """Raise ValueError for labels outside 0 to K-1; `name` is the operation, `what` they are the labels of.

    Labels that live on a GPU are looked at under `tinycnn.detect_anomaly` only: each look waits for all the
    work before it. Operations let their result be NaN there.
    """
    if not labels.numel() or (labels.backend != "numpy" and not detecting_anomaly()):
        return
    lowest, highest = int(labels.data.min()), int(labels.data.max())
    if lowest < 0 or highest >= K:
        raise ValueError(f"{name}: labels go from 0 to K-1={K - 1}{what}, got {lowest} to {highest}")
