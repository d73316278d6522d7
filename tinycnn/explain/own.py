"""What users bring along: pictures and arrays in files, kernels as text or by name, modules."""

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn import models
from tinycnn.data.npy import read_npy
from tinycnn.data.picture import read_picture
from tinycnn.nn import Module
from tinycnn.storage import FileError

KERNELS = {
    "identity": "0 0 0; 0 1 0; 0 0 0",
    "sobel": "1 0 -1; 2 0 -2; 1 0 -1",
    "blur": "1 1 1; 1 1 1; 1 1 1",
    "sharpen": "0 -1 0; -1 5 -1; 0 -1 0",
    "laplace": "0 1 0; 1 -4 1; 0 1 0",
}
MEANS = {"blur": 9}  # what the sum of the products is divided by


def read_input(path: Path, size: int | None = None) -> np.ndarray:
    """Return the array of a .npy file, or a picture as (C, H, W), whole numbers from 0 to 255, C = 1 or 3.

    A picture is resized to H = W = `size`.

    Raises
    ------
    OSError, ValueError
        If there is no such file, or it can be read as neither.
    """
    if path.suffix.lower() == ".npy":
        if size is not None:
            raise ValueError(f"{path}: the size is that of the file: leave the size out")
        try:
            return read_npy(path)
        except ValueError as error:
            raise FileError(str(error)) from error
    pixels = read_picture(path, None if size is None else (size, size)).astype(np.float32)
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)


def read_kernel(text: str) -> np.ndarray:
    """Return a kernel (KH, KW) from its name, its size, or its rows.

    >>> read_kernel("1 0 -1; 2 0 -2; 1 0 -1")
    array([[ 1.,  0., -1.],
           [ 2.,  0., -2.],
           [ 1.,  0., -1.]], dtype=float32)

    Raises
    ------
    ValueError
        If the text is no name in `KERNELS`, or its rows are no numbers or differ in length.
    """
    rows = [
        row.split() for row in re.split(r"[;\n]", KERNELS.get(text, text).replace(",", " ")) if row.strip()
    ]
    try:
        numbers = [[float(number) for number in row] for row in rows]
    except ValueError:
        numbers = []
    if not numbers or len({len(row) for row in numbers}) != 1 or not np.isfinite(numbers).all():
        raise ValueError(
            f"kernel {text!r}: write its rows, as in '1 0 -1; 2 0 -2; 1 0 -1', or a name: "
            + ", ".join(KERNELS)
        )
    return np.array(numbers, np.float32) / MEANS.get(text, 1)


def read_module(text: str) -> Module:
    """Return a module from ``file.py:name``: the name of a module, or of what makes one without arguments.

    The file is run, as ``python file.py`` would run it.

    Raises
    ------
    OSError, ValueError, TypeError
        If there is no such file or name, or it gives no `Module`.
    """
    file, _, name = text.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {file}; a module of your own is FILE.py:NAME")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file} is no Python file")
    loaded = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(loaded)
    finally:
        sys.path.remove(str(path.parent))
    if not hasattr(loaded, name):
        names = [n for n, value in vars(loaded).items() if _makes_module(value, loaded.__name__)]
        raise ValueError(f"{file} has no {name!r}; its modules are {', '.join(names) or 'none'}")
    found = getattr(loaded, name)
    made = found if isinstance(found, Module) else found()
    if not isinstance(made, Module):
        raise TypeError(f"{text} is no Module but {type(made).__name__}")
    return made


def _makes_module(value: Any, where: str) -> bool:
    if isinstance(value, type):
        return issubclass(value, Module) and value.__module__ == where
    return isinstance(value, Module)


def network(name: str | None, run_folder: Path | None = None) -> tuple[Module, tuple[int, int, int] | None]:
    """Return a network and the (C, H, W) it takes: one of `tinycnn.models`, a trained one, or one's own.

    `name` is in `tinycnn.models.MODELS`, or ``file.py:name``, whose size is not known; cnn28 by default.

    Raises
    ------
    OSError, ValueError, TypeError
        If there is no such network.
    """
    if run_folder:
        from tinycnn.fit import load_classifier

        if name:
            raise ValueError("a run has its network already: leave the model out")
        saved = load_classifier(run_folder)
        return saved.model, saved.input_shape
    if name and ":" in name:
        return read_module(name), None
    name = name or "cnn28"
    return models.build(name), models.INPUT_SHAPES.get(name)


def is_dark_on_bright(picture: np.ndarray) -> bool:
    """Return whether a picture (C, H, W) has a border brighter than its middle; digits are bright on dark."""
    _, H, W = picture.shape
    i, j = max(H // 8, 1), max(W // 8, 1)
    middle = picture[:, i : H - i, j : W - j]
    border = (picture.sum() - middle.sum()) / max(picture.size - middle.size, 1)
    return bool(middle.size and border > picture.max() / 2 and border > middle.mean())
