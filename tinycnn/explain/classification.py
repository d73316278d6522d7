"""Steps of softmax (Eq. 4) and of cross-entropy from logits (Eq. 6), forward and backward."""

import numpy as np

from tinycnn.tensor import Tensor, as_tensor

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
    _exponentials(arrays, "x")
    if call.backward:
        arrays["d"] = (arrays["g"] * arrays["y"]).sum(axis=1)
    rec = Recorder(call.operation, call.shown, arrays, call.cells)
    rec.step_through_arrays("y")
    for n in _rows(rec, "y"):
        _shift(rec, "x", n)
        for _, k in (index for index in rec.asked("y") if index[0] == n):
            _share(rec, (n, k))
    for n in _rows(rec, "dL/dx"):
        _weighted_mean(rec, n)
        for _, k in (index for index in rec.asked("dL/dx") if index[0] == n):
            _softmax_gradient(rec, (n, k))
    return rec.explanation()


def cross_entropy(call: Call) -> Explanation:
    """Explain `tinycnn.functional.cross_entropy` of logits (N, K) and one label an image."""
    if call["label_smoothing"]:
        raise ValueError("cross_entropy: steps are shown without label_smoothing; leave it 0")
    arrays = run(call, {"logits": "z"})
    if arrays["z"].ndim != 2:
        raise ValueError(f"cross_entropy: steps are shown for logits (N, K), got shape {arrays['z'].shape}")
    N = len(arrays["z"])
    arrays["label"] = as_tensor(call["target"]).numpy()
    _exponentials(arrays, "z")
    arrays["p"] = arrays["e"] / arrays["s"][:, None]
    each = dict(call.arguments, logits=Tensor(arrays["z"]), reduction="none")
    arrays["L"] = call.function(**each).numpy()  # (N,)
    if call.backward:
        # What one image's loss is multiplied with on its way into y: 1/N for the mean.
        shares = {"mean": np.full(N, 1 / N), "sum": np.ones(N), "none": np.ones(N)}[call["reduction"]]
        arrays["g"] = (arrays["g"] * shares).astype(arrays["z"].dtype)
    rec = Recorder(call.operation, call.shown, arrays, call.cells)
    if call["reduction"] == "none":
        rec.step_through_arrays("L")
    else:
        rec.step_through_arrays("L", "y")
    for (n,) in rec.asked("L"):
        _shift(rec, "z", n)
        _log_share(rec, n)
    for _ in rec.asked("y"):
        _reduce(rec, call["reduction"])
    for index in rec.asked("dL/dz"):
        _logit_gradient(rec, index, call["reduction"])
    return rec.explanation()


def _exponentials(arrays: dict[str, np.ndarray], name: str) -> None:
    """Add m (N,), the largest of each row, e = e^(x - m) (N, K) and s (N,), its sum."""
    x = arrays[name]
    arrays["m"] = x.max(axis=1)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, and shown
        arrays["e"] = np.exp(x - arrays["m"][:, None])
    arrays["s"] = arrays["e"].sum(axis=1)


def _rows(rec: Recorder, array: str) -> list[int]:
    return sorted({index[0] for index in rec.asked(array)})


def _row_panel(rec: Recorder, title: str, array: str, n: int, role: str, letters: bool = False) -> Panel:
    cells = [(n, k) for k in range(rec.arrays[array].shape[1])]
    tags = {cell: tag(cell[1]) for cell in cells} if letters else {}
    return rec.panel(title, array, (), dict.fromkeys(cells, role), tags)


def _shift(rec: Recorder, x: str, n: int) -> None:
    m, s = rec.quantity("m", (n,)), rec.quantity("s", (n,))
    K = rec.arrays[x].shape[1]
    values = [rec.quantity(x, (n, k)).value for k in range(K)]
    powers = ", ".join(f"e^({difference(value, m.value)})" for value in values)
    rec.add(
        "forward",
        f"row {n}: e to the power of every {x}, the largest taken off first",
        f"e[n,k] = e^({x}[n,k] - m[n]),  m[n] = max_k {x}[n,k]",
        f"e[{n},:] = ({powers}) = ({', '.join(number(rec.arrays['e'][n, k]) for k in range(K))})",
        f"Taking the same number m off all of them does not change their shares, since e^({x}-m) = e^{x} / "
        "e^m, but now no power is above 1: nothing overflows.",
        [
            _row_panel(rec, "logits", x, n, "read"),
            rec.panel("largest of the row", "m", (), {(0, n): "weight"}),
            _row_panel(rec, "powers", "e", n, "result"),
        ],
    )
    terms = [Term((rec.quantity("e", (n, k)),), tag=tag(k)) for k in range(K)]
    rec.add_sum(
        "forward",
        f"{s.name}: the sum of row {n}",
        "s[n] = Σ_k e[n,k]",
        s,
        terms,
        "The sum that turns the powers into shares.",
        [
            _row_panel(rec, "powers", "e", n, "read", letters=True),
            rec.panel("sum of the row", "s", (), {(0, n): "result"}),
        ],
    )


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
            _row_panel(rec, "dL/dy", "g", n, "read", letters=True),
            _row_panel(rec, "shares", "y", n, "weight", letters=True),
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


def _log_share(rec: Recorder, n: int) -> None:
    label = int(rec.arrays["label"][n])
    z, m = rec.quantity("z", (n, label)), rec.quantity("m", (n,))
    s, loss = rec.quantity("s", (n,)), rec.quantity("L", (n,))
    share = number(rec.arrays["p"][n, label])
    rec.add(
        "forward",
        f"{loss.name}: the loss of image {n}, whose label is {label}",
        "L[n] = -log p[n, label[n]] = log s[n] - (z[n, label[n]] - m[n])",
        f"{loss.name} = log {number(s.value)} - ({difference(z.value, m.value)}) = {number(loss.value)}",
        f"The network gives the right class {label} the share p = {share}. Its logarithm is computed from "
        "the logits in one step: log(softmax) in two steps is log(0) = -inf where the share rounds to 0.",
        [
            rec.panel("logits", "z", (), {(n, label): "read"}),
            rec.panel("shares: softmax(z)", "p", (), {(n, label): "weight"}),
            rec.panel("labels", "label", (), {(0, n): "read"}),
            rec.panel("loss of each image", "L", (), {(0, n): "result"}),
        ],
    )


def _reduce(rec: Recorder, reduction: str) -> None:
    N = len(rec.arrays["L"])
    rec.arrays["N"] = np.array(N)
    divisor = rec.quantity("N") if reduction == "mean" else None
    terms = [Term((rec.quantity("L", (n,)),), divisor, tag(n)) for n in range(N)]
    cells = [(0, n) for n in range(N)]
    rec.add_sum(
        "forward",
        f"the {reduction} over the batch",
        f"y = Σ_n L[n]{' / N' if divisor else ''}",
        rec.quantity("y"),
        terms,
        "One number for the whole batch: this is what training makes small.",
        [
            rec.panel(
                "loss of each image", "L", (), dict.fromkeys(cells, "read"), {c: tag(c[1]) for c in cells}
            ),
            rec.panel("loss", "y", (), {(0, 0): "result"}),
        ],
    )


def _logit_gradient(rec: Recorder, index: Index, reduction: str) -> None:
    n, k = index
    label = int(rec.arrays["label"][n])
    p, g, result = rec.quantity("p", index), rec.quantity("g", (n,)), rec.quantity("dL/dz", index)
    truth = int(k == label)
    rec.add(
        "backward",
        f"{result.name}: class {k}, which is {'the label' if truth else 'not the label'}",
        "dL/dz[n,k] = g[n]·(p[n,k] - [k = label[n]])" + (",  g[n] = 1/N" if reduction == "mean" else ""),
        f"{result.name} = {factor(g.value)}·({number(p.value)} - {truth}) = {number(result.value)}",
        "The share minus the truth: the logit of the label is pulled up, all others are pushed down, each "
        "by as much as its share is wrong.",
        [
            rec.panel("shares: softmax(z)", "p", (), {(n, k): "read"}),
            rec.panel("labels", "label", (), {(0, n): "weight"}),
            rec.result_panel("gradient", "dL/dz", index),
        ],
    )
