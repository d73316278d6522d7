"""The generator's weights, averaged over the last steps: its samples wander less than those of one step."""

import copy
from typing import Generic, TypeVar

from tinycnn.nn import Module
from tinycnn.tensor import Tensor

Network = TypeVar("Network", bound=Module)


class ExponentialMovingAverage(Generic[Network]):
    """A copy of a network whose weights follow the trained ones slowly.

    ::

        average <- average + (1 - d) * (theta - average),   d = min(decay, (1 + t) / (10 + t))

    at step t, so that the first steps, far from anything, are soon forgotten. Running statistics are averaged
    too: they belong to the weights.

    Attributes
    ----------
    model
        The copy.
    steps
        How many updates it had.

    References
    ----------
    Yazici et al. 2019, The unusual effectiveness of averaging in GAN training.
    """

    def __init__(self, model: Network, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and below 1, got {decay}")
        self.model: Network = copy.deepcopy(model)
        self.decay, self.steps = decay, 0
        self.model.eval()
        self._pairs = list(zip(_tensors(self.model), _tensors(model), strict=True))

    def update(self) -> None:
        """Take one step of the trained network in."""
        self.steps += 1
        d = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for average, theta in self._pairs:
            if average.dtype.kind == "f":
                average.data += (1 - d) * (theta.data - average.data)
            else:
                average.data[...] = theta.data


def _tensors(model: Module) -> list[Tensor]:
    return [tensor for _, tensor in [*model.named_parameters(), *model.named_buffers()]]
