"""Semantic segmentation: name every pixel of a canvas with a small U-Net (Ronneberger et al. 2015).

    python tutorials/applications/segmentation.py
    python tutorials/applications/segmentation.py --choose      how the settings were chosen

Eleven classes: background, and the ten digits. A pixel's own brightness says whether it is ink, but only its
surroundings say of which digit. The loss is the cross-entropy of every pixel. Most pixels are background, so
these count a tenth of the others.

The settings are chosen by canvases of training digits that were held out: --choose prints the measure of each
candidate. It compares several seeds, because one seed hid a weakness: with 8 channels before the last layer,
which tells 11 classes apart, some networks name only a few of the digits for hundreds of steps. The test
digits are looked at once, at the end. Settings that were chosen by the test digits would say nothing about
other digits.
"""

import sys
from itertools import product
from pathlib import Path

import numpy as np
from canvases import Canvases, make_canvases

import tinycnn
from tinycnn import Tensor, nn, optim, plot
from tinycnn import functional as F
from tinycnn.data import Dataset, digits, stratified_split
from tinycnn.metrics import mean_iou
from tinycnn.models import UNet

MOST = 7  # digits on a canvas
STEPS, WIDTH = 500, 12
WIDTHS, SEEDS = (8, 12), (0, 1, 2)  # that --choose compares


def trained(source: Dataset, steps: int, seed: int, width: int = WIDTH) -> nn.Module:
    """Return a U-Net that was trained on canvases of these digits; it begins with `width` channels."""
    tinycnn.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = UNet(1, 11, width, depth=3)
    optimizer = optim.Adam(model.parameters())
    schedule = optim.OneCycleLR(optimizer, 1e-2, max(steps, 2))
    weight = np.array([0.1] + [1] * 10, "float32")  # most pixels are background
    for step in range(steps):
        batch = make_canvases(source, 16, rng, MOST)
        loss = F.cross_entropy(model(Tensor(batch.images)), batch.labels, weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}: loss {loss.item():.3f}", flush=True)
    return model.eval()


@tinycnn.no_grad()
def answers(model: nn.Module, canvases: Canvases) -> np.ndarray:
    """Return the class of every pixel, (N, SIZE, SIZE)."""
    parts = np.array_split(canvases.images, -(-len(canvases.images) // 50))
    return np.concatenate([model(Tensor(part)).numpy().argmax(1) for part in parts])


def choose(steps: int = STEPS, count: int = 100) -> dict[tuple[int, int], float]:
    """Print and return the mean IoU of each width and seed, on canvases of training digits held out."""
    learned, held_out = stratified_split(digits()[0], 0.1, seed=0)
    canvases = make_canvases(held_out, count, np.random.default_rng(2), MOST)
    scores = {}
    for width, seed in product(WIDTHS, SEEDS):
        predicted = answers(trained(learned, steps, seed, width), canvases)
        scores[width, seed] = mean_iou(canvases.labels, predicted, K=11)
        print(f"width {width}, seed {seed}: mean IoU {scores[width, seed]:.3f}", flush=True)
    return scores


def main(
    steps: int = STEPS, test_canvases: int = 100, seed: int = 0, folder: Path = Path("figures/applications")
) -> float:
    """Train the U-Net, draw its answers, and return the mean IoU on digits it has never seen."""
    train, test = digits()
    model = trained(train, steps, seed)
    canvases = make_canvases(test, test_canvases, np.random.default_rng(1), MOST)
    predicted = answers(model, canvases)
    score = mean_iou(canvases.labels, predicted, K=11)
    right = (predicted == canvases.labels).mean()
    print(f"mean IoU: {score:.3f} on {test_canvases} canvases; {right:.2%} of the pixels are right")
    draw(canvases.images, canvases.labels, predicted, folder)
    return score


def draw(images: np.ndarray, labels: np.ndarray, predicted: np.ndarray, folder: Path) -> None:
    """Draw some canvases with the truth and the answer below; each digit has a colour."""
    figure = plot.blank_figure(9, 5)
    rows = figure.subplots(3, 5)
    for column in range(min(5, len(images))):
        rows[0, column].imshow(images[column, 0], cmap="gray")
        for row, classes in ((1, labels), (2, predicted)):
            shown = np.ma.masked_equal(classes[column], 0) - 1
            image = rows[row, column].imshow(shown, cmap="tab10", vmin=-0.5, vmax=9.5, interpolation="none")
            rows[row, column].set_facecolor("black")
    for axes, name in zip(rows[:, 0], ("canvas", "truth", "answer"), strict=True):
        axes.set_ylabel(name)
    for axes in rows.flat:
        axes.set_xticks([])
        axes.set_yticks([])
    figure.colorbar(image, ax=rows, ticks=range(10), shrink=0.7)
    folder.mkdir(parents=True, exist_ok=True)
    plot.save(figure, folder / "segmentation.png")


if __name__ == "__main__":
    if "--choose" in sys.argv:
        choose()
        sys.exit()
    score = main()
    assert score >= 0.8, score
