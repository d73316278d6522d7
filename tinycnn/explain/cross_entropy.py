"""Steps of cross-entropy from logits (Eq. 6), forward and backward: of images, or of their pixels."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tensor import Tensor, as_tensor

from .calls import Call, run
from .cells import difference
from .losses import add_each_loss, name_of_total, reduce_losses, refuse_weights, said_of_g
from .recorder import Recorder
from .softmax import add_powers, class_panels, classes, powers, with_class
from .steps import Explanation, Index, factor, number


def cross_entropy(call: Call) -> Explanation:
    """Explain `tinycnn.functional.cross_entropy` of logits (N, K), or (N, K, H, W) with labels of pixels."""
    refuse_weights(call, "weight", "ignore_index")
    if as_tensor(call["target"]).dtype.kind == "f":
        raise ValueError("cross_entropy: steps are shown for labels, not for probabilities")
    total = name_of_total(call)
    arrays, watch = run(call, {"logits": "z"}, total)
    z, smoothing = arrays["z"], call["label_smoothing"]
    if z.ndim not in (2, 4):
        raise ValueError(
            f"cross_entropy: steps are shown for logits (N, K) or (N, K, H, W), got shape {z.shape}"
        )
    arrays["label"] = as_tensor(call["target"]).numpy()
    add_powers(arrays)
    with np.errstate(invalid="ignore"):
        arrays["p"] = F.softmax(Tensor(z, backend="numpy"), 1).numpy()
    if smoothing:
        one_hot = np.arange(z.shape[1]).reshape(-1, *[1] * (z.ndim - 2)) == arrays["label"][:, None]
        arrays["t"] = ((1 - smoothing) * one_hot + smoothing / z.shape[1]).astype(z.dtype)
    add_each_loss(call, arrays, watch)
    rec = call.recorder(arrays)
    rec.step_through_arrays(*dict.fromkeys(["L", total]))
    for at in rec.asked("L"):
        powers(rec, at)
        if smoothing:
            _smoothed(rec, at, smoothing)
        else:
            _log_share(rec, at)
    reduce_losses(rec, total)
    for index in rec.asked("dL/dz"):
        _logit_gradient(rec, index, total)
    return rec.explanation(total)


def _letters(at: Index) -> tuple[str, str]:
    """Return the indices of a place, and of one class there, as equations write them."""
    return ("n", "n,k") if len(at) == 1 else ("n,h,w", "n,k,h,w")


def _where(at: Index) -> str:
    return f"image {at[0]}" if len(at) == 1 else f"pixel ({at[1]}, {at[2]}) of image {at[0]}"


def _log_share(rec: Recorder, at: Index) -> None:
    label = int(rec.arrays["label"][at])
    picked = with_class(at, label)
    z, m = rec.quantity("z", picked), rec.quantity("m", at)
    s, loss = rec.quantity("s", at), rec.quantity("L", at)
    place, _ = _letters(at)
    there = "n,label" if len(at) == 1 else "n,label,h,w"
    rec.add(
        "forward",
        f"{loss.name}: the loss of {_where(at)}, whose label is {label}",
        f"L[{place}] = -log p[{there}] = log s[{place}] - (z[{there}] - m[{place}])",
        f"{loss.name} = log {number(s.value)} - ({difference(z.value, m.value)}) = {number(loss.value)}",
        f"The network gives the right class {label} the share p = {number(rec.arrays['p'][picked])}. Its "
        "logarithm is computed from the logits in one step: log(softmax) in two steps is log(0) = -inf "
        "if the share rounds to 0.",
        [
            *class_panels(rec, "logits", "z", [picked], "read"),
            *class_panels(rec, "shares: softmax(z)", "p", [picked], "weight"),
            rec.cell("labels", "label", at, "read"),
            rec.cell("the losses", "L", at, "result"),
        ],
    )


def _smoothed(rec: Recorder, at: Index, smoothing: float) -> None:
    label, every = int(rec.arrays["label"][at]), classes(rec, at)
    m, s, loss = rec.quantity("m", at), rec.quantity("s", at), rec.quantity("L", at)
    parts = [
        f"{factor(rec.quantity('t', i).value)}·({difference(rec.quantity('z', i).value, m.value)})"
        for i in every
    ]
    place, each = _letters(at)
    rec.add(
        "forward",
        f"{loss.name}: the loss of {_where(at)}, whose label is {label}",
        f"L[{place}] = -Σ_k t[{each}]·log p[{each}] "
        f"= log s[{place}] - Σ_k t[{each}]·(z[{each}] - m[{place}])",
        f"{loss.name} = log {number(s.value)} - ({' + '.join(parts)}) = {number(loss.value)}",
        f"Label smoothing {smoothing:g}: the truth t gives the label {number(1 - smoothing)} and spreads the "
        f"rest over all {len(every)} classes. A share of 1 is not the aim any more, so logits stop growing.",
        [
            *class_panels(rec, "logits", "z", every, "read", letters=True),
            *class_panels(rec, "the smoothed truth", "t", every, "weight", letters=True),
            rec.cell("the losses", "L", at, "result"),
        ],
    )


def _logit_gradient(rec: Recorder, index: Index, total: str) -> None:
    k = index[1]
    at = (index[0], *index[2:])
    label = int(rec.arrays["label"][at])
    p, g, result = rec.quantity("p", index), rec.quantity("g", at), rec.quantity("dL/dz", index)
    place, each = _letters(at)
    panels = [rec.cell("shares: softmax(z)", "p", index, "read")]
    if "t" in rec.arrays:
        truth, symbol = number(rec.quantity("t", index).value), f"t[{each}]"
        panels += [rec.cell("the smoothed truth", "t", index, "weight")]
    else:
        truth, symbol = str(int(k == label)), f"[k = label[{place}]]"
        panels.append(rec.cell("labels", "label", at, "weight"))
    rec.add(
        "backward",
        f"{result.name}: class {k}, which is {'the label' if k == label else 'not the label'}",
        f"dL/dz[{each}] = g·(p[{each}] - {symbol}){said_of_g(rec, total)}",
        f"{result.name} = {factor(g.value)}·({number(p.value)} - {truth}) = {number(result.value)}",
        "The share minus the truth: the logit of the label is pulled up, all others are pushed down, each "
        "by as much as its share is wrong.",
        [*panels, rec.cell("gradient", "dL/dz", index)],
    )
