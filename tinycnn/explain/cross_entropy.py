"""Steps of cross-entropy from logits (Eq. 6), forward and backward: of images, or of their pixels."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tensor import Tensor, as_tensor

from .calls import Call, run
from .cells import difference
from .losses import TITLES, add_each_loss, name_of_total, reduce_losses, refuse_weights, said_of_g
from .recorder import Recorder
from .softmax import TITLES as SOFTMAX_TITLES
from .softmax import add_powers, class_panels, classes, place_of, powers, with_class
from .steps import Explanation, Quantity, factor, number

MORE_TITLES = {"p": "shares: softmax(z)", "t": "the smoothed truth", "label": "labels"}


def cross_entropy(call: Call) -> Explanation:
    """Explain `tinycnn.functional.cross_entropy` of logits (N, K), or (N, K, H, W) with labels of pixels."""
    refuse_weights(call, "weight", "ignore_index")
    if as_tensor(call["target"]).dtype.kind == "f":
        raise ValueError("cross_entropy: steps are shown for labels, not for probabilities")
    total = name_of_total(call)
    rec, watch = run(call, {"logits": "z"}, SOFTMAX_TITLES | TITLES | MORE_TITLES, total)
    arrays, z, smoothing = rec.arrays, rec.arrays["z"], call["label_smoothing"]
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
    rec.step_through(*dict.fromkeys(["L", total]))
    for loss in rec.asked("L"):
        powers(rec, loss.index)
        if smoothing:
            _smoothed(rec, loss, smoothing)
        else:
            _log_share(rec, loss)
    reduce_losses(rec, total)
    for result in rec.asked("dL/dz"):
        _logit_gradient(rec, result, total)
    return rec.explanation(total)


def _log_share(rec: Recorder, loss: Quantity) -> None:
    at, label = loss.index, int(rec.arrays["label"][loss.index])
    z, p = (rec.quantity(array, with_class(at, label)) for array in ("z", "p"))
    m, s = rec.quantity("m", at), rec.quantity("s", at)
    place, each, where = place_of(at)
    there = each.replace("k", "label")
    rec.add_value(
        loss,
        f"the loss of {where}, whose label is {label}",
        f"L[{place}] = -log p[{there}] = log s[{place}] - (z[{there}] - m[{place}])",
        f"log {number(s.value)} - ({difference(z.value, m.value)})",
        f"The network gives the right class {label} the share p = {number(p.value)}. Its "
        "logarithm is computed from the logits in one step: log(softmax) in two steps is log(0) = -inf "
        "if the share rounds to 0.",
        [
            *class_panels(rec, [z], "read"),
            *class_panels(rec, [p], "weight"),
            rec.cell(rec.quantity("label", at), "read"),
        ],
    )


def _smoothed(rec: Recorder, loss: Quantity, smoothing: float) -> None:
    at, label = loss.index, int(rec.arrays["label"][loss.index])
    z, t = classes(rec, "z", at), classes(rec, "t", at)
    m, s = rec.quantity("m", at), rec.quantity("s", at)
    parts = [f"{factor(a.value)}·({difference(b.value, m.value)})" for a, b in zip(t, z, strict=True)]
    place, each, where = place_of(at)
    rec.add_value(
        loss,
        f"the loss of {where}, whose label is {label}",
        f"L[{place}] = -Σ_k t[{each}]·log p[{each}] "
        f"= log s[{place}] - Σ_k t[{each}]·(z[{each}] - m[{place}])",
        f"log {number(s.value)} - ({' + '.join(parts)})",
        f"Label smoothing {smoothing:g}: the truth t gives the label {number(1 - smoothing)} and spreads the "
        f"rest over all {len(z)} classes. A share of 1 is not the aim any more, so logits stop growing.",
        [*class_panels(rec, z, "read", letters=True), *class_panels(rec, t, "weight", letters=True)],
    )


def _logit_gradient(rec: Recorder, result: Quantity, total: str) -> None:
    n, k, *pixel = result.index
    at = (n, *pixel)
    label = rec.quantity("label", at)
    p, g = rec.quantity("p", result.index), rec.quantity("g", at)
    place, each, _ = place_of(at)
    if "t" in rec.arrays:
        target = rec.quantity("t", result.index)
        truth, symbol = number(target.value), f"t[{each}]"
    else:
        target, truth, symbol = label, str(int(k == label.value)), f"[k = label[{place}]]"
    rec.add_value(
        result,
        f"class {k}, which is {'the label' if k == label.value else 'not the label'}",
        f"dL/dz[{each}] = g·(p[{each}] - {symbol}){said_of_g(rec, total)}",
        f"{factor(g.value)}·({number(p.value)} - {truth})",
        "The share minus the truth: the logit of the label is pulled up, all others are pushed down, each "
        "by as much as its share is wrong.",
        [p, target],
    )
