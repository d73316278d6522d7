"""Style: a network that paints any picture in the manner of a texture, in one pass (Ulyanov et al. 2016).

    python tutorials/applications/style.py

What is a manner? The Gram matrix of a layer's maps says which features occur together, wherever that is: it
describes the texture without the shape (Gatys et al. 2016). A network, the painter, is trained so that the
picture that it makes has the Gram matrices of the texture, and still the edges of the original. Instance norm
in the painter removes the contrast of the original, so that only the texture decides how strong it is.

The layers whose maps are compared are not trained at all: random filters are enough for textures
(Ustyuzhaninov et al. 2016).
"""

from pathlib import Path

import numpy as np

import tinycnn
from tinycnn import Tensor, nn, optim, plot
from tinycnn.data import Augment, DataLoader, emoji
from tinycnn.features import gram_matrix
from tinycnn.generate.rules import plasma


def painter(width: int = 16) -> nn.Sequential:
    """Return the network that paints: (N, 3, H, W) -> (N, 3, H, W) in [0, 1]."""
    layers = []
    for C, K in ((3, width), (width, width), (width, width)):
        layers += [nn.Conv2d(C, K, 3, padding=1), nn.InstanceNorm2d(K, affine=True), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1), nn.Sigmoid())


def onlooker() -> list[nn.Sequential]:
    """Return the random layers that look at pictures: fine structures, then coarser ones."""
    first = nn.Sequential(nn.Conv2d(3, 32, 5), nn.ReLU())
    second = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(32, 32, 3), nn.ReLU())
    for layers in (first, second):
        layers.requires_grad_(False)
    return [first, second]


def grams(layers: list[nn.Sequential], images: Tensor) -> list[Tensor]:
    """Return the Gram matrices of the pictures' maps in each layer."""
    matrices = []
    maps = images - 0.5
    for layer in layers:
        maps = layer(maps)
        matrices.append(gram_matrix(maps))
    return matrices


def style_distance(layers: list[nn.Sequential], images: Tensor, wanted: list[Tensor]) -> Tensor:
    """Return how far the pictures are from the texture: squared distances of Gram matrices, relative."""
    total = 0.0
    for matrix, target in zip(grams(layers, images), wanted, strict=True):
        total = total + ((matrix - target) ** 2).mean() / (target**2).mean()
    return total / len(wanted)


def edges(images: Tensor) -> Tensor:
    """Return the differences of neighbours in brightness, down and across: where the shapes are."""
    grey = images.mean(1, keepdim=True)
    down, across = grey[:, :, 1:, 1:] - grey[:, :, :-1, 1:], grey[:, :, 1:, 1:] - grey[:, :, 1:, :-1]
    return down**2 + across**2


def main(epochs: int = 20, seed: int = 0, folder: Path = Path("figures/applications")) -> tuple[float, float]:
    """Train the painter, draw its pictures; return the distance to the texture before and after."""
    tinycnn.manual_seed(seed)
    train, test = emoji()
    i, j = np.mgrid[:32, :32]
    texture = Tensor(np.moveaxis(plasma(i, j, period=14.0), 2, 0)[None].astype("float32"))  # (1, 3, 32, 32)
    layers, model = onlooker(), painter()
    wanted = [matrix.detach() for matrix in grams(layers, texture)]
    loader = DataLoader(train, 16, shuffle=True, augment=Augment(flip=True), seed=seed)
    optimizer = optim.Adam(model.parameters())
    schedule = optim.OneCycleLR(optimizer, 1e-2, epochs * len(loader))
    for epoch in range(epochs):
        for images, _ in loader:
            painted = model(images)
            content = ((edges(painted) - edges(images)) ** 2).mean()
            loss = style_distance(layers, painted, wanted) + 20 * content
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if (epoch + 1) % 4 == 0:
            print(f"epoch {epoch + 1}: loss {loss.item():.4f}", flush=True)
    images = Tensor(test.scaled(slice(None)))
    with tinycnn.no_grad():
        painted = model(images)
        before = style_distance(layers, images, wanted).item()
        after = style_distance(layers, painted, wanted).item()
    print(f"distance to the texture's Gram matrices: {before:.2f} before, {after:.3f} after")

    figure = plot.blank_figure(10, 3)
    rows = figure.subplots(2, 9)
    rows[0, 0].imshow(np.moveaxis(texture.numpy()[0], 0, 2))
    rows[0, 0].set_title("texture", fontsize=9)
    for row, pictures in zip(rows, (images.numpy(), painted.numpy()), strict=True):
        for axes, picture in zip(row[1:], pictures[5::10], strict=False):
            axes.imshow(np.moveaxis(picture, 0, 2))
    for axes in rows.flat:
        axes.axis("off")
    folder.mkdir(parents=True, exist_ok=True)
    plot.save(figure, folder / "style.png")
    return before, after


if __name__ == "__main__":
    before, after = main()
    assert after <= 0.2 * before, (before, after)
