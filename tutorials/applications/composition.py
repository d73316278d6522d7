"""Image composition through a GAN's latent space: paste parts together, and let G make it one image.

    python tutorials/applications/composition.py

A generator G is trained to make images like those of its training set (Eq. 12). Paste the upper half of one
digit on the lower half of another one of the same class: their strokes do not meet at the seam. Then look for
the z whose image G(z) is nearest to this collage, by gradient descent on z (Zhu et al. 2016). G(z) is like
both halves, and its brightness jumps less at the seam.
"""

from pathlib import Path

import numpy as np

import tinycnn
from tinycnn import Tensor, optim, plot
from tinycnn.data import DataLoader, digits
from tinycnn.gan import Discriminator, Gan, Generator, sample, scale

LATENT = 16
HALF = 14  # the seam lies above this row


def train_generator(epochs: int, per_class: int, seed: int) -> Generator:
    """Return the generator of a plain DCGAN, trained on some of the digits."""
    train, _ = digits()
    chosen = np.concatenate([np.flatnonzero(train.labels == k)[:per_class] for k in range(10)])
    loader = DataLoader(train.subset(chosen), 64, shuffle=True, drop_last=True, seed=seed)
    G = Generator((1, 28, 28), latent=LATENT, width=16)
    D = Discriminator((1, 28, 28), width=16)
    G_optimizer = optim.Adam(G.parameters(), 3e-3, (0.5, 0.999))
    D_optimizer = optim.Adam(D.parameters(), 6e-4, (0.5, 0.999))
    gan = Gan(G, D, G_optimizer, D_optimizer)
    for epoch in range(epochs):
        for images, _ in loader:
            judged, g_loss = gan.step(scale(images), tinycnn.randn(len(images), LATENT))
        print(f"epoch {epoch + 1}: loss of D {judged.loss.item():.2f}, of G {g_loss.item():.2f}", flush=True)
    return G


def project(G: Generator, images: np.ndarray, steps: int, tries: int = 8) -> np.ndarray:
    """Return for each image (N, 1, 28, 28) the image G(z) that is nearest to it.

    The descent ends in a local minimum. So it starts at `tries` places for each image, and the best counts.
    A large z is unlikely under N(0, I), from which G got its z in training, so |z|^2 is added with a small
    factor.
    """
    N = len(images)
    wanted = Tensor(np.repeat(images, tries, axis=0))
    z = tinycnn.randn(N * tries, LATENT, requires_grad=True)
    optimizer = optim.Adam([z], 0.1)
    G.eval().requires_grad_(False)
    for _ in range(steps):
        made = (G(z) + 1) / 2
        each = ((made - wanted) ** 2).mean((1, 2, 3)) + 1e-3 * (z**2).mean(1)
        optimizer.zero_grad()
        each.sum().backward()
        optimizer.step()
    best = each.numpy().reshape(N, tries).argmin(1)
    return sample(G, z.detach()).reshape(N, tries, 1, 28, 28)[np.arange(N), best]


def seam(images: np.ndarray) -> float:
    """Return how much the brightness jumps at the seam, relative to the rows above and below it."""
    jumps = np.abs(np.diff(images[:, 0], axis=1)).mean((0, 2))  # (27,)
    return float(jumps[HALF - 1] / jumps[[HALF - 3, HALF - 2, HALF, HALF + 1]].mean())


def main(
    epochs: int = 8,
    per_class: int = 1000,
    steps: int = 150,
    seed: int = 0,
    folder: Path = Path("figures/applications"),
) -> tuple[float, float, float]:
    """Train a GAN, compose digits of two halves; return `seam` of real images, collages and G's."""
    tinycnn.manual_seed(seed)
    G = train_generator(epochs, per_class, seed)
    _, test = digits()
    rng = np.random.default_rng(seed)
    upper = rng.permutation(len(test))[:40]
    of_digit = [np.flatnonzero(test.labels == k) for k in range(10)]
    lower = np.array([rng.choice(of_digit[k]) for k in test.labels[upper]])  # others of the same digit
    top, bottom = test.scaled(upper), test.scaled(lower)
    collage = np.concatenate([top[:, :, :HALF], bottom[:, :, HALF:]], 2)
    composed = project(G, collage, steps)
    seams = seam(top), seam(collage), seam(composed)
    error = np.sqrt(((composed - collage) ** 2).mean())
    real, pasted, made = seams
    print(f"jump at the seam over that of rows nearby: real {real:.2f}, collage {pasted:.2f}, G's {made:.2f}")
    print(f"root of the mean squared difference between collage and G's image: {error:.3f}")

    figure = plot.blank_figure(10, 4.4)
    rows = figure.subplots(4, 10)
    names = ("upper half of", "lower half of", "collage", "G's image")
    for row, images, name in zip(rows, (top, bottom, collage, composed), names, strict=True):
        for axes, image in zip(row, images, strict=False):
            axes.imshow(image[0], cmap="gray", vmin=0, vmax=1)
            axes.set_xticks([])
            axes.set_yticks([])
        row[0].set_ylabel(name)
    folder.mkdir(parents=True, exist_ok=True)
    plot.save(figure, folder / "composition.png")
    return seams


if __name__ == "__main__":
    real, collage, composed = main()
    assert abs(composed - real) < 0.5 * abs(collage - real), (real, collage, composed)
