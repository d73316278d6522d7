"""Canvases with several digits on each: data for detection and segmentation."""

from dataclasses import dataclass

import numpy as np

from tinycnn.data import Dataset

SIZE = 64  # pixels of a canvas, up and across
INK = 0.3  # a pixel brighter than this belongs to a digit


@dataclass
class Canvases:
    """N canvases, and what is on them."""

    images: np.ndarray  # (N, 1, SIZE, SIZE) in [0, 1]
    boxes: list[np.ndarray]  # for each canvas (n, 4): x1, y1, x2, y2
    classes: list[np.ndarray]  # for each canvas (n,)
    labels: np.ndarray  # (N, SIZE, SIZE): 0 is background, 1 + k is digit k


def make_canvases(digits: Dataset, N: int, rng: np.random.Generator, most: int = 4) -> Canvases:
    """Return N canvases with 2 to `most` digits whose boxes do not overlap."""
    images = np.zeros((N, 1, SIZE, SIZE), np.float32)
    labels = np.zeros((N, SIZE, SIZE), np.int64)
    boxes, classes = [], []
    for n in range(N):
        placed: list[tuple[int, int, int, int]] = []
        names = []
        for i in rng.integers(0, len(digits), rng.integers(2, most + 1)):
            digit = cropped(digits.images[i, 0].astype(np.float32) / 255)
            h, w = digit.shape
            for _ in range(20):  # places to try
                y, x = rng.integers(0, SIZE - h + 1), rng.integers(0, SIZE - w + 1)
                if all(x >= d or x + w <= a or y >= e or y + h <= b for a, b, d, e in placed):
                    placed.append((x, y, x + w, y + h))
                    names.append(digits.labels[i])
                    images[n, 0, y : y + h, x : x + w] = digit
                    labels[n, y : y + h, x : x + w][digit > INK] = 1 + digits.labels[i]
                    break
        boxes.append(np.array(placed, np.float32))
        classes.append(np.array(names))
    return Canvases(images, boxes, classes, labels)


def cropped(digit: np.ndarray) -> np.ndarray:
    """Return the part of an image with ink on it."""
    rows, columns = (np.flatnonzero((digit > INK).any(axis=axis)) for axis in (1, 0))
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
