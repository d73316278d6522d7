"""Steps of softmax (Eq. 4), forward and backward; its powers are those of cross-entropy, too."""

import numpy as np

from .calls import Call, run
from .recorder import Recorder, difference, tag
from .steps import Explanation, Index, Panel, Term, factor, number


def softmax(call: Call) -> Explanation:
    """Explain `tinycnn.functional.softmax` of rows: x (N, K), dim 1."""
    arrays = run(call, {"x": "x"})
    x = arrays["x"]
    if x.ndim != 2 or call["dim"] not in (1, -1):
        raise ValueError(
            f"softmax: steps are shown for rows, x (N, K) and dim=1, got shape {x.shape}, dim={call['dim']}"
        )
    exponentials(arrays, "x")
    if call.backward:
        arrays["d"] = (arrays["g"] * arrays["y"]).sum(axis=1)
    rec = Recorder(call.operation, call.shown, arrays, call.cells)
    rec.step_through_arrays("y")
    for n in _rows(rec, "y"):
        powers(rec, "x", (n,))
        for _, k in (index for index in rec.asked("y") if index[0] == n):
            _share(rec, (n, k))
    for n in _rows(rec, "dL/dx"):
        _weighted_mean(rec, n)
        for _, k in (index for index in rec.asked("dL/dx") if index[0] == n):
            _softmax_gradient(rec, (n, k))
    return rec.explanation()


def exponentials(arrays: dict[str, np.ndarray], name: str) -> None:
    """Add m, the largest of x over the classes (dimension 1), e = e^(x - m), and s, the sum of e."""
    x = arrays[name]
    arrays["m"] = x.max(axis=1)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, and shown
        arrays["e"] = np.exp(x - np.expand_dims(arrays["m"], 1))
    arrays["s"] = arrays["e"].sum(axis=1)


def with_class(at: Index, k: int) -> Index:
    """Return the index of class `k` at the place (n,) or (n, h, w)."""
    return (at[0], k, *at[1:])


def class_panels(
    rec: Recorder, title: str, array: str, at: Index, role: str, letters: bool = False
) -> list[Panel]:
    """Return the panels that show all classes at a place: a row of (N, K), a cell in each of K planes."""
    K = rec.arrays[array].shape[1]
    if len(at) == 1:
        cells = [(at[0], k) for k in range(K)]
        tags = {cell: tag(cell[1]) for cell in cells} if letters else {}
        return [rec.panel(title, array, (), dict.fromkeys(cells, role), tags)]
    n, *rest = at
    cell = rest[0], rest[1]
    return [
        rec.panel(f"{title}, class {k}", array, (n, k), {cell: role}, {cell: tag(k)} if letters else {})
        for k in range(K)
    ]


def place_panel(rec: Recorder, title: str, array: str, at: Index, role: str) -> Panel:
    """Return the panel of an array with one number a place, (N,) or (N, H, W)."""
    if len(at) == 1:
        return rec.panel(title, array, (), {(0, at[0]): role})
    return rec.panel(title, array, at[:1], {(at[1], at[2]): role})


def powers(rec: Recorder, x: str, at: Index) -> None:
    """Add the two steps of a place: its powers of e, and their sum."""
    m, s = rec.quantity("m", at), rec.quantity("s", at)
    classes = [with_class(at, k) for k in range(rec.arrays[x].shape[1])]
    place, each = ("n", "n,k") if len(at) == 1 else ("n,h,w", "n,k,h,w")
    where = f"row {at[0]}" if len(at) == 1 else f"pixel ({at[1]}, {at[2]}) of image {at[0]}"
    exponents = ", ".join(f"e^({difference(rec.quantity(x, i).value, m.value)})" for i in classes)
    results = ", ".join(number(rec.arrays["e"][i]) for i in classes)
    rec.add(
        "forward",
        f"{where}: e to the power of every {x}, the largest taken off first",
        f"e[{each}] = e^({x}[{each}] - m[{place}]),  m[{place}] = max_k {x}[{each}]",
        f"e[{','.join(map(str, (at[0], ':', *at[1:])))}] = ({exponents}) = ({results})",
        f"Taking the same number m off all of them does not change their shares, since e^({x}-m) = e^{x} / "
        "e^m, but now no power is above 1: nothing overflows.",
        [
            *class_panels(rec, "logits", x, at, "read"),
            place_panel(rec, "largest", "m", at, "weight"),
            *class_panels(rec, "powers", "e", at, "result"),
        ],
    )
    terms = [Term((rec.quantity("e", i),), tag=tag(k)) for k, i in enumerate(classes)]
    rec.add_sum(
        "forward",
        f"{s.name}: the sum of {where}",
        f"s[{place}] = Σ_k e[{each}]",
        s,
        terms,
        "The sum that turns the powers into shares.",
        [
            *class_panels(rec, "powers", "e", at, "read", letters=True),
            place_panel(rec, "sum", "s", at, "result"),
        ],
    )


def _rows(rec: Recorder, array: str) -> list[int]:
    return sorted({index[0] for index in rec.asked(array)})


def _share(rec: Recorder, index: Index) -> None:
    n, k = index
    e, s, y = rec.quantity("e", index), rec.quantity("s", (n,)), rec.quantity("y", index)
    rec.must_add_up([Term((e,), s)], y)
    rec.add(
        "forward",
        f"{y.name}: the share of class {k}",
        "y[n,k] = e[n,k] / s[n]",
        f"{y.name} = {number(e.value)} / {number(s.value)} = {number(y.value)}",
        "Shares are positive, and those of a row sum to 1.",
        [
            rec.panel("powers", "e", (), {(n, k): "read"}),
            rec.panel("sum of the row", "s", (), {(0, n): "weight"}),
            rec.result_panel("shares", "y", index),
        ],
    )


def _weighted_mean(rec: Recorder, n: int) -> None:
    K = rec.arrays["y"].shape[1]
    terms = [Term((rec.quantity("g", (n, k)), rec.quantity("y", (n, k))), tag=tag(k)) for k in range(K)]
    rec.add_sum(
        "backward",
        f"d[{n}]: the mean of g, weighted with the shares",
        "d[n] = Σ_j g[n,j]·y[n,j]",
        rec.quantity("d", (n,)),
        terms,
        "All shares of a row move together, because they sum to 1: what one gains the others lose. d is "
        "what all of them have in common.",
        [
            *class_panels(rec, "dL/dy", "g", (n,), "read", letters=True),
            *class_panels(rec, "shares", "y", (n,), "weight", letters=True),
            rec.panel("weighted mean of g", "d", (), {(0, n): "result"}),
        ],
    )


def _softmax_gradient(rec: Recorder, index: Index) -> None:
    n, k = index
    y, g, d = rec.quantity("y", index), rec.quantity("g", index), rec.quantity("d", (n,))
    result = rec.quantity("dL/dx", index)
    rec.add(
        "backward",
        f"{result.name}: what x[{n},{k}] did to L",
        "dL/dx[n,k] = y[n,k]·(g[n,k] - d[n])",
        f"{result.name} = {factor(y.value)}·({difference(g.value, d.value)}) = {number(result.value)}",
        "Only what g has above the weighted mean counts, and a small share moves little.",
        [
            rec.panel("dL/dy", "g", (), {(n, k): "read"}),
            rec.panel("shares", "y", (), {(n, k): "weight"}),
            rec.panel("weighted mean of g", "d", (), {(0, n): "weight"}),
            rec.result_panel("gradient", "dL/dx", index),
        ],
    )
