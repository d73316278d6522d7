"""Distillation: a small network learns from a large one, which knows more of an image than its label."""

from dataclasses import dataclass, field
from typing import Any

from tinycnn import functional as F
from tinycnn.fit import Training, evaluation_mode
from tinycnn.modes import no_grad
from tinycnn.nn import Module
from tinycnn.tensor import Tensor


def distillation_loss(
    logits: Tensor, teacher_logits: Tensor, labels: Any, temperature: float = 4.0, alpha: float = 0.7
) -> Tensor:
    """Return alpha * T^2 * H(softmax(t/T), softmax(z/T)) + (1 - alpha) * H(label, softmax(z)).

    H is the cross-entropy, z the student's logits, t the teacher's. The temperature T makes the teacher's
    probabilities softer: it shows which wrong classes are nearly right. Gradients of the first term shrink
    with 1/T^2, hence the factor.

    Parameters
    ----------
    logits, teacher_logits
        (N, K); no gradient goes to the teacher's.
    labels
        (N,) integers.

    Raises
    ------
    ValueError
        For a temperature of 0 or less, an alpha outside 0 to 1, or logits of different shapes.

    References
    ----------
    Hinton et al. 2015, Distilling the knowledge in a neural network.
    """
    if not temperature > 0 or not 0 <= alpha <= 1:
        raise ValueError(f"temperature must be above 0 and alpha in [0, 1], got {temperature} and {alpha}")
    if logits.shape != teacher_logits.shape:
        raise ValueError(
            f"student and teacher must have logits of one shape, got {logits.shape} and "
            f"{teacher_logits.shape}"
        )
    truth = F.softmax(teacher_logits.detach() / temperature, 1)
    soft = F.cross_entropy(logits / temperature, truth)
    return alpha * temperature**2 * soft + (1 - alpha) * F.cross_entropy(logits, labels)


@dataclass
class Distillation(Training):
    """`Training` of a student, with a trained teacher of the same classes, which stays as it is.

    For temperature and alpha see `distillation_loss`. With alpha 0 this is `Training`.
    """

    teacher: Module = field(kw_only=True)
    temperature: float = field(default=4.0, kw_only=True)
    alpha: float = field(default=0.7, kw_only=True)

    def step(self, images: Tensor, labels: Tensor) -> None:
        with no_grad(), evaluation_mode(self.teacher):
            teacher_logits = self.teacher(images)

        def loss(logits: Tensor, labels: Tensor) -> Tensor:
            return distillation_loss(logits, teacher_logits, labels, self.temperature, self.alpha)

        plain, self.loss = self.loss, loss
        try:
            super().step(images, labels)
        finally:
            self.loss = plain  # of the validation
