"""The same update rules, faster: one call makes the step of all parameters of a group, on a GPU one launch.

This replaces `Optimizer.step`, unless the plain kernels are chosen; see `tinycnn.autograd.fast`. Kernels that
have no such call, or a rule that is a subclass of your own, go the plain way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from tinycnn.dispatch import kernels_for, tell
from tinycnn.kernels.arrays import Array
from tinycnn.kernels.contract import UpdateAll
from tinycnn.tensor import Tensor

from .adam import Adam
from .adamw import AdamW
from .optimizer import Group, Optimizer
from .sgd import SGD

_plain_step = Optimizer.step


class Recorder(Protocol):
    """Records the updates of a step; see `tinycnn.optim.recording`."""

    def numbers(self, optimizer: Optimizer, group: Group, indices: Sequence[int], like: Array) -> Array:
        """Return the array on the GPU that an update reads its numbers from."""
        ...

    def one_by_one(self, optimizer: Optimizer) -> None:
        """Note that an optimizer updates its parameters one by one."""
        ...


recorders: list[Recorder] = []  # those that are recording; the last one counts


def step(self: Optimizer) -> None:
    """Make one step: the same as `Optimizer.step`."""
    first = 0
    for group in self.param_groups:
        numbered = enumerate(group["params"], start=first)
        due = [(i, p) for i, p in numbered if p._grad is not None and p._requires_grad]
        if due and not _step_of_all(self, due, group):
            if recorders:
                recorders[-1].one_by_one(self)
            for i, p in due:
                self.update_parameter(i, p, group)
        first += len(group["params"])


def _step_of_all(self: Optimizer, due: Sequence[tuple[int, Tensor]], group: Group) -> bool:
    """Make one step of several parameters in one call; return whether that could be done."""
    kernel = kernel_of_all(self, [p._data for _, p in due], group)
    if kernel is None:
        return False
    parameters = [
        (p._data, p._grad._data, *self.state_of(i, p).values()) for i, p in due if p._grad is not None
    ]
    if recorders:
        given: Any = recorders[-1].numbers(self, group, [i for i, _ in due], parameters[0][0])
    else:
        of_step = {t: numbers(self, t + 1, group) for t in {self.steps[i] for i, _ in due}}
        given = [of_step[self.steps[i]] for i, _ in due]
    if not kernel(parameters, given):
        return False
    for i, p in due:
        self.steps[i] += 1
        p.mark_dirty()
    return True


def kernel_of_all(optimizer: Optimizer, thetas: Sequence[Array], group: Group) -> UpdateAll | None:
    """Return the kernel that makes a step of all parameters of a group, None if there is none."""
    if type(optimizer) is SGD:
        return kernels_for(*thetas).sgd_of_all
    if type(optimizer) in (Adam, AdamW) and not group["amsgrad"]:
        return kernels_for(*thetas).adam_of_all
    return None


def numbers(optimizer: Optimizer, t: int, group: Group) -> tuple[float, ...]:
    """Return what that kernel takes for step `t` of one parameter; see `tinycnn.kernels.together.RULES`."""
    l2, l1, lr = group["weight_decay"], group["l1"], group["lr"]
    if isinstance(optimizer, SGD):
        return l2, l1, lr, group["momentum"], float(group["nesterov"])
    beta1, beta2 = group["betas"]
    decay = 1.0 if optimizer.decay_is_gradient else 1 - lr * l2
    betas = beta1, 1 - beta1, beta2, 1 - beta2
    corrected = lr / (1 - beta1**t), 1 / math.sqrt(1 - beta2**t)
    return (l2 if optimizer.decay_is_gradient else 0.0, l1, decay, *betas, *corrected, group["eps"])


@contextmanager
def recorded_by(recorder: Recorder) -> Iterator[None]:
    """Let `recorder` see every update inside the ``with`` block, whichever kernels are chosen."""
    before = Optimizer.step
    recorders.append(recorder)
    switch(True)
    try:
        yield
    finally:
        recorders.remove(recorder)
        Optimizer.step = before  # type: ignore[method-assign]


def switch(on: bool) -> None:
    """Go the fast way, or the plain one, from here on."""
    Optimizer.step = step if on else _plain_step  # type: ignore[method-assign]


tell(lambda kernels: switch(kernels is None or kernels.name != "plain"))
