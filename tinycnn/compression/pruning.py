"""Magnitude pruning (Eq. 16): the weights nearest to 0 become 0, and stay 0 in further training.

Weights are the parameters of two dimensions or more: of dense layers and convolutions. Biases, and what
normalisation learns, are few and stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tinycnn.backend import to_backend
from tinycnn.fit import Callback, Trainable
from tinycnn.nn import Module, Parameter

SCOPES = ("global", "layer")


@dataclass(frozen=True)
class Masks:
    """Which weights of a network stay: `kept` has for each by its name an array, True where it stays."""

    model: Module
    kept: Mapping[str, np.ndarray]

    @property
    def sparsity(self) -> float:
        """The share of the weights that are cut."""
        counts = [(mask.size - int(mask.sum()), mask.size) for mask in self.kept.values()]
        return sum(cut for cut, _ in counts) / sum(size for _, size in counts)

    def apply(self) -> None:
        """Set the weights that were cut to 0. A step of an optimizer may have changed them."""
        parameters = weights_of(self.model)
        for name, mask in self.kept.items():
            p = parameters[name]
            p.data[to_backend(~mask, p.backend)] = 0
            p.mark_dirty()


def prune(model: Module, sparsity: float, scope: str = "global") -> Masks:
    """Set the share `sparsity` of the weights to 0, those of the smallest size ``|w|``, and return the masks.

    Weights that are 0 already are the smallest, so what was cut before stays cut.

    Parameters
    ----------
    model
        A network; it is changed in place.
    sparsity
        The share of the weights that are 0 afterwards, between 0 and 1, both excluded.
    scope
        "global" compares the weights of all layers together. "layer" cuts the same share of each layer.

    Returns
    -------
    masks
        Call ``masks.apply()`` after each step of an optimizer, or give ``KeepPruned(masks)`` to `fit`. The
        zeros are saved with the weights; `masks_of` finds them again.

    Raises
    ------
    ValueError
        For a sparsity of 0, 1 or outside, another scope, and a network without weights.

    References
    ----------
    Han et al. 2015, Learning both weights and connections for efficient neural networks.

    Examples
    --------
    >>> from tinycnn import nn
    >>> layer = nn.Linear(4, 1)
    >>> layer.weight.data[...] = [[0.5, -0.1, 0.2, -3.0]]
    >>> masks = prune(layer, 0.5)
    >>> layer.weight.tolist()
    [[0.5, 0.0, 0.0, -3.0]]
    """
    check_how(sparsity, scope)
    sizes = {name: np.abs(p.numpy()) for name, p in weights_of(model).items()}
    groups = [list(sizes)] if scope == "global" else [[name] for name in sizes]
    kept: dict[str, np.ndarray] = {}
    for names in groups:
        together = np.concatenate([sizes[name].ravel() for name in names])
        mask = np.ones(len(together), bool)
        mask[np.argsort(together, kind="stable")[: round(sparsity * len(together))]] = False
        ends = np.cumsum([sizes[name].size for name in names])[:-1]
        for name, part in zip(names, np.split(mask, ends), strict=True):
            kept[name] = part.reshape(sizes[name].shape)
    masks = Masks(model, kept)
    masks.apply()
    return masks


def masks_of(model: Module) -> Masks:
    """Return the masks of a network that was pruned before: its weights that are exactly 0 were cut."""
    return Masks(model, {name: p.numpy() != 0 for name, p in weights_of(model).items()})


def weights_of(model: Module) -> dict[str, Parameter]:
    """Return the parameters that are pruned, by name; raise ValueError if there are none."""
    weights = {name: p for name, p in model.named_parameters() if p.ndim > 1}
    if not weights:
        raise ValueError(f"{type(model).__name__} has no weights of two dimensions or more to prune")
    return weights


class KeepPruned(Callback):
    """Keep what was pruned at 0 while `fit` trains the rest.

    Parameters
    ----------
    masks
        Of `prune` or `masks_of`.
    """

    def __init__(self, masks: Masks) -> None:
        self.masks = masks

    def on_batch_end(self, training: Trainable) -> None:
        self.masks.apply()


class GradualPruning(Callback):
    """Prune a little after every few batches of `fit`: the network gets used to it.

    After the share t of the batches the sparsity is s = sparsity * (1 - (1 - t)^3): much is cut early, when
    many weights are superfluous, and little at the end. It depends on the batch and the zeros alone, so a
    training that is resumed goes on where it stopped.

    Parameters
    ----------
    model
        The network that is trained.
    sparsity
        The share of the weights that are 0 in the end.
    scope
        As of `prune`.
    until
        After which share of all batches the end is reached. The rest of the training adapts what is left.
    every
        Batches between two times.

    Raises
    ------
    ValueError
        As `prune`; and for an `until` outside 0 < until <= 1, or an `every` below 1.

    References
    ----------
    Zhu and Gupta 2017, To prune, or not to prune.
    """

    def __init__(
        self, model: Module, sparsity: float, scope: str = "global", until: float = 0.7, every: int = 20
    ) -> None:
        check_how(sparsity, scope)
        if not 0 < until <= 1 or every < 1:
            raise ValueError(f"until must be in (0, 1] and every at least 1, got {until} and {every}")
        self.model, self.sparsity, self.scope = model, sparsity, scope
        self.until, self.every = until, every
        self.masks = masks_of(model)

    def sparsity_at(self, t: float) -> float:
        """Return the sparsity after the share t of the time, 0 to 1, that the pruning takes."""
        return self.sparsity * (1 - (1 - min(t, 1.0)) ** 3)

    def on_fit_begin(self, training: Trainable) -> None:
        self.masks = masks_of(self.model)  # a training that goes on has pruned before

    def on_batch_end(self, training: Trainable) -> None:
        batches = len(training.train)
        done = training.epoch * batches + training.batch
        end = max(round(self.until * training.epochs * batches), 1)
        if done == end or (done < end and done % self.every == 0):
            self.masks = prune(self.model, self.sparsity_at(done / end), self.scope)
        else:
            self.masks.apply()


def check_how(sparsity: float, scope: str) -> None:
    """Raise TypeError or ValueError for what `prune` refuses."""
    check_share("sparsity", sparsity)
    if scope not in SCOPES:
        raise ValueError(f"scope must be one of {', '.join(SCOPES)}, got {scope!r}")


def check_share(name: str, share: float) -> None:
    """Raise ValueError unless 0 < share < 1, and TypeError if it is no number."""
    if not isinstance(share, int | float | np.number):
        raise TypeError(f"{name} must be a number between 0 and 1, got {share!r:.40}")
    if not 0 < share < 1:  # NaN, too
        hint = f"; {share:g} % is {name}={share / 100:g}" if 1 < share < 100 else ""
        raise ValueError(f"{name} is a share between 0 and 1, both excluded, got {share}{hint}")
