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
from .steps import Explanation, Index, Quantity, Term, number


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
    before = copy.deepcopy(optimizer.state_dict())
    twin.step()
    after = twin.state_dict()
    arrays: dict[str, np.ndarray] = {}
    names = _names(optimizer)
    for i, name in names.items():
        suffix = name.removeprefix("theta")
        old, new = optimizer.params[i], twin.params[i]
        assert old.grad is not None
        arrays[name] = old.numpy().copy()
        arrays[f"g{suffix}"] = old.grad.numpy()
        arrays[f"{name}'"] = new.numpy()
        arrays |= state_arrays(before, after, i, suffix)
    rec = Recorder(type(optimizer).__name__, _options(optimizer), arrays, cells)
    rec.step_through({f"{name}'": arrays[name].shape for name in names.values()})
    for i, name in names.items():
        for index in rec.asked(f"{name}'"):
            element_update(rec, twin, name, index, twin.steps[i], "", i)
    return rec.explanation(f"{next(iter(names.values()))}'")


def check_rule(optimizer: Optimizer) -> None:
    """Raise TypeError for a rule that cannot be explained."""
    if type(optimizer) not in (SGD, Adam, AdamW):
        raise TypeError(
            f"the update of {type(optimizer).__name__} cannot be explained; there are SGD, Adam, AdamW"
        )
    if any(group.get("amsgrad") for group in optimizer.param_groups):
        raise TypeError("the update of Adam with amsgrad cannot be explained; without it, it can")


def state_arrays(
    before: Mapping[str, Any], after: Mapping[str, Any], i: int, suffix: str
) -> dict[str, np.ndarray]:
    """Return what the rule keeps of parameter `i` before and after a step, by the equations' letters."""
    arrays = {}
    for slot, letter in (("velocity", "v"), ("m", "m"), ("v", "v")):
        if f"{i}.{slot}" in after:
            arrays[f"{letter}{suffix}"] = _backend.to_backend(before[f"{i}.{slot}"], "numpy")
            arrays[f"{letter}{suffix}'"] = _backend.to_backend(after[f"{i}.{slot}"], "numpy")
    return arrays


def element_update(
    rec: Recorder, optimizer: Optimizer, name: str, index: Index, t: int, called: str, i: int
) -> None:
    """Add the step that changes one element of parameter `i`, called `name`, its step `t` from 1."""
    suffix = name.removeprefix("theta")
    new = rec.quantity(f"{name}'", index)
    group = optimizer.group_of(i)
    state = [letter for letter in ("m", "v") if f"{letter}{suffix}'" in rec.arrays]
    values = {letter: rec.quantity(f"{letter}{suffix}", index).value for letter in ("theta", "g", *state)}
    values |= {f"{letter}'": rec.quantity(f"{letter}{suffix}'", index).value for letter in state}
    values |= {"lr": group["lr"], "t": t, "decay": group["weight_decay"], "l1": group["l1"]}
    sentence, lines = _penalties(optimizer, group), []
    if isinstance(optimizer, Adam):
        values |= {"beta1": group["betas"][0], "beta2": group["betas"][1], "eps": group["eps"]}
        lines += ADAM
        sentence += (
            "m is the mean of the gradients so far, v of their squares. Their ratio is about 1 if the "
            "gradients agree, so the step is about lr, whatever their scale."
        )
        if isinstance(optimizer, AdamW):
            lines, sentence = [SHRINK, *lines], f"{sentence} First the weight itself decays."
    else:
        values["momentum"] = group["momentum"]
        more, rule = SGD_RULES["Nesterov" if group["nesterov"] else "momentum" if group["momentum"] else ""]
        lines, sentence = [*lines, *rule], sentence + more
    numbers = []
    for line in [*_penalty_lines(optimizer, group), *lines]:
        put = put_in(line.formula, values)
        if line.value is not None:
            values[line.name] = line.value(SimpleNamespace(**{_python(a): v for a, v in values.items()}))
        shown, result = (new.name, new.value) if line.name == "theta'" else (line.name, values[line.name])
        numbers.append(f"{shown} = {put} = {number(result)}")
    rec.must_add_up([Term((Quantity("rule", (), values["theta'"]),))], new, 10, abs(values["theta"]))
    panels = [rec.cell("before", name, index, "read")]
    panels.append(rec.cell("gradient", f"g{suffix}", index, "read"))
    panels += [rec.cell("before", f"{a}{suffix}", index, "read") for a in state]
    panels += [rec.cell("after", f"{a}{suffix}'", index, "weight") for a in state]
    rec.add(
        "update",
        f"{new.name}: step {t} of {called or f'{name}[{chr(44).join(map(str, index))}]'}",
        ",  ".join(f"{line.name} = {line.formula}" for line in [*_penalty_lines(optimizer, group), *lines]),
        ";  ".join(numbers),
        sentence,
        [*panels, rec.cell("after", f"{name}'", index)],
        cites=7,
    )


class Line(NamedTuple):
    """One line of an update rule. What the optimizer keeps has no `value`: it is the engine's."""

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
SGD_RULES = {
    "": (
        "A step against the gradient: downhill, as long as the step is short enough.",
        [Line("theta'", "theta - lr·g", lambda a: a.theta - a.lr * a.g)],
    ),
    "momentum": (
        "The velocity keeps a part of the last steps: down a slope they add up, across a valley they cancel.",
        [
            Line("v'", "momentum·v + g"),
            Line("theta'", "theta - lr·v'", lambda a: a.theta - a.lr * a.v_),
        ],
    ),
    "Nesterov": (
        "The velocity keeps a part of the last steps; Nesterov's rule looks one such step ahead.",
        [
            Line("v'", "momentum·v + g"),
            Line(
                "theta'",
                "theta - lr·(g + momentum·v')",
                lambda a: a.theta - a.lr * (a.g + a.momentum * a.v_),
            ),
        ],
    ),
}


def _python(letter: str) -> str:
    return letter.replace("'", "_").replace("\u0302", "_hat")


def _penalty_lines(optimizer: Optimizer, group: Mapping[str, Any]) -> list[Line]:
    """Return the line that adds the penalties of Eq. 8 to the gradient, if there are any."""
    decay, l1 = group["weight_decay"] if optimizer.decay_is_gradient else 0, group["l1"]
    formula = "g" + " + decay·theta" * bool(decay) + " + l1·sign(theta)" * bool(l1)
    if formula == "g":
        return []
    return [Line("g", formula, lambda a: a.g + decay * a.theta + l1 * float(np.sign(a.theta)))]


def _penalties(optimizer: Optimizer, group: Mapping[str, Any]) -> str:
    """Return what the penalties of Eq. 8 do, if there are any."""
    said = ""
    if group["weight_decay"] and optimizer.decay_is_gradient:
        said += "The penalty decay/2·theta² (Eq. 8) pulls the weight to 0, the stronger the larger it is. "
    if group["l1"]:
        said += "The penalty l1·|theta| (Eq. 8) pulls it to 0 with the same strength at any size. "
    return said


def _names(optimizer: Optimizer) -> dict[int, str]:
    """Return what each parameter with a gradient is called."""
    with_gradient = [i for i, p in enumerate(optimizer.params) if p.grad is not None]
    if len(optimizer.params) == 1:
        return {0: "theta"}
    return {i: f"theta{i}" for i in with_gradient}


def _options(optimizer: Optimizer) -> dict[str, object]:
    names = ("lr", "momentum", "nesterov", "betas", "eps", "weight_decay", "l1")
    return {name: getattr(optimizer, name) for name in names if getattr(optimizer, name, None)}
