"""Image correction: a small U-Net takes noise out of images, and fills holes in them.

    python tutorials/applications/correction.py

Two damages: normal noise on every pixel, and a square of 10x10 pixels that is missing. The network gets the
damaged image and a mask of what is missing, and learns to give back the image as it was (mean squared error).
The measure is the PSNR = 10 log10(1 / mean squared error), in decibels: 10 dB more mean that the mean squared
error is a tenth.
"""

from pathlib import Path

import numpy as np

import tinycnn
from tinycnn import Tensor, optim, plot
from tinycnn import functional as F
from tinycnn.data import digits
from tinycnn.models import UNet

NOISE, HOLE = 0.3, 10


def noisy(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images and masks (N, 2, H, W): with noise, and nothing missing."""
    x = images + NOISE * rng.standard_normal(images.shape, dtype=np.float32)
    return np.concatenate([x, np.zeros_like(x)], 1)


def with_hole(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images and masks (N, 2, H, W): with a square in or near the middle missing."""
    N, _, H, W = images.shape
    mask = np.zeros_like(images)
    for n in range(N):
        y, x = rng.integers(5, H - HOLE - 4), rng.integers(5, W - HOLE - 4)
        mask[n, 0, y : y + HOLE, x : x + HOLE] = 1
    return np.concatenate([images * (1 - mask), mask], 1)


def psnr(images: np.ndarray, truth: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of images in [0, 1], in decibels."""
    return float(10 * np.log10(1 / ((images.clip(0, 1) - truth) ** 2).mean()))


def main(
    steps: int = 500, seed: int = 0, folder: Path = Path("figures/applications")
) -> dict[str, tuple[float, float]]:
    """Train the network, draw what it corrects, and return the PSNR before and after, for each damage."""
    tinycnn.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train, test = digits()
    model = UNet(2, 1, width=12, depth=2)
    optimizer = optim.Adam(model.parameters())
    schedule = optim.OneCycleLR(optimizer, 1e-2, max(steps, 2))
    for step in range(steps):
        images = train.scaled(rng.integers(0, len(train), 32))
        damaged = np.concatenate([noisy(images[:16], rng), with_hole(images[16:], rng)])
        loss = F.mse_loss(model(Tensor(damaged)), images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}: loss {loss.item():.4f}", flush=True)
    model.eval()
    truth = test.scaled(rng.permutation(len(test))[:200])
    scores = {}
    figure = plot.blank_figure(9, 6)
    rows = figure.subplots(6, 8)
    for part, (name, damage) in enumerate((("noise", noisy), ("hole", with_hole))):
        x = damage(truth, rng)
        with tinycnn.no_grad():
            y = model(Tensor(x)).numpy()
        scores[name] = psnr(x[:, :1], truth), psnr(y, truth)
        print(f"{name}: PSNR {scores[name][0]:.1f} dB before, {scores[name][1]:.1f} dB after")
        for row, (images, what) in enumerate(((x[:, :1], name), (y, "corrected"), (truth, "truth"))):
            for axes, image in zip(rows[3 * part + row], images, strict=False):
                axes.imshow(image[0], cmap="gray", vmin=0, vmax=1)
                axes.set_xticks([])
                axes.set_yticks([])
            rows[3 * part + row, 0].set_ylabel(what)
    folder.mkdir(parents=True, exist_ok=True)
    plot.save(figure, folder / "correction.png")
    return scores


if __name__ == "__main__":
    for damage, (before, after) in main().items():
        assert after >= before + 5, (damage, before, after)
