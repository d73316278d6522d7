"""Read files that may be damaged or hostile: no memory is allocated only because a header asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import IO, TypeAlias

Stream: TypeAlias = IO[bytes] | BufferedIOBase  # an open file, or its contents unpacked

GZIP_MAGIC = b"\x1f\x8b"
MAX_DEFLATE_RATIO = 1032  # deflate needs at least 2 bits for 258 bytes, its longest repetition
CHUNK = 1 << 20  # bytes
MAX_UNPACKED = 768 << 20  # bytes that a compressed file may unpack to


def require_regular_file(path: Path) -> None:
    """Raise FileNotFoundError, or ValueError for what is no regular file: reading a pipe may never end."""
    if path.is_file():
        return
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    kind = "a folder" if path.is_dir() else "a pipe, a socket or a device"
    raise ValueError(f"{path} is {kind}, not a regular file")


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Turn any error in the contents of a file into a ValueError that names the file."""
    try:
        yield
    except Exception as error:  # damage surfaces as OSError, EOFError, zlib.error, struct.error, ...
        raise ValueError(f"{path}: {error}") from error


@contextmanager
def open_plain_or_gzip(path: Path) -> Iterator[tuple[Stream, bool]]:
    """Open a file and say whether it is gzip, which its first two bytes decide and not its name."""
    import gzip

    with path.open("rb") as raw:
        gzipped = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        raw.seek(0)
        if gzipped:
            with gzip.GzipFile(fileobj=raw) as stream:
                yield stream, True
        else:
            yield raw, False


def read_exactly(stream: Stream, nbytes: int, data: bytearray | None = None) -> bytearray:
    """Append bytes of the stream to `data`, by default empty, until it has `nbytes`; return it.

    The stream is read in chunks: the memory grows with the bytes that are there, not with a header's claim.
    Raises ValueError if it ends too soon.
    """
    data = bytearray() if data is None else data
    while len(data) < nbytes:
        chunk = stream.read(min(CHUNK, nbytes - len(data)))
        if not chunk:
            raise ValueError(f"truncated: {len(data)} of {nbytes} bytes are there")
        data += chunk
    return data


def refuse_unpacking(nbytes: int) -> None:
    """Raise ValueError if more than 768 MiB would be unpacked, which a file of less than 1 MB can ask for."""
    if nbytes > MAX_UNPACKED:
        raise ValueError(
            f"it would unpack to {nbytes:,} bytes; a compressed file may hold at most {MAX_UNPACKED:,}: "
            "unpack it first"
        )


def expect_end(stream: Stream) -> None:
    """Raise an error for bytes after the data. To read to the end also checks gzip's checksum."""
    if stream.read(1):
        raise ValueError("there are bytes left over after the data that the header announces")
