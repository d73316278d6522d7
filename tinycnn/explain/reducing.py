"""Steps of what often stands between layers: sums and means over dimensions, a part of an array, powers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .calls import Call, run
from .cells import tag
from .joining import source, users
from .recorder import Recorder
from .steps import Explanation, Index, Quantity, Term, factor, number


def reduction(call: Call) -> Explanation:
    """Explain `tinycnn.functional.sum` or `tinycnn.functional.mean` over dimensions."""
    arrays, _ = run(call, {"x": "x"})
    into = _places(call, arrays["x"].shape)
    M = arrays["x"].size // max(arrays["y"].size, 1)
    mean = call.operation == "mean"
    divisor = Quantity("M", (), float(M)) if mean else None
    rec = call.recorder(arrays)
    rec.step_through_arrays("y")
    for index in rec.asked("y"):
        result = rec.quantity("y", index)
        place = np.ravel_multi_index(index, arrays["y"].shape) if index else 0
        read = [rec.quantity("x", tuple(at)) for at in np.argwhere(into == place)]
        terms = [Term((q,), divisor, tag(t)) for t, q in enumerate(read)]
        rec.add_sum(
            "forward",
            f"{result.name}: the {call.operation} of {M} cells",
            "y = Σ x / M" if mean else "y = Σ x",
            result,
            terms,
            f"All cells along the dimensions that go away are added{f', and divided by M = {M}' * mean}.",
            [*rec.panels_of(terms, {"x": "input"}), rec.cell("output", "y", index)],
        )
    for index in rec.asked("dL/dx"):
        fed = np.unravel_index(into[index], arrays["y"].shape)
        rec.add_sum(
            "backward",
            f"{rec.quantity('dL/dx', index).name}: its share of g",
            "dL/dx = g / M" if mean else "dL/dx = g",
            rec.quantity("dL/dx", index),
            [Term((rec.quantity("g", fed),), divisor)],
            f"A change of 1 in one of the {M} cells changes y by {'1 / M' if mean else '1'}.",
            [rec.cell("gradient", "dL/dx", index)],
        )
    return rec.explanation()


def _places(call: Call, shape: tuple[int, ...]) -> np.ndarray:
    """Return, for each cell of x, which cell of y it is added to, counted along y."""
    dims = call["dim"]
    every = range(len(shape)) if dims is None else [dims] if isinstance(dims, int) else dims
    gone = {d % len(shape) for d in every}
    rest = tuple(1 if d in gone else size for d, size in enumerate(shape))
    return np.broadcast_to(np.arange(np.prod(rest, dtype=int)).reshape(rest), shape)


def moved(call: Call) -> Explanation:
    """Explain `tinycnn.functional.index` or `tinycnn.functional.permute`: each cell of y is a cell of x."""
    more = tuple(call.arguments["dims"]) if call.operation == "permute" else ()
    function = (lambda x: call.function(x, *more)) if more else call.function
    given = {name: value for name, value in call.arguments.items() if name != "dims"}
    arrays, _ = run(_with(call, function, given), {"x": "x"})
    shape = arrays["x"].shape
    numbers = np.arange(arrays["x"].size).reshape(shape)
    origin = numbers[_plain(call["key"])] if "key" in given else np.asarray(function(numbers))
    rec = call.recorder(arrays)
    rec.step_through_arrays("y")
    for index in rec.asked("y"):
        result, read = rec.quantity("y", index), rec.quantity("x", np.unravel_index(origin[index], shape))
        rec.add_sum(
            "forward",
            f"{result.name}: the same number, at another place",
            "y = x[key]" if "key" in given else "y = x, its dimensions in another order",
            result,
            [Term((read,))],
            "Nothing is computed: the number is read from its place in x.",
            [rec.cell("input", "x", read.index, "read"), rec.cell("output", "y", index)],
        )
    for index in rec.asked("dL/dx"):
        uses = np.argwhere(origin == numbers[index])
        rec.add_sum(
            "backward",
            f"{rec.quantity('dL/dx', index).name}: what comes back from where it was read",
            "dL/dx = Σ g" if len(uses) != 1 else "dL/dx = g",
            rec.quantity("dL/dx", index),
            [Term((rec.quantity("g", tuple(use)),), tag=tag(n)) for n, use in enumerate(uses)],
            _read_how_often(len(uses)),
            [rec.cell("gradient", "dL/dx", index)],
        )
    return rec.explanation()


def _with(call: Call, function: Any, arguments: dict[str, Any]) -> Call:
    return Call(call.operation, function, arguments, call.backward, call.gradient, call.cells, call.shown)


def _plain(key: Any) -> Any:
    """Return a key with arrays in the place of tensors."""
    if isinstance(key, tuple):
        return tuple(map(_plain, key))
    return key.numpy() if hasattr(key, "numpy") else key


def _read_how_often(count: int) -> str:
    if count == 0:
        return "The number was not read, so L does not depend on it by this way."
    if count == 1:
        return "The number was only moved, so its gradient is moved back."
    return f"The number was read {count} times, and what comes back adds up."


def power(call: Call) -> Explanation:
    """Explain `tinycnn.functional.pow`: a to the power of b; shapes may be broadcast."""
    given = {name: call[name] for name in ("a", "b")}
    arrays, _ = run(call, {name: name for name, value in given.items() if not isinstance(value, int | float)})
    arrays = {name: np.asarray(value, float) for name, value in given.items() if name not in arrays} | arrays
    rec = call.recorder(arrays)
    rec.step_through_arrays("y")
    for index in rec.asked("y"):
        a, b = (rec.quantity(name, source(index, arrays[name].shape)) for name in ("a", "b"))
        y = rec.quantity("y", index)
        rec.add(
            "forward",
            f"{y.name}: {a.name} to the power of {b.name}",
            "y = a^b",
            f"{y.name} = {factor(a.value)}^{factor(b.value)} = {number(y.value)}",
            "Every number by itself: its neighbours do not matter.",
            [*(rec.cell("input", q.array, q.index, "read") for q in (a, b)), rec.cell("output", "y", index)],
        )
    for name in given:
        for index in rec.asked(f"dL/d{name}"):
            _power_backward(rec, name, index, users(index, arrays[name].shape, arrays["y"].shape))
    return rec.explanation()


def _power_backward(rec: Recorder, name: str, index: Index, uses: Sequence[Index]) -> None:
    result, parts = rec.quantity(f"dL/d{name}", index), []
    for use in uses:
        a, b = (rec.quantity(n, source(use, rec.arrays[n].shape)) for n in ("a", "b"))
        g, y = rec.quantity("g", use), rec.quantity("y", use)
        if name == "a":
            parts.append(f"{factor(g.value)}·{factor(b.value)}·{factor(a.value)}^{factor(b.value - 1)}")
        else:
            parts.append(f"{factor(g.value)}·{factor(y.value)}·log {factor(a.value)}")
    equation = "g·b·a^(b - 1)" if name == "a" else "g·y·log a"
    shown = " + ".join(parts[:8]) + (f" + {len(parts) - 8} more terms" if len(parts) > 8 else "")
    rec.add(
        "backward",
        f"{result.name}: what comes back to {name}",
        f"dL/d{name} = {equation if len(uses) == 1 else f'Σ {equation}'}",
        f"{result.name} = {shown} = {number(result.value)}",
        f"g is multiplied by how much y changes for each unit of {name}."
        + (f" The cell was used {len(uses)} times, and what comes back adds up." if len(uses) > 1 else ""),
        [rec.cell("gradient", f"dL/d{name}", index)],
    )
