"""Whether labels are classes, 0 to K-1: said before any work, where that need not wait for a GPU."""

from typing import Any

from tinycnn.autograd.safety import detecting_anomaly
from tinycnn.tensor import Tensor, as_tensor


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
