"""Classification losses (Eq. 6): how far logits are from the true class.

They take logits, the numbers before softmax or sigmoid: log(softmax(z)) computed in two
steps is log(0) = -inf as soon as softmax rounds to 0, in one step it is not.
"""

from typing import Any

import numpy as np

from tinycnn.autograd import Function
from tinycnn.autograd.anomaly import detecting_anomaly
from tinycnn.backend import backend_of, to_backend
from tinycnn.dispatch import kernels_for
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor, as_tensor, plain

from . import wrong
from .cards import operation
from .examples import classes
from .reduction import reduced, sum
from .shape import reshape, shape_of
from .softmax import softmax
from .weighted_loss import as_rows, class_weights, of_labels, of_probabilities


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
        If shapes do not fit, or a label is no integer or out of range. On a GPU such a label makes the loss
        NaN instead: to look for it would mean to wait for the GPU.

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
        return reduced(of_probabilities(logits, target, class_weights(name, logits, weight), s), reduction)
    labels, counted = check_labels(name, logits, target, ignore_index)
    if weight is None and counted is None and logits.ndim == 2:
        return reduced(CrossEntropy(labels, s)(logits), reduction)
    w = class_weights(name, logits, weight)
    each = CrossEntropy(labels.reshape(-1), s if w is None else 0.0)(as_rows(logits))
    return of_labels(reshape(each, *labels.shape), logits, labels, w, counted, s, reduction)


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


def label_tensor(target: Any) -> Tensor:
    """Return labels as a tensor; a list becomes one in NumPy, where they are cheap to check."""
    if isinstance(target, Tensor):
        return target
    return as_tensor(target) if hasattr(target, "dtype") else Tensor(target, backend="numpy")


def are_probabilities(x: Tensor, target: Any) -> bool:
    """Return whether the target is a distribution over the classes for each label of x: floats like x."""
    t = target if hasattr(target, "dtype") else np.asarray(target)
    return t.dtype.kind == "f" and t.shape == shape_of("cross_entropy", x)


def check_labels(
    name: str, x: Tensor, target: Any, ignore_index: int | None = None
) -> tuple[Array, Array | None]:
    """Return a copy of the labels of x in its backend, and which of them count; None if all do.

    Those left out become 0. Raises TypeError or ValueError for a wrong shape, dtype or range.
    """
    shape, t = shape_of(name, x), label_tensor(target)
    if len(shape) < 2 or t.dtype.kind not in "iu" or t.shape != (shape[0], *shape[2:]):
        raise wrong.labels(name, shape, t)
    labels, counted, where = t.data, None, backend_of(plain(x))
    if ignore_index is not None:
        counted = labels != ignore_index
        labels, counted = labels * counted, to_backend(counted, where)
    refuse_out_of_range(name, labels, shape[1], f" for the input (N, K, ...)={shape}")
    return to_backend(labels, where).copy(), counted  # one buffer may serve for several batches


def refuse_out_of_range(name: str, labels: Array, K: int, what: str = "") -> None:
    """Raise ValueError for labels outside 0 to K-1; `name` is the operation, `what` names its input.

    Labels on a GPU are checked under `tinycnn.detect_anomaly` only, as a check waits for all work before it.
    Without a check, a label out of range makes the result of the operation NaN.
    """
    if not labels.size or (not isinstance(labels, np.ndarray) and not detecting_anomaly()):
        return
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= K:
        raise wrong.label_range(name, lowest, highest, K, what)
