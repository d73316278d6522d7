"""The IDX format of the MNIST files, plain or gzip.

An IDX file is: two zero bytes, one byte for the type, one byte for the number of dimensions, every
dimension as a big-endian 32-bit integer, then the array in C order, big-endian.
"""

import math
from pathlib import Path

import numpy as np

from tinycnn.data import files
from tinycnn.data.files import MAX_DEFLATE_RATIO, naming, read_exactly

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | Path) -> np.ndarray:
    """Return the array in an IDX file; gzip is recognised by its magic bytes.

    Raises FileNotFoundError, or ValueError with the file's name: if it is no regular file (for example a
    named pipe), its first four bytes are wrong, its size does not fit the header, it would unpack to more
    than 768 MiB (both are checked before any memory is allocated), it is truncated or damaged, or bytes are
    left over.
    """
    path = Path(path)
    files.require_regular_file(path)
    with files.open_plain_or_gzip(path) as (stream, gzipped), naming(path):
        magic = read_exactly(stream, 4)
        if magic[:2] != b"\0\0":
            raise ValueError(f"not an IDX file: it starts with {bytes(magic[:2])!r}, not with two zero bytes")
        if magic[2] not in TYPES:
            known = ", ".join(f"0x{code:02x}" for code in TYPES)
            raise ValueError(f"unknown IDX type 0x{magic[2]:02x}; there are {known}")
        dtype, ndim = np.dtype(TYPES[magic[2]]), magic[3]
        if not 1 <= ndim <= 64:
            raise ValueError(f"an array of {ndim} dimensions; NumPy has 1 to 64")
        shape = tuple(np.frombuffer(read_exactly(stream, 4 * ndim), ">u4").tolist())
        if 0 in shape:
            raise ValueError(f"the array is empty: its shape is {shape}")

        nbytes = math.prod(shape) * dtype.itemsize
        claimed = 4 + 4 * ndim + nbytes
        size = path.stat().st_size
        header, most = f"the header says {shape} {dtype.name}, so {claimed} bytes", size * MAX_DEFLATE_RATIO
        if claimed != size and not gzipped:
            raise ValueError(f"{header}; the file has {size} bytes")
        if claimed > most:
            raise ValueError(f"{header}; the file's {size} bytes of gzip cannot hold more than {most}")
        if gzipped:
            files.refuse_unpacking(nbytes)
        data = read_exactly(stream, nbytes)
        files.expect_end(stream)
        array = np.frombuffer(data, dtype.newbyteorder("=")).reshape(shape)
        return array if dtype.isnative else array.byteswap(inplace=True)  # in place: no second copy
