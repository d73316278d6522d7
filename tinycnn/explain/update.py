"""Steps of an optimizer's update (Eq. 7): SGD, momentum, Nesterov, Adam, AdamW."""

import copy
import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.optim import SGD, Adam, AdamW, Optimizer

from .recorder import Cells, Recorder
from .steps import Cell, Explanation, Index, factor, number


def update(optimizer: Optimizer, cells: Cells | None = None) -> Explanation:
    """Explain the next step of `optimizer`, made on a copy: its parameters stay as they are.

    The parameters are called ``theta``, or ``theta0``, ``theta1``, ... where there are several.

    Raises
    ------
    TypeError
        For a rule that cannot be explained.
    ValueError
        Where no parameter has a gradient, or there are too many numbers.
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
            element_update(rec, twin, name, index, twin.steps[i])
    return rec.explanation(f"{next(iter(names.values()))}'")


def check_rule(optimizer: Optimizer) -> None:
    """Raise TypeError for a rule that cannot be explained."""
    if type(optimizer) not in (SGD, Adam, AdamW):
        raise TypeError(
            f"the update of {type(optimizer).__name__} cannot be explained; there are SGD, Adam, AdamW"
        )


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
    rec: Recorder, optimizer: Optimizer, name: str, index: Index, t: int, called: str = ""
) -> None:
    """Add the step that changes one element of the parameter `name`, its step `t` from 1."""
    suffix = name.removeprefix("theta")
    theta, g = rec.quantity(name, index), rec.quantity(f"g{suffix}", index)
    new = rec.quantity(f"{name}'", index)
    rule = SimpleNamespace(**optimizer.group_of(int(suffix or 0)))
    rule.decay = rule.weight_decay if optimizer.decay_is_gradient else 0
    slope, penalty = _penalised(rule, theta.value, g.value)
    if isinstance(optimizer, Adam):
        shrinks = isinstance(optimizer, AdamW)
        equation, numbers, value, sentence = _adam(rec, rule, shrinks, suffix, index, t, theta.value, slope)
    else:
        equation, numbers, value, sentence = _sgd(rec, rule, suffix, index, theta.value, slope)
    eps = float(np.finfo(rec.arrays[name].dtype).eps)
    scale = abs(theta.value) + abs(new.value) + abs(value)
    if math.isfinite(new.value) and not abs(value - new.value) <= 1e2 * eps * scale + 1e-30:
        raise RuntimeError(
            f"{rec.operation}: the rule gives {new.name} = {value!r}, the engine {new.value!r}"
        )
    panels = [rec.panel("before", name, *_plane(theta.index, "read"))]
    panels.append(rec.panel("gradient", f"g{suffix}", *_plane(theta.index, "read")))
    state = [letter for letter in ("m", "v") if f"{letter}{suffix}'" in rec.arrays]
    panels += [rec.panel("before", f"{a}{suffix}", *_plane(theta.index, "read")) for a in state]
    panels += [rec.panel("after", f"{a}{suffix}'", *_plane(theta.index, "weight")) for a in state]
    panels.append(rec.result_panel("after", f"{name}'", index))
    rec.add(
        "update",
        f"{new.name}: step {t} of {called or theta.name}",
        equation,
        f"{penalty}{numbers} = {number(new.value)}",
        sentence,
        panels,
    )


def _plane(index: Index, role: str) -> tuple[Index, Mapping[Cell, str]]:
    """Return the leading indices of an element's panel, and its cell there, marked."""
    if len(index) < 2:
        return (), {(0, index[0] if index else 0): role}
    return index[:-2], {(index[-2], index[-1]): role}


def _penalised(rule: SimpleNamespace, theta: float, g: float) -> tuple[float, str]:
    """Return the gradient with the penalties of Eq. 8, and how it is computed."""
    text = number(g)
    if rule.decay:
        g += rule.decay * theta
        text += f" + {rule.decay:g}·{factor(theta)}"
    if rule.l1:
        g += rule.l1 * float(np.sign(theta))
        text += f" + {rule.l1:g}·sign({number(theta)})"
    return g, f"g = {text} = {number(g)};  " if text != number(g) else ""


def _sgd(
    rec: Recorder, rule: SimpleNamespace, suffix: str, index: Index, theta: float, g: float
) -> tuple[str, str, float, str]:
    """Return the equation, its numbers, the new value and a sentence."""
    start = f"theta{suffix}'[{','.join(map(str, index))}] = {number(theta)} - {rule.lr:g}·"
    if not rule.momentum:
        equation = "theta' = theta - lr·g"
        sentence = "A step against the gradient: downhill, as long as the step is short enough."
        return equation, start + factor(g), theta - rule.lr * g, sentence
    old, new = rec.quantity(f"v{suffix}", index), rec.quantity(f"v{suffix}'", index)
    velocity = f"v' = {rule.momentum:g}·{factor(old.value)} + {factor(g)} = {number(new.value)};  "
    if rule.nesterov:
        step = g + rule.momentum * new.value
        return (
            "v' = momentum·v + g,  theta' = theta - lr·(g + momentum·v')",
            f"{velocity}{start}({number(g)} + {rule.momentum:g}·{factor(new.value)})",
            theta - rule.lr * step,
            "The velocity keeps a part of the last steps; Nesterov's rule looks one such step ahead.",
        )
    return (
        "v' = momentum·v + g,  theta' = theta - lr·v'",
        velocity + start + factor(new.value),
        theta - rule.lr * new.value,
        "The velocity keeps a part of the last steps: along a slope they add up, across a valley they "
        "cancel.",
    )


def _adam(
    rec: Recorder,
    rule: SimpleNamespace,
    shrinks: bool,
    suffix: str,
    index: Index,
    t: int,
    theta: float,
    g: float,
) -> tuple[str, str, float, str]:
    """Return the equation, its numbers, the new value and a sentence."""
    beta1, beta2 = rule.betas
    m, v = rec.quantity(f"m{suffix}", index).value, rec.quantity(f"v{suffix}", index).value
    new_m, new_v = rec.quantity(f"m{suffix}'", index).value, rec.quantity(f"v{suffix}'", index).value
    mean, square = new_m / (1 - beta1**t), new_v / (1 - beta2**t)
    decay, shrink, shrunk = "", "", ""
    if shrinks:
        keep = 1 - rule.lr * rule.weight_decay
        theta *= keep
        decay, shrink = "theta·(1 - lr·decay)", f"theta·{keep:.6g} = {number(theta)};  "
        shrunk = " First the weight itself decays."
    return (
        "m' = beta1·m + (1-beta1)·g,  v' = beta2·v + (1-beta2)·g²,  "
        f"theta' = {decay or 'theta'} - lr·m̂/(√v̂ + eps),  m̂ = m'/(1-beta1^t),  v̂ = v'/(1-beta2^t)",
        f"m' = {beta1:g}·{factor(m)} + {number(1 - beta1)}·{factor(g)} = {number(new_m)};  "
        f"v' = {beta2:g}·{factor(v)} + {number(1 - beta2)}·{factor(g)}² = {number(new_v)};  "
        f"m̂ = {number(mean)};  v̂ = {number(square)};  {shrink}"
        f"theta{suffix}'[{','.join(map(str, index))}] = {number(theta)} - {rule.lr:g}·{factor(mean)}/"
        f"(√{number(square)} + {rule.eps:g})",
        theta - rule.lr * mean / (math.sqrt(square) + rule.eps),
        "m is the mean of the gradients so far, v of their squares. Their ratio is about 1 where the "
        f"gradients agree, so the step is about lr, whatever their scale.{shrunk}",
    )


def _names(optimizer: Optimizer) -> dict[int, str]:
    """Return what each parameter with a gradient is called."""
    with_gradient = [i for i, p in enumerate(optimizer.params) if p.grad is not None]
    if len(optimizer.params) == 1:
        return {0: "theta"}
    return {i: f"theta{i}" for i in with_gradient}


def _options(optimizer: Optimizer) -> dict[str, object]:
    names = ("lr", "momentum", "nesterov", "betas", "eps", "weight_decay", "l1")
    return {name: getattr(optimizer, name) for name in names if getattr(optimizer, name, None)}
