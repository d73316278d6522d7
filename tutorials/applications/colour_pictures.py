"""Classification of colour pictures: four kinds of emoji, with a small ResNet (He et al. 2015).

    python tutorials/applications/colour_pictures.py
    python tutorials/applications/colour_pictures.py --choose      how the settings were chosen

There are only 80 training pictures of each kind, so a network can learn them by heart. Against that each one
is shifted and turned a little every time, and sometimes mirrored, and the labels are smoothed. The network
sees negatives of the pictures: so the white paper is 0, as is the border that shifting and turning fill in.

The settings are chosen by cross-validation on the training pictures: --choose prints the score of each
candidate. The test pictures are looked at once, at the end. Settings that were chosen by the test pictures
would say nothing about other pictures.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import tinycnn
from tinycnn import Tensor, nn, optim, plot
from tinycnn import functional as F
from tinycnn.data import Augment, DataLoader, Dataset, emoji
from tinycnn.metrics import accuracy
from tinycnn.models import resnet
from tinycnn.select import cross_validate

CANDIDATES = {  # settings of `trained` that --choose compares
    "as above": {},
    "no augmentation": {"augmented": False},
    "no label smoothing": {"smoothing": 0.0},
    "half of the filters": {"width": 8},
    "a third of the learning rate": {"lr": 3e-3},
}


def negatives(pictures: Dataset) -> Dataset:
    """Return the pictures with black and white exchanged."""
    return replace(pictures, images=255 - pictures.images)


def trained(
    pictures: Dataset,
    epochs: int,
    seed: int,
    width: int = 16,
    lr: float = 1e-2,
    smoothing: float = 0.1,
    augmented: bool = True,
) -> nn.Module:
    """Return a ResNet that was trained on the pictures."""
    tinycnn.manual_seed(seed)
    model = resnet(len(pictures.classes), in_channels=3, width=width)
    augment = Augment(shift=3, rotate=15, flip=True) if augmented else None
    loader = DataLoader(pictures, 32, shuffle=True, augment=augment, seed=seed)
    optimizer = optim.AdamW(model.parameters(), weight_decay=0.05)
    schedule = optim.OneCycleLR(optimizer, lr, epochs * len(loader))
    for epoch in range(epochs):
        for images, labels in loader:
            loss = F.cross_entropy(model(images), labels, label_smoothing=smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if (epoch + 1) % 10 == 0:
            print(f"epoch {epoch + 1}: loss {loss.item():.3f}", flush=True)
    return model.eval()


@tinycnn.no_grad()
def probabilities_of(model: nn.Module, pictures: Dataset) -> np.ndarray:
    """Return the probability of each kind for each picture, (N, kinds)."""
    return F.softmax(model(Tensor(pictures.scaled(slice(None)))), 1).numpy()


def choose(epochs: int = 40, k: int = 4) -> dict[str, float]:
    """Print and return the accuracy of each candidate, in k-fold cross-validation on training pictures."""
    train, _ = emoji()
    scores = {}
    for name, settings in CANDIDATES.items():

        def score(part: Dataset, held_out: Dataset, settings: dict = settings) -> float:
            model = trained(part, epochs, seed=0, **settings)
            return accuracy(held_out.labels, probabilities_of(model, held_out).argmax(1))

        scores[name] = float(cross_validate(score, negatives(train), k).mean())
        print(f"{name}: {scores[name]:.1%} of the pictures held out", flush=True)
    return scores


def main(epochs: int = 40, seed: int = 0, folder: Path = Path("figures/applications")) -> float:
    """Train the network, draw its answers, and return its accuracy on the test pictures."""
    train, test = map(negatives, emoji())
    probabilities = probabilities_of(trained(train, epochs, seed), test)
    answers = probabilities.argmax(1)
    right = accuracy(test.labels, answers)
    kinds = []
    for k, name in enumerate(test.classes):
        kinds.append(f"{name} {(answers == k)[test.labels == k].mean():.0%}")
    print(f"test accuracy {right:.1%}; {', '.join(kinds)}")
    folder.mkdir(parents=True, exist_ok=True)
    images = 1 - test.scaled(slice(None))
    figure = plot.prediction_grid(images, test.labels, probabilities, test.classes, rows=3, columns=8)
    plot.save(figure, folder / "colour_pictures.png")
    return right


if __name__ == "__main__":
    if "--choose" in sys.argv:
        choose()
        sys.exit()
    right = main()
    assert right >= 0.7, right
