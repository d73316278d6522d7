"""All measures at once, of generated images and of real training images, which show what is possible."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn.data import Dataset
from tinycnn.nn import Sequential
from tinycnn.plot import blank_figure

from .density import Parzen, parzen
from .measures import frechet_distance, nearest_neighbour_error, opinion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VALIDATION = 1000  # training images that choose the width of the Parzen window
LEAST_SHARE = 0.03  # of the samples that a class must have to count as covered


@dataclass(frozen=True)
class Measured:
    """The scores of one set of images."""

    neighbour_error: float  #: 1-NN error on the test images, a fraction
    frechet: float  #: Frechet distance of the classifier's features to those of the test images
    score: float  #: classifier score, 1 to K
    confident: float  #: share of images that the classifier gives p > 0.9
    coverage: np.ndarray  #: share of each class, (K,)
    parzen: Parzen  #: log-likelihood of the test images


@dataclass(frozen=True)
class GanReport:
    """The scores of generated images, and of the same number of real ones."""

    generated: Measured
    real: Measured
    images: int  #: how many images each set has
    test_images: int  #: with how many real test images both are compared
    labelled_by: str  #: what gave the generated images their labels: "the condition" or "cnn28"
    classes: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the table."""
        least = int(self.generated.coverage.argmin())
        titles = [
            "",
            f"1-NN error (labels: {self.labelled_by})",
            "Frechet distance, cnn28 features",
            f"classifier score, 1 to {len(self.generated.coverage)}",
            "judged confident (p > 0.9) by cnn28",
            f"rarest class ({self.classes[least]})",
            "Parzen log-likelihood (nats)",
        ]

        def column(title: str, m: Measured) -> list[str]:
            parzen = f"{m.parzen.mean:.0f} +- {m.parzen.error:.0f}"
            numbers = [f"{m.neighbour_error:.2%}", f"{m.frechet:.3f}", f"{m.score:.2f}"]
            shares = [f"{m.confident:.1%}", f"{m.coverage[least]:.1%}"]
            return [title, *numbers, *shares, parzen]

        columns = titles, column("generated", self.generated), column("real", self.real)
        widths = [max(map(len, texts)) for texts in columns]
        rows = zip(*columns, strict=True)
        table = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        return [
            f"{self.images:,} generated images, and as many real training images, against "
            f"{self.test_images:,} real test images",
            *table,
            "cnn28 is our own network: its distances and scores do not compare with Inception's. The Parzen",
            "window is a weak measure (real training images can lose to a blur): tinycnn.gan.score.density.",
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "images": self.images,
            "test_images": self.test_images,
            "labelled_by": self.labelled_by,
            "generated": self._for_json(self.generated),
            "real": self._for_json(self.real),
        }

    def _for_json(self, measured: Measured) -> dict[str, Any]:
        shares = map(float, measured.coverage)
        return asdict(measured) | {"coverage": dict(zip(self.classes, shares, strict=True))}


def measure(
    images: np.ndarray,
    labels: np.ndarray | None,
    classifier: Sequential,
    train: Dataset,
    test: Dataset,
    seed: int = 0,
) -> GanReport:
    """Return the scores of generated images, and of the same number of real training images.

    Raises ValueError if there are too few training images for this and to choose the Parzen window's width.

    Parameters
    ----------
    images, labels
        (N, C, H, W) in [0, 1]; (N,), what a conditional generator was asked for, or None.
    classifier
        A trained network for these images, whose last layer is dense.
    train, test
        The training data of the generator, and images on which it was not trained. `seed` chooses among them.
    """
    N = len(images)
    order = np.random.default_rng(seed).permutation(len(train))
    if len(train) < N + 2:
        raise ValueError(f"{N} generated images: {len(train)} training images leave none to validate with")
    chosen, validation = order[:N], train.scaled(order[N:][:VALIDATION])
    test_images = test.scaled(slice(None))
    test_features = opinion(classifier, test_images).features

    def scores(x: np.ndarray, y: np.ndarray | None) -> Measured:
        judged = opinion(classifier, x)
        truth = judged.predictions if y is None else y
        return Measured(
            nearest_neighbour_error(x, truth, test_images, test.labels),
            frechet_distance(judged.features, test_features),
            judged.score,
            judged.confident,
            judged.coverage,
            parzen(x, validation, test_images),
        )

    generated, real = scores(images, labels), scores(train.scaled(chosen), train.labels[chosen])
    labelled_by = "cnn28" if labels is None else "the condition"
    return GanReport(generated, real, N, len(test), labelled_by, train.classes)


def coverage_chart(report: GanReport) -> Figure:
    """Draw the share of the images that each class has, according to the classifier."""
    figure = blank_figure(7, 3.4)
    axes = figure.subplots()
    k = np.arange(len(report.classes))
    axes.bar(k - 0.2, 100 * report.generated.coverage, 0.4, label="generated", color="#1f5fa8")
    axes.bar(k + 0.2, 100 * report.real.coverage, 0.4, label="real", color="#b0b0b0")
    axes.axhline(100 * LEAST_SHARE, color="#c8102e", linewidth=1, linestyle=":", label=f"{LEAST_SHARE:.0%}")
    axes.set_xticks(k, report.classes)
    axes.set(xlabel="class, as cnn28 judges", ylabel="share of images (%)")
    axes.set_title(f"{report.generated.confident:.0%} of the generated images judged confident (p > 0.9)")
    axes.margins(y=0.2)  # room for the legend
    axes.legend(loc="upper center", ncols=3)
    return figure
