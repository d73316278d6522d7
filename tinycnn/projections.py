"""How `tinycnn.gradcheck` probes a gradient: along a direction, from one side, and at a kink."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinycnn.tensor import Tensor


@dataclass(frozen=True)
class Settings:
    """The step and the tolerances; see `gradcheck`."""

    step: float
    rtol: float
    atol: float
    eps: float = float(np.finfo(np.float64).eps)  # rounding of one number


@dataclass(frozen=True)
class Problem:
    """What is checked: f from tensors to a list of tensors, at these points, under these names."""

    f: Callable[..., list[Tensor]]
    points: list[Tensor]
    names: list[str]
    settings: Settings


def random_numbers(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return random numbers of both signs, none of them near 0: it would hide the entry it is a factor of."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)


def random_like(y: Tensor, rng: np.random.Generator) -> Tensor:
    """Return a tensor of such numbers, in the shape and backend of `y`."""
    return Tensor(random_numbers(y.shape, rng), requires_grad=True, backend=y.backend)


class Compared(NamedTuple):
    """Two derivatives along one direction."""

    along: float  # the derivative along a direction, by backward
    numeric: float  # by central differences
    scale: float  # the size of the terms that were added up
    agree: bool

    @property
    def error(self) -> float:
        """The difference of the two."""
        return abs(self.along - self.numeric)


class Probe:
    """The projection <v, f(x)> as a function of one input, and the gradient it is said to have."""

    def __init__(self, problem: Problem, i: int, v: list[np.ndarray], analytic: np.ndarray) -> None:
        self.problem, self.i, self.v, self.analytic = problem, i, v, analytic
        settings = problem.settings
        terms = sum(float(np.abs(a * y).sum()) for a, y in zip(v, self.values(0.0), strict=True))
        self.rounding = 4 * settings.eps * terms / settings.step

    def values(self, offset: np.ndarray | float) -> list[np.ndarray]:
        """Return f's values with `offset` added to the input."""
        moved = list(self.problem.points)
        here = moved[self.i]
        moved[self.i] = Tensor(here.numpy() + offset, requires_grad=True, backend=here.backend)
        return [y.numpy().astype("float64") for y in self.problem.f(*moved)]

    def at(self, offset: np.ndarray) -> float:
        """Return the projection with `offset` added to the input."""
        return float(sum((a * y).sum() for a, y in zip(self.v, self.values(offset), strict=True)))

    def compare(self, u: np.ndarray) -> Compared:
        """Compare the two derivatives along `u`."""
        settings, h = self.problem.settings, self.problem.settings.step
        terms = self.analytic[u != 0] * u[u != 0]  # elsewhere a gradient may be NaN
        along, numeric = float(terms.sum()), (self.at(h * u) - self.at(-h * u)) / (2 * h)
        scale = float(np.sqrt((terms**2).sum())) + abs(numeric)
        tolerance = settings.atol + settings.rtol * scale + self.rounding
        return Compared(along, numeric, scale, abs(along - numeric) <= tolerance)

    def one_sided(self, u: np.ndarray, h: float) -> tuple[float, float]:
        """Return the derivatives from the left and from the right."""
        here = self.at(0 * u)
        return (here - self.at(-h * u)) / h, (self.at(h * u) - here) / h


def only(u: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return `u` at these cells, counted as in ``u.ravel()``, and 0 elsewhere."""
    part = np.zeros(u.size)
    part[cells] = u.ravel()[cells]
    return part.reshape(u.shape)


def is_kink(probe: Probe, u: np.ndarray, value: float, settings: Settings) -> bool:
    """Return whether the left and right derivatives along `u` differ, with `value` between them.

    If they agree with a step a hundred times smaller, the kink lies beside this point, and `value` must be
    what they agree on. If they grow instead, f jumps, as the derivative of a kink does: every value up to
    theirs passes.
    """
    h, closer = settings.step, settings.step / 100

    def tolerance(sides: tuple[float, float], h: float) -> float:
        rounding = probe.rounding * settings.step / h
        return settings.atol + settings.rtol * (abs(sides[0]) + abs(sides[1])) + rounding

    left, right = far = probe.one_sided(u, h)
    nearer_left, nearer_right = near = probe.one_sided(u, closer)
    tight, loose = 10 * tolerance(far, h), 100 * tolerance(near, closer)
    jumps = max(map(abs, near)) > 10 * max(map(abs, far)) + loose
    if not jumps and abs(left - right) <= 10 * tight:
        return False
    if not jumps and abs(nearer_left - nearer_right) <= loose:
        return abs((nearer_left + nearer_right) / 2 - value) <= loose
    low, high = sorted((left, right))
    if jumps:
        low, high = min(low, 0.0), max(high, 0.0)
    return low - tight <= value <= high + tight
