"""MNIST and Fashion-MNIST: the embedded part, a folder of the four IDX files, or a download."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinycnn.data.arrays import from_arrays, numbered_classes
from tinycnn.data.dataset import Dataset
from tinycnn.data.download import cache_folder, download
from tinycnn.data.embedded import DIGITS
from tinycnn.data.files import naming
from tinycnn.data.idx import read_idx

TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MNIST_SHA256 = {  # of the uncompressed files
    TRAIN[0]: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    TRAIN[1]: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    TEST[0]: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    TEST[1]: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
FASHION_MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",  # has no https
)
FASHION_SHA256 = {
    TRAIN[0]: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    TRAIN[1]: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    TEST[0]: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    TEST[1]: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def mnist(
    folder: str | Path | None = None, *, mirrors: Sequence[str] = MNIST_MIRRORS
) -> tuple[Dataset, Dataset]:
    """Return MNIST, (train, test): 60,000 and 10,000 pictures (N, 1, 28, 28), uint8.

    A folder may hold any data set in the format of MNIST. If it has more than ten classes, as EMNIST has, the
    classes are called by their numbers. (EMNIST's files must be renamed to MNIST's names, its letters count
    from 1, and its pictures have rows and columns exchanged.)

    Parameters
    ----------
    folder
        The folder of the four IDX files, with or without gzip. None: the folder mnist in ``TINYCNN_DATA``, or
        else in the user's cache; files that are missing there are downloaded.
    mirrors
        Addresses to download from, tried in turn.

    Raises
    ------
    FileNotFoundError
        Names the file that `folder` lacks.
    ConnectionError
        If no mirror serves the right file; says which files to put into which folder by hand.
    ValueError
        Names the file that is damaged.

    Warns
    -----
    UserWarning
        If the labels of more than ten classes count from 1.
    """
    return _read_or_download("mnist", folder, mirrors, MNIST_SHA256, DIGITS)


def fashion_mnist(
    folder: str | Path | None = None, *, mirrors: Sequence[str] = FASHION_MIRRORS
) -> tuple[Dataset, Dataset]:
    """Return Fashion-MNIST, ten kinds of clothes in MNIST's format; see `mnist`."""
    return _read_or_download("fashion-mnist", folder, mirrors, FASHION_SHA256, FASHION)


def find_idx(folder: Path, name: str) -> Path | None:
    """Return the file called `name` in any of its spellings, or None."""
    found = (folder / spelling for spelling in _spellings(name))
    return next((path for path in found if path.is_file()), None)


def _spellings(name: str) -> list[str]:
    dotted = name.replace("-idx", ".idx")  # some archives spell it train-images.idx3-ubyte
    return [name, f"{name}.gz", dotted, f"{dotted}.gz"]


def _read_or_download(
    name: str,
    folder: str | Path | None,
    mirrors: Sequence[str],
    sha256: dict[str, str],
    classes: tuple[str, ...],
) -> tuple[Dataset, Dataset]:
    if folder is None:
        folder = cache_folder() / name
        missing = {file: checksum for file, checksum in sha256.items() if find_idx(folder, file) is None}
        try:
            for file, checksum in missing.items():
                download(f"{file}.gz", checksum, mirrors, folder)
        except ConnectionError as error:
            raise ConnectionError(
                f"{name}: {error}\nTo place the files by hand, put {', '.join(sha256)}, each "
                f"with or without .gz, into {folder}. The data set 'digits' needs no network."
            ) from error
    train, test = ([_require(Path(folder), file) for file in files] for files in (TRAIN, TEST))
    labels = [read_idx(train[1]), read_idx(test[1])]
    if classes is DIGITS and max(array.max() for array in labels) >= len(DIGITS):
        with naming(f"{train[1]} and {test[1]}"):
            classes = numbered_classes(np.concatenate(labels, axis=None))
    parts = []
    for paths, numbers, part in zip((train, test), labels, ("train", "test"), strict=True):
        images = read_idx(paths[0])
        with naming(f"{paths[0]} with {paths[1]}"):
            parts.append(from_arrays(images, numbers, classes, f"{name} {part}"))
    return parts[0], parts[1]


def _require(folder: Path, name: str) -> Path:
    path = find_idx(folder, name)
    if path is None:
        raise FileNotFoundError(f"{folder} lacks {name}; any of {', '.join(_spellings(name))} fits")
    return path
