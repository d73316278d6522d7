"""Downloading data files into the cache folder: several mirrors, checked bytes, all or nothing."""

import os
from collections.abc import Sequence
from pathlib import Path

from tinycnn.data.files import CHUNK, naming, open_plain_or_gzip

TIMEOUT = 20  # seconds without an answer before the next mirror's turn


def cache_folder() -> Path:
    """Return the folder for downloads: ``TINYCNN_DATA``, or the one that is usual on this system."""
    import pooch

    return Path(os.environ.get("TINYCNN_DATA") or pooch.os_cache("tinycnn")).expanduser()


def download(file: str, sha256: str, mirrors: Sequence[str], folder: Path) -> Path:
    """Fetch `file` into `folder` from the first of the `mirrors` that has the right bytes.

    Parameters
    ----------
    file
        The name below each mirror's address, and in `folder`.
    sha256
        The checksum of the UNCOMPRESSED bytes: mirrors compress in their own ways.
    mirrors
        Addresses of folders.
    folder
        Made where it is missing. The file appears in it whole and checked, or not at all.

    Raises
    ------
    ConnectionError
        Names every mirror and why it did not serve.
    """
    import sys

    import pooch

    fetch = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=CHUNK, timeout=TIMEOUT)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{file}.{os.getpid()}.part"
    failures = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{file}"
        try:
            fetch(url, str(part), None)
            _check_sha256(part, sha256)
            part.replace(folder / file)
            return folder / file
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            failures.append(f"  {url}: {error}")
        finally:
            part.unlink(missing_ok=True)
    raise ConnectionError("\n".join([f"no mirror served {file}:", *failures]))


def _check_sha256(path: Path, expected: str) -> None:
    import hashlib

    digest = hashlib.sha256()
    with open_plain_or_gzip(path) as (stream, _), naming("what came is not the right file"):
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
        if digest.hexdigest() != expected:
            raise ValueError(f"its uncompressed sha256 is {digest.hexdigest()}, expected {expected}")
