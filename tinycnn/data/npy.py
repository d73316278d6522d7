"""Read NumPy's files, .npy and .npz: only numbers, never a pickle. Headers are checked against the size."""

import io
import math
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np

from tinycnn.data import files
from tinycnn.data.files import MAX_DEFLATE_RATIO, naming, read_exactly

MAX_HEADER = 12 + 10_000  # bytes: magic, version and length, then as much as NumPy parses


def read_npy(path: str | Path) -> np.ndarray:
    """Return the array in a .npy file as a read-only memory map.

    Raises FileNotFoundError, or ValueError with the file's name: if it is no regular file (for example a
    named pipe) or no .npy file, holds something else than numbers, or its header does not match its size.
    """
    path = Path(path)
    files.require_regular_file(path)
    with path.open("rb") as stream, naming(path):
        shape, order, dtype, offset = _parse_header(stream.read(MAX_HEADER), path.stat().st_size)
        array = np.memmap(path, dtype, mode="r", offset=offset, shape=shape, order=order)
        return np.asarray(array)  # still mapped, as a plain array


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """Return all arrays in a .npz file (stored, or compressed with deflate) by their names.

    It raises what `read_npy` does, for the archive and every array in it; also if all together would unpack
    to more than 768 MiB, which is checked before any memory is allocated.
    """
    path = Path(path)
    files.require_regular_file(path)
    with path.open("rb") as raw, naming(path), zipfile.ZipFile(raw) as archive:
        members = archive.infolist()
        packed = sum(member.compress_size for member in members)
        if packed > path.stat().st_size:
            raise ValueError(f"its members claim {packed} packed bytes, more than the file has")
        files.refuse_unpacking(sum(member.file_size for member in members))
        return {member.filename.removesuffix(".npy"): _read_member(archive, member) for member in members}


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with naming(member.filename):
        ratios = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: MAX_DEFLATE_RATIO}
        if member.flag_bits & 1 or member.compress_type not in ratios:
            raise ValueError("encrypted, or packed otherwise than numpy.savez and savez_compressed do")
        most = member.compress_size * ratios[member.compress_type]
        if member.file_size > most:
            raise ValueError(
                f"{member.file_size} bytes are claimed, its {member.compress_size} packed bytes "
                f"cannot hold more than {most}"
            )
        with archive.open(member) as stream:
            data = read_exactly(stream, min(MAX_HEADER, member.file_size))
            shape, order, dtype, offset = _parse_header(data, member.file_size)
            read_exactly(stream, member.file_size, data)
        return np.frombuffer(data, dtype, offset=offset).reshape(shape, order=order)


def _parse_header(
    start: bytes | bytearray, size: int
) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype, int]:
    """Return shape, order, dtype and offset of a .npy file that has `size` bytes and starts with `start`."""
    from numpy.lib import format as npy

    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    stream = io.BytesIO(start)
    try:
        version = npy.read_magic(stream)
        if version not in readers:
            raise ValueError(f"format version {version}, known are {', '.join(map(str, readers))}")
        shape, fortran_order, dtype = readers[version](stream)
    except Exception as error:  # the header is a Python literal: parsing a damaged one can raise anything
        raise ValueError(f"not a .npy array ({error})") from error
    if dtype.hasobject:
        raise ValueError("it holds Python objects, that is a pickle, which is never loaded: save numbers")
    if dtype.kind not in "biufc":
        raise ValueError(f"it holds {dtype}, not numbers")
    if any(n < 1 for n in shape):
        raise ValueError(f"the array is empty: its shape is {shape}")
    claimed = stream.tell() + math.prod(shape) * dtype.itemsize
    if claimed != size:
        raise ValueError(f"the header says {shape} {dtype}, so {claimed} bytes; there are {size} bytes")
    return shape, "F" if fortran_order else "C", dtype, stream.tell()
