"""Steps of softmax (Eq. 4), forward and backward; its powers are those of cross-entropy, too."""

from collections.abc import Sequence

import numpy as np

from tinycnn import functional as F
from tinycnn.tensor import Tensor

from .calls import Call, run
from .cells import difference, tag
from .equations import put_in
from .recorder import Recorder
from .steps import Explanation, Index, Panel, Term, number


def softmax(call: Call) -> Explanation:
    """Explain `tinycnn.functional.softmax` of rows: logits z (N, K), dim 1, to shares p (N, K)."""
    arrays, _ = run(call, {"x": "z"}, "p")
    z = arrays["z"]
    if z.ndim != 2 or call["dim"] not in (1, -1):
        raise ValueError(
            f"softmax: steps are shown for rows, z (N, K) and dim=1, got shape {z.shape}, dim={call['dim']}"
        )
    add_powers(arrays)
    if call.backward:
        arrays["d"] = F.sum(Tensor(arrays["g"] * arrays["p"]), 1).numpy()
    rec = call.recorder(arrays)
    rec.step_through_arrays("p")
    for n in sorted({n for n, _ in rec.asked("p")}):
        powers(rec, (n,))
        for index in rec.asked("p"):
            if index[0] == n:
                _share(rec, index)
    for n in sorted({n for n, _ in rec.asked("dL/dz")}):
        _weighted_mean(rec, n)
        for index in rec.asked("dL/dz"):
            if index[0] == n:
                _gradient(rec, index)
    return rec.explanation("p")


def add_powers(arrays: dict[str, np.ndarray]) -> None:
    """Add m, the largest of z over the classes (dimension 1), e = e^(z - m), and s, the sum of e."""
    z = Tensor(arrays["z"], backend="numpy")
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, and shown
        m = F.max(z, 1, keepdim=True)
        e = F.exp(z - m)
        arrays |= {"m": m.numpy()[:, 0], "e": e.numpy(), "s": F.sum(e, 1).numpy()}


def with_class(at: Index, k: int) -> Index:
    """Return the index of class `k` at the place (n,) or (n, h, w)."""
    return (at[0], k, *at[1:])


def classes(rec: Recorder, at: Index) -> list[Index]:
    """Return the indices of all classes at a place."""
    return [with_class(at, k) for k in range(rec.arrays["z"].shape[1])]


def class_panels(
    rec: Recorder, title: str, array: str, indices: Sequence[Index], role: str, letters: bool = False
) -> list[Panel]:
    """Return the panels of classes at a place: a row of (N, K), a cell in each plane of (N, K, H, W)."""
    planes: dict[Index, dict[tuple[int, int], int]] = {}
    for index in indices:
        planes.setdefault(index[:-2], {})[index[-2], index[-1]] = index[1]
    return [
        rec.panel(
            f"{title}, class {plane[1]}" if plane else title,
            array,
            plane,
            dict.fromkeys(cells, role),
            {cell: tag(k) for cell, k in cells.items()} if letters else {},
        )
        for plane, cells in planes.items()
    ]


def powers(rec: Recorder, at: Index) -> None:
    """Add the two steps of a place: its powers of e, and their sum."""
    m, s, every = rec.quantity("m", at), rec.quantity("s", at), classes(rec, at)
    place, each = ("n", "n,k") if len(at) == 1 else ("n,h,w", "n,k,h,w")
    where = f"row {at[0]}" if len(at) == 1 else f"pixel ({at[1]}, {at[2]}) of image {at[0]}"
    exponents = ", ".join(f"e^({difference(rec.quantity('z', i).value, m.value)})" for i in every)
    results = ", ".join(number(rec.arrays["e"][i]) for i in every)
    rec.add(
        "forward",
        f"{where}: e to the power of every z, the largest taken off first",
        f"e[{each}] = e^(z[{each}] - m[{place}]),  m[{place}] = max_k z[{each}]",
        f"e[{','.join(map(str, (at[0], ':', *at[1:])))}] = ({exponents}) = ({results})",
        "If the same number m is taken off all of them, their shares do not change, since e^(z-m) = e^z / "
        "e^m. But now no power is above 1: nothing overflows.",
        [
            *class_panels(rec, "logits", "z", every, "read"),
            rec.cell("largest", "m", at, "weight"),
            *class_panels(rec, "powers", "e", every, "result"),
        ],
        cites=4,
    )
    rec.add_sum(
        "forward",
        f"{s.name}: the sum of {where}",
        f"s[{place}] = Σ_k e[{each}]",
        s,
        [Term((rec.quantity("e", i),), tag=tag(k)) for k, i in enumerate(every)],
        "The sum that turns the powers into shares.",
        [
            *class_panels(rec, "powers", "e", every, "read", letters=True),
            rec.cell("sum", "s", at, "result"),
        ],
        cites=4,
    )


def _share(rec: Recorder, index: Index) -> None:
    n, k = index
    e, s, p = rec.quantity("e", index), rec.quantity("s", (n,)), rec.quantity("p", index)
    rec.must_add_up([Term((e,), s)], p)
    rec.add(
        "forward",
        f"{p.name}: the share of class {k}",
        "p[n,k] = e[n,k] / s[n]",
        f"{p.name} = {number(e.value)} / {number(s.value)} = {number(p.value)}",
        "Shares are positive, and those of a row sum to 1.",
        [
            rec.panel("powers", "e", (), {(n, k): "read"}),
            rec.panel("sum of the row", "s", (), {(0, n): "weight"}),
            rec.cell("shares", "p", index),
        ],
    )


def _weighted_mean(rec: Recorder, n: int) -> None:
    every = classes(rec, (n,))
    terms = [Term((rec.quantity("g", i), rec.quantity("p", i)), tag=tag(k)) for k, i in enumerate(every)]
    rec.add_sum(
        "backward",
        f"d[{n}]: the mean of g, weighted with the shares",
        "d[n] = Σ_j g[n,j]·p[n,j],  g = dL/dp",
        rec.quantity("d", (n,)),
        terms,
        "All shares of a row move together, because they sum to 1: what one gains the others lose. d is "
        "what all of them have in common.",
        [
            *rec.panels_of(terms, {"g": "dL/dp", "p": "shares"}),
            rec.panel("weighted mean of g", "d", (), {(0, n): "result"}),
        ],
    )


def _gradient(rec: Recorder, index: Index) -> None:
    n, k = index
    values = {"p": rec.quantity("p", index), "g": rec.quantity("g", index), "d": rec.quantity("d", (n,))}
    result = rec.quantity("dL/dz", index)
    numbers = put_in("p·(g - d)", {name: q.value for name, q in values.items()})
    rec.add(
        "backward",
        f"{result.name}: what z[{n},{k}] did to L",
        "dL/dz[n,k] = p[n,k]·(g[n,k] - d[n])",
        f"{result.name} = {numbers} = {number(result.value)}",
        "Only what g has above the weighted mean counts, and a small share moves little.",
        [
            rec.panel("dL/dp", "g", (), {(n, k): "read"}),
            rec.panel("shares", "p", (), {(n, k): "weight"}),
            rec.panel("weighted mean of g", "d", (), {(0, n): "weight"}),
            rec.cell("gradient", "dL/dz", index),
        ],
    )
