"""Files that are whole or not there: atomic writing, and arrays under names in the safetensors format."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn.tensors_file import read_tensors

if TYPE_CHECKING:
    from tinycnn.nn import Module


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path`: a reader, or a crash, sees the old file or the new one, never a part.

    Raises
    ------
    OSError
        Where it cannot be written (folder missing or read-only, disk full): names the file, and leaves what
        was there before as it is.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.chmod(0o666 & ~_umask())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror or error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write named arrays and texts as a safetensors file, atomically.

    Raises
    ------
    OSError
        As `write_atomically`.
    """
    from safetensors.numpy import save

    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    # ascontiguousarray makes a scalar one-dimensional: keep its shape.
    whole = {name: array.reshape(arrays[name].shape) for name, array in whole.items()}
    write_atomically(path, save(whole, dict(metadata)))


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read the named arrays and the texts of a safetensors file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is truncated, corrupt or another format: names the file. Nothing is allocated before the
        header's claims are compared with the file's size.
    """
    return read_tensors(path)


def save_weights(path: Path, model: Module, config: Mapping[str, Any]) -> None:
    """Write a network's weights under PyTorch's keys, with `config`: what is needed to use them.

    Raises
    ------
    OSError
        As `write_atomically`.
    """
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    save_arrays(path, arrays, {"config": json.dumps(dict(config))})


def load_weights(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what `save_weights` wrote: the arrays, and the config.

    Raises
    ------
    FileNotFoundError, ValueError
        As `load_arrays`; and where no config is with the weights.
    """
    arrays, metadata = load_arrays(path)
    if "config" not in metadata:
        raise ValueError(
            f"{path} does not say which network it belongs to: there is no config in it. If it is PyTorch's, "
            "build the network and call model.load_state_dict(tinycnn.storage.load_arrays(path)[0])"
        )
    try:
        config = json.loads(metadata["config"])
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} does not say which network it belongs to: {error!r}") from error
    return arrays, config
