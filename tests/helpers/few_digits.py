"""A folder with a few of the embedded digits, as the commands read it."""

import numpy as np

from tinycnn.data import digits


def write_digits(folder, count):
    """Write images.npy and labels.npy into a new folder; return it."""
    folder.mkdir()
    train, _ = digits()
    np.save(folder / "images.npy", train.images[:count, 0])
    np.save(folder / "labels.npy", train.labels[:count])
    return folder
