"""A schedule that looks at how training goes: a smaller learning rate when nothing gets better."""

from collections.abc import Mapping
from typing import Any

from .optimizer import Optimizer, check_range


class ReduceLROnPlateau:
    """Multiplies the learning rates by `factor` after more than `patience` steps without a better metric.

    Call ``schedule.step(metric)`` once per epoch, with the loss or the accuracy on data held out.

    Parameters
    ----------
    optimizer
        Its groups' learning rates are reduced.
    mode
        "min" if a smaller metric is better, as of a loss; "max" if a larger one is, as of accuracy.
    factor
        Below 1.
    patience
        How many steps in a row may bring no better metric.
    threshold
        A metric counts as better only if it is better by this share of the best metric ("rel"), or by this
        number ("abs").
    threshold_mode
        "rel" or "abs".
    cooldown
        How many steps after a reduction are not counted.
    min_lr
        No learning rate becomes smaller.
    eps
        A smaller reduction is not made.

    Raises
    ------
    ValueError
        For an option out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}")
        check_range("factor", factor, below=1)
        for name, value in (("patience", patience), ("threshold", threshold), ("min_lr", min_lr)):
            check_range(name, value)
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown = threshold, threshold_mode, cooldown
        self.min_lr, self.eps = min_lr, eps
        self.best: float | None = None
        self.bad_steps, self.cooling = 0, 0

    def step(self, metric: Any) -> None:
        """Count one step with the newest metric, a number or a tensor of one element."""
        value = float(metric.item() if hasattr(metric, "item") else metric)
        if self._is_better(value):
            self.best, self.bad_steps = value, 0
        else:
            self.bad_steps += 1
        if self.cooling > 0:
            self.cooling, self.bad_steps = self.cooling - 1, 0
        if self.bad_steps > self.patience:
            self.cooling, self.bad_steps = self.cooldown, 0
            for group in self.optimizer.param_groups:
                smaller = max(group["lr"] * self.factor, self.min_lr)
                if group["lr"] - smaller > self.eps:
                    group["lr"] = smaller

    def _is_better(self, value: float) -> bool:
        if self.best is None:
            return value == value  # anything but NaN
        margin = self.threshold * (self.best if self.threshold_mode == "rel" else 1)
        return value < self.best - margin if self.mode == "min" else value > self.best + margin

    def state_dict(self) -> dict[str, Any]:
        """Return what the next steps depend on; the learning rates are in the optimizer's state."""
        return {"best": self.best, "bad_steps": self.bad_steps, "cooling": self.cooling}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.best = None if state["best"] is None else float(state["best"])
        self.bad_steps, self.cooling = int(state["bad_steps"]), int(state["cooling"])
