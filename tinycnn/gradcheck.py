"""Check gradients against finite differences, to first and second order.

For a function f with inputs x and a random v, the projection ``p(x) = <v, f(x)>`` is one number, and for a
random direction u the derivative along u is one number too, computed in two independent ways::

    by backward:              <u, dp/dx>
    by central differences:   (p(x + h*u) - p(x - h*u)) / 2h      error of order h^2

A wrong gradient makes them differ with probability one, at the cost of two evaluations an input, however
large the arrays are. Only when they differ is the input halved, and the half that differs again, down to the
entries that are wrong.

The second order checks the first derivative as a function of x and v: ``(x, v) -> dp/dx``.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinycnn.autograd import grad
from tinycnn.kernels.arrays import Array
from tinycnn.projections import Probe, Problem, Settings, is_kink, only, random_like, random_numbers
from tinycnn.tensor import Tensor, as_tensor

TRIES = 512  # parts of an input that are looked at, at most, to find its wrong entries


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
        For each order the largest relative difference, ``|backward - differences| / scale``, of a projection.
    kinks
        What could not be judged, one sentence each.
    """

    errors: list[float] = field(default_factory=list)
    kinks: list[str] = field(default_factory=list)


def gradcheck(
    f: Callable[..., Any],
    inputs: Tensor | Array | Sequence[Any],
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
        Names order, input and worst entry, with both values; or says that the function is random, or that
        there was nothing to compare but kinks.
    ValueError
        If there is nothing to check, or f gives values that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn
    >>> result = tinycnn.gradcheck(lambda x: x.exp(), np.array([0.0, 1.0]))
    >>> max(result.errors) < 1e-8
    True

    Warns
    -----
    GradcheckWarning
        If a kink (relu at 0) or a tie (equal maxima) is closer than the step, so that there is no derivative
        to compare with; and if `f` computes in float32.
    """
    several = inputs if isinstance(inputs, list | tuple) else [inputs]
    tensors = [as_tensor(x) for x in several]
    points = [_in_float64(x) if x.dtype.kind == "f" else x for x in tensors]
    if not any(x.requires_grad for x in points):
        raise ValueError("gradcheck needs at least one floating point input")
    if not any(x.requires_grad and x.numel() for x in points):
        raise ValueError(f"nothing to compare: the inputs {[x.shape for x in points]} have no elements")
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {order}")

    def outputs(*x: Tensor) -> list[Tensor]:
        y = f(*x)
        return [t for t in ([y] if isinstance(y, Tensor) else y) if t.requires_grad]

    rng = np.random.default_rng(seed)
    result = GradcheckResult()
    settings = _settings(outputs(*points), Settings(step, rtol, atol), result)
    names = [f"input {i} of shape {x.shape}" for i, x in enumerate(points)]
    _check(1, Problem(outputs, points, [f"order 1, {name}" for name in names], settings), rng, result)
    if order == 2:
        v = [random_like(y, rng) for y in outputs(*points)]
        names += [f"incoming gradient {i} of shape {t.shape}" for i, t in enumerate(v)]
        derivative = _first_derivative(outputs, points)
        names = [f"order 2, {name}" for name in names]
        _check(2, Problem(derivative, [*points, *v], names, settings), rng, result)
    for kink in result.kinks:
        warnings.warn(kink, GradcheckWarning, stacklevel=2)
    return result


def _in_float64(x: Tensor) -> Tensor:
    return Tensor(x.data.astype("float64"), requires_grad=True, backend=x.backend)


def _settings(outputs: list[Tensor], settings: Settings, result: GradcheckResult) -> Settings:
    """Return `settings`, coarser if the function computes in float32; refuse what cannot be checked."""
    if not outputs:
        raise ValueError("no output of the function requires a gradient: it does not depend on the inputs")
    if all(y.dtype == np.float64 for y in outputs):
        return settings
    # Rounding of float32, about 1e-7, over a step of 1e-6 would leave no correct digit.
    result.kinks.append(
        "the function computes in float32: checked with a larger step, to about two digits only"
    )
    return replace(
        settings,
        step=max(settings.step, 1e-3),
        rtol=max(settings.rtol, 1e-2),
        atol=max(settings.atol, 1e-3),
        eps=float(np.finfo(np.float32).eps),
    )


def _first_derivative(
    outputs: Callable[..., list[Tensor]], points: list[Tensor]
) -> Callable[..., list[Tensor]]:
    """Return (x, v) -> d<v, f(x)>/dx.

    A gradient that requires none itself is kept: if it changes with x all the same, backward computed it
    outside the graph, and that is the fault to find.
    """
    wrt = [i for i, x in enumerate(points) if x.requires_grad]

    def derivative(*arguments: Tensor) -> list[Tensor]:
        x, v = arguments[: len(points)], arguments[len(points) :]
        inputs = [x[i] for i in wrt]
        gradients = grad(outputs(*x), inputs, list(v), create_graph=True, allow_unused=True)
        return [here * 0 if g is None else g for here, g in zip(inputs, gradients, strict=True)]

    return derivative


def _check(order: int, problem: Problem, rng: np.random.Generator, result: GradcheckResult) -> None:
    settings = problem.settings
    outputs = problem.f(*problem.points)
    for y, again in zip(outputs, problem.f(*problem.points), strict=True):
        if not np.array_equal(y.numpy(), again.numpy(), equal_nan=True):
            raise GradcheckError(
                f"order {order}: the function gave two results for the same inputs, of shape {y.shape}: it "
                "draws random numbers (dropout in training, a layer that is made anew) or remembers earlier "
                "calls. Seed it in each call, or use eval()"
            )
        if not np.isfinite(y.numpy()).all():
            raise ValueError(
                f"the function, or its gradient, gives values that are not finite, in shape {y.shape}"
            )
    v = [random_numbers(y.shape, rng) for y in outputs]
    checked = [i for i, x in enumerate(problem.points) if x.requires_grad]
    seeds = [Tensor(a.astype(y.dtype), backend=y.backend) for a, y in zip(v, outputs, strict=True)]
    connected = [(y, seed) for y, seed in zip(outputs, seeds, strict=True) if y.requires_grad]
    gradients = grad(
        [y for y, _ in connected],
        [problem.points[i] for i in checked],
        [seed for _, seed in connected],
        allow_unused=True,
    )
    worst, compared_entries = 0.0, 0
    for i, gradient in zip(checked, gradients, strict=True):
        analytic = np.zeros(problem.points[i].shape) if gradient is None else gradient.numpy()
        if not analytic.size:
            continue
        probe = Probe(problem, i, v, analytic)
        u = random_numbers(analytic.shape, rng)
        compared = probe.compare(u)
        if compared.agree:
            worst = max(worst, compared.error / max(compared.scale, 1.0))
            compared_entries += u.size
        else:
            compared_entries += _diagnose(probe, u, problem.names[i], settings, result)
    if not compared_entries:
        raise GradcheckError(
            f"order {order}: nothing could be compared, there is a kink or a tie at every entry: "
            f"{result.kinks[-1]}"
        )
    result.errors.append(worst)


def _diagnose(probe: Probe, u: np.ndarray, where: str, settings: Settings, result: GradcheckResult) -> int:
    """Halve the input down to where it differs, and return how many entries agreed.

    Raises for the worst wrong entry, and notes those at a kink.
    """
    worst: tuple[float, tuple[int, ...], float, float] | None = None
    kinks: list[tuple[int, ...]] = []
    unclear = False
    parts, tries, agreed = [np.arange(u.size)], 0, 0
    while parts and tries < TRIES:
        cells = parts.pop()
        smaller = [part for part in np.array_split(cells, 2) if not probe.compare(only(u, part)).agree]
        tries += 2
        if len(cells) > 1 and smaller:
            parts += smaller
            agreed += len(cells) - sum(map(len, smaller))
            continue
        # One entry; or several, none of which differs by itself: a kink that only together they reach.
        entry = tuple(int(c) for c in np.unravel_index(cells[0], u.shape))
        direction = only(u, cells)
        compared = probe.compare(direction)
        if is_kink(probe, direction, compared.along, settings):
            kinks.append(entry)
        elif len(cells) > 1:
            unclear = True
        elif worst is None or not compared.error <= worst[0]:
            worst = compared.error, entry, float(probe.analytic[entry]), compared.numeric / u[entry]
    if worst is not None:
        raise GradcheckError(
            f"{where}: entry {worst[1]} is worst: backward gives {worst[2]:.8g}, finite differences "
            f"{worst[3]:.8g}"
        )
    if unclear or not kinks:
        compared = probe.compare(u)
        raise GradcheckError(
            f"{where}: along a random direction backward gives {compared.along:.8g}, finite differences "
            f"{compared.numeric:.8g}; no single entry stands out"
        )
    result.kinks.append(
        f"{where}: a kink or a tie is closer than the step {settings.step:g} at {len(kinks)} entries, the "
        f"first {min(kinks)}; no derivative exists there to compare with. Move the input away from it"
    )
    return agreed
