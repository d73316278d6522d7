"""Compiled code on the disk: where it is kept, and files that are whole or not read at all.

Every version of sources, Python and compilers has a folder of its own (`folder_of`). A new version would
leave the code of the old ones for ever. So a process that writes its first file removes all folders but the
`VERSIONS` that were used last. A process that uses one of those meanwhile compiles again, and loses nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

VERSIONS = 4  # of each kind that are kept: two checkouts or two Pythons must not remove each other's
NAME = re.compile(r"(?:(\w+)-)?[0-9a-f]{16}")  # of a version's folder: the kind of code, and a hash
SUFFIXES = (".bin", ".cubin", ".part")  # of the files that are written here
_known: set[Path] = set()  # folders whose use this process has noted


def folder() -> Path:
    """Return where compiled code is kept: below ``NUMBA_CACHE_DIR``, or in the user's cache folder.

    Raises
    ------
    RuntimeError
        If the user has no home.
    """
    chosen = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    return (Path(chosen) if chosen else Path.home() / ".cache") / "tinycnn" / "kernels"


def folder_of(version: str, kind: str = "") -> Path:
    """Return the folder of one version, said by a hexadecimal hash, of one `kind` of code."""
    return folder() / "-".join(filter(None, (kind, version[:16])))


def read(path: Path) -> bytes | None:
    """Return what `write` wrote there, or None if there is nothing or it is damaged."""
    try:
        if not path.is_file():  # nothing there, or a pipe, which reading would wait for
            return None
        content = path.read_bytes()
    except OSError:
        return None
    data = content[32:]
    if content[:32] != _checksum(path, data):
        return None
    _note_use(path.parent)
    return data


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
    if _note_use(path.parent):
        _remove_old(path.parent)


def _note_use(used: Path) -> bool:
    """Note that a folder is used, at first; return whether it is the first time in this process."""
    if used in _known:
        return False
    _known.add(used)
    with suppress(OSError):  # the disk is not ours: then others remove nothing either
        os.utime(used)
    return True


def _remove_old(used: Path) -> None:
    """Remove the folders of versions of the same kind that were not used for the longest time.

    Other processes may read there, write there and remove there at the same time.
    """
    if (named := NAME.fullmatch(used.name)) is None:
        return
    found = []
    with suppress(OSError):
        for other in used.parent.iterdir():
            match = NAME.fullmatch(other.name)
            same_kind = match is not None and match[1] == named[1]
            if same_kind and other != used and not other.is_symlink():
                with suppress(OSError):  # another process has just removed it
                    found.append((other.stat().st_mtime_ns, other))
    for _, old in sorted(found, reverse=True)[VERSIONS - 1 :]:
        with suppress(OSError):  # something of another program's is in it, or another process writes there
            for file in old.iterdir():
                if file.suffix in SUFFIXES and (file.is_file() or file.is_symlink()):
                    file.unlink(missing_ok=True)
            old.rmdir()


def _checksum(path: Path, data: bytes) -> bytes:
    """Return 32 bytes that only this content under this name has."""
    return hashlib.sha256(path.name.encode() + data).digest()
