"""Check gradients against finite differences, to first and second order.

For a function f with inputs x and a random v, the projection ``p(x) = <v, f(x)>`` is one number, and for a
random direction u the derivative along u is one number too, computed in two independent ways::

    by backward:              <u, dp/dx>
    by central differences:   (p(x + h*u) - p(x - h*u)) / 2h      error of order h^2

A wrong gradient makes them differ with probability one, at the cost of two evaluations an input, however
large the arrays are. Only when they differ is every entry looked at by itself, to say which is worst.

The second order checks the first derivative as a function of x and v: ``(x, v) -> dp/dx``.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinycnn.tensor import Tensor, as_tensor, grad

ENTRIES = 512  # looked at one by one after a mismatch; of larger inputs, as many at random


class GradcheckError(AssertionError):
    """A gradient differs from finite differences."""


class GradcheckWarning(UserWarning):
    """A gradient could not be judged: a kink or a tie is closer than the step, or f computes in float32."""


@dataclass
class GradcheckResult:
    """What `gradcheck` measured.

    Attributes
    ----------
    errors
        For each order the largest relative difference |backward - differences| / scale of a projection.
    kinks
        What could not be judged, one sentence each.
    """

    errors: list[float] = field(default_factory=list)
    kinks: list[str] = field(default_factory=list)


def gradcheck(
    f: Callable[..., Any],
    inputs: Tensor | np.ndarray | Sequence[Any],
    order: int = 2,
    step: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    seed: int = 0,
) -> GradcheckResult:
    """Compare the gradients of `f` with finite differences, by random projections in float64.

    Parameters
    ----------
    f
        From tensors to a tensor or a sequence of them; the same result for the same inputs.
    inputs
        Tensors or arrays; floating point ones are checked, as float64 copies.
    order
        1 checks the gradient, 2 also the gradient of the gradient.
    step
        h of the central difference.
    rtol, atol
        A difference d passes if d <= atol + rtol * scale, scale the size of the terms that were added up.
    seed
        Of the random projections.

    Returns
    -------
    GradcheckResult

    Raises
    ------
    GradcheckError
        Names order, input and worst entry, with both values.
    ValueError
        Where there is nothing to check, or f gives something that is not finite.

    Warns
    -----
    GradcheckWarning
        Where a kink (relu at 0) or a tie (equal maxima) is closer than the step, so that no derivative
        exists there to compare with; and where `f` computes in float32.
    """
    several = [inputs] if isinstance(inputs, Tensor | np.ndarray) else inputs
    tensors = [as_tensor(x) for x in several]
    points = [_in_float64(x) if x.dtype.kind == "f" else x for x in tensors]
    if not any(x.requires_grad for x in points):
        raise ValueError("gradcheck needs at least one floating point input")
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {order}")
    rng = np.random.default_rng(seed)
    result = GradcheckResult()
    settings = _Settings(step, rtol, atol)
    _check(f, points, 1, settings, rng, result)
    if order == 2:
        derivative, more = _first_derivative(f, points, rng)
        _check(derivative, [*points, *more], 2, settings, rng, result)
    for kink in result.kinks:
        warnings.warn(kink, GradcheckWarning, stacklevel=2)
    return result


@dataclass
class _Settings:
    step: float
    rtol: float
    atol: float


def _in_float64(x: Tensor) -> Tensor:
    return Tensor(x.data.astype("float64"), requires_grad=True)


def _outputs(y: Any) -> list[Tensor]:
    return [y] if isinstance(y, Tensor) else list(y)


def _first_derivative(
    f: Callable[..., Any], points: list[Tensor], rng: np.random.Generator
) -> tuple[Callable[..., list[Tensor]], list[Tensor]]:
    """Return (x, v) -> d<v, f(x)>/dx, and random v."""
    wrt = [i for i, x in enumerate(points) if x.requires_grad]
    projections = [_random_like(y, rng) for y in _outputs(f(*points)) if y.requires_grad]

    def derivative(*arguments: Tensor) -> list[Tensor]:
        x, v = arguments[: len(points)], arguments[len(points) :]
        outputs = [y for y in _outputs(f(*x)) if y.requires_grad]
        gradients = grad(outputs, [x[i] for i in wrt], list(v), create_graph=True, allow_unused=True)
        return [g for g in gradients if g is not None and g.requires_grad]

    return derivative, projections


def _random_like(y: Tensor, rng: np.random.Generator) -> Tensor:
    return Tensor(rng.standard_normal(y.shape), requires_grad=True, backend=y.backend)


def _check(
    f: Callable[..., Any],
    points: list[Tensor],
    order: int,
    settings: _Settings,
    rng: np.random.Generator,
    result: GradcheckResult,
) -> None:
    outputs = [y for y in _outputs(f(*points)) if y.requires_grad]
    if not outputs:
        if order == 1:
            raise ValueError(
                "no output of the function requires a gradient: it does not depend on the inputs"
            )
        result.errors.append(0.0)  # the first derivative is constant
        return
    if any(y.dtype != np.float64 for y in outputs):
        # Rounding of float32, about 1e-7, over a step of 1e-6 would leave no correct digit.
        settings = _Settings(max(settings.step, 1e-3), max(settings.rtol, 1e-2), max(settings.atol, 1e-3))
        note = "the function computes in float32: checked with a larger step, to about two digits only"
        if note not in result.kinks:
            result.kinks.append(note)
    for y in outputs:
        if not np.isfinite(y.numpy()).all():
            raise ValueError(
                f"the function gives values that are not finite, shape {y.shape}, at order {order}"
            )
    v = [_random_like(y, rng).numpy() for y in outputs]
    checked = [i for i, x in enumerate(points) if x.requires_grad]
    seeds = [Tensor(a.astype(y.dtype), backend=y.backend) for a, y in zip(v, outputs, strict=True)]
    gradients = grad(outputs, [points[i] for i in checked], seeds, allow_unused=True)
    worst = 0.0
    for i, gradient in zip(checked, gradients, strict=True):
        analytic = np.zeros(points[i].shape) if gradient is None else gradient.numpy()
        if not analytic.size:
            continue
        probe = _Probe(f, points, i, v)
        u = rng.standard_normal(analytic.shape)
        along, numeric = float((analytic * u).sum()), probe.central(u, settings.step)
        scale = float(np.sqrt((analytic**2 * u**2).sum())) + abs(numeric)
        error = abs(along - numeric)
        if error <= settings.atol + settings.rtol * scale:
            worst = max(worst, error / max(scale, 1.0))
        else:
            _diagnose(probe, analytic, (along, numeric), order, settings, rng, result)
    result.errors.append(worst)


class _Probe:
    """The projection <v, f(x)> as a function of one input."""

    def __init__(self, f: Callable[..., Any], points: list[Tensor], i: int, v: list[np.ndarray]) -> None:
        self.f, self.points, self.i, self.v = f, points, i, v

    def at(self, offset: np.ndarray) -> float:
        """Return the projection with `offset` added to the input."""
        moved = list(self.points)
        here = self.points[self.i]
        moved[self.i] = Tensor(here.numpy() + offset, requires_grad=True, backend=here.backend)
        # Only as many outputs as have a projection: those that require a gradient.
        outputs = [y for y in _outputs(self.f(*moved)) if y.requires_grad]
        return float(
            sum((a * y.numpy().astype("float64")).sum() for a, y in zip(self.v, outputs, strict=True))
        )

    def central(self, u: np.ndarray, h: float) -> float:
        """Return the derivative along `u` by central differences."""
        return (self.at(h * u) - self.at(-h * u)) / (2 * h)

    def one_sided(self, u: np.ndarray, h: float) -> tuple[float, float]:
        """Return the derivatives from the left and from the right."""
        here = self.at(0 * u)
        return (here - self.at(-h * u)) / h, (self.at(h * u) - here) / h


def _diagnose(
    probe: _Probe,
    analytic: np.ndarray,
    projection: tuple[float, float],
    order: int,
    settings: _Settings,
    rng: np.random.Generator,
    result: GradcheckResult,
) -> None:
    """Look at the entries one by one: raise for the worst wrong one, note those at a kink."""
    cells = np.arange(analytic.size)
    if analytic.size > ENTRIES:
        cells = np.sort(rng.choice(analytic.size, ENTRIES, replace=False))
    worst: tuple[float, tuple[int, ...], float, float] | None = None
    kinks: list[tuple[int, ...]] = []
    for cell in cells:
        entry = tuple(int(c) for c in np.unravel_index(cell, analytic.shape))
        unit = np.zeros(analytic.shape)
        unit[entry] = 1.0
        value, numeric = float(analytic[entry]), probe.central(unit, settings.step)
        error = abs(value - numeric)
        if error <= 10 * settings.atol + settings.rtol * (abs(value) + abs(numeric)):
            continue
        if _is_kink(probe, unit, value, settings):
            kinks.append(entry)
        elif worst is None or not error <= worst[0]:
            worst = error, entry, value, numeric
    where = f"order {order}, input {probe.i} of shape {analytic.shape}"
    if worst is not None:
        raise GradcheckError(
            f"{where}: entry {worst[1]} is worst: backward gives {worst[2]:.8g}, finite differences "
            f"{worst[3]:.8g} (random projection: {projection[0]:.8g} and {projection[1]:.8g})"
        )
    if not kinks:
        raise GradcheckError(
            f"{where}: along a random direction backward gives {projection[0]:.8g}, finite differences "
            f"{projection[1]:.8g}; no single entry of the {len(cells)} looked at stands out"
        )
    result.kinks.append(
        f"{where}: a kink or a tie is closer than the step {settings.step:g} at {len(kinks)} entries, the "
        f"first {kinks[0]}; no derivative exists there to compare with. Move the input away from it"
    )


def _is_kink(probe: _Probe, unit: np.ndarray, value: float, settings: _Settings) -> bool:
    """Return whether the left and right derivatives differ, with `value` between them.

    On a smooth function the two differ by O(h), so a tenth of the step makes it a tenth; at a kink within
    the step they stay apart, or come together at the value once the step is short of the kink.
    """
    h = settings.step
    left, right = probe.one_sided(unit, h)
    # Differences of values of the size p(x) carry rounding of about 1e-16 * |p| / h.
    noise = settings.atol + settings.rtol * (abs(left) + abs(right)) + 1e-14 * abs(probe.at(0 * unit)) / h
    if abs(left - right) <= 100 * noise:
        return False
    nearer_left, nearer_right = probe.one_sided(unit, h / 10)
    if abs(nearer_left - nearer_right) < 0.5 * abs(left - right):
        return abs((nearer_left + nearer_right) / 2 - value) <= 100 * noise
    low, high = sorted((left, right))
    return low - 10 * noise <= value <= high + 10 * noise
