"""Compiled code on the disk: where it is kept, and files that are whole or not read at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path


def folder() -> Path:
    """Return where compiled code is kept: below ``NUMBA_CACHE_DIR``, or in the user's cache folder.

    Raises
    ------
    RuntimeError
        If the user has no home.
    """
    chosen = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    return (Path(chosen) if chosen else Path.home() / ".cache") / "tinycnn" / "kernels"


def read(path: Path) -> bytes | None:
    """Return what `write` wrote there, or None if there is nothing or it is damaged."""
    try:
        if not path.is_file():  # nothing there, or a pipe, which reading would wait for
            return None
        content = path.read_bytes()
    except OSError:
        return None
    data = content[32:]
    return data if content[:32] == _checksum(path, data) else None


def write(path: Path, data: bytes) -> None:
    """Write a file at once: a process that reads meanwhile sees the old file or the new one.

    Raises
    ------
    OSError
        If the folder cannot be made; nothing is raised if the disk is full, and nothing is left there then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        try:
            part.write(_checksum(path, data) + data)
            part.close()
            Path(part.name).replace(path)
        except OSError:
            Path(part.name).unlink()


def _checksum(path: Path, data: bytes) -> bytes:
    """Return 32 bytes that only this content under this name has."""
    return hashlib.sha256(path.name.encode() + data).digest()
