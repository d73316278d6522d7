"""All that the predictions of a classifier on a data set tell about it (Eq. 15)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tinycnn import metrics
from tinycnn.data import DataLoader, Dataset
from tinycnn.fit.evaluation import Evaluation, evaluate
from tinycnn.fit.run import names_of
from tinycnn.nn import Module
from tinycnn.schema import plain

BATCH = 256
LONGEST = 40  # characters of a class name in a table
TOP = 5  # of top-k accuracy; with fewer than twice as many classes, 2


@dataclass(frozen=True)
class Report:
    """The judgement on a classifier."""

    labels: np.ndarray  #: (N,), integers 0 to K-1
    probabilities: np.ndarray  #: (N, K)
    classes: tuple[str, ...]  #: K names
    loss: float  #: the mean cross-entropy

    @classmethod
    def of(cls, result: Evaluation, classes: Sequence[str]) -> Report:
        """Return the report on what `fit.evaluate` returned."""
        return cls(result.labels, result.probabilities, tuple(classes), result.loss)

    @property
    def predictions(self) -> np.ndarray:
        """The likeliest class, (N,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def right(self) -> np.ndarray:
        """Which predictions are right, (N,) booleans."""
        return self.predictions == self.labels

    @property
    def accuracy(self) -> float:
        """The share of right predictions."""
        return float(self.right.mean())

    @cached_property
    def interval(self) -> metrics.Interval | None:
        """The accuracy's 95 % bootstrap interval; None for one image, and if all are right or all wrong."""
        return metrics.bootstrap_interval(self.right) if 0 < self.accuracy < 1 else None

    @cached_property
    def confusion_matrix(self) -> np.ndarray:
        """How often label i was predicted as j, (K, K)."""
        return metrics.confusion_matrix(self.labels, self.predictions, len(self.classes))

    def scores(self, average: str | None) -> metrics.Scores:
        """Return precision, recall and F1; undefined ones are NaN for each class, and 0 in an average."""
        undefined = np.nan if average is None else 0.0
        K = len(self.classes)
        return metrics.precision_recall_f1(self.labels, self.predictions, average, K, undefined)

    @property
    def top(self) -> int:
        """The k of `top_k_accuracy`."""
        return TOP if len(self.classes) >= 2 * TOP else 2

    @property
    def top_k_accuracy(self) -> float:
        """How often the label is among the `top` likeliest classes."""
        return metrics.top_k_accuracy(self.labels, self.probabilities, self.top)

    @property
    def calibration_error(self) -> float:
        """The expected calibration error."""
        return metrics.expected_calibration_error(self.labels, self.probabilities)

    @cached_property
    def areas(self) -> np.ndarray:
        """The area under the ROC curve of each class against the rest, (K,); NaN if it is undefined."""
        return self._each(metrics.roc_auc)

    @cached_property
    def average_precisions(self) -> np.ndarray:
        """The area under the precision-recall curve of each class, (K,); NaN if it is undefined."""
        return self._each(metrics.average_precision)

    def _each(self, metric: Any) -> np.ndarray:
        def of(k: int) -> float:
            positive = self.labels == k
            defined = positive.any() and not positive.all()
            return metric(positive, self.probabilities[:, k]) if defined else float("nan")

        return np.array([of(k) for k in range(len(self.classes))])

    def notes(self) -> list[str]:
        """Return what is undefined, in sentences."""
        labelled, predicted = self.confusion_matrix.sum(axis=1), self.confusion_matrix.sum(axis=0)
        missing, unsaid = (
            names_of([name for name, n in zip(self.classes, counts, strict=True) if not n], LONGEST)
            for counts in (labelled, predicted)
        )
        said = []
        if missing:
            said.append(f"no test image is of {missing}: recall and AUC are undefined")
        if unsaid:
            said.append(
                f"never predicted: {unsaid}; the precision is undefined, and counts as 0 in the means"
            )
        if self.interval is None:
            said.append("an interval needs right and wrong predictions: the bootstrap repeats what it sees")
        return said

    def lines(self) -> Iterator[str]:
        """Yield the report as a table: a row for each class, the means, and what is to be said of all."""
        names = [plain(name, LONGEST) for name in self.classes]
        width = max(8, *map(len, names))
        yield f"{'class':<{width}}  precision  recall       F1     AUC  images"
        images, N = self.confusion_matrix.sum(axis=1), len(self.labels)
        rows = zip(names, *self.scores(None), self.areas, images, strict=True)
        averages = {name: self.scores(name) for name in metrics.AVERAGES}
        means = [(name, *each, _mean(self.areas), N) for name, each in averages.items() if name != "micro"]
        means.append(("micro", *averages["micro"], float("nan"), N))
        for name, p, r, f1, area, count in (*rows, *means):
            auc = f"{area:7.4f}" if not np.isnan(area) else f"{'-':>7}"
            yield f"{name:<{width}}  {_percent(p, 9)}  {_percent(r, 6)}  {_percent(f1, 7)} {auc}  {count:6,}"
        yield from (f"note: {note}" for note in self.notes())
        if len(self.classes) > self.top:
            yield f"top-{self.top} accuracy {self.top_k_accuracy:.2%}"
        yield f"expected calibration error {self.calibration_error:.4f}"
        between = "" if self.interval is None else f" ({interval_text(self.interval)})"
        yield f"accuracy {self.accuracy:.2%}{between}, cross-entropy {self.loss:.4f}"

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as what JSON can hold; NaN is what is undefined."""
        each = self.scores(None)
        return {
            "images": len(self.labels),
            "accuracy": self.accuracy,
            "interval": None if self.interval is None else list(self.interval),
            "loss": self.loss,
            "top_k": {"k": self.top, "accuracy": self.top_k_accuracy},
            "calibration_error": self.calibration_error,
            "auc": _mean(self.areas),
            **{name: self.scores(name)._asdict() for name in metrics.AVERAGES},
            "classes": {
                name: dict(zip(("precision", "recall", "f1", "auc"), map(float, numbers), strict=True))
                for name, *numbers in zip(self.classes, *each, self.areas, strict=True)
            },
            "confusion_matrix": self.confusion_matrix.tolist(),
        }


def judge(model: Module, dataset: Dataset) -> Report:
    """Return the report on a model that returns logits (N, K) for images (N, C, H, W), K = len(classes).

    The model is evaluated in evaluation mode, and is as before afterwards. Raises ValueError if it has
    another number of outputs than the data have classes.
    """
    result = evaluate(model, DataLoader(dataset, BATCH))
    if result.logits.ndim != 2 or result.logits.shape[1] != len(dataset.classes):
        raise ValueError(
            f"logits (N, K) are needed: the model returns {result.logits.shape}, and {dataset.name!r} has "
            f"K={len(dataset.classes)} classes"
        )
    return Report.of(result, dataset.classes)


def interval_text(interval: metrics.Interval) -> str:
    """Return an interval of an accuracy in words."""
    return f"95 % bootstrap interval {interval.low:.2%} to {interval.high:.2%}"


def _mean(values: np.ndarray) -> float:
    """Return the mean of what is not NaN; NaN if there is nothing."""
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")


def _percent(value: float, width: int) -> str:
    return f"{value:{width}.2%}" if not np.isnan(value) else f"{'-':>{width}}"
