"""Files of pruned networks: one bit for each weight says whether it is there, then only those that are."""

import json
import math
from pathlib import Path

import numpy as np

from tinycnn.nn import Module
from tinycnn.schema import Fields, Integer, ListOf, parse_json
from tinycnn.storage import MOST_CONFIG, FileError, load_arrays, save_arrays

BITS, VALUES = ":bits", ":values"
SHAPES = Fields({}, others=ListOf(Integer(0, 1 << 62), 0, 64))  # NumPy's arrays have at most 64 dimensions


def save_sparse(path: Path, model: Module) -> None:
    """Write a network's weights as a safetensors file without their zeros.

    A weight of shape s becomes two arrays: ``name:bits``, a bit for each place, and ``name:values``, the
    numbers that are not 0, in order. Arrays that get no smaller by this are written as they are.
    """
    arrays, shapes = {}, {}
    for name, tensor in model.state_dict().items():
        array = tensor.numpy()
        there = array != 0
        bits, values = np.packbits(there), array[there]
        if array.ndim > 1 and bits.nbytes + values.nbytes < array.nbytes:
            arrays[name + BITS], arrays[name + VALUES] = bits, values
            shapes[name] = list(array.shape)
        else:
            arrays[name] = array
    save_arrays(path, arrays, {"sparse": json.dumps(shapes)})


def load_sparse(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays that `save_sparse` wrote, with their zeros, for `load_state_dict`.

    Raises FileNotFoundError, or ValueError if it is damaged or another file. Nothing is allocated beyond
    eight times the bits that are there.
    """
    arrays, metadata = load_arrays(path)
    if "sparse" not in metadata:
        raise FileError(f"{path} was not written by save_sparse; storage.load_arrays may read it")
    try:
        shapes = SHAPES.check(parse_json(metadata["sparse"], MOST_CONFIG))
    except ValueError as error:
        raise FileError(f"{path}: it does not say which shapes its arrays have: {error}") from None
    result = {name: array for name, array in arrays.items() if ":" not in name}
    for name, shape in shapes.items():
        bits, values = arrays.get(name + BITS), arrays.get(name + VALUES)
        if bits is None or values is None or bits.dtype != np.uint8 or bits.ndim != 1 or values.ndim != 1:
            raise FileError(f"{path}: {name}: its bits or its values are missing")
        count = math.prod(shape)
        there = np.unpackbits(bits)
        if -(-count // 8) != len(bits) or int(there[:count].sum()) != len(values):
            raise FileError(f"{path}: {name}: shape {tuple(shape)}, bits and values do not fit together")
        dense = np.zeros(count, values.dtype)
        dense[there[:count].astype(bool)] = values
        result[name] = dense.reshape(shape)
    return result
