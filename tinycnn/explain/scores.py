"""Steps of evaluation (Eq. 15): counts in a confusion matrix, then accuracy, precision, recall and F1."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn.host import as_numpy
from tinycnn.metrics import accuracy, confusion_matrix, precision_recall_f1

from .equations import put_in
from .recorder import Recorder
from .steps import Cell, Explanation, Term, number

MOST = 20  # predictions that have a step of their own
UNDEFINED = "= 0 / 0, counted as 0"
TITLES = {"C": "label by prediction", "label": "labels", "prediction": "predictions"}
TITLES |= dict.fromkeys(("precision", "recall", "f1"), "of each class")


def scores(labels: Any, predictions: Any) -> Explanation:
    """Explain how labels and predictions (N,) become the confusion matrix and the scores of each class."""
    matrix = confusion_matrix(labels, predictions)
    each = precision_recall_f1(labels, predictions, average=None, K=len(matrix), zero_division=0.0)
    pairs = list(zip(as_numpy(labels).tolist(), as_numpy(predictions).tolist(), strict=True))
    arrays = {"label": np.array([a for a, _ in pairs]), "prediction": np.array([b for _, b in pairs])}
    arrays |= {"C": matrix, "N": np.array(len(pairs)), "accuracy": np.array(accuracy(labels, predictions))}
    arrays |= {"predicted": matrix.sum(axis=0), "labelled": matrix.sum(axis=1)}
    arrays |= {name: np.asarray(getattr(each, name)) for name in ("precision", "recall", "f1")}
    rec = Recorder("scores", {}, arrays, None, 15, TITLES)
    if len(pairs) <= MOST:
        _counts(rec, pairs)
    K = range(len(matrix))
    diagonal = rec.terms(((("C", (k, k)),) for k in K), rec.quantity("N"))
    rec.add_sum(
        rec.quantity("accuracy"),
        "the share that is right",
        "accuracy = Σ_k C[k,k] / N",
        diagonal,
        "What is right stands on the diagonal: label and prediction are the same there.",
    )
    for k in K:
        column, row = [(i, k) for i in K], [(k, j) for j in K]
        _share(rec, "precision", k, "predicted", column, f"of all that was called {k}, how much is {k}")
        _share(rec, "recall", k, "labelled", row, f"of all that is {k}, how much was called {k}")
        p, r, f1 = (rec.quantity(name, (k,)) for name in ("precision", "recall", "f1"))
        put = put_in("2·p·r / (p + r)", {"p": p.value, "r": r.value})
        rec.forward(
            f"F1 of class {k}",
            "F1 = 2·precision·recall / (precision + recall)",
            f"{f1.name} = {put} = {number(f1.value)}" if p.value + r.value else f"{f1.name} {UNDEFINED}",
            "The harmonic mean: it is near the smaller of the two, so that neither can hide the other.",
            [*rec.cells([p, r]), rec.cell(f1)],
        )
    _averages(rec, labels, predictions)
    return rec.explanation("C")


def _averages(rec: Recorder, labels: Any, predictions: Any) -> None:
    """Add the steps of the two averages over the classes: of their scores, and of their counts."""
    K = len(rec.arrays["C"])
    macro = precision_recall_f1(labels, predictions, "macro", zero_division=0.0)
    micro = precision_recall_f1(labels, predictions, "micro")
    there = np.flatnonzero(rec.arrays["predicted"] + rec.arrays["labelled"]).tolist()
    rec.arrays |= {"classes": np.array(len(there)), "micro": np.array(micro.f1)}
    left_out = f" {K - len(there)} without a label or a prediction are left out." if len(there) < K else ""
    for name in ("precision", "recall", "f1"):
        rec.arrays[f"macro_{name}"] = np.array(getattr(macro, name))
        terms = rec.terms((((name, (k,)),) for k in there), rec.quantity("classes"))
        result = rec.quantity(f"macro_{name}")
        rec.forward(
            f"macro {name}: the mean over the classes",
            f"macro_{name} = Σ_k {name}[k] / classes",
            rec.sum_in_numbers(result, terms),
            f"Each class counts the same, however few images it has.{left_out}",
            [*rec.panels_of(terms), rec.cell(result)],
            terms,
        )
    rec.add_sum(
        rec.quantity("micro"),
        "the counts of all classes together",
        "micro = Σ_k C[k,k] / Σ_{i,j} C[i,j]",
        rec.terms(((("C", (k, k)),) for k in range(K)), rec.quantity("N")),
        "Every image is predicted once and labelled once, so both sums are N: precision, recall and F1 are "
        "all the accuracy.",
    )


def _counts(rec: Recorder, pairs: Sequence[tuple[int, int]]) -> None:
    """Add one step for each prediction: it adds 1 to a cell of the matrix."""
    so_far = np.zeros_like(rec.arrays["C"])
    for n, (label, prediction) in enumerate(pairs):
        so_far[label, prediction] += 1
        rec.arrays[f"C after {n}"] = so_far.copy()
        right = "right: the cell lies on the diagonal" if label == prediction else "wrong: off the diagonal"
        rec.forward(
            f"image {n}: label {label}, prediction {prediction}",
            "C[label, prediction] += 1",
            f"C[{label},{prediction}] = {so_far[label, prediction] - 1} + 1 = {so_far[label, prediction]}",
            f"Row {label} for the label, column {prediction} for the prediction. It is {right}.",
            [
                rec.cell(rec.quantity("label", (n,)), "read"),
                rec.cell(rec.quantity("prediction", (n,)), "read"),
                rec.cell(rec.quantity(f"C after {n}", (label, prediction)), title=TITLES["C"]),
            ],
        )


def _share(rec: Recorder, name: str, k: int, of: str, cells: Sequence[Cell], sentence: str) -> None:
    """Add the step of precision or recall: a cell of the diagonal by the sum of its column or row."""
    right, total, result = rec.quantity("C", (k, k)), rec.quantity(of, (k,)), rec.quantity(name, (k,))
    line = " + ".join(number(rec.quantity("C", cell).value) for cell in cells)
    symbols = "Σ_i C[i,k]" if of == "predicted" else "Σ_j C[k,j]"
    if total.value:
        rec.must_add_up([Term((right,), total)], result)
    rec.forward(
        f"{name} of class {k}: {sentence}",
        f"{name}[k] = C[k,k] / {symbols}",
        f"{result.name} = {number(right.value)} / ({line}) = {number(result.value)}"
        if total.value
        else f"{result.name} {UNDEFINED}",
        f"{'Column' if of == 'predicted' else 'Row'} {k} of the matrix has everything that was "
        f"{'predicted' if of == 'predicted' else 'labelled'} as {k}.",
        [
            rec.panel(TITLES["C"], "C", (), dict.fromkeys(cells, "read") | {(k, k): "winner"}),
            rec.cell(result),
        ],
    )
