"""Which layer holds colour, texture, shape? A linear classifier for each of them on every layer.

    python -m benchmarks.layers --out benchmarks/results/layers.json

The images are drawn: one of 4 shapes, filled with one of 4 textures in one of 4 colours, all independent of
each other, at a random place and of a random size. A small network learns to tell all 64 combinations apart.
Then its maps after each convolution are averaged over all places ("mean"), and a linear classifier says from
these few numbers which colour, which texture, which shape it was. What is easy from an early layer is a
low-level feature; what only late layers tell is a high-level one (Eq. 14). Chance is 25 %. Every seed has its
own images and its own network; the table has the median over the seeds.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import tinycnn
from tinycnn import nn, optim, plot
from tinycnn.data import DataLoader, Dataset
from tinycnn.features import colour_statistics, features, linear_error
from tinycnn.fit import Training, fit

SIDE = 32
COLOURS = {"red": (1, 0.2, 0.2), "green": (0.2, 0.9, 0.2), "blue": (0.3, 0.4, 1), "yellow": (1, 0.9, 0.2)}
TEXTURES = ("horizontal", "vertical", "checks", "plain")
SHAPES = ("disc", "square", "triangle", "cross")
ATTRIBUTES = {"colour": tuple(COLOURS), "texture": TEXTURES, "shape": SHAPES}
LAYERS = {"conv 1": "1", "conv 2": "4", "conv 3": "7", "dense": "11"}  # names of the ReLUs


def draw(colour: int, texture: int, shape: int, rng: np.random.Generator) -> np.ndarray:
    """Return one image, (3, 32, 32) in [0, 1]."""
    row, column = np.mgrid[:SIDE, :SIDE]
    radius = rng.uniform(8, 11)
    y, x = row - rng.uniform(13, 18), column - rng.uniform(13, 18)
    inside = (
        y**2 + x**2 < radius**2,
        np.maximum(np.abs(y), np.abs(x)) < 0.85 * radius,
        (y < 0.7 * radius) & (np.abs(x) < 0.6 * (y + 1.1 * radius)),
        (np.minimum(np.abs(y), np.abs(x)) < 0.35 * radius) & (np.maximum(np.abs(y), np.abs(x)) < radius),
    )[shape]
    a, b = (row + rng.integers(4)) // 2 % 2, (column + rng.integers(4)) // 2 % 2
    light = (a, b, a ^ b, np.full_like(a, 1))[texture] * 0.6 + 0.4
    if TEXTURES[texture] == "plain":
        light = light * 0.7  # as bright as the others on average
    image = rng.normal(0.3, 0.05, (3, SIDE, SIDE))
    paint = np.array(list(COLOURS.values())[colour])[:, None, None] * light
    return np.clip(np.where(inside, paint, image), 0, 1)


def drawn(count: int, seed: int) -> tuple[Dataset, dict[str, np.ndarray]]:
    """Return images of all 64 combinations as a data set, and the labels of each attribute."""
    rng = np.random.default_rng(seed)
    labels = {name: rng.integers(0, 4, count) for name in ATTRIBUTES}
    images = np.stack([draw(*(int(labels[name][n]) for name in ATTRIBUTES), rng) for n in range(count)])
    combined = 16 * labels["colour"] + 4 * labels["texture"] + labels["shape"]
    classes = tuple(map(str, range(64)))
    return Dataset(images.astype(np.float32), combined, classes, "drawn shapes"), labels


def network() -> nn.Sequential:
    """Return three convolutions and two dense layers, for 64 classes."""
    layers: list[nn.Module] = []
    for C, K in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(C, K, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]  # 16x16, 8x8, 4x4 cells
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 4 * 4, 64), nn.ReLU(), nn.Linear(64, 64))


def measure(images: int, epochs: int, seed: int) -> dict[str, Any]:
    """Train once; return how many combinations are told apart, and what each layer says of each attribute."""
    train, truth = drawn(images, seed)
    test, test_truth = drawn(max(images // 4, 1), seed + 1_000_000)
    tinycnn.manual_seed(seed)
    model = network()
    loader = DataLoader(train, 32, shuffle=True, seed=seed)
    optimizer = optim.Adam(model.parameters())
    schedule = optim.OneCycleLR(optimizer, 3e-3, max(epochs * len(loader), 2))
    history = fit(Training(model, loader, optimizer, epochs, DataLoader(test, 250), schedule=schedule))
    kinds = {"mean and spread of the colours": lambda data: colour_statistics(data.images)}
    kinds |= {name: lambda data, at=at: features(model, data, at, "mean") for name, at in LAYERS.items()}
    table: dict[str, dict[str, float]] = {}
    for kind, describe in kinds.items():
        x, new = describe(train), describe(test)
        table[kind] = {
            name: 1 - linear_error(x, truth[name], new, test_truth[name], 4) for name in ATTRIBUTES
        }
    return {"seed": seed, "combinations": history[-1]["val_accuracy"], "accuracy": table}


def over_seeds(runs: list[dict[str, Any]], kind: str, attribute: str) -> np.ndarray:
    """Return the accuracies of all seeds, (seeds,), for one kind of features and one attribute."""
    return np.array([run["accuracy"][kind][attribute] for run in runs])


def main(argv: Sequence[str] | None = None) -> int:
    """Train and probe every layer for each seed, print the medians as a table, and save all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=3000, help="for training; a quarter as many to test")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, help="JSON file; a picture is beside it")
    args = parser.parse_args(argv)
    runs: list[dict[str, Any]] = []
    for seed in args.seeds:
        runs.append(measure(args.images, args.epochs, seed))
        print(f"seed {seed}: {runs[-1]['combinations']:.1%} of the test images: all three right", flush=True)
        if args.out:
            settings = {"images": args.images, "epochs": args.epochs}
            args.out.write_text(json.dumps({**settings, "runs": runs}, indent=2) + "\n")
    print(f"{'median (lowest to highest), %':32}" + "".join(f"{name:>22}" for name in ATTRIBUTES))
    for kind in runs[0]["accuracy"]:
        cells = [100 * over_seeds(runs, kind, name) for name in ATTRIBUTES]
        row = [f"{np.median(v):.1f} ({v.min():.1f} to {v.max():.1f})" for v in cells]
        print(f"{kind:32}" + "".join(f"{cell:>22}" for cell in row))
    if args.out:
        plot.save(figure(runs), args.out.with_suffix(".png"))
    return 0


def figure(runs: list[dict[str, Any]]) -> Any:
    """Draw how well each attribute is told from each layer (median and spread), and some of the images."""
    drawing = plot.blank_figure(10, 4.2)
    samples, axes = drawing.subplots(1, 2, width_ratios=[1, 1.7])
    rng = np.random.default_rng(0)
    rows = [np.concatenate([draw(k, (k + shift) % 4, shift, rng) for k in range(4)], 2) for shift in range(4)]
    samples.imshow(np.moveaxis(np.concatenate(rows, 1), 0, 2))
    samples.axis("off")
    samples.set_title("colour, texture and shape\nare independent")
    layers = list(LAYERS)
    for name in ATTRIBUTES:
        cells = np.array([100 * over_seeds(runs, layer, name) for layer in layers])  # (layers, seeds)
        middle = np.median(cells, axis=1)
        reach = np.stack([middle - cells.min(axis=1), cells.max(axis=1) - middle])
        axes.errorbar(layers, middle, yerr=reach, marker="o", capsize=3, label=name)
    axes.axhline(25, linestyle=":", color="grey", label="chance")
    axes.set_ylabel("accuracy of a linear classifier (%)")
    axes.set_title("told from the mean of each map, layer by layer")
    axes.grid(alpha=0.3)
    axes.legend()
    return drawing


if __name__ == "__main__":
    sys.exit(main())
