"""Classes and kinds as inputs of a network: one-hot rows."""

from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn import functional as F
from tinycnn.functional.loss import label_tensor, refuse_out_of_range
from tinycnn.nn import Module
from tinycnn.tensor import Tensor


class Kinds(Module):
    """Let the first numbers of z only choose a kind of image: which of them is largest is all that counts.

    Why: a generator is continuous, so on the way from an 8 to a 1 it has to make something between the two,
    which no real image is. A choice has nothing in between: a walk through z jumps when the choice changes.
    `kinds` is how many numbers choose.

    References
    ----------
    Gurumurthy et al. 2017, DeLiGAN, draw z from a mixture for the same reason.
    """

    def __init__(self, kinds: int) -> None:
        self.kinds = kinds

    def forward(self, z: Tensor) -> Tensor:
        """Return z (N, latent) with sqrt(kinds) for the largest number that chooses, and 0 for the others."""
        K = self.kinds
        largest = Tensor(z.data[:, :K].argmax(1), backend=z.backend)
        chosen = one_hot("Kinds", largest, K, z) * K**0.5  # mean square 1, as z has
        return F.concatenate([chosen, z[:, K:]], 1)


def one_hot(name: str, labels: Any, K: int, like: Tensor) -> Tensor:
    """Return (N, K) with 1 at each label and 0 elsewhere, in the dtype and backend of `like`.

    Raises TypeError or ValueError, beginning with `name`, unless labels are (N,) integers in 0 .. K-1; of
    labels that live on a GPU, those outside make their row NaN instead.
    """
    N = len(like)
    if labels is None:
        raise ValueError(f"{name}: it is conditional, so it needs labels (N,) with N={N}, 0 to K-1={K - 1}")
    t = label_tensor(labels)
    if t.dtype.kind not in "iu":
        raise TypeError(f"{name}: labels must be integers, got {t.dtype}")
    if t.shape != (N,):
        raise ValueError(f"{name}: labels must have shape (N,)=({N},), got {t.shape}")
    refuse_out_of_range(name, t.data, K)
    xp = _backend.library(like.backend)
    labels = t.to(like.backend).data[:, None]  # (N, 1)
    rows = (labels == xp.arange(K)).astype(np.dtype(like.dtype))  # (N, K)
    if xp is not np:  # nobody looked at them: a label out of range is no class
        rows = xp.where((labels >= 0) & (labels < K), rows, rows.dtype.type(np.nan))
    return Tensor(rows, backend=like.backend)


def refuse_labels(name: str, labels: Any) -> None:
    """Raise ValueError if a network that is not conditional gets labels."""
    if labels is not None:
        raise ValueError(f"{name}: it is not conditional and takes no labels; make it with num_classes=K")
