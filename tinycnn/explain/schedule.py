"""Steps of a learning-rate schedule: the rate at every step, from its formula."""

import copy
import math

import numpy as np

from tinycnn.optim.schedule import Schedule

from .equations import put_in, right_side, stated
from .recorder import Recorder
from .steps import Explanation, number


def schedule(schedule: Schedule, count: int = 10) -> Explanation:
    """Explain the next `count` learning rates of a schedule; it stays where it is.

    Raises
    ------
    ValueError
        For a count below 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    twin = copy.deepcopy(schedule)
    base, kind = twin.base_lrs[0], type(twin).__name__
    equation = stated(type(twin))[0]
    has_formula = equation.startswith("lr = ")
    options = {name: float(v) for name, v in vars(twin).items() if isinstance(v, int | float)}
    times = [twin.t + t for t in range(count)]
    rates = np.array([twin.lr_at(t, base) for t in times])
    rec = Recorder(kind, {}, {"lr": rates})
    rec.step_through("lr")
    for at, t in enumerate(times):
        values = options | {"base": base, "t": float(t), "pi": math.pi}
        numbers = f"{put_in(right_side(equation), values)} = " if has_formula else ""
        change = rates[at] / rates[at - 1] if at else 1.0
        said = f"{number(change)} times the rate before." if at else "This is where it begins."
        rec.update(
            f"the learning rate at t = {t}",
            equation if has_formula else f"lr = {kind}.lr_at(t, base)",
            f"lr = {numbers}{number(rates[at])}",
            f"{said} A large rate at first moves the weights far; a small one at the end lets them settle.",
            [rec.cell(rec.quantity("lr", (at,)), title="over the steps")],
            cites=7,
        )
    return rec.explanation("lr")
