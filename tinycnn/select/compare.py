"""Classifiers side by side on the same test images, and which differences are more than chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn import metrics
from tinycnn.data import Dataset
from tinycnn.fit.classifier import training_part
from tinycnn.fit.folder import fingerprint
from tinycnn.fit.run import names_of
from tinycnn.fit.saved import SavedClassifier, load_classifier
from tinycnn.fit.settings import RunError
from tinycnn.nn import Module
from tinycnn.nn.summary import summary
from tinycnn.schema import plain

from .report import Report, judge

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Entry:
    """One classifier: its name, how good it is, and what one image costs."""

    name: str
    report: Report
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Comparison:
    """Classifiers judged by the same test images, the one with the highest accuracy first."""

    entries: tuple[Entry, ...]

    @property
    def best(self) -> Entry:
        """The one with the highest accuracy."""
        return self.entries[0]

    def against(self, a: Entry, b: Entry) -> metrics.McNemar:
        """Return McNemar's test of two of them."""
        return metrics.mcnemar(a.report.right, b.report.right)

    def within_noise(self, entry: Entry) -> bool:
        """Return whether its difference from the best may be chance: p is at least 0.05."""
        return self.against(self.best, entry).p >= SIGNIFICANT

    def lines(self) -> Iterator[str]:
        """Yield a table, a row for each classifier, and what it means."""
        names = [plain(entry.name, 60) for entry in self.entries]
        width = max(10, *map(len, names))
        yield (
            f"{'classifier':<{width}}  accuracy  95 % interval     parameters  multiply-adds  "
            "only best  only this  p (McNemar)"
        )
        for name, entry in zip(names, self.entries, strict=True):
            report, test = entry.report, self.against(self.best, entry)
            interval = "-" if report.interval is None else "{:.2%} to {:.2%}".format(*report.interval)
            row = f"{name:<{width}}  {report.accuracy:8.2%}  {interval:<16}  {entry.parameters:10,}"
            row += f"  {entry.multiply_adds:13,}"
            if entry is not self.best:
                row += f"  {test.only_a:9,}  {test.only_b:9,}  {test.p:11.2g}"
            yield row
        noise, worse = (
            [plain(entry.name, 60) for entry in self.entries[1:] if self.within_noise(entry) == within]
            for within in (True, False)
        )
        if noise:
            yield f"within noise of the best (p at least {SIGNIFICANT:g}): {', '.join(noise)}"
        if worse:
            yield f"worse than the best by more than chance (p below {SIGNIFICANT:g}): {', '.join(worse)}"
        if (tests := len(self.entries) - 1) > 1:
            chance = f"{min(tests * SIGNIFICANT, 1):.0%}"
            yield f"of {tests} tests one falls below {SIGNIFICANT:g} by chance in up to {chance} of cases"

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as what JSON can hold."""
        return {
            "classifiers": [
                {
                    "name": entry.name,
                    "accuracy": entry.report.accuracy,
                    "interval": None if entry.report.interval is None else list(entry.report.interval),
                    "parameters": entry.parameters,
                    "multiply_adds": entry.multiply_adds,
                    "within_noise_of_best": self.within_noise(entry),
                }
                for entry in self.entries
            ],
            "p": [[self.against(a, b).p for b in self.entries] for a in self.entries],
        }


def compare(models: Mapping[str, Module], test: Dataset) -> Comparison:
    """Return the comparison of at least two models that return logits (N, K), on the same test images."""
    return _ranked([_entry(name, model, judge(model, test), test) for name, model in models.items()])


def compare_runs(folders: Sequence[str | Path]) -> Comparison:
    """Return the comparison of trained runs, on the test images of the data that they were trained on.

    Raises RunError if those are different data: the numbers do not compare then. It says what differs.
    """
    runs = [load_classifier(folder) for folder in folders]
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise RunError("one run is named twice")
    entries, first, labels = [], runs[0], None
    for folder, run in zip(folders, runs, strict=True):
        test = same_test_data(first, run)
        labels = test.labels if labels is None else labels
        if not np.array_equal(labels, test.labels):
            raise RunError(f"{run.path} and {first.path}: the test images are not the same")
        entries.append(_entry(str(folder), run.model, Report.of(run.evaluate(test), run.classes), test))
    return _ranked(entries)


def same_test_data(first: SavedClassifier, run: SavedClassifier) -> Dataset:
    """Return a run's test data; raise RunError if they are not the first run's, or have changed since."""
    if run.data != first.data:
        raise RunError(
            f"{run.path} was trained on {plain(run.data) or 'unknown data'}, {first.path} on "
            f"{plain(first.data) or 'unknown data'}: accuracies on different images do not compare"
        )
    if run.classes != first.classes:
        raise RunError(
            f"{run.path} knows the classes {names_of(run.classes)}, {first.path} {names_of(first.classes)}: "
            "accuracies on different classes do not compare"
        )
    train, test, _ = run.data_sets()
    seen = run.config.get("pictures")
    now = fingerprint(training_part(train, run.config.get("patience", 0), run.config.get("seed", 0))[0])
    if seen is not None and seen != now:
        raise RunError(
            f"{run.path} was trained on other pictures than {plain(run.data)} has now (N={seen['count']:,} "
            f"then, N={now['count']:,} now): its accuracy does not compare"
        )
    return test


def _entry(name: str, model: Module, report: Report, test: Dataset) -> Entry:
    costs = summary(model, test.image_shape)
    return Entry(name, report, costs.parameters, costs.multiply_adds)


def _ranked(entries: Sequence[Entry]) -> Comparison:
    """Return the comparison, by accuracy; of equal ones the smaller comes first."""
    if len(entries) < 2:
        raise RunError(f"a comparison needs at least two classifiers, got {len(entries)}")
    return Comparison(tuple(sorted(entries, key=lambda e: (-e.report.accuracy, e.parameters))))
