"""Learned features beside hand-made ones: test errors of one linear classifier with few labels.

    python -m benchmarks.features                                        100, 1,000 and 10,000 labels, 3 seeds
    python -m benchmarks.features --labels 100 1000 --out benchmarks/results/features-digits.json
    python -m benchmarks.features --data mnist --labels 10000 --test-images 10000    all of MNIST

All features are given to the same linear classifier (`tinycnn.features.linear_error`):

- pixels: the image itself.
- HOG: histograms of oriented gradients (scikit-image), 9 directions, cells of 7x7 pixels, blocks of 2x2.
- SIFT words: SIFT descriptors (scikit-image) of the image at twice its size; 100 words by k-means on the
  labelled images; how often each word occurs, in each quarter of the image and in all of it.
- random cnn28: the 128 numbers that the last layer reads, of a network that was not trained.
- learned cnn28: the same, after training on these labels alone.

It needs scikit-learn and scikit-image: pip install 'tinycnn[features]'.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from skimage.feature import SIFT, hog
from skimage.transform import resize
from sklearn.cluster import MiniBatchKMeans

import tinycnn
from tinycnn import optim, plot
from tinycnn.data import Augment, DataLoader, Dataset
from tinycnn.data.sources import load
from tinycnn.features import features, few_of_each, linear_error
from tinycnn.fit import Training, fit
from tinycnn.models import cnn28
from tinycnn.nn import Module

STEPS = 1500  # of training cnn28, whatever the number of labels
WORDS = 100
LAYER = "8"  # of cnn28: 128 numbers


def hog_features(images: np.ndarray) -> np.ndarray:
    """Return histograms of oriented gradients, (N, 324), of images (N, 1, 28, 28)."""
    return np.stack([hog(image[0], 9, pixels_per_cell=(7, 7), cells_per_block=(2, 2)) for image in images])


@cache
def sift(pixels: bytes, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the SIFT descriptors of a square image, (points, 128), and the quarter each point is in."""
    image = np.frombuffer(pixels, np.float32).reshape(side, side)
    detector = SIFT()
    try:
        detector.detect_and_extract(resize(image, (2 * side, 2 * side), order=1))
    except RuntimeError:  # no point stands out
        return np.zeros((0, 128), np.float32), np.zeros(0, int)
    row, column = (detector.keypoints >= side).T
    return detector.descriptors.astype(np.float32), 2 * row + column


def sift_words(images: np.ndarray, words: MiniBatchKMeans) -> np.ndarray:
    """Return how often each word occurs in each quarter, and in the whole image, (N, 5 * words), as roots."""
    counts = np.zeros((len(images), 5, words.n_clusters), np.float32)
    for n, image in enumerate(images):
        descriptors, quarter = sift(image.tobytes(), image.shape[-1])
        if len(descriptors):
            np.add.at(counts[n], (quarter, words.predict(descriptors)), 1)
    counts[:, 4] = counts[:, :4].sum(axis=1)
    return np.sqrt(counts.reshape(len(images), -1))


def vocabulary(images: np.ndarray, seed: int) -> MiniBatchKMeans:
    """Return the words: centres of the descriptors of labelled images, by k-means."""
    descriptors = np.concatenate([sift(image.tobytes(), image.shape[-1])[0] for image in images])
    return MiniBatchKMeans(min(WORDS, len(descriptors)), random_state=seed, n_init=3).fit(descriptors)


def trained(few: Dataset, seed: int, steps: int) -> Module:
    """Return cnn28 after training on few labelled images."""
    tinycnn.manual_seed(seed)
    model = cnn28(len(few.classes))
    loader = DataLoader(few, min(32, len(few)), shuffle=True, augment=Augment(shift=1), seed=seed)
    epochs = max(steps // len(loader), 1)
    optimizer = optim.Adam(model.parameters())
    schedule = optim.OneCycleLR(optimizer, 3e-3, max(epochs * len(loader), 2))
    fit(Training(model, loader, optimizer, epochs, schedule=schedule))
    return model


def errors(train: Dataset, test: Dataset, count: int, seed: int, steps: int) -> dict[str, float]:
    """Return the test error with each kind of features, with `count` labels."""
    few, K = few_of_each(train, count, seed), len(train.classes)
    x, new = few.scaled(slice(None)), test.scaled(slice(None))
    words = vocabulary(x, seed)
    tinycnn.manual_seed(seed)
    random, learned = cnn28(K), trained(few, seed, steps)
    describe: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "pixels": lambda images: images.reshape(len(images), -1),
        "HOG": hog_features,
        "SIFT words": lambda images: sift_words(images, words),
        "random cnn28": lambda images: features(random, images, LAYER),
        "learned cnn28": lambda images: features(learned, images, LAYER),
    }
    return {name: linear_error(f(x), few.labels, f(new), test.labels, K) for name, f in describe.items()}


def saved_rows(path: Path, settings: dict[str, Any]) -> list[dict]:
    """Return the rows of an earlier run with the same settings, to which this one adds."""
    saved = json.loads(path.read_text()) if path.exists() else {"runs": []}
    rows = saved.pop("runs")
    return rows if saved == settings else []


def medians(rows: list[dict], count: int) -> dict[str, float]:
    """Return the median over the seeds of each kind's test errors, with `count` labels."""
    chosen = [row["errors"] for row in rows if row["labels"] == count]
    return {name: statistics.median(errors[name] for errors in chosen) for name in chosen[0]}


def figure(rows: list[dict], test_images: int) -> Any:
    """Draw the median test error, and the spread over the seeds, against the number of labels."""
    drawing = plot.blank_figure(7, 4.5)
    axes = drawing.subplots()
    counts = sorted({row["labels"] for row in rows})
    for name in rows[0]["errors"]:
        each = [[100 * row["errors"][name] for row in rows if row["labels"] == count] for count in counts]
        middle = np.array([100 * medians(rows, count)[name] for count in counts])
        reach = np.abs([[min(v), max(v)] for v in each] - middle[:, None]).T
        axes.errorbar(counts, middle, yerr=reach, marker="o", capsize=3, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,.0f}")
        axis.set_minor_formatter("{x:,.0f}" if axis is axes.yaxis else "")
    axes.set_xlabel("labelled images")
    axes.set_ylabel(f"test error (%), {test_images:,} images")
    axes.set_title("one linear classifier on different features")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    return drawing


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a table, and save it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--data", default="digits", help="digits, mnist, fashion-mnist, or a folder of 28x28 grey pictures"
    )
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=STEPS, help="of training cnn28")
    parser.add_argument("--test-images", type=int, default=2000)
    parser.add_argument(
        "--out", type=Path, help="JSON file, which may have other rows; its picture is beside it"
    )
    args = parser.parse_args(argv)
    train, test = load(args.data)
    if train.image_shape != (1, 28, 28):
        parser.error(f"--data: cnn28 takes pictures of 1x28x28, those of {args.data} are {train.image_shape}")
    test = test.subset(np.arange(0, len(test), max(len(test) // args.test_images, 1)))
    name = Path(args.data).name
    print(f"test error of a linear classifier on {len(test):,} test images of {name}")
    settings = {"data": name, "test_images": len(test), "steps": args.steps}
    rows = saved_rows(args.out, settings) if args.out else []
    for count in args.labels:
        for seed in args.seeds:
            rows = [row for row in rows if (row["labels"], row["seed"]) != (count, seed)]
            rows.append(
                {"labels": count, "seed": seed, "errors": errors(train, test, count, seed, args.steps)}
            )
            print(f"{count:,} labels, seed {seed}: done", flush=True)
            if args.out:
                args.out.write_text(json.dumps({**settings, "runs": rows}, indent=2) + "\n")
    print(f"{'labels':>8}  " + "  ".join(f"{name:>13}" for name in rows[0]["errors"]))
    for count in sorted({row["labels"] for row in rows}):
        print(f"{count:8,}  " + "  ".join(f"{error:13.2%}" for error in medians(rows, count).values()))
    if args.out:
        plot.save(figure(rows, len(test)), args.out.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
