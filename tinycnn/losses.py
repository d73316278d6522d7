"""Losses (Eq. 6) as modules, under PyTorch's names; the equations are in `tinycnn.functional.loss`."""

from typing import Any

from tinycnn import functional as F
from tinycnn.nn import Module
from tinycnn.tensor import Tensor


class CrossEntropyLoss(Module):
    """-log softmax(logits)[label], from logits."""

    def __init__(self, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        self.reduction, self.label_smoothing = reduction, label_smoothing

    def forward(self, logits: Tensor, target: Any) -> Tensor:
        return F.cross_entropy(logits, target, self.reduction, self.label_smoothing)


class NLLLoss(Module):
    """-x[label], for x = log_softmax(logits)."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, log_probabilities: Tensor, target: Any) -> Tensor:
        return F.nll_loss(log_probabilities, target, self.reduction)


class MSELoss(Module):
    """(x - target)^2."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, x: Tensor, target: Any) -> Tensor:
        return F.mse_loss(x, target, self.reduction)


class L1Loss(Module):
    """``|x - target|``."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, x: Tensor, target: Any) -> Tensor:
        return F.l1_loss(x, target, self.reduction)


class BCEWithLogitsLoss(Module):
    """Cross-entropy of a yes-or-no answer, from logits."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, logits: Tensor, target: Any) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, target, self.reduction)
