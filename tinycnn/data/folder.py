"""Data sets from a folder of your own: two arrays, or one subfolder of pictures per class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinycnn.data.arrays import from_arrays
from tinycnn.data.dataset import Dataset
from tinycnn.data.files import naming
from tinycnn.data.npy import read_npy
from tinycnn.data.picture import MAX_PIXELS, read_picture
from tinycnn.data.stratified import stratified_split
from tinycnn.kernels.geometry import pair

# Windows: previews, folder settings, recycle bin. macOS: folder icons, folders in archives. Synology: index.
HIDDEN = ("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "icon\r", "__macosx", "@eadir")


def image_arrays(folder: str | Path, test_fraction: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Return (train, test) of ``images.npy`` and ``labels.npy`` in `folder`.

    See `from_arrays` for what the two files may hold, and `stratified_split` for the other arguments. Raises
    FileNotFoundError if one is missing, and ValueError with the name of one that is damaged or does not fit.
    """
    folder = Path(folder)
    images, labels = read_npy(folder / "images.npy"), read_npy(folder / "labels.npy")
    with naming(f"{folder / 'images.npy'} with labels.npy"):
        dataset = from_arrays(images, labels, name=folder.name)
    return stratified_split(dataset, test_fraction, seed)


def image_folder(
    folder: str | Path,
    size: int | Sequence[int] | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    channels: int | None = None,
) -> tuple[Dataset, Dataset]:
    """Return (train, test) of a folder with one subfolder of pictures per class, classes sorted by name.

    If `folder` has the subfolders ``train`` and ``test`` and these have the class folders, they are
    the two parts; otherwise `stratified_split` makes them. Hidden files and folders are ignored, and so are
    ``Thumbs.db`` and others that Windows and macOS hide. If all pictures are grey, they stay grey; otherwise
    they become RGB. See `read_picture` for transparent, turned and animated pictures.

    Parameters
    ----------
    folder
        The folder.
    size
        (H, W) to resize every picture to (bicubic), whatever its proportions; one integer stands for both.
        With None, all must have the same size already.
    test_fraction, seed
        See `stratified_split`.
    channels
        C: 1 to make all pictures grey, 3 to make them RGB, None as described above.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    ValueError
        Names the folder without classes or pictures, the file that `read_picture` refuses, or two pictures
        whose sizes differ.
    """
    folder = Path(folder)
    size = None if size is None else _height_and_width(size)
    if channels not in (None, 1, 3):
        raise ValueError(f"channels must be 1 (grey), 3 (RGB) or None, it is {channels!r}")
    if [path.name for path in visible(folder)] != ["test", "train"]:
        (whole,) = _read_datasets({folder.name: _files_of_classes(folder)}, size, channels)
        return stratified_split(whole, test_fraction, seed)
    parts = {f"{folder.name} {part}": _files_of_classes(folder / part) for part in ("train", "test")}
    of_train, of_test = (files.keys() for files in parts.values())
    if of_train != of_test:
        differing = ", ".join(sorted(of_train ^ of_test))
        raise ValueError(f"{folder}: train and test must have the same classes, only one has {differing}")
    train, test = _read_datasets(parts, size, channels)
    return train, test


def _height_and_width(size: int | Sequence[int]) -> tuple[int, int]:
    """Return `size` as (H, W)."""
    try:
        H, W = pair(tuple(size) if isinstance(size, Sequence | np.ndarray) else size, "size")
    except (TypeError, ValueError):
        fits = "(H, W), two positive integers, or one for both"
        raise ValueError(f"size must be {fits}; it is {size!r}") from None
    if H * W > MAX_PIXELS:
        raise ValueError(f"size (H, W) = {(H, W)} is more than {MAX_PIXELS:,} pixels")
    return H, W


def _files_of_classes(folder: Path) -> dict[str, list[Path]]:
    """Return the pictures' paths by their class folders' names, both sorted."""
    files = {}
    for class_folder in visible(folder):
        if not class_folder.is_dir():
            raise ValueError(f"{class_folder}: a file beside the class folders; move it away or hide it")
        files[class_folder.name] = visible(class_folder)
        if not files[class_folder.name]:
            raise ValueError(f"{class_folder}: no pictures in this class folder")
        if inner := [path for path in files[class_folder.name] if path.is_dir()]:
            raise ValueError(
                f"{inner[0]}: a folder inside a class folder; a split of your own is the folders train and "
                "test, with the class folders in them and nothing beside them"
            )
    if not files:
        raise ValueError(f"{folder}: no class folders; the pictures of each class go into a subfolder")
    return files


def _read_datasets(
    parts: dict[str, dict[str, list[Path]]], size: tuple[int, int] | None, channels: int | None
) -> list[Dataset]:
    """Return a data set for each part by its name; grey or RGB and the size are the same in all."""
    paths = [path for part in parts.values() for paths in part.values() for path in paths]
    images = _read_pictures(paths, size, channels)
    datasets = []
    for name, part in parts.items():
        labels = np.repeat(np.arange(len(part)), [len(paths) for paths in part.values()])  # (n,)
        datasets.append(Dataset(images[: len(labels)], labels, tuple(part), name))
        images = images[len(labels) :]
    return datasets


def _read_pictures(paths: list[Path], size: tuple[int, int] | None, channels: int | None) -> np.ndarray:
    """Return (N, C, H, W) uint8; if `channels` is None, C = 1 if all are grey, else 3."""
    pictures: list[np.ndarray] = []  # (H, W) or (H, W, 3)
    for path in paths:
        try:
            pictures.append(read_picture(path, size, channels))
        except ValueError as error:
            raise ValueError(f"{error}; move it away or hide it") from error
        first, last = pictures[0].shape[:2], pictures[-1].shape[:2]
        if first != last:
            raise ValueError(
                f"{path} has (H, W) = {last}, but {paths[0]} has {first}: all pictures must have the same "
                "size; size=(H, W) resizes them"
            )
    C = 3 if any(picture.ndim == 3 for picture in pictures) else 1
    images = np.empty((len(pictures), C, *pictures[0].shape[:2]), np.uint8)
    for image, picture in zip(images, pictures, strict=True):
        image[:] = picture if picture.ndim == 2 else picture.transpose(2, 0, 1)  # (H, W, 3) -> (3, H, W)
    return images


def visible(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted by name, but for names with a dot in front and those in `HIDDEN`."""
    paths = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in paths if path.name.lower() not in HIDDEN)
