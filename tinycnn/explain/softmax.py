"""Steps of softmax (Eq. 4), forward and backward; its powers are those of cross-entropy, too."""

from collections.abc import Sequence

import numpy as np

from tinycnn import functional as F
from tinycnn.tensor import Tensor

from .calls import Call, run
from .cells import difference, lettered, tag
from .equations import put_in
from .recorder import Recorder
from .steps import Cell, Explanation, Index, Panel, Quantity, Term, number

TITLES = {
    "z": "logits",
    "m": "largest",
    "s": "sum",
    "e": "powers",
    "p": "shares",
    "g": "dL/dp",
    "d": "weighted mean of g",
}


def softmax(call: Call) -> Explanation:
    """Explain `tinycnn.functional.softmax` of rows: logits z (N, K), dim 1, to shares p (N, K)."""
    rec, _ = run(call, {"x": "z"}, TITLES, "p")
    arrays, z = rec.arrays, rec.arrays["z"]
    if z.ndim != 2 or call["dim"] not in (1, -1):
        raise ValueError(
            f"softmax: steps are shown for rows, z (N, K) and dim=1, got shape {z.shape}, dim={call['dim']}"
        )
    add_powers(arrays)
    if call.backward:
        arrays["d"] = F.sum(Tensor(arrays["g"] * arrays["p"]), 1).numpy()
    rec.step_through("p")
    for array, begin, element in (("p", powers, _share), ("dL/dz", _weighted_mean, _gradient)):
        for n in sorted({n for n, _ in rec.chosen(array)}):
            begin(rec, (n,))
            for result in rec.asked(array):
                if result.index[0] == n:
                    element(rec, result)
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


def classes(rec: Recorder, array: str, at: Index) -> list[Quantity]:
    """Return the elements of `array` for all classes at a place."""
    return [rec.quantity(array, with_class(at, k)) for k in range(rec.arrays["z"].shape[1])]


def class_panels(
    rec: Recorder, elements: Sequence[Quantity], role: str, letters: bool = False
) -> list[Panel]:
    """Return the panels of classes at a place: a row of (N, K), a cell in each plane of (N, K, H, W)."""
    planes: dict[Index, dict[Cell, int]] = {}
    for q in elements:
        planes.setdefault(q.index[:-2], {})[q.index[-2], q.index[-1]] = q.index[1]
    array, title = elements[0].array, rec.titles[elements[0].array]
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


def place_of(at: Index, row: str = "image") -> tuple[str, str, str]:
    """Return the indices of a place and of one class there, as equations write them; and what it is."""
    if len(at) == 1:
        return "n", "n,k", f"{row} {at[0]}"
    return "n,h,w", "n,k,h,w", f"pixel ({at[1]}, {at[2]}) of image {at[0]}"


def powers(rec: Recorder, at: Index) -> None:
    """Add the two steps of a place: its powers of e, and their sum."""
    m, s = rec.quantity("m", at), rec.quantity("s", at)
    z, e = classes(rec, "z", at), classes(rec, "e", at)
    place, each, where = place_of(at, "row")
    exponents = ", ".join(f"e^({difference(q.value, m.value)})" for q in z)
    row = ",".join(map(str, (at[0], ":", *at[1:])))
    rec.forward(
        f"{where}: e to the power of every z, after the largest is subtracted",
        f"e[{each}] = e^(z[{each}] - m[{place}]),  m[{place}] = max_k z[{each}]",
        f"e[{row}] = ({exponents}) = ({', '.join(number(q.value) for q in e)})",
        "If the same number m is subtracted from all z, their shares do not change, since e^(z-m) = e^z / "
        "e^m. But now no power is above 1: nothing overflows.",
        [*class_panels(rec, z, "read"), rec.cell(m, "weight"), *class_panels(rec, e, "result")],
        cites=4,
    )
    rec.add_sum(
        s,
        f"the sum of {where}",
        f"s[{place}] = Σ_k e[{each}]",
        lettered([[q] for q in e]),
        "The sum that turns the powers into shares.",
        class_panels(rec, e, "read", letters=True),
        cites=4,
    )


def _share(rec: Recorder, p: Quantity) -> None:
    e, s = rec.quantity("e", p.index), rec.quantity("s", p.index[:1])
    rec.must_add_up([Term((e,), s)], p)
    rec.add_value(
        p,
        f"the share of class {p.index[1]}",
        "p[n,k] = e[n,k] / s[n]",
        f"{number(e.value)} / {number(s.value)}",
        "Shares are positive, and those of a row sum to 1.",
        [e, rec.cell(s, "weight", "sum of the row")],
    )


def _weighted_mean(rec: Recorder, at: Index) -> None:
    rec.add_sum(
        rec.quantity("d", at),
        "the mean of g, weighted with the shares",
        "d[n] = Σ_j g[n,j]·p[n,j],  g = dL/dp",
        lettered(list(zip(classes(rec, "g", at), classes(rec, "p", at), strict=True))),
        "The shares of a row sum to 1: what one gains, the others lose. So only differences of g count, and "
        "d is the number that each g[n,j] is compared with.",
    )


def _gradient(rec: Recorder, result: Quantity) -> None:
    n, k = result.index
    g, p, d = rec.quantity("g", (n, k)), rec.quantity("p", (n, k)), rec.quantity("d", (n,))
    rec.add_value(
        result,
        f"what z[{n},{k}] did to L",
        "dL/dz[n,k] = p[n,k]·(g[n,k] - d[n])",
        put_in("p·(g - d)", {q.array: q.value for q in (p, g, d)}),
        "Only the difference between g and the weighted mean counts, and a small share changes little.",
        [g, p, d],
    )
