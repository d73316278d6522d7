"""Download data files into the cache folder. A file appears there complete and checked, or not at all."""

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tinycnn.data.files import CHUNK, naming, open_plain_or_gzip

TIMEOUT = 20  # seconds without an answer until the next mirror is tried
MAX_BYTES = 128 << 20  # of a file, packed or unpacked; MNIST's largest has 47 MB


def cache_folder() -> Path:
    """Return the folder for downloads: ``TINYCNN_DATA``, or the cache folder of this system's users."""
    import pooch

    try:
        return Path(os.environ.get("TINYCNN_DATA") or pooch.os_cache("tinycnn")).expanduser()
    except RuntimeError:  # pathlib finds no home folder
        raise OSError("there is no home folder to download to: set TINYCNN_DATA to a folder") from None


def download(file: str, sha256: str, mirrors: Sequence[str], folder: Path) -> Path:
    """Fetch `file` into `folder` from the first of the `mirrors` that has the right bytes.

    A mirror that sends more than 128 MiB, packed or unpacked, is not used.

    Parameters
    ----------
    file
        Its name, which follows each mirror's address, and which it gets in `folder`.
    sha256
        The checksum of the UNCOMPRESSED bytes: mirrors compress in their own ways.
    mirrors
        Addresses of folders.
    folder
        It is made if it is missing.

    Raises
    ------
    ConnectionError
        Names every mirror and why it did not serve.
    """
    import pooch

    fetch = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=CHUNK, timeout=TIMEOUT)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{file}.{os.getpid()}.part"
    failures = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{file}"
        try:
            with part.open("wb") as stream:
                fetch(url, _Limited(stream), None)
            _check_sha256(part, sha256)
            part.replace(folder / file)
            return folder / file
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            failures.append(f"  {url}: {error}")
        finally:
            part.unlink(missing_ok=True)
    raise ConnectionError("\n".join([f"no mirror served {file}:", *failures]))


class _Limited:
    """A file that refuses to grow beyond `MAX_BYTES`."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream

    def write(self, chunk: bytes) -> int:
        """Write a chunk, or raise ValueError if the file would become too large."""
        _refuse_more_than_expected(self.stream.tell() + len(chunk))
        return self.stream.write(chunk)

    def flush(self) -> None:
        """Pass what was written on to the file."""
        self.stream.flush()


def _refuse_more_than_expected(nbytes: int) -> None:
    if nbytes > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES:,} bytes: this cannot be the right file")


def _check_sha256(path: Path, expected: str) -> None:
    digest, total = hashlib.sha256(), 0
    with open_plain_or_gzip(path) as (stream, _), naming("what came is not the right file"):
        while chunk := stream.read(CHUNK):
            total += len(chunk)
            _refuse_more_than_expected(total)
            digest.update(chunk)
        if digest.hexdigest() != expected:
            raise ValueError(f"its uncompressed sha256 is {digest.hexdigest()}, expected {expected}")
