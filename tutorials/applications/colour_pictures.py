"""Classification of colour pictures: four kinds of emoji, with a small ResNet (He et al. 2015).

    python tutorials/applications/colour_pictures.py

There are only 80 training pictures of each kind, so the network would learn them by heart. Each is shifted,
turned and mirrored a little every time, and the labels are smoothed. The network sees them as negatives: then
the white paper is 0, which is what shifting and turning fill the rest with.
"""

from dataclasses import replace
from pathlib import Path

import tinycnn
from tinycnn import Tensor, optim, plot
from tinycnn import functional as F
from tinycnn.data import Augment, DataLoader, emoji
from tinycnn.metrics import accuracy
from tinycnn.models import resnet


def main(epochs: int = 40, folder: Path = Path("figures/applications")) -> float:
    """Train the network, draw its answers, and return its accuracy on the test pictures."""
    tinycnn.manual_seed(0)
    train, test = (replace(part, images=255 - part.images) for part in emoji())
    model = resnet(len(train.classes), in_channels=3, width=16)
    augment = Augment(shift=3, rotate=15, flip=True)
    loader = DataLoader(train, 32, shuffle=True, augment=augment)
    optimizer = optim.AdamW(model.parameters(), weight_decay=0.05)
    schedule = optim.OneCycleLR(optimizer, 1e-2, epochs * len(loader))
    for epoch in range(epochs):
        for images, labels in loader:
            loss = F.cross_entropy(model(images), labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if (epoch + 1) % 10 == 0:
            print(f"epoch {epoch + 1}: loss {loss.item():.3f}", flush=True)
    model.eval()
    images = test.scaled(slice(None))
    with tinycnn.no_grad():
        probabilities = F.softmax(model(Tensor(images)), 1).numpy()
    right = accuracy(test.labels, probabilities.argmax(1))
    kinds = []
    for k, name in enumerate(test.classes):
        kinds.append(f"{name} {(probabilities.argmax(1) == k)[test.labels == k].mean():.0%}")
    print(f"test accuracy {right:.1%}; {', '.join(kinds)}")
    folder.mkdir(parents=True, exist_ok=True)
    figure = plot.prediction_grid(1 - images, test.labels, probabilities, test.classes, rows=3, columns=8)
    plot.save(figure, folder / "colour_pictures.png")
    return right


if __name__ == "__main__":
    right = main()
    assert right >= 0.7, right
