"""An exercise on finite differences, which gradients are checked with."""

import numpy as np

from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes


def numerical_gradient(f, x, h):
    """Return the gradient of f at x by central differences with the step h: an array of x's shape.

    f takes an array of x's shape and returns one number. Compute in float64, whatever the dtype of x.
    """
    x = x.astype(np.float64)
    gradient = np.zeros(x.shape)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        gradient[i] = (f(up) - f(down)) / (2 * h)
    return gradient


def sum_of_cubes(x: np.ndarray) -> float:
    """Return sum x^3."""
    return (x**3).sum()


def product_of_neighbours(x: np.ndarray) -> float:
    """Return the sum of x[i] * x[i + 1]^2."""
    flat = x.ravel()
    return (flat[:-1] * flat[1:] ** 2).sum()


def exponential(x: np.ndarray) -> float:
    """Return e^(sum of x / 2)."""
    return np.exp(x.sum() / 2)


def _cases_of_gradient(rng: np.random.Generator) -> list[Arguments]:
    made = []
    for f, shape, h in (
        (sum_of_cubes, (1,), 0.5),
        (sum_of_cubes, (3,), 0.1),
        (product_of_neighbours, (3,), 0.5),
        (exponential, (2, 2), 0.2),
        (product_of_neighbours, (2, 3), 0.1),
    ):
        made.append({"f": f, "x": np.round(rng.uniform(0.5, 2, shape), 1), "h": h})
    single = np.round(rng.uniform(1, 2, 3), 1).astype(np.float32)
    made.append({"f": sum_of_cubes, "x": single, "h": 1e-8})  # float32 does not see this step
    return made


NUMERICAL_GRADIENT = Exercise(
    numerical_gradient,
    _cases_of_gradient,
    traits={"an x of float32": lambda a: a["x"].dtype == np.float32},
    lesson=7,
    hints=(
        "The slope of f along one axis: move x a little along it, and see how f changes. To which sides?",
        "Go a step up and a step down from x, one number of x at a time, and divide by the distance between "
        "the two.",
        "For each element: f with h added to it, minus f with h taken off it, divided by 2 h. Work on "
        "copies, and in float64: float32 has seven digits, and a small step is lost in them.",
    ),
    mistakes=read_mistakes(
        """
    forward_difference: You go up only. A step to each side gives an error of h squared instead of h.
        down[i] -= h ->; (2 * h) -> h
    backward_difference: You go down only. A step to each side gives a far smaller error.
        up[i] += h ->; (2 * h) -> h
    divided_by_h: You divide by h. The two points are twice as far from each other.
        / (2 * h) -> / h
    one_side_divided_by_two_h: You go one step, but divide by the distance of two. Go to both sides.
        down[i] -= h ->
        up[i] += h ->
    multiplied_by_h: You divide by 2, and then multiply with h. Divide by both.
        / (2 * h) -> / 2 * h
    not_divided: You return the difference of the two values of f. A slope is that, divided by the distance of
        the two points.
        / (2 * h) ->
    sign: Your slope has the wrong sign: it is f above minus f below.
        f(up) - f(down) -> f(down) - f(up)
    all_at_once: You move all of x at once. Each number of the gradient belongs to one number of x: move that
        one alone.
        up[i] += h -> up += h; down[i] -= h -> down -= h
    not_moved_back: Numbers that you moved stay moved, so the next slopes are taken elsewhere. Begin with a
        fresh copy each time.
        up, down = x.copy(), x.copy() ->;
        for i in np.ndindex(*x.shape): ->
            up, down = x.copy(), x.copy()
            for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy() -> up = down.copy();
        for i in np.ndindex(*x.shape): ->
            down = x.copy()
            for i in np.ndindex(*x.shape):
    float32: In float32 your small step is lost: x + h is x again. Turn x into float64 before you begin.
        x = x.astype(np.float64) -> x = x.copy()
    first_axis_only: You go through the first axis only. Every number of x needs its own slope, whatever the
        shape.
        np.ndindex(*x.shape) -> range(len(x))
    own_step: You choose a step of your own. Use the h that you are given.
        """,
        own_step=[
            ("gradient = np.zeros", f"h = {h}\n    gradient = np.zeros")
            for h in ("1e-3", "1e-4", "1e-5", "1e-6", "1e-7", "1e-8")
        ],
    ),
)
