"""Small colour pictures: four categories of emoji, embedded."""

from pathlib import Path

from tinycnn.data.arrays import from_arrays
from tinycnn.data.dataset import Dataset
from tinycnn.data.npy import read_npz

CATEGORIES = ("animals", "flags", "food", "smileys")


def emoji() -> tuple[Dataset, Dataset]:
    """Return colour pictures of emoji, (train, test): 320 and 80 pictures (N, 3, 32, 32), uint8.

    They are Twemoji of four categories, 80 and 20 of each. No network is needed. The artwork is licensed
    under CC BY 4.0, see ``LICENSE-emoji.md`` beside the file.
    """
    arrays = read_npz(Path(__file__).with_name("emoji.npz"))
    return (
        from_arrays(arrays["x_train"], arrays["y_train"], CATEGORIES, "emoji train"),
        from_arrays(arrays["x_test"], arrays["y_test"], CATEGORIES, "emoji test"),
    )
