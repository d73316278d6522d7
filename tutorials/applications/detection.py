"""Detection: find several digits on a canvas, and name them, in a single pass (Redmon et al. 2016, YOLO).

    python tutorials/applications/detection.py

The network ends in a grid of 8x8 cells. Each cell says whether the centre of a digit lies in it, where in the
cell, how large the digit is, and which one. So one convolutional network answers all questions at once.
"""

from pathlib import Path

import numpy as np
from canvases import SIZE, Canvases, make_canvases
from matplotlib.patches import Rectangle

import tinycnn
from tinycnn import Tensor, nn, optim, plot
from tinycnn import functional as F
from tinycnn.data import digits
from tinycnn.metrics import box_iou, mean_average_precision

CELL = 8  # pixels
GRID = SIZE // CELL
USUAL = 20.0  # pixels: the side of a usual digit


def network() -> nn.Sequential:
    """Return the detector: (N, 1, 64, 64) -> (N, 15, 8, 8): object?, x, y, w, h, ten classes."""
    layers = []
    for C, K, pool in ((1, 16, True), (16, 32, True), (32, 64, True), (64, 64, False), (64, 64, False)):
        layers += [nn.Conv2d(C, K, 3, padding=1, bias=False), nn.BatchNorm2d(K), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pool else []
    return nn.Sequential(*layers, nn.Conv2d(64, 15, 1))


def encode(canvases: Canvases) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what the cells should say: object (N, 8, 8), box (N, 8, 8, 4), class (N, 8, 8)."""
    N = len(canvases.images)
    there, classes = np.zeros((N, GRID, GRID), np.float32), np.zeros((N, GRID, GRID), np.int64)
    box = np.zeros((N, GRID, GRID, 4), np.float32)
    for n, (corners, names) in enumerate(zip(canvases.boxes, canvases.classes, strict=True)):
        centre, side = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
        column, row = (centre // CELL).astype(int).T
        there[n, row, column], classes[n, row, column] = 1, names
        box[n, row, column] = np.concatenate([centre % CELL / CELL, np.log(side / USUAL)], 1)
    return there, box, classes


def decode(y: np.ndarray, threshold: float = 0.1) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return for each image boxes (n, 4), scores (n,) and classes (n,), from the cells (N, 15, 8, 8)."""
    found = []
    for cells in y:
        p = np.exp(cells[5:] - cells[5:].max(0))
        p /= p.sum(0)
        score = p.max(0) / (1 + np.exp(-cells[0]))  # sure that it is an object, and which
        row, column = np.nonzero(score > threshold)
        centre = (np.stack([column, row]) + cells[1:3, row, column]).T * CELL
        side = USUAL * np.exp(np.clip(cells[3:5, row, column].T, -3, 1))
        boxes, scores = np.concatenate([centre - side / 2, centre + side / 2], 1), score[row, column]
        kept = without_doubles(boxes, scores)
        found.append((boxes[kept], scores[kept], p[:, row, column].argmax(0)[kept]))
    return found


def without_doubles(boxes: np.ndarray, scores: np.ndarray, most: float = 0.4) -> list[int]:
    """Return which boxes stay: the surest first, then those that overlap none of these (NMS)."""
    kept: list[int] = []
    for i in np.argsort(-scores):
        if not kept or box_iou(boxes[i : i + 1], boxes[kept]).max() < most:
            kept.append(int(i))
    return kept


def loss_of(y: Tensor, truth: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Tensor:
    """Return the sum of three losses; box and class count in cells with an object only."""
    there, box, classes = truth
    n, row, column = np.nonzero(there)
    cells = y.permute(0, 2, 3, 1)[n, row, column]  # (objects, 15)
    is_object = F.binary_cross_entropy_with_logits(y[:, 0], there, pos_weight=np.array(5.0, "float32"))
    where = ((cells[:, 1:5] - box[n, row, column]) ** 2).sum(1).mean()
    return is_object + where + F.cross_entropy(cells[:, 5:], classes[n, row, column])


def main(
    steps: int = 700, test_canvases: int = 300, seed: int = 0, folder: Path = Path("figures/applications")
) -> float:
    """Train the detector, draw what it finds, and return its mAP on digits it has never seen."""
    tinycnn.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train, test = digits()
    model = network()
    optimizer = optim.Adam(model.parameters())
    schedule = optim.OneCycleLR(optimizer, 6e-3, max(steps, 2))
    for step in range(steps):
        batch = make_canvases(train, 32, rng)
        loss = loss_of(model(Tensor(batch.images)), encode(batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}: loss {loss.item():.3f}", flush=True)
    model.eval()
    canvases = make_canvases(test, test_canvases, np.random.default_rng(1))
    with tinycnn.no_grad():
        parts = np.array_split(canvases.images, -(-test_canvases // 50))
        found = decode(np.concatenate([model(Tensor(part)).numpy() for part in parts]))
    truth = list(zip(canvases.boxes, canvases.classes, strict=True))
    score = mean_average_precision(truth, found, iou=0.5, K=10).mean
    print(f"mAP at IoU 0.5: {score:.3f} on {test_canvases} canvases")
    figure = plot.blank_figure(10, 5.4)
    for axes, image, (boxes, scores, classes) in zip(
        figure.subplots(2, 4).flat, canvases.images, found, strict=False
    ):
        axes.imshow(image[0], cmap="gray")
        axes.axis("off")
        for (x1, y1, x2, y2), p, k in zip(boxes, scores, classes, strict=True):
            if p > 0.5:
                axes.add_patch(Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, fill=False, color="#ffb000"))
                axes.text(x1, y1 - 1, f"{k}  {p:.0%}", color="#ffb000", fontsize=8)
    folder.mkdir(parents=True, exist_ok=True)
    plot.save(figure, folder / "detection.png")
    return score


if __name__ == "__main__":
    score = main()
    assert score >= 0.9, score
