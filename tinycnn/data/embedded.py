"""The two data sets that come with tinycnn: digits and emoji. No network is needed for them."""

from pathlib import Path

from tinycnn.data.arrays import from_arrays
from tinycnn.data.dataset import Dataset
from tinycnn.data.npy import read_npz

DIGITS = tuple("0123456789")


def digits() -> tuple[Dataset, Dataset]:
    """Return the embedded part of MNIST, (train, test): 10,000 and 2,000 pictures (N, 1, 28, 28), uint8.

    They are the first 1,000 training and the first 200 test pictures of each digit.
    """
    return _embedded("digits", DIGITS)


def emoji() -> tuple[Dataset, Dataset]:
    """Return colour pictures of emoji, (train, test): 320 and 80 pictures (N, 3, 32, 32), uint8.

    They are Twemoji of four categories, 80 and 20 of each. The artwork is licensed under CC BY 4.0, see
    ``LICENSE-emoji.md`` beside the file.
    """
    return _embedded("emoji", ("animals", "flags", "food", "smileys"))


def _embedded(name: str, classes: tuple[str, ...]) -> tuple[Dataset, Dataset]:
    arrays = read_npz(Path(__file__).with_name(f"{name}.npz"))
    train, test = (
        from_arrays(arrays[f"x_{part}"], arrays[f"y_{part}"], classes, f"{name} {part}")
        for part in ("train", "test")
    )
    return train, test
