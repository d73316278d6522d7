"""Steps of operations that add cells up, or only move them: sum, mean, index, permute, concatenate."""

from typing import Any, NamedTuple

import numpy as np

from tinycnn import functional as F
from tinycnn.tensor import Tensor

from .calls import Call, run
from .cells import flat
from .steps import Explanation, Index, Quantity, Term


class Said(NamedTuple):
    """The title, the equation and the sentence of a step."""

    title: str
    equation: str
    sentence: str


READ = "Nothing is computed: the number is read from its place in x."
FORWARD = {
    "sum": Said("the sum of {M} cells", "y = Σ x", "All cells along the summed dimensions are added up."),
    "mean": Said(
        "the mean of {M} cells",
        "y = Σ x / M",
        "All cells along the averaged dimensions are added up, and the sum is divided by M = {M}.",
    ),
    "index": Said("the same number, at another place", "y = x[key]", READ),
    "permute": Said("the same number, at another place", "y = x, its dimensions in another order", READ),
    "concatenate": Said(
        "the same number, beside others",
        "y = [{inputs}] along dimension {dim}",
        "Nothing is computed: the arrays stand one behind the other, and the next layer sees all of them.",
    ),
}
BACKWARD = {
    "sum": Said("its share of g", "dL/dx = g", "A change of 1 in one of the {M} cells changes y by 1."),
    "mean": Said(
        "its share of g", "dL/dx = g / M", "A change of 1 in one of the {M} cells changes y by 1 / M."
    ),
    "index": Said("what comes back from where it was read", "dL/dx = {g}", "{how_often}"),
    "permute": Said("what comes back from where it was read", "dL/dx = {g}", "{how_often}"),
    "concatenate": Said("its slice of g", "dL/d{x} = g at the place where {x} stands in y", "{how_often}"),
}


def gathered(call: Call) -> Explanation:
    """Explain ``sum``, ``mean``, ``index``, ``permute`` or ``concatenate`` of `tinycnn.functional`.

    Every cell of y is one cell of the inputs, or the sum or mean of several. Several inputs are called x0,
    x1, ...
    """
    several = call.operation == "concatenate"
    rec, _ = run(call, {"tensors" if several else "x": "x"})
    arrays = rec.arrays
    inputs = {name: x for name, x in arrays.items() if name.startswith("x")}
    read, fed = _moves(call, list(inputs.values()))
    starts = dict(zip(inputs, np.cumsum([0, *(x.size for x in inputs.values())]).tolist(), strict=False))
    shape, reduces = arrays["y"].shape, call.operation in ("sum", "mean")
    said: dict[str, Any] = {"inputs": ", ".join(inputs), "M": len(read) // max(arrays["y"].size, 1)}
    divisor = Quantity("M", (), float(said["M"])) if call.operation == "mean" else None
    if several:
        said["dim"] = call["dim"] % len(shape)
    rec.titles |= dict.fromkeys(inputs, "input")
    rec.step_through("y")

    def element(number: int) -> tuple[str, Index]:
        name = [name for name, start in starts.items() if start <= number][-1]
        return name, np.unravel_index(number - starts[name], inputs[name].shape)

    title, equation, sentence = (text.format(**said) for text in FORWARD[call.operation])
    for y in rec.asked("y"):
        cells = [element(number) for number in read[fed == flat(y.index, shape)].tolist()]
        if reduces:
            rec.add_sum(y, title, equation, rec.terms(((cell,) for cell in cells), divisor), sentence)
        else:
            x = rec.quantity(*cells[0])
            rec.add_sum(y, title, equation, [Term((x,))], sentence, [x])
    for name, start in starts.items():
        for result in rec.asked(f"dL/d{name}"):
            uses = fed[read == start + flat(result.index, inputs[name].shape)]
            terms = rec.terms(((("g", np.unravel_index(use, shape)),) for use in uses), divisor)
            said |= {"x": name, "g": "g" if len(uses) == 1 else "Σ g", "how_often": _how_often(len(uses))}
            title, equation, sentence = (text.format(**said) for text in BACKWARD[call.operation])
            rec.add_sum(result, title, equation, terms, sentence)
    return rec.explanation()


def _moves(call: Call, inputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of a cell that is read and the cell of y that it is added to.

    Cells are numbered in C order, those of several inputs one after the other.
    """
    x = inputs[0]
    numbers = np.arange(x.size).reshape(x.shape)
    if call.operation in ("sum", "mean"):
        dims = call["dim"]
        every = range(x.ndim) if dims is None else [dims] if isinstance(dims, int) else dims
        gone = {d % x.ndim for d in every}
        rest = tuple(1 if d in gone else size for d, size in enumerate(x.shape))
        places = np.arange(np.prod(rest, dtype=int)).reshape(rest)
        return numbers.ravel(), np.broadcast_to(places, x.shape).ravel()
    if call.operation == "index":
        origin = numbers[_plain(call["key"])]
    elif call.operation == "permute":
        origin = F.permute(Tensor(numbers, backend="numpy"), *call["dims"]).numpy()
    else:
        ends = np.cumsum([x.size for x in inputs])
        parts = [np.arange(end - x.size, end).reshape(x.shape) for x, end in zip(inputs, ends, strict=True)]
        origin = np.concatenate(parts, call["dim"])
    return np.ravel(origin), np.arange(np.size(origin))


def _plain(key: Any) -> Any:
    """Return an index key with its tensors replaced by arrays."""
    if isinstance(key, tuple):
        return tuple(map(_plain, key))
    return key.numpy() if hasattr(key, "numpy") else key


def _how_often(count: int) -> str:
    if count == 0:
        return "The number was not read, so L does not depend on it through y."
    if count == 1:
        return "The number was only moved, so its gradient is moved back."
    return f"The number was read {count} times, and what comes back adds up."
