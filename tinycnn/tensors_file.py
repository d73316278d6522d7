"""Reading safetensors files, also those of other programs; and saying what a file is instead."""

import json
from pathlib import Path

import numpy as np

# What NumPy has a type for, by the format's names.
PLAIN = {"BOOL", "F16", "F32", "F64", "C64", *(f"{kind}{bits}" for kind in "IU" for bits in (8, 16, 32, 64))}

LONGEST_HEADER = 100_000_000  # bytes; the format's own limit

PICKLE = (
    "holds a pickle, as torch.save writes it (.pth, .pt). To load one can run any code, so it is never done. "
    "Convert it where PyTorch is: safetensors.torch.save_file(torch.load(path, weights_only=True), new_path)"
)
OTHER_FILES = {  # by their first bytes
    b"version https://git-lfs": "is a pointer of Git LFS, not the file itself: fetch that with git lfs pull",
    b"PK\x03\x04": PICKLE,
    b"\x80": PICKLE,
    b"\x89HDF": "is an HDF5 file, as Keras writes: convert it to safetensors",
    b"\x1f\x8b": "is compressed with gzip: unpack it first",
    b"<": "is a web page or XML: the download went wrong",
}


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the named arrays and the texts of a safetensors file; bfloat16 becomes float32.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is truncated, corrupt or another format, or an array has a type that NumPy lacks: names the
        file. Nothing is allocated before the header's claims are compared with the file's size.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    _refuse_other_files(path)
    try:
        with safe_open(path, framework="np") as file:
            types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
            for name, kind in types.items():
                if kind not in PLAIN and kind != "BF16":
                    raise ValueError(f"{path}: {name!r:.80} has the type {kind}: save it as float32 (F32)")
            arrays = {name: file.get_tensor(name) for name, kind in types.items() if kind != "BF16"}
            metadata = dict(file.metadata() or {})
    except SafetensorError as error:
        raise ValueError(f"{path} is no whole safetensors file: {error!s:.200}") from error
    if len(arrays) < len(types):
        arrays |= _bfloat16(path, [name for name, kind in types.items() if kind == "BF16"])
    return {name: arrays[name] for name in types}, metadata


def _refuse_other_files(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(32)
    if int.from_bytes(start[:8], "little") <= LONGEST_HEADER:
        return  # a safetensors file begins with the length of its header
    for magic, what in OTHER_FILES.items():
        if start.startswith(magic):
            raise ValueError(f"{path} is no whole safetensors file: it {what}")


def _bfloat16(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Return arrays of bfloat16, the upper half of a float32, from a file whose header was checked."""
    arrays = {}
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        for name in names:
            begin, end = header[name]["data_offsets"]
            file.seek(8 + length + begin)
            bits = np.frombuffer(file.read(end - begin), "<u2").astype(np.uint32) << 16
            arrays[name] = bits.view(np.float32).reshape(header[name]["shape"])
    return arrays
