"""Steps of a whole training step: forward, loss, backward, update; and of several of them."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn import functional as F
from tinycnn.nn import Module
from tinycnn.optim import Optimizer
from tinycnn.tensor import Tensor

from .cells import largest, norm
from .layers import backward_steps, forward_of, recorder_of, run_layers
from .recorder import Recorder
from .steps import Explanation, Panel, number
from .update import Before, check_rule, element_update


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
    batch = Tensor(_array(x), requires_grad=True, backend="numpy")
    layers, y = run_layers(model, batch)
    value = loss(y, labels)
    rec = recorder_of(f"training step of {type(model).__name__}", batch, layers)
    for layer in layers:
        forward_of(rec, layer)
    rec.arrays["L"] = value.numpy().copy()
    last = f"a{len(layers)}"
    name = getattr(loss, "__name__", type(loss).__name__)
    rec.forward(
        f"the loss: {name}",
        f"L = {name}({last}, labels)",
        f"L = {number(value.item())}",
        f"One number says how wrong the {len(batch)} answers are. Everything that follows makes it smaller.",
        [rec.panel("output of the network", last), rec.cell(rec.quantity("L"), title="loss")],
        cites=6,
    )
    value.backward()
    backward_steps(rec, layers)
    before = Before.of(optimizer)
    optimizer.step()
    update_steps(rec, model, optimizer, before)
    rec.arrays["L'"] = loss(model(Tensor(batch.data, backend="numpy")), labels).numpy()
    after = rec.quantity("L'")
    rec.update(
        "the loss after the step, on the same batch",
        f"L' = {name}(model'(x), labels)",
        f"L = {number(value.item())},  L' = {number(after.value)}",
        "It fell: the step went downhill."
        if after.value < value.item()
        else "It did not fall: the step was too long. Try a smaller lr.",
        [rec.panel("before", "L"), rec.cell(after, title="after")],
    )
    return rec.explanation("L'")


def _array(x: Any) -> np.ndarray:
    return x.numpy() if isinstance(x, Tensor) else np.asarray(x, np.float32)


def update_steps(
    rec: Recorder,
    model: Module,
    optimizer: Optimizer,
    before: Before,
    prefix: str = "",
    most: int | None = None,
) -> None:
    """Explain how a step changed each parameter since `before`: the element with the largest gradient.

    At most `most` parameters are shown, those with the largest gradients. They are called theta0, theta1,
    ...; the `prefix` stands before the number.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    after = optimizer.state_dict()
    gradients = {i: p.grad.numpy() for i, p in enumerate(optimizer.params) if p.grad is not None}
    shown = sorted(gradients, key=lambda i: -float(np.abs(gradients[i]).max()))[:most]
    for i in sorted(shown):
        suffix = f"{prefix}{i}"
        rec.arrays |= before.arrays(optimizer, after, i, suffix)
        new = rec.quantity(f"theta{suffix}'", largest(gradients[i]))
        called = f"{prefix} {names.get(id(optimizer.params[i]), '')}".strip()
        element_update(rec, optimizer, i, new, called or new.name.replace("'", ""))


def _several(
    model: Module,
    optimizer: Optimizer,
    x: Any,
    labels: Any,
    loss: Callable[[Tensor, Any], Tensor],
    count: int,
) -> Explanation:
    """Make `count` training steps on one batch, and show what each of them changed."""
    batch = Tensor(_array(x), backend="numpy")
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
        said = [f"{name}: {norm(new - old)} of {norm(old)}" for name, old, new in changes]
        rec.update(
            f"training step {t} of {count}: the loss goes from {number(losses[-1])} to {number(after)}",
            "theta' = theta - lr·(what the rule makes of dL/dtheta)",
            f"‖theta' - theta‖ of ‖theta‖:  {';  '.join(said)}",
            f"The same {len(batch)} images again. "
            + (
                "The loss fell: the step went downhill."
                if after < losses[-1]
                else "The loss did not fall: the step was too long. Try a smaller lr."
            ),
            panels,
            cites=7,
        )
    return rec.explanation(f"L@{count}")


def _most_changed(rec: Recorder, t: int, changes: list[tuple[str, np.ndarray, np.ndarray]]) -> list[Panel]:
    """Return the weight tensor with the largest change, before and after, with its element marked."""
    name, old, new = max(changes, key=lambda change: float(np.abs(change[2] - change[1]).max()))
    index = largest(new - old)
    rec.arrays |= {f"{name}@{t}": old, f"{name}'@{t}": new}
    return [
        rec.cell(rec.quantity(f"{name}@{t}", index), "read", "before: changes most"),
        rec.cell(rec.quantity(f"{name}'@{t}", index), "result", "after"),
    ]
