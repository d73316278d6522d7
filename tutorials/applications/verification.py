"""Verification: do two images show the same digit? A siamese network (Hadsell et al. 2006).

    python tutorials/applications/verification.py

One network turns each image into 32 numbers, its features (Eq. 14). It is trained so that two images of one
digit are near each other and two of different digits at least a margin apart:

    L = same * d^2 + (1 - same) * max(0, margin - d)^2,    d = |f(a) - f(b)|

Then the distance alone answers "same or not?". A threshold on it makes the answer yes or no, and the ROC
curve shows all thresholds.
"""

from pathlib import Path

import numpy as np

import tinycnn
from tinycnn import Tensor, nn, optim, plot
from tinycnn.data import Augment, DataLoader, digits
from tinycnn.metrics import roc_auc, roc_curve

MARGIN = 1.0


def network() -> nn.Sequential:
    """Return the network that both images go through: (N, 1, 28, 28) -> (N, 32)."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 5 * 5, 128), nn.ReLU(), nn.Linear(128, 32)),
    )


def contrastive_loss(a: Tensor, b: Tensor, same: np.ndarray) -> Tensor:
    """Return the loss of pairs of features a, b (N, D); `same` (N,) is 1 or 0."""
    squares = ((a - b) ** 2).sum(1)
    d = (squares + 1e-6).sqrt()  # the derivative of sqrt at 0 is infinite
    return (same * squares + (1 - same) * (MARGIN - d).relu() ** 2).mean()


def pairs(labels: np.ndarray, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of `count` pairs of images; half of the pairs have the same label."""
    a = rng.integers(0, len(labels), count)
    by_class = [np.flatnonzero(labels == k) for k in range(10)]
    b = rng.integers(0, len(labels), count)
    for n in range(0, count, 2):
        b[n] = rng.choice(by_class[labels[a[n]]])
    return a, b


def main(
    epochs: int = 6, test_pairs: int = 4000, seed: int = 0, folder: Path = Path("figures/applications")
) -> float:
    """Train the network, draw distances and the ROC curve, and return the AUC on unseen images."""
    tinycnn.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train, test = digits()
    model = network()
    loader = DataLoader(train, 64, shuffle=True, augment=Augment(shift=2), seed=seed)
    optimizer = optim.Adam(model.parameters())
    schedule = optim.OneCycleLR(optimizer, 3e-3, epochs * len(loader))
    for epoch in range(epochs):
        for images, labels in loader:
            features = model(images)
            a, b = np.triu_indices(len(labels), k=1)  # all pairs of the batch ...
            same = labels.numpy()[a] == labels.numpy()[b]
            some = np.flatnonzero(~same)  # ... but of nine times as many different ones only some
            chosen = np.concatenate([np.flatnonzero(same), rng.choice(some, int(same.sum()))])
            a, b, same = a[chosen], b[chosen], same[chosen].astype("float32")
            loss = contrastive_loss(features[a], features[b], same)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}", flush=True)
    a, b = pairs(test.labels, test_pairs, rng)
    with tinycnn.no_grad():
        features = model(Tensor(test.scaled(slice(None)))).numpy()
    distance = np.linalg.norm(features[a] - features[b], axis=1)
    same = (test.labels[a] == test.labels[b]).astype(int)
    auc = roc_auc(same, -distance)
    curve = roc_curve(same, -distance)
    print(f"AUC {auc:.4f} on {test_pairs:,} pairs of test images")

    figure = plot.blank_figure(10, 3.4)
    left, right, *rest = figure.subplots(1, 4, width_ratios=(3, 3, 1, 1))
    for value, name in ((1, "same"), (0, "different")):
        left.hist(distance[same == value], 50, alpha=0.6, label=name)
    left.set_xlabel("distance of the features")
    left.set_ylabel("pairs")
    left.legend()
    right.plot(curve.fpr, curve.tpr)
    right.set_xlabel("different, but taken for the same")
    right.set_ylabel("same, and found")
    right.set_title(f"ROC, AUC {auc:.4f}")
    hardest = np.argmax(np.where(same == 1, distance, -1)), np.argmin(np.where(same == 0, distance, 99))
    for axes, n, name in zip(
        rest, hardest, ("the farthest\nof the same", "the nearest\nof different"), strict=True
    ):
        axes.imshow(np.concatenate([test.images[a[n], 0], test.images[b[n], 0]]), cmap="gray")
        axes.set_title(f"{name}\nd = {distance[n]:.2f}", fontsize=8)
        axes.axis("off")
    folder.mkdir(parents=True, exist_ok=True)
    plot.save(figure, folder / "verification.png")
    return auc


if __name__ == "__main__":
    auc = main()
    assert auc >= 0.98, auc
