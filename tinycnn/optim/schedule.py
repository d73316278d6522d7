"""Learning-rate schedules: lr as a function of how many steps the schedule made.

Call ``schedule.step()`` after ``optimizer.step()``: once per epoch or, for one-cycle, once per batch
(``per_batch``). The names and formulas are PyTorch's.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any

from tinycnn.kernels.geometry import at_least

from .optimizer import Optimizer


class Schedule:
    """Sets the learning rate of every group to ``lr_at(t, base_lr)`` at the start (t = 0) and at every step.

    Parameters
    ----------
    optimizer
        The ``lr`` of its groups at this moment become the ``base_lrs``.
    """

    per_batch = False

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer, self.t = optimizer, 0
        self.base_lrs = [group["lr"] for group in optimizer.param_groups]
        self._apply()

    def lr_at(self, t: int, base_lr: float) -> float:
        """Return the learning rate after `t` steps of a group that began with `base_lr`."""
        raise NotImplementedError(f"{type(self).__name__} has no lr_at()")

    def step(self) -> None:
        """Count one step, and set the learning rates."""
        self.t += 1
        self._apply()

    def _apply(self) -> None:
        for group, base_lr in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.lr_at(self.t, base_lr)

    def state_dict(self) -> dict[str, Any]:
        """Return what the next steps depend on; ``base_lr`` is a list if the optimizer has several groups."""
        return {"t": self.t, "base_lr": self.base_lrs if len(self.base_lrs) > 1 else self.base_lrs[0]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`.

        Raises
        ------
        ValueError
            If it has another number of groups.
        """
        base = state["base_lr"]
        base_lrs = [float(lr) for lr in (base if isinstance(base, list | tuple) else [base])]
        if len(base_lrs) != len(self.base_lrs):
            raise ValueError(f"base_lr of {len(base_lrs)} groups, the optimizer has {len(self.base_lrs)}")
        self.t, self.base_lrs = int(state["t"]), base_lrs
        self._apply()


class StepLR(Schedule):
    """lr = base * gamma^floor(t / step_size)."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        at_least(1, step_size=step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def lr_at(self, t: int, base_lr: float) -> float:
        """Return the learning rate after `t` steps of a group that began with `base_lr`."""
        return base_lr * self.gamma ** (t // self.step_size)


class MultiStepLR(Schedule):
    """lr = base * gamma^(how many of the milestones t has reached)."""

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        if not all(isinstance(m, int) and m > 0 for m in self.milestones):
            raise ValueError(f"milestones must be positive numbers of steps, got {self.milestones}")
        super().__init__(optimizer)

    def lr_at(self, t: int, base_lr: float) -> float:
        """Return the learning rate after `t` steps of a group that began with `base_lr`."""
        return base_lr * self.gamma ** bisect_right(self.milestones, t)


class ExponentialLR(Schedule):
    """lr = base * gamma^t."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def lr_at(self, t: int, base_lr: float) -> float:
        """Return the learning rate after `t` steps of a group that began with `base_lr`."""
        return base_lr * self.gamma**t


class CosineAnnealingLR(Schedule):
    """lr = eta_min + (base - eta_min) * (1 + cos(pi * t / T_max)) / 2.

    References
    ----------
    Loshchilov & Hutter 2017, SGDR.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        at_least(1, T_max=T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def lr_at(self, t: int, base_lr: float) -> float:
        """Return the learning rate after `t` steps of a group that began with `base_lr`."""
        return self.eta_min + (base_lr - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class OneCycleLR(Schedule):
    """Raise the learning rate to max_lr and lower it to almost 0, along cosines, in `total_steps` batches.

    From max_lr / div_factor up to max_lr in the first `pct_start` of the steps, then down to
    max_lr / div_factor / final_div_factor. Momentum (beta1 of Adam) goes the other way, from max_momentum to
    base_momentum and back.

    References
    ----------
    Smith & Topin 2018, Super-convergence; PyTorch's OneCycleLR.
    """

    per_batch = True

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
    ) -> None:
        if total_steps < 2 or not 0 < pct_start < 1:
            raise ValueError(
                f"one cycle needs total_steps >= 2 and pct_start between 0 and 1, "
                f"got {total_steps} and {pct_start}"
            )
        self.max_lr, self.total_steps, self.pct_start = max_lr, total_steps, pct_start
        self.initial_lr = max_lr / div_factor
        self.final_lr = self.initial_lr / final_div_factor
        self.cycle_momentum = cycle_momentum
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        super().__init__(optimizer)

    def lr_at(self, t: int, base_lr: float) -> float:
        """Return the learning rate after `t` steps of a group that began with `base_lr`."""
        return self._cycle(t, self.initial_lr, self.max_lr, self.final_lr)

    def _apply(self) -> None:
        if self.t >= self.total_steps:
            # The last batch's step() comes after the cycle's end: nothing is left to set.
            if self.t > self.total_steps:
                raise RuntimeError(f"the cycle of {self.total_steps} steps is over; step() came once more")
            return
        super()._apply()
        if self.cycle_momentum:
            momentum = self._cycle(self.t, self.max_momentum, self.base_momentum, self.max_momentum)
            for group in self.optimizer.param_groups:
                if "betas" in group:
                    group["betas"] = (momentum, group["betas"][1])
                elif group.get("momentum"):
                    group["momentum"] = momentum

    def _cycle(self, t: int, start: float, middle: float, end: float) -> float:
        peak = self.pct_start * self.total_steps - 1
        if t <= peak:
            return _cosine(start, middle, t / peak if peak else 1)
        return _cosine(middle, end, (t - peak) / (self.total_steps - 1 - peak))


def _cosine(start: float, end: float, share: float) -> float:
    """Return the value at `share` of a half cosine wave from `start` to `end`."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
