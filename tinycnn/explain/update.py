"""Steps of an optimizer's update (Eq. 7): SGD, momentum, Nesterov, Adam, AdamW."""

import copy
import math
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from tinycnn import backend as _backend
from tinycnn.optim import SGD, Adam, AdamW, Optimizer

from .cells import Cells
from .equations import put_in
from .recorder import Recorder
from .steps import Explanation, Quantity, Term, number


def update(optimizer: Optimizer, cells: Cells | None = None) -> Explanation:
    """Explain the next step of `optimizer`, made on a copy: its parameters stay as they are.

    The parameters are called ``theta``, or ``theta0``, ``theta1``, ... if there are several.

    Raises
    ------
    TypeError
        For a rule that cannot be explained.
    ValueError
        If no parameter has a gradient, or there are too many numbers.
    """
    check_rule(optimizer)
    if all(p.grad is None for p in optimizer.params):
        raise ValueError("no parameter has a gradient: call backward() before explaining the update")
    twin = copy.deepcopy(optimizer)
    before = Before.of(twin)
    twin.step()
    after = twin.state_dict()
    names = _names(optimizer)
    arrays: dict[str, np.ndarray] = {}
    for i, name in names.items():
        arrays |= before.arrays(twin, after, i, name.removeprefix("theta"))
    rec = Recorder(type(optimizer).__name__, _options(optimizer), arrays, cells)
    rec.step_through(*(f"{name}'" for name in names.values()))
    for i, name in names.items():
        for new in rec.asked(f"{name}'"):
            called = rec.quantity(name, new.index).name
            element_update(rec, twin, i, new, called)
    return rec.explanation(f"{next(iter(names.values()))}'")


def check_rule(optimizer: Optimizer) -> None:
    """Raise TypeError for a rule that cannot be explained."""
    if type(optimizer) not in (SGD, Adam, AdamW):
        raise TypeError(
            f"the update of {type(optimizer).__name__} cannot be explained; there are SGD, Adam, AdamW"
        )
    if any(group.get("amsgrad") for group in optimizer.param_groups):
        raise TypeError("the update of Adam with amsgrad cannot be explained; without it, it can")


class Before(NamedTuple):
    """The state of an optimizer and its parameters before a step."""

    state: Mapping[str, Any]
    weights: list[np.ndarray]

    @classmethod
    def of(cls, optimizer: Optimizer) -> "Before":
        """Return copies of the present state and parameters."""
        return cls(copy.deepcopy(optimizer.state_dict()), [p.numpy().copy() for p in optimizer.params])

    def arrays(
        self, optimizer: Optimizer, after: Mapping[str, Any], i: int, suffix: str
    ) -> dict[str, np.ndarray]:
        """Return parameter `i`, its gradient and its state, by the letters of the equations.

        `after` is the optimizer's state after the step; the new values have a prime.
        """
        p = optimizer.params[i]
        assert p.grad is not None
        arrays = {f"theta{suffix}": self.weights[i], f"g{suffix}": p.grad.numpy().copy()}
        arrays[f"theta{suffix}'"] = p.numpy().copy()
        for slot, letter in (("velocity", "v"), ("m", "m"), ("v", "v")):
            for state, prime in ((self.state, ""), (after, "'")):
                if f"{i}.{slot}" in after:
                    arrays[f"{letter}{suffix}{prime}"] = _backend.to_backend(state[f"{i}.{slot}"], "numpy")
        return arrays


def element_update(rec: Recorder, optimizer: Optimizer, i: int, new: Quantity, called: str) -> None:
    """Add the step that computes `new`, one element of parameter `i` that `called` names."""
    suffix, index = new.array.removeprefix("theta").removesuffix("'"), new.index
    group = optimizer.group_of(i)
    state = [letter for letter in ("m", "v") if f"{letter}{suffix}'" in rec.arrays]
    old, g = (rec.quantity(f"{letter}{suffix}", index) for letter in ("theta", "g"))
    kept = {f"{a}{prime}": rec.quantity(f"{a}{suffix}{prime}", index) for prime in ("", "'") for a in state}
    values = {"theta": old.value, "g": g.value, **{letter: q.value for letter, q in kept.items()}}
    values |= {"lr": group["lr"], "t": optimizer.steps[i], "decay": group["weight_decay"], "l1": group["l1"]}
    if isinstance(optimizer, Adam):
        values |= {"beta1": group["betas"][0], "beta2": group["betas"][1], "eps": group["eps"]}
    else:
        values["momentum"] = group["momentum"]
    numbers, (lines, sentence) = [], _rule(optimizer, group)
    for line in lines:
        put = put_in(line.formula, values)
        if line.value is not None:
            values[line.name] = line.value(SimpleNamespace(**{_python(a): v for a, v in values.items()}))
        shown, result = (new.name, new.value) if line.name == "theta'" else (line.name, values[line.name])
        numbers.append(f"{shown} = {put} = {number(result)}")
    rec.must_add_up([Term((Quantity("rule", (), values["theta'"]),))], new, 10, abs(old.value))
    rec.update(
        f"{new.name}: step {values['t']} of {called}",
        ",  ".join(f"{line.name} = {line.formula}" for line in lines),
        ";  ".join(numbers),
        sentence,
        [
            rec.cell(old, "read", "before"),
            rec.cell(g, "read", "gradient"),
            *(rec.cell(kept[a], "read", "before") for a in state),
            *(rec.cell(kept[f"{a}'"], "weight", "after") for a in state),
            rec.cell(new, title="after"),
        ],
        cites=7,
    )


class Line(NamedTuple):
    """One line of an update rule. State that the optimizer keeps has no `value`: the engine computed it."""

    name: str
    formula: str
    value: Callable[[SimpleNamespace], float] | None = None


# As in the docstrings of `tinycnn.optim`; m_ is m', m_hat is m̂.
SHRINK = Line("theta", "theta·(1 - lr·decay)", lambda a: a.theta * (1 - a.lr * a.decay))
ADAM = [
    Line("m'", "beta1·m + (1 - beta1)·g"),
    Line("v'", "beta2·v + (1 - beta2)·g²"),
    Line("m̂", "m' / (1 - beta1^t)", lambda a: a.m_ / (1 - a.beta1**a.t)),
    Line("v̂", "v' / (1 - beta2^t)", lambda a: a.v_ / (1 - a.beta2**a.t)),
    Line(
        "theta'",
        "theta - lr·m̂ / (√v̂ + eps)",
        lambda a: a.theta - a.lr * a.m_hat / (math.sqrt(a.v_hat) + a.eps),
    ),
]
ADAM_SAYS = (
    "m is the mean of the gradients so far, v the mean of their squares. If the gradients agree, m̂ / √v̂ "
    "is about 1 or -1, so the step is about lr, whatever their size."
)
SGD_RULES = {
    "": (
        "The step goes against the gradient: downhill, if it is short enough.",
        [Line("theta'", "theta - lr·g", lambda a: a.theta - a.lr * a.g)],
    ),
    "momentum": (
        "The velocity keeps a part of the last steps. Steps in one direction add up; opposite ones cancel.",
        [Line("v'", "momentum·v + g"), Line("theta'", "theta - lr·v'", lambda a: a.theta - a.lr * a.v_)],
    ),
    "Nesterov": (
        "The velocity keeps a part of the last steps. Nesterov's rule looks one step of it ahead.",
        [
            Line("v'", "momentum·v + g"),
            Line(
                "theta'", "theta - lr·(g + momentum·v')", lambda a: a.theta - a.lr * (a.g + a.momentum * a.v_)
            ),
        ],
    ),
}


def _python(letter: str) -> str:
    return letter.replace("'", "_").replace("\u0302", "_hat")


def _rule(optimizer: Optimizer, group: Mapping[str, Any]) -> tuple[list[Line], str]:
    """Return the lines of the update rule, the penalties of Eq. 8 first, and what they do."""
    decay, l1 = group["weight_decay"] if optimizer.decay_is_gradient else 0, group["l1"]
    formula, said = "g", ""
    if decay:
        formula += " + decay·theta"
        said += "The penalty decay/2·theta² (Eq. 8) pulls the weight to 0: a large weight more strongly. "
    if l1:
        formula += " + l1·sign(theta)"
        said += "The penalty l1·|theta| (Eq. 8) pulls the weight to 0 with the same strength at any size. "
    penalty = Line("g", formula, lambda a: a.g + decay * a.theta + l1 * float(np.sign(a.theta)))
    lines = [] if formula == "g" else [penalty]
    if isinstance(optimizer, AdamW):
        return [*lines, SHRINK, *ADAM], f"{said}{ADAM_SAYS} First the weight itself decays."
    if isinstance(optimizer, Adam):
        return [*lines, *ADAM], said + ADAM_SAYS
    more, rule = SGD_RULES["Nesterov" if group["nesterov"] else "momentum" if group["momentum"] else ""]
    return [*lines, *rule], said + more


def _names(optimizer: Optimizer) -> dict[int, str]:
    """Return what each parameter with a gradient is called."""
    with_gradient = [i for i, p in enumerate(optimizer.params) if p.grad is not None]
    if len(optimizer.params) == 1:
        return {0: "theta"}
    return {i: f"theta{i}" for i in with_gradient}


def _options(optimizer: Optimizer) -> dict[str, object]:
    names = ("lr", "momentum", "nesterov", "betas", "eps", "weight_decay", "l1")
    return {name: getattr(optimizer, name) for name in names if getattr(optimizer, name, None)}
