"""Load any data set: by its name, or from a folder."""

from pathlib import Path

from tinycnn.data.dataset import Dataset
from tinycnn.data.embedded import digits
from tinycnn.data.folder import image_arrays, image_folder, visible
from tinycnn.data.mnist import TEST, TRAIN, fashion_mnist, find_idx, mnist

NAMED = {"digits": digits, "mnist": mnist, "fashion-mnist": fashion_mnist}
ACCEPTED = (
    "accepted are 'digits' (embedded), 'mnist' and 'fashion-mnist' (downloaded once), and the path of a "
    f"folder: with the IDX files {', '.join(TRAIN + TEST)} (each with or without .gz), with images.npy and "
    "labels.npy, or with one subfolder of pictures per class"
)


def load(
    source: str | Path,
    *,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> tuple[Dataset, Dataset]:
    """Return (train, test) of a data set.

    Parameters
    ----------
    source
        "digits", "mnist", "fashion-mnist", or the path of a folder, which is read by `mnist` (IDX files),
        `image_arrays` or `image_folder`, depending on its files. A folder that has the name of a data set is
        written "./digits".
    size, channels
        See `image_folder`; for folders of pictures only.
    test_fraction, seed
        See `stratified_split`; for a folder without a split of its own.

    Raises
    ------
    ValueError
        If `source` is none of these, a file is damaged (see there), or `size` or `channels` is given for
        something else than a folder of pictures.
    """
    folder = Path(source)
    kind = kind_of(source)
    if kind == "pictures":
        return image_folder(folder, size, test_fraction, seed, channels)
    if size is not None or channels is not None:
        raise ValueError(f"size= and channels= are for folders of pictures; {str(source)!r} is none")
    if kind == "arrays":
        return image_arrays(folder, test_fraction, seed)
    return mnist(folder) if kind == "idx" else NAMED[kind]()


def kind_of(source: str | Path) -> str:
    """Return what `source` is: the name of a data set, "idx", "arrays", "pictures"; else raise ValueError."""
    folder = Path(source)
    if isinstance(source, str) and source in NAMED:
        return source
    if source == "":
        raise ValueError(f"'' names no data set, and no folder: the current folder is '.'; {ACCEPTED}")
    if any(find_idx(folder, name) for name in TRAIN + TEST):
        return "idx"
    if any((folder / name).is_file() for name in ("images.npy", "labels.npy")):
        return "arrays"
    if folder.is_dir() and any(path.is_dir() for path in visible(folder)):
        return "pictures"
    found = "is a folder without any of these" if folder.is_dir() else "is no data set and no folder"
    raise ValueError(f"{str(source)!r} {found}; {ACCEPTED}")
