"""Semantic segmentation: name every pixel of a canvas with a small U-Net (Ronneberger et al. 2015).

    python tutorials/applications/segmentation.py

Eleven classes: background, and the ten digits. A pixel's own brightness says whether it is ink, but only its
surroundings say of which digit. The loss is the cross-entropy of every pixel.
"""

from pathlib import Path

import numpy as np
from canvases import make_canvases

import tinycnn
from tinycnn import Tensor, optim, plot
from tinycnn import functional as F
from tinycnn.data import digits
from tinycnn.metrics import mean_iou
from tinycnn.models import UNet

MOST = 7  # digits on a canvas


def main(steps: int = 650, test_canvases: int = 100, folder: Path = Path("figures/applications")) -> float:
    """Train the U-Net, draw its answers, and return the mean IoU on digits it has never seen."""
    tinycnn.manual_seed(0)
    rng = np.random.default_rng(0)
    train, test = digits()
    model = UNet(1, 11, width=8, depth=3)
    optimizer = optim.Adam(model.parameters())
    schedule = optim.OneCycleLR(optimizer, 2e-2, max(steps, 2))
    weight = np.array([0.1] + [1] * 10, "float32")  # most pixels are background
    for step in range(steps):
        batch = make_canvases(train, 16, rng, MOST)
        loss = F.cross_entropy(model(Tensor(batch.images)), batch.labels, weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}: loss {loss.item():.3f}", flush=True)
    model.eval()
    canvases = make_canvases(test, test_canvases, np.random.default_rng(1), MOST)
    with tinycnn.no_grad():
        parts = np.array_split(canvases.images, -(-test_canvases // 50))
        predicted = np.concatenate([model(Tensor(part)).numpy().argmax(1) for part in parts])
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
    score = main()
    assert score >= 0.8, score
