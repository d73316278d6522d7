"""Reading files that may be damaged or hostile: nothing is allocated on a header's word alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import IO, TypeAlias

Stream: TypeAlias = IO[bytes] | BufferedIOBase  # an open file, or what gzip and zip make of it

GZIP_MAGIC = b"\x1f\x8b"
MAX_DEFLATE_RATIO = 1032  # deflate spends at least 2 bits on 258 bytes, the longest repetition it can state
CHUNK = 1 << 20  # bytes


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Turn whatever goes wrong with the contents of a file into a ValueError that names the file."""
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


def read_exactly(stream: Stream, nbytes: int) -> bytearray:
    """Read `nbytes` bytes chunk by chunk: the memory grows with what is there, not with what is claimed.

    Raises
    ------
    ValueError
        Where the stream ends too soon.
    """
    data = bytearray()
    while len(data) < nbytes:
        chunk = stream.read(min(CHUNK, nbytes - len(data)))
        if not chunk:
            raise ValueError(f"truncated: {len(data)} of {nbytes} bytes are there")
        data += chunk
    return data


def expect_end(stream: Stream) -> None:
    """Refuse bytes after the data. Reading on to the end also checks gzip's checksum."""
    if stream.read(1):
        raise ValueError("there are bytes left over after the data that the header announces")
