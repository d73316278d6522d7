"""The negative log-likelihood: cross-entropy (Eq. 6) of log-probabilities instead of logits."""

from typing import Any

from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor

from .arithmetic import mul, neg
from .cards import operation
from .examples import classes
from .indexing import gather
from .loss import check_labels
from .shape import reshape
from .weighted_loss import as_rows, class_weights, reduce_counted, weights_of


@operation(example=classes(reduction=["mean", "sum", "none"], weighted=True))
def nll_loss(
    log_probabilities: Tensor,
    target: Any,
    weight: Any = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood: L_n = -w[y_n] * x[n, y_n], for x = log_softmax(logits).

    The options are those of `cross_entropy`.
    """
    w = class_weights("nll_loss", log_probabilities, weight)
    labels, counted = check_labels("nll_loss", log_probabilities, target, ignore_index)
    each, weights = neg(_picked(log_probabilities, labels)), None if w is None else weights_of(w, labels)
    return reduce_counted(each if weights is None else mul(each, weights), weights, counted, reduction)


def _picked(x: Tensor, labels: Array) -> Tensor:
    """Return x[n, labels[n]] of (N, K), or the same at every pixel of (N, K, H, W)."""
    return reshape(gather(as_rows(x), 1, labels.reshape(-1, 1)), *labels.shape)
