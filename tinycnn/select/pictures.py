"""Pictures of how good classifiers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn import metrics
from tinycnn.plot import RIGHT, WRONG, blank_figure, name_style, shown

from .compare import Comparison
from .report import Report, interval_text
from .tune import Search

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BARS = 30  # classes


def report_figure(report: Report) -> Figure:
    """Draw the scores of every class, both kinds of curves, and the reliability diagram."""
    figure = blank_figure(11, 8)
    (scores, roc), (precision_recall, calibration) = figure.subplots(2, 2)
    between = "" if report.interval is None else f", {interval_text(report.interval)}"
    figure.suptitle(f"{len(report.labels):,} images: accuracy {report.accuracy:.2%}{between}")
    _scores(scores, report)
    _roc(roc, report)
    _precision_recall(precision_recall, report)
    _reliability(calibration, report)
    return figure


def comparison_figure(comparison: Comparison) -> Figure:
    """Draw accuracy, with its interval, against parameters and against multiply-adds."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    figure = blank_figure(11, 4.6)
    costs = {"parameters": "parameters", "multiply_adds": "multiply-adds of one image"}
    for axes, (name, text) in zip(figure.subplots(1, 2, sharey=True), costs.items(), strict=True):
        for n, entry in enumerate(comparison.entries):
            report, x = entry.report, getattr(entry, name)
            low, high = report.interval or (report.accuracy, report.accuracy)
            reach = [[100 * (report.accuracy - low)], [100 * (high - report.accuracy)]]
            colour = RIGHT if comparison.within_noise(entry) else WRONG
            axes.errorbar(x, 100 * report.accuracy, yerr=reach, fmt="o", color=colour, capsize=4)
            _beside(axes, shown(entry.name), x, 100 * report.accuracy, left=n % 2 == 1, **name_style())
        axes.set(xscale="log", xlabel=text)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.25)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("accuracy (%), 95 % interval")
    N = len(comparison.best.report.labels)
    figure.suptitle(f"{N:,} test images; green: the best, and what is within noise of it (McNemar, p ≥ 0.05)")
    return figure


def search_figure(search: Search) -> Figure:
    """Draw the trials of a search by learning rate and weight decay; the accuracy is the colour."""
    figure = blank_figure(7, 4.8)
    axes = figure.subplots()
    floor = search.search.lowest_decay / 4  # where a weight decay of 0 is drawn
    at = [(trial.lr, trial.weight_decay or floor) for trial in search.trials]
    scores = np.array([100 * trial.mean for trial in search.trials])
    low = np.quantile(scores, 0.25) - 1  # the best half has most of the colours
    colours = np.maximum(scores, low)
    x, y = zip(*at, strict=True)
    drawn = axes.scatter(x, y, c=colours, cmap="viridis", s=90, edgecolors="black")
    best = at[search.trials.index(search.best)]
    axes.plot(*best, "o", color=WRONG, markersize=16, fillstyle="none")
    for point, score in zip(at, scores, strict=True):
        _beside(axes, f"{score:.1f}", *point)
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="weight decay (below the line: 0)")
    axes.axhline(search.search.lowest_decay / 2, linestyle=":", color="grey")
    axes.margins(0.12)
    axes.set_title("accuracy on held-out training images (%); the ring: the best")
    figure.colorbar(drawn, ax=axes, label="%")
    return figure


def _beside(axes: Axes, text: str, x: float, y: float, left: bool = False, **style: Any) -> None:
    """Write a text beside a point."""
    place: dict[str, Any] = {"xytext": (-8 if left else 8, 5), "ha": "right" if left else "left"}
    axes.annotate(text, (x, y), textcoords="offset points", fontsize=8, **place, **style)


def _scores(axes: Axes, report: Report) -> None:
    """Draw precision and recall of every class; of many classes those with the lowest F1."""
    each = report.scores(None)
    order = np.arange(len(report.classes))
    title = "every class"
    if len(order) > MOST_BARS:
        order = np.argsort(np.nan_to_num(each.f1, nan=2.0), kind="stable")[:MOST_BARS]
        title = f"the {MOST_BARS} classes with the lowest F1"
    places = np.arange(len(order))
    axes.bar(places - 0.2, 100 * each.precision[order], 0.4, label="precision", color="#1f5fa8")
    axes.bar(places + 0.2, 100 * each.recall[order], 0.4, label="recall", color="#e08a00")
    undefined = np.isnan(each.precision[order])
    axes.plot(places[undefined] - 0.2, np.zeros(undefined.sum()), "x", color=WRONG)
    names = [shown(report.classes[k]) for k in order]
    axes.set_xticks(places, names, rotation=0 if max(map(len, names)) < 4 else 60, **name_style())
    lowest = np.nanmin([*each.precision[order], *each.recall[order], 1.0])
    axes.set_ylim(max(0, 100 * lowest - 5) if not undefined.any() else 0, 100.5)
    axes.set_ylabel("%")
    axes.set_title(title + (" (x: never predicted, precision undefined)" if undefined.any() else ""))
    axes.legend(loc="lower right")


def _roc(axes: Axes, report: Report) -> None:
    """Draw a ROC curve for each class; few false positives are what matters, so their axis is logarithmic."""
    negatives = len(report.labels) - np.bincount(report.labels, minlength=len(report.classes))
    least = 0.5 / max(negatives.max(), 1)
    for k, style in _curves(report, report.areas, "AUC"):
        curve = metrics.roc_curve(report.labels == k, report.probabilities[:, k])
        axes.plot(np.maximum(curve.fpr, least), 100 * curve.tpr, drawstyle="steps-post", **style)
    chance = np.geomspace(least, 1)
    axes.plot(chance, 100 * chance, ":", color="grey", label="chance")
    axes.set(xscale="log", ylabel="recall (%)", title="ROC: each class against the rest")
    axes.set_xlabel("false positives, share of the other classes' images (leftmost: 0)")
    axes.legend(fontsize=8, loc="lower right")


def _precision_recall(axes: Axes, report: Report) -> None:
    lowest = 1.0
    for k, style in _curves(report, report.average_precisions, "AP"):
        curve = metrics.precision_recall_curve(report.labels == k, report.probabilities[:, k])
        axes.plot(100 * curve.recall, 100 * curve.precision, drawstyle="steps-pre", **style)
        lowest = min(lowest, curve.precision.min())
    axes.set(xlabel="recall (%)", ylabel="precision (%)", ylim=(max(0, 100 * lowest - 5), 101))
    axes.set_title("precision and recall at every threshold")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, loc="lower left")


def _curves(report: Report, areas: np.ndarray, what: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the classes that have a curve, and how it is drawn: the worst ones last, and in colour."""
    there = [int(k) for k in np.argsort(-areas, kind="stable") if not np.isnan(areas[k])]
    styles: dict[int, dict[str, Any]] = {k: {"color": "0.8", "linewidth": 1} for k in there}
    for k, colour in zip(reversed(there), (WRONG, "#e08a00", "#1f5fa8"), strict=False):
        label = f"{shown(report.classes[k])}: {what} {areas[k]:.4f}".replace("$", r"\$")
        styles[k] = {"color": colour, "label": label}
    return list(styles.items())


def _reliability(axes: Axes, report: Report) -> None:
    """Draw how often answers of each confidence are right, and how many there are."""
    bars = metrics.reliability(report.labels, report.probabilities)
    there = bars.images > 0
    middles, width = (bars.edges[1:] + bars.edges[:-1]) / 2, bars.edges[1]
    axes.bar(100 * middles[there], 100 * bars.accuracy[there], 96 * width, color="#9cc2e5")
    axes.plot([0, 100], [0, 100], ":", color="grey", label="as sure as it is right")
    confidence, right = 100 * bars.confidence[there], 100 * bars.accuracy[there]
    axes.plot(confidence, right, "o-", color=RIGHT, label="the network")
    for middle, images in zip(middles[there], bars.images[there], strict=True):
        axes.text(100 * middle, 1.5, f"{images:,}", ha="center", fontsize=8)
    axes.set(xlabel="confidence (%)", ylabel="right (%)", xlim=(0, 100), ylim=(0, 108))
    axes.set_title(f"calibration: expected error {report.calibration_error:.4f}; numbers are images")
    axes.legend(fontsize=8, loc="upper left")
