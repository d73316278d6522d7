"""Steps of losses that compare each number with its target (Eq. 6), and of the mean all losses end in."""

from typing import NamedTuple

import numpy as np

from tinycnn import functional as F
from tinycnn.tensor import Tensor, as_tensor

from .calls import Call, run
from .equations import put_in, right_side
from .recorder import Recorder
from .steps import Explanation
from .watch import Watch

TITLES = {
    "x": "output of the network",
    "z": "logits",
    "σ(z)": "probabilities",
    "t": "target",
    "L": "the losses",
}
# The indices of an array by its dimensions, as equations write them: m of M numbers, n of N images.
LETTERS = {0: "", 1: "m", 2: "n,i", 3: "n,h,w", 4: "n,c,h,w"}


class Rule(NamedTuple):
    """A loss of one number: the last form of its equation, and its derivative, get numbers put in."""

    equation: str
    derivative: str
    sentence: str


RULES = {
    "mse_loss": Rule(
        "L = (x - t)²", "dL/dx = g·2·(x - t)", "Twice as far off counts four times, and pulls twice as hard."
    ),
    "l1_loss": Rule(
        "L = abs(x - t)", "dL/dx = g·sign(x - t)", "The pull is equally strong however far off x is."
    ),
    "binary_cross_entropy_with_logits": Rule(
        "L = -t·log σ(z) - (1 - t)·log(1 - σ(z)) = t·log(1 + e^(-z)) + (1 - t)·log(1 + e^z)",
        "dL/dz = g·(σ(z) - t)",
        "The probability σ(z) minus the truth: the surer and the more wrong, the stronger the pull.",
    ),
}


def compare(call: Call) -> Explanation:
    """Explain `tinycnn.functional.mse_loss`, ``l1_loss`` or ``binary_cross_entropy_with_logits``."""
    rule, total = RULES[call.operation], name_of_total(call)
    refuse_weights(call, "weight", "pos_weight")
    logits = "σ" in rule.derivative
    x, of = ("z", "σ(z)") if logits else ("x", "x")
    rec, watch = run(call, {next(iter(call.arguments)): x}, TITLES, total)
    like = Tensor(rec.arrays[x], backend="numpy")
    rec.arrays["t"] = as_tensor(call["target"], like=like).numpy()
    if logits:
        rec.arrays[of] = F.sigmoid(like).numpy()
    add_each_loss(call, rec.arrays, watch)
    rec.step_through(*dict.fromkeys(["L", total]))
    last = f"L = {rule.equation.rpartition(' = ')[2]}"
    for loss in rec.asked("L"):
        read = [rec.quantity(name, loss.index) for name in (x, "t")]
        rec.add_value(
            loss,
            f"how far {read[0].name} is from its target",
            rule.equation,
            put_in(right_side(last), {q.array: q.value for q in read}),
            f"One number: the smaller, the closer {of} is to what the target says.",
            read,
        )
    reduce_losses(rec, total)
    for result in rec.asked(f"dL/d{x}"):
        read = [rec.quantity(name, result.index) for name in (of, "t", "g")]
        rec.add_value(
            result,
            f"what {result.name[4:]} did to the loss",
            rule.derivative + said_of_g(rec, total),
            put_in(right_side(rule.derivative), {q.array: q.value for q in read}),
            rule.sentence,
            read[:2],
        )
    return rec.explanation(total)


def refuse_weights(call: Call, *names: str) -> None:
    """Raise ValueError for options that the steps do not show."""
    for name in names:
        if call.arguments.get(name) is not None:
            raise ValueError(f"{call.operation}: steps are shown without {name}=")


def name_of_total(call: Call) -> str:
    """Return what the result is called: mean(L) or sum(L) of the losses L, or L itself."""
    reduction = call["reduction"]
    return "L" if reduction == "none" else f"{reduction}(L)"


def add_each_loss(call: Call, arrays: dict[str, np.ndarray], watch: Watch) -> None:
    """Add the losses L that the engine's last operation reduces, and let g be the gradient of each."""
    if call["reduction"] != "none":
        last = watch.calls[-1]
        arrays["L"] = last.inputs[0].numpy()
        if call.backward:
            arrays["g"] = np.broadcast_to(watch.shares[last.node.parents[0]][0][1], arrays["L"].shape)


def count_of(rec: Recorder) -> str:
    """Return what equations call the number of losses: N if each image has one, else M."""
    return "N" if rec.operation == "cross_entropy" and rec.arrays["L"].ndim == 1 else "M"


def said_of_g(rec: Recorder, total: str) -> str:
    """Return what g is, for the equation of a gradient."""
    return f",  g = 1/{count_of(rec)}" if total == "mean(L)" else ""


def reduce_losses(rec: Recorder, total: str) -> None:
    """Add the step from the losses L to the one number `total`, if it was asked for."""
    if total == "L" or not rec.asked(total):
        return
    losses, count = rec.arrays["L"], count_of(rec)
    letters = "n" if count == "N" else LETTERS.get(losses.ndim, "...")
    divisor, end = None, ""
    if total == "mean(L)":
        rec.arrays[count] = np.array(losses.size)
        divisor = rec.quantity(count)
        what = "images" if count == "N" else "losses"
        end = f" / {count},  {count} = {losses.size} {what}"
    terms = rec.terms(((("L", at),) for at in np.ndindex(*losses.shape)), divisor)
    result = rec.quantity(total)
    rec.forward(
        f"the {total[:-3]} over the batch",
        f"{total} = Σ_{{{letters}}} L[{letters}]{end}",
        rec.sum_in_numbers(result, terms),
        "One number for the whole batch: this is what training makes small.",
        [*rec.panels_of(terms), rec.cell(result, title="of the batch")],
        terms,
    )
