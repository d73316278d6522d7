"""Files that are whole or not there: atomic writing, and named arrays in the safetensors format."""

from __future__ import annotations

import json
import os
import re
import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from tinycnn.schema import parse_json
from tinycnn.tensors_file import read_tensors

if TYPE_CHECKING:
    from tinycnn.nn import Module

CHECKSUM = "crc32"  # of all bytes of the arrays, as a text beside the others
MOST_CONFIG = 1 << 22  # characters of a config
# The names that the safetensors format has for NumPy's dtypes.
DTYPES = {
    "bool": "BOOL",
    **{f"float{bits}": f"F{bits}" for bits in (64, 32, 16)},
    **{f"int{bits}": f"I{bits}" for bits in (64, 32, 16, 8)},
    **{f"uint{bits}": f"U{bits}" for bits in (64, 32, 16, 8)},
}


class FileError(ValueError):
    """A file is damaged, or does not hold what it should. The message may quote what is in it."""


def write_atomically(path: str | Path, content: bytes | Iterable[Any], new: bool = False) -> None:
    """Write `content` to `path`: a reader, or a crash, sees the old file or the new one, never a part.

    A link is followed, and a file that is replaced keeps its permissions.

    Parameters
    ----------
    content
        The bytes, or several pieces of them in order.
    new
        Refuse if there is a file already. Of two processes that do this at once, one succeeds.

    Raises
    ------
    FileExistsError
        If `new` is set and there is such a file.
    OSError
        If it cannot be written (folder missing or read-only, disk full). The message names the file, and what
        was there before stays as it is.
    """
    target = Path(os.path.realpath(path))
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        try:
            with part.open("xb") as file:  # the system takes the user's umask into account
                _hold(file)
                if target.is_file() and not new:
                    part.chmod(target.stat().st_mode & 0o777)
                pieces: Iterable[Any] = [content] if isinstance(content, bytes) else content
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            if new:
                _put_where_nothing_is(part, target)
            else:
                part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except FileExistsError:
        raise FileExistsError(f"there is a file {path} already") from None
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror or error}") from error


def _put_where_nothing_is(part: Path, target: Path) -> None:
    """Give `part` the name `target`; raise FileExistsError if something has that name."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError(target) from None
        part.replace(target)


def remove_parts(folder: Path) -> None:
    """Remove parts of files that no process writes any more: what writers that were killed left behind."""
    for part in folder.glob(".*.part"):
        if re.fullmatch(r"\..+\.[0-9a-z_]{8}\.part", part.name):
            try:
                with part.open("rb") as file:
                    abandoned = _hold(file)
                if abandoned:
                    part.unlink(missing_ok=True)
            except OSError:  # it belongs to somebody else
                continue


def _hold(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed; return whether no other process has locked it."""
    try:
        import fcntl
    except ImportError:  # Windows does not remove files that are open: no lock is needed
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def save_arrays(
    path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str], new: bool = False
) -> None:
    """Write named arrays and texts as a safetensors file, atomically, without a copy of them in memory.

    Raises
    ------
    TypeError
        For an array of a dtype that the format does not have.
    OSError
        As `write_atomically`, which explains `new` too.
    """
    ordered = {name: _little_endian(name, arrays[name]) for name in _in_file_order(arrays)}
    header: dict[str, Any] = {"__metadata__": {**metadata, CHECKSUM: _checksum(ordered.values())}}
    end = 0
    for name, array in ordered.items():
        start, end = end, end + array.nbytes
        dtype = DTYPES[array.dtype.name]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the arrays begin at a multiple of 8 bytes
    write_atomically(path, _pieces(len(text).to_bytes(8, "little") + text, ordered.values()), new)


def _in_file_order(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Return the names, large items first: so each array begins at a multiple of its item's size."""
    return sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))


def _little_endian(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.name not in DTYPES:
        raise TypeError(f"{name}: a safetensors file holds no {array.dtype}; it holds {', '.join(DTYPES)}")
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


def _pieces(head: bytes, arrays: Iterable[np.ndarray]) -> Iterator[Any]:
    yield head
    for array in arrays:
        yield array.reshape(-1).view(np.uint8).data


def _checksum(arrays: Iterable[np.ndarray]) -> str:
    total = 0
    for piece in _pieces(b"", arrays):
        total = zlib.crc32(piece, total)
    return f"{total:08x}"


def load_arrays(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read the named arrays and the texts of a safetensors file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is truncated, corrupt or another format, or its arrays are not those that were written. The
        message names the file. Nothing is allocated before the header's claims are compared with the file's
        size.
    """
    try:
        arrays, metadata = read_tensors(Path(path))
    except ValueError as error:
        raise FileError(str(error)) from error
    written = metadata.pop(CHECKSUM, None)
    if written is not None and written != _checksum(arrays[name] for name in _in_file_order(arrays)):
        raise FileError(f"{path} is damaged: its arrays are not those that were written (checksum)")
    return arrays, metadata


def read_json(path: Path, most: int) -> Any:
    """Return what a JSON file of at most `most` bytes says.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileError
        If it is something else, which is known before it is read: a named pipe would never end.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if not path.is_file():
        raise FileError(f"{path} is no regular file")
    if path.stat().st_size > most:
        raise FileError(f"{path} has {path.stat().st_size:,} bytes, at most {most:,} fit")
    try:
        return parse_json(path.read_text(encoding="utf-8"), most)
    except ValueError as error:
        raise FileError(f"{path}: {error}") from error


def save_weights(path: str | Path, model: Module, config: Mapping[str, Any]) -> None:
    """Write a network's weights under PyTorch's keys, with `config`: what is needed to use them.

    Raises
    ------
    OSError
        As `write_atomically`.
    """
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    save_arrays(path, arrays, {"config": json.dumps(dict(config))})


def load_weights(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what `save_weights` wrote: the arrays, and the config.

    Raises
    ------
    FileNotFoundError, ValueError
        As `load_arrays`; and if no config is with the weights.
    """
    arrays, metadata = load_arrays(path)
    if "config" not in metadata:
        raise FileError(
            f"{path} does not say which network it belongs to: there is no config in it. If it is PyTorch's, "
            "build the network and call model.load_state_dict(tinycnn.storage.load_arrays(path)[0])"
        )
    try:
        config = parse_json(metadata["config"], MOST_CONFIG)
        if not isinstance(config, dict):
            raise ValueError("it is no JSON object")  # noqa: TRY004 (of a file)
    except ValueError as error:
        raise FileError(f"{path} does not say which network it belongs to: its config: {error}") from error
    return arrays, config
