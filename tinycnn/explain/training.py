"""Steps of a whole training step: forward, loss, backward, update; and of several of them."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn import functional as F
from tinycnn.nn import Module
from tinycnn.optim import Optimizer
from tinycnn.tensor import Tensor

from .cells import largest
from .layers import backward, forward, keep_gradients, recorder_of, run_layers
from .recorder import Recorder
from .steps import Explanation, Panel, number
from .update import check_rule, element_update, state_arrays


def training_step(
    model: Module,
    optimizer: Optimizer,
    x: Any,
    labels: Any,
    loss: Callable[[Tensor, Any], Tensor] = F.cross_entropy,
    repeat: int = 1,
) -> Explanation:
    """Explain a whole training step on copies: forward, loss, backward, update, and the loss after it.

    Of the batch, image 0 is shown; of each parameter, the element with the largest gradient.

    Parameters
    ----------
    model, optimizer
        The optimizer must hold parameters of the model.
    x
        (N, C, H, W) or (N, in).
    labels
        (N,), or what the loss takes.
    loss
        From outputs and labels to one number.
    repeat
        How many steps to make on the same batch. If more than one, each is one step of the explanation,
        which shows the loss so far and the weights that changed most.

    Raises
    ------
    TypeError
        For an update rule that cannot be explained.
    """
    check_rule(optimizer)
    model, optimizer = copy.deepcopy((model, optimizer))
    model.to("numpy")
    optimizer.zero_grad()
    if repeat > 1:
        return _several(model, optimizer, x, labels, loss, repeat)
    array = x.numpy() if isinstance(x, Tensor) else np.asarray(x, np.float32)
    batch = Tensor(array, requires_grad=True, backend="numpy")
    layers, y = run_layers(model, batch)
    value = loss(y, labels)
    rec = recorder_of(f"training step of {type(model).__name__}", batch, layers)
    for layer in layers:
        forward(rec, layer)
    rec.arrays["L"] = value.numpy().copy()
    last = f"a{len(layers)}"
    name = getattr(loss, "__name__", type(loss).__name__)
    rec.add(
        "forward",
        f"the loss: {name}",
        f"L = {name}({last}, labels)",
        f"L = {number(value.item())}",
        f"One number says how wrong the {len(batch)} answers are. Everything that follows makes it smaller.",
        [rec.panel("output of the network", last), rec.panel("loss", "L", (), {(0, 0): "result"})],
        cites=6,
    )
    value.backward()
    keep_gradients(rec, layers)
    for layer in reversed(layers):
        backward(rec, layer)
    update_steps(rec, model, optimizer, optimizer.step)
    rec.arrays["L'"] = loss(model(Tensor(batch.data, backend="numpy")), labels).numpy()
    after = rec.quantity("L'").value
    rec.add(
        "update",
        "the loss after the step, on the same batch",
        f"L' = {name}(model'(x), labels)",
        f"L = {number(value.item())},  L' = {number(after)}",
        "It fell: the step went downhill."
        if after < value.item()
        else "It did not fall: the step was too long, or the slope too uneven. A smaller lr would tell.",
        [rec.panel("before", "L"), rec.panel("after", "L'", (), {(0, 0): "result"})],
    )
    return rec.explanation("L'")


def update_steps(
    rec: Recorder,
    model: Module,
    optimizer: Optimizer,
    make_step: Callable[[], Any],
    prefix: str = "",
    most: int | None = None,
) -> None:
    """Let `make_step` change the weights, and explain of each the element with the largest gradient.

    Parameters
    ----------
    rec
        Gets the steps.
    model, optimizer
        The optimizer must hold parameters of the model.
    make_step
        Calls ``optimizer.step()``; gradients may come into being in it.
    prefix
        Of the letters of the parameters, which are called theta0, theta1, ...
    most
        How many parameters are shown, those with the largest gradients; by default all.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    state = copy.deepcopy(optimizer.state_dict())
    before = [p.numpy().copy() for p in optimizer.params]
    make_step()
    after = optimizer.state_dict()
    gradients = {
        i: float(np.abs(p.grad.numpy()).max()) for i, p in enumerate(optimizer.params) if p.grad is not None
    }
    shown = sorted(gradients, key=lambda i: -gradients[i])[:most]
    for i in sorted(shown):
        p, suffix = optimizer.params[i], f"{prefix}{i}"
        assert p.grad is not None
        g = p.grad.numpy().copy()
        rec.arrays |= {f"theta{suffix}": before[i], f"g{suffix}": g, f"theta{suffix}'": p.numpy().copy()}
        rec.arrays |= state_arrays(state, after, i, suffix)
        element = largest(g)
        called = f"{prefix} {names.get(id(p), '')}".strip()
        element_update(rec, optimizer, f"theta{suffix}", element, optimizer.steps[i], called, i)


def _several(
    model: Module,
    optimizer: Optimizer,
    x: Any,
    labels: Any,
    loss: Callable[[Tensor, Any], Tensor],
    count: int,
) -> Explanation:
    """Make `count` training steps on one batch, and show of each what it changed."""
    batch = Tensor(x.numpy() if isinstance(x, Tensor) else np.asarray(x, np.float32), backend="numpy")
    parameters = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    rec, losses = Recorder(f"{count} training steps of {type(model).__name__}", {}, {}), []
    for t in range(1, count + 1):
        optimizer.zero_grad()
        value = loss(model(batch), labels)
        value.backward()
        losses.append(value.item())
        before = [p.numpy().copy() for _, p in parameters]
        optimizer.step()
        after = loss(model(batch), labels).item()
        rec.arrays[f"L@{t}"] = np.array([*losses, after])
        changes = [(name, old, p.numpy().copy()) for (name, p), old in zip(parameters, before, strict=True)]
        panels = [rec.panel("loss before each step, and after this one", f"L@{t}", (), {(0, t): "result"})]
        panels += _most_changed(rec, t, changes)
        said = [f"{name}: {_size(new - old)} of {_size(old)}" for name, old, new in changes]
        rec.add(
            "update",
            f"training step {t} of {count}: the loss goes from {number(losses[-1])} to {number(after)}",
            "theta' = theta - lr·(what the rule makes of dL/dtheta)",
            f"‖theta' - theta‖ of ‖theta‖:  {';  '.join(said)}",
            f"The same {len(batch)} images again. "
            + (
                "The loss fell: the step went downhill."
                if after < losses[-1]
                else "The loss did not fall: the step was too long. A smaller lr would tell."
            ),
            panels,
            cites=7,
        )
    return rec.explanation(f"L@{count}")


def _most_changed(rec: Recorder, t: int, changes: list[tuple[str, np.ndarray, np.ndarray]]) -> list[Panel]:
    """Return the weight tensor with the largest change, before and after, with its element marked."""
    name, old, new = max(changes, key=lambda change: float(np.abs(change[2] - change[1]).max()))
    index = largest(new - old)
    panels = []
    for called, values, title, role in (
        (f"{name}@{t}", old, "before: changes most", "read"),
        (f"{name}'@{t}", new, "after", "result"),
    ):
        rec.arrays[called] = values
        panels.append(rec.cell(title, called, index, role))
    return panels


def _size(values: np.ndarray) -> str:
    return number(float(np.sqrt((values.astype(np.float64) ** 2).sum())))
