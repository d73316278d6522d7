"""Whether labels are classes, 0 to K-1: said before any work, where that need not wait for a GPU."""

from typing import Any

from tinycnn.modes import modes
from tinycnn.tensor import Tensor, as_tensor


def label_tensor(target: Any) -> Tensor:
    """Return labels as a tensor; a list as one of NumPy, where they can be looked at."""
    return as_tensor(target) if hasattr(target, "dtype") else Tensor(target, backend="numpy")


def refuse_out_of_range(name: str, labels: Tensor, K: int, what: str = "") -> None:
    """Raise ValueError where a label is below 0 or above K-1; of `name`, and `what` the labels belong to.

    Labels that live on a GPU are looked at under `tinycnn.detect_anomaly` only: each look waits for all the
    work before it. Whoever uses them lets a result be NaN there.
    """
    if not labels.numel() or (labels.backend != "numpy" and not modes().detect_anomaly):
        return
    lowest, highest = int(labels.data.min()), int(labels.data.max())
    if lowest < 0 or highest >= K:
        raise ValueError(f"{name}: labels go from 0 to K-1={K - 1}{what}, got {lowest} to {highest}")
