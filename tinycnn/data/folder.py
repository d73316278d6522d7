"""Data sets from a folder of your own: two arrays, or one subfolder of pictures per class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinycnn.data.dataset import Dataset, from_arrays, stratified_split
from tinycnn.data.files import naming
from tinycnn.data.npy import read_npy

if TYPE_CHECKING:
    from PIL.Image import Image


def image_arrays(folder: str | Path, test_fraction: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Return (train, test) of ``images.npy`` and ``labels.npy`` in `folder`.

    `from_arrays` says what the two may hold, `stratified_split` what the other arguments do.

    Raises
    ------
    FileNotFoundError
        Where one of the two is missing.
    ValueError
        Names the file that is damaged or does not fit.
    """
    folder = Path(folder)
    images, labels = read_npy(folder / "images.npy"), read_npy(folder / "labels.npy")
    with naming(f"{folder / 'images.npy'} with labels.npy"):
        dataset = from_arrays(images, labels, name=folder.name)
    return stratified_split(dataset, test_fraction, seed)


def image_folder(
    folder: str | Path,
    size: tuple[int, int] | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    channels: int | None = None,
) -> tuple[Dataset, Dataset]:
    """Return (train, test) of a folder with one subfolder of pictures per class, classes sorted by name.

    Where `folder` has the subfolders ``train`` and ``test`` and these the class folders, they are the split;
    else `stratified_split` makes one. Hidden files and folders are passed over. The pictures become RGB, or
    stay grey if all of them are. Transparent parts become white, photos are turned upright as their Exif
    data say, and of an animation the first picture counts.

    Parameters
    ----------
    folder
        Where to look.
    size
        (H, W) to resize every picture to (bicubic), whatever its proportions; None demands that all
        have one size.
    test_fraction, seed
        See `stratified_split`.
    channels
        C: 1 to make all pictures grey, 3 to make them RGB; None keeps them as said above.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        Where `folder` is none.
    ValueError
        Names the folder without classes or pictures, the file that is no picture or has more than 8 bits a
        channel, or two pictures whose sizes differ.
    """
    folder = Path(folder)
    if size is not None and (len(size) != 2 or not all(isinstance(n, int) and n > 0 for n in size)):
        raise ValueError(f"size must be (H, W), two positive integers, it is {size!r}")
    if channels not in (None, 1, 3):
        raise ValueError(f"channels must be 1 (grey), 3 (RGB) or None, it is {channels!r}")
    if [path.name for path in visible(folder)] != ["test", "train"]:
        files = _files_of_classes(folder)
        return stratified_split(_read_dataset([files], [folder.name], size, channels)[0], test_fraction, seed)

    train, test = _files_of_classes(folder / "train"), _files_of_classes(folder / "test")
    if train.keys() != test.keys():
        differing = ", ".join(sorted(train.keys() ^ test.keys()))
        raise ValueError(f"{folder}: train and test must have the same classes, only one has {differing}")
    sets = _read_dataset([train, test], [f"{folder.name} train", f"{folder.name} test"], size, channels)
    return sets[0], sets[1]


def _files_of_classes(folder: Path) -> dict[str, list[Path]]:
    """Return the pictures' paths by their class folders' names, both sorted."""
    files = {}
    for class_folder in visible(folder):
        if not class_folder.is_dir():
            raise ValueError(f"{class_folder}: a file beside the class folders; move it away or hide it")
        files[class_folder.name] = visible(class_folder)
        if not files[class_folder.name]:
            raise ValueError(f"{class_folder}: no pictures in this class folder")
    if not files:
        raise ValueError(f"{folder}: no class folders; the pictures of each class go into a subfolder")
    return files


def _read_dataset(
    parts: list[dict[str, list[Path]]],
    names: list[str],
    size: tuple[int, int] | None,
    channels: int | None,
) -> list[Dataset]:
    """Return a data set for each part; grey or RGB and the size are the same in all."""
    paths = [path for part in parts for paths in part.values() for path in paths]
    images = _read_pictures(paths, size, channels)
    datasets = []
    for part, name in zip(parts, names, strict=True):
        labels = np.repeat(np.arange(len(part)), [len(paths) for paths in part.values()])  # (n,)
        datasets.append(Dataset(images[: len(labels)], labels, tuple(part), name))
        images = images[len(labels) :]
    return datasets


def _read_pictures(paths: list[Path], size: tuple[int, int] | None, channels: int | None) -> np.ndarray:
    """Return (N, C, H, W) uint8; where `channels` is None, C = 1 if all are grey, else 3."""
    pictures: list[np.ndarray] = []  # (H, W) or (H, W, 3)
    for path in paths:
        pictures.append(read_picture(path, size, channels))
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


def read_picture(path: Path, size: tuple[int, int] | None = None, channels: int | None = None) -> np.ndarray:
    """Return (H, W) of a grey picture, (H, W, 3) of a coloured one, uint8; see `image_folder`.

    Raises
    ------
    ValueError
        Names the file that is no picture, or has more than 8 bits a channel.
    """
    from PIL import Image, ImageOps

    if path.is_dir():
        raise ValueError(
            f"{path}: a folder inside a class folder; a split of your own is the folders train and test, "
            "with the class folders in them and nothing beside them"
        )
    try:
        with Image.open(path) as file:
            picture = _grey_or_rgb(ImageOps.exif_transpose(file))
    except Exception as error:  # Pillow's readers raise many kinds, from OSError to SyntaxError
        raise ValueError(
            f"{path}: no picture that Pillow can read ({error}); move it away or hide it"
        ) from error
    if channels is not None:
        picture = picture.convert("L" if channels == 1 else "RGB")
    if size is not None:
        H, W = size
        picture = picture.resize((W, H))
    return np.asarray(picture)


def _grey_or_rgb(picture: Image) -> Image:
    from PIL import Image

    if picture.mode.startswith(("I", "F")):  # Pillow would clip them to 255 without a word
        raise ValueError(f"its mode is {picture.mode}, more than 8 bits a channel: save it with 8")
    if picture.getbands()[-1] in ("A", "a") or "transparency" in picture.info:
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def visible(folder: Path) -> list[Path]:
    """Return what is in a folder and not hidden, sorted by name."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
