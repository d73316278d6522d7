"""One step of the two-player game: D learns to tell, then G learns to be taken for real (Eq. 12 and 13)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tinycnn
from tinycnn import functional as F
from tinycnn.nn import Module
from tinycnn.optim import Optimizer
from tinycnn.tensor import Tensor

from .losses import Loss, feature_matching, gradient_penalty


def discriminator_step(
    D: Module,
    optimizer: Optimizer,
    loss: Loss,
    real: Tensor,
    fake: Tensor,
    labels: Any = None,
    smoothing: float = 0.0,
    classes: Any = None,
    class_weight: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Let D learn from real and generated images; return its loss and its logits of both.

    Parameters
    ----------
    D, optimizer
        The discriminator, and what changes its weights.
    loss, smoothing
        See `tinycnn.gan.losses`.
    real, fake
        (N, C, H, W), in the same range. No gradient flows from here into the generator.
    labels
        (N,), of a conditional D.
    classes, class_weight
        (N,), of the real images: a D with one output a class also learns to name them, by the cross-entropy
        times this weight, which the loss returned leaves out. A generated image has no class to name.

    Raises
    ------
    ValueError
        Where the shapes of `real` and `fake` differ, or a loss without a truth shall be smoothed.
    """
    if real.shape != fake.shape:
        raise ValueError(f"real images have shape {real.shape}, generated ones {fake.shape}: must be equal")
    fake = fake.detach()
    scores = _scores(D, real, labels)
    real_logits, fake_logits = _logit(scores), judge(D, fake, labels)
    if loss.smoothable:
        value = loss.discriminator(real_logits, fake_logits, smoothing)
    elif smoothing:
        raise ValueError("label smoothing changes what D takes for the truth; this loss has no such target")
    else:
        value = loss.discriminator(real_logits, fake_logits)
    if loss.penalty:
        mix = tinycnn.rand(len(real), *(1,) * (real.ndim - 1))
        penalty = gradient_penalty(lambda x: judge(D, x, labels), real, fake, mix)
        value = value + penalty * loss.penalty
    whole = value + F.cross_entropy(scores, classes) * class_weight if class_weight else value
    optimizer.zero_grad()
    whole.backward()
    optimizer.step()
    return value, real_logits, fake_logits


def generator_step(
    D: Module,
    optimizer: Optimizer,
    loss: Loss,
    real: Tensor,
    fake: Tensor,
    labels: Any = None,
    class_weight: float = 0.0,
) -> Tensor:
    """Let G, whose result `fake` is, learn from what D thinks of it; return its loss.

    D's weights rest, so the walk back computes no gradients of them. Parameters as `discriminator_step`; with
    a `class_weight`, G also learns to make images that D can name: it minimises the entropy of the classes'
    probabilities, of each image by itself, times this weight, which the loss returned leaves out.
    """
    with frozen(D):
        whole = None
        if loss.generator is not None:
            scores = _scores(D, fake, labels)
            value = loss.generator(_logit(scores))
            if class_weight:
                whole = value + entropy(scores) * class_weight
        else:
            features = [D.features(x) if labels is None else D.features(x, labels) for x in (real, fake)]  # type: ignore[attr-defined]
            value = feature_matching(*features)
        optimizer.zero_grad()
        (value if whole is None else whole).backward()
    optimizer.step()
    return value


def entropy(scores: Tensor) -> Tensor:
    """Return the mean of -sum(p log p) of p = softmax(scores) (N, K): from 0, sure, to log K."""
    return -F.mean(F.sum(F.softmax(scores, 1) * F.log_softmax(scores, 1), 1))


def judge(D: Module, images: Tensor, labels: Any = None) -> Tensor:
    """Return D's logits (N, 1) for "real", of a conditional D with the labels.

    A D with K outputs has a score for each class, l; an image is real as far as it is one of them::

        D(x) = sum(e^l) / (sum(e^l) + 1),   so its logit is log(sum(e^l))

    References
    ----------
    Salimans et al. 2016, Improved techniques for training GANs, section 5.
    """
    return _logit(_scores(D, images, labels))


def _scores(D: Module, images: Tensor, labels: Any) -> Tensor:
    return D(images) if labels is None else D(images, labels)


def _logit(scores: Tensor) -> Tensor:
    return scores if scores.shape[1] == 1 else F.logsumexp(scores, 1, keepdim=True)


@contextmanager
def frozen(module: Module) -> Iterator[None]:
    """Let no gradients flow to a module's weights inside the ``with`` block."""
    parameters = list(module.parameters())
    for parameter in parameters:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad = True
