"""Losses (Eq. 6) as modules; the equations are in `tinycnn.functional.loss`."""

from typing import Any

from tinycnn import functional as F
from tinycnn.tensor import Tensor

from .module import Buffer, Module


class _Loss(Module):
    """What all losses share: a reduction, "mean", "sum" or "none"."""

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r:.60}")
        self.reduction = reduction


class CrossEntropyLoss(_Loss):
    """-log softmax(logits)[label], from logits, or from logits and probabilities; see `F.cross_entropy`.

    Parameters
    ----------
    weight
        (K,), how much each class counts.
    ignore_index
        Labels with this number are left out. PyTorch leaves out -100 by default; here nothing is.
    reduction
        "mean" over what counts, "sum" or "none".
    label_smoothing
        This share of the truth is spread evenly over all K classes.
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        self.weight, self.ignore_index = _buffer("weight", weight), ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Any) -> Tensor:
        return F.cross_entropy(
            logits, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )


class NLLLoss(_Loss):
    """-x[label], for x = log_softmax(logits); the options are those of `CrossEntropyLoss`."""

    def __init__(self, weight: Any = None, ignore_index: int | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.weight, self.ignore_index = _buffer("weight", weight), ignore_index

    def forward(self, log_probabilities: Tensor, target: Any) -> Tensor:
        return F.nll_loss(log_probabilities, target, self.weight, self.ignore_index, self.reduction)


class MSELoss(_Loss):
    """(x - target)^2."""

    def forward(self, x: Tensor, target: Any) -> Tensor:
        return F.mse_loss(x, target, self.reduction)


class L1Loss(_Loss):
    """``|x - target|``."""

    def forward(self, x: Tensor, target: Any) -> Tensor:
        return F.l1_loss(x, target, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Cross-entropy of a yes-or-no answer, from logits; see `F.binary_cross_entropy_with_logits`.

    Parameters
    ----------
    weight
        How much each element counts; broadcast to the shape.
    reduction
        "mean" over all elements, "sum" or "none".
    pos_weight
        How much the answer yes counts more than no; broadcast to the shape.
    """

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self.weight, self.pos_weight = _buffer("weight", weight), _buffer("pos_weight", pos_weight)

    def forward(self, logits: Tensor, target: Any) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            logits, target, self.weight, self.reduction, self.pos_weight
        )


def _buffer(name: str, weight: Any) -> Buffer | None:
    """Return weights as a buffer: they move with the network, and are saved with it."""
    if isinstance(weight, str):
        raise TypeError(f"{name} must be numbers, got {weight!r}; write reduction={weight!r}")
    return None if weight is None else Buffer(weight)
