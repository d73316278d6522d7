"""Steps of operations on two arrays or more, as where ways of a network meet: add, mul, concatenate."""

from collections.abc import Sequence
from itertools import product

from tinycnn import functional as F

from .calls import Call, gradient_of, leaf, run
from .cells import tag
from .recorder import Recorder
from .steps import Explanation, Index, Panel, Quantity, Term


def arithmetic(call: Call) -> Explanation:
    """Explain `tinycnn.functional.add` or `tinycnn.functional.mul`; shapes may be broadcast."""
    arrays, _ = run(call, {"a": "a", "b": "b"})
    added = call.operation == "add"
    rec = call.recorder(arrays)
    rec.step_through_arrays("y")
    for index in rec.asked("y"):
        parts = [rec.quantity(name, source(index, arrays[name].shape)) for name in ("a", "b")]
        terms = [Term((q,)) for q in parts] if added else [Term(tuple(parts))]
        rec.add_sum(
            "forward",
            f"{rec.quantity('y', index).name}: the {'sum' if added else 'product'} of two cells",
            f"y = a {'+' if added else '·'} b",
            rec.quantity("y", index),
            terms,
            "The cell of a and the cell of b in the same place are added."
            if added
            else "The cell of a and the cell of b in the same place are multiplied.",
            [*(rec.cell("input", q.array, q.index, "read") for q in parts), rec.cell("output", "y", index)],
        )
    for name, other in (("a", "b"), ("b", "a")):
        for index in rec.asked(f"dL/d{name}"):
            uses = users(index, arrays[name].shape, arrays["y"].shape)
            terms = []
            for t, use in enumerate(uses):
                factors = [rec.quantity("g", use)]
                if not added:
                    factors.append(rec.quantity(other, source(use, arrays[other].shape)))
                terms.append(Term(tuple(factors), tag=tag(t)))
            equation = "g" if added else f"g·{other}"
            rec.add_sum(
                "backward",
                f"{rec.quantity(f'dL/d{name}', index).name}: what comes back to {name}",
                f"dL/d{name} = {equation if len(uses) == 1 else f'Σ {equation}'}",
                rec.quantity(f"dL/d{name}", index),
                terms,
                _sentence(added, len(uses)),
                _gradient_panels(rec, terms, f"dL/d{name}", index),
            )
    return rec.explanation()


def _sentence(added: bool, uses: int) -> str:
    many = f" The cell was used {uses} times, and what comes back adds up." if uses > 1 else ""
    if added:
        return f"y grows as much as each of its summands: g comes back whole to both.{many}"
    return f"y grows by the other factor for each unit, so g is multiplied by it.{many}"


def concatenate(call: Call) -> Explanation:
    """Explain `tinycnn.functional.concatenate`: the inputs are called x0, x1, ..."""
    leaves = {f"x{n}": leaf(t) for n, t in enumerate(call["tensors"])}
    y = F.concatenate(list(leaves.values()), call["dim"])
    arrays = {**{name: x.numpy() for name, x in leaves.items()}, "y": y.numpy()}
    if call.backward:
        arrays["g"] = gradient_of(y, call.gradient)
        y.backward(arrays["g"])
        arrays |= {f"dL/d{name}": x.grad.numpy() for name, x in leaves.items() if x.grad is not None}
    rec = call.recorder(arrays)
    rec.step_through_arrays("y")
    dim = call["dim"] % y.ndim
    starts, end = {}, 0
    for name, x in leaves.items():
        starts[name], end = end, end + x.shape[dim]

    def moved(index: Index, by: int) -> Index:
        return (*index[:dim], index[dim] + by, *index[dim + 1 :])

    for index in rec.asked("y"):
        name = [name for name, start in starts.items() if start <= index[dim]][-1]
        part = rec.quantity(name, moved(index, -starts[name]))
        rec.add_sum(
            "forward",
            f"{rec.quantity('y', index).name}: the same number, beside others",
            f"y = [{', '.join(leaves)}] along dimension {dim}",
            rec.quantity("y", index),
            [Term((part,))],
            "Nothing is computed: the arrays are put one behind the other, and the next layer sees them all.",
            [rec.cell("input", part.array, part.index, "read"), rec.cell("output", "y", index)],
        )
    for name, start in starts.items():
        for index in rec.asked(f"dL/d{name}"):
            terms = [Term((rec.quantity("g", moved(index, start)),), tag=tag(0))]
            rec.add_sum(
                "backward",
                f"{rec.quantity(f'dL/d{name}', index).name}: its slice of g",
                f"dL/d{name} = g at the place where {name} stands in y",
                rec.quantity(f"dL/d{name}", index),
                terms,
                "The number was only moved, so its gradient is moved back.",
                _gradient_panels(rec, terms, f"dL/d{name}", index),
            )
    return rec.explanation()


def total(rec: Recorder, result: Quantity, parts: Sequence[Quantity]) -> None:
    """Add the step of a gradient that is the sum of what several uses of a number send back."""
    rec.add_sum(
        "backward",
        f"{result.name}: the sum over its {len(parts)} uses",
        f"{result.array} = " + " + ".join(q.array for q in parts),
        result,
        [Term((q,)) for q in parts],
        "The number was used more than once. Each use changes L, and the changes ADD up.",
        [],
    )


def source(index: Index, shape: tuple[int, ...]) -> Index:
    """Return which element of an array of this shape is broadcast to `index` of the result.

    >>> source((1, 2, 3), (5, 1))
    (2, 0)
    """
    last = index[len(index) - len(shape) :]
    return tuple(0 if size == 1 else i for i, size in zip(last, shape, strict=True))


def users(index: Index, shape: tuple[int, ...], to: tuple[int, ...]) -> list[Index]:
    """Return the elements of a result of shape `to` that `index` of an array of this shape is broadcast to.

    >>> users((2, 0), (5, 1), (5, 3))
    [(2, 0), (2, 1), (2, 2)]
    """
    before = len(to) - len(shape)
    ranges = [range(size) for size in to[:before]]
    for i, own, size in zip(index, shape, to[before:], strict=True):
        ranges.append(range(size) if own == 1 != size else range(i, i + 1))
    return list(product(*ranges))


def _gradient_panels(rec: Recorder, terms: list[Term], name: str, index: Index) -> list[Panel]:
    titles = {q.array: "input" for term in terms for q in term.factors} | {"g": "dL/dy"}
    return [*rec.panels_of(terms, titles), rec.cell("gradient", name, index)]
