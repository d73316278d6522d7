"""A kernel's machine code, kept on the disk: a second process loads it and compiles nothing.

A file's name is a hash of all that determines the code (`_key`): the kernel with every function that it calls
and every constant of its closure, the text of this folder, the kinds of its arguments, the GPU's compute
capability, Numba's settings, and the versions of Python, NumPy, Numba and NVIDIA's compiler. If anything is
met of which that cannot be told, the kernel is compiled in every process.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from .. import kept

PACKAGES = ("numba", "numba-cuda", "llvmlite", "numpy", "cuda-bindings", "cuda-core")
LIBRARIES = ("nvvm", "nvJitLink")  # NVIDIA's compiler and linker
SIMPLE = (int, float, str, bytes, type(None), type(...), np.generic, np.dtype, types.Type, ir.Type)
INSTALLED = ("numba", "llvmlite", "numpy", "math")  # their version says what their functions do


def kept_or_built(
    function: Callable[..., None], how: tuple[Any, ...], build: Callable[[], tuple[str, bytes]]
) -> tuple[str, bytes]:
    """Return the name and the machine code of a kernel, from the disk if they are there, else from `build`.

    `how` says what determines the code beside the function. If the disk cannot be read or written, the kernel
    is built.
    """
    path = None
    with suppress(Exception):  # no home, or something that has no key
        name = f"{function.__name__}-{_key(function, how)[:32]}.cubin"
        path = kept.folder_of(_version(), "cuda") / name
        if content := kept.read(path):
            stored_name, _, stored = content.partition(b"\0")
            return stored_name.decode(), stored
    name, code = build()
    if path is not None:
        with suppress(Exception):  # no space, no permission: built again the next time
            kept.write(path, name.encode() + b"\0" + code)
    return name, code


def _version() -> str:
    """Return a hash of what compiles: code of another version is of no use any more."""
    return hashlib.sha256(repr(_toolchain()).encode()).hexdigest()


def _key(function: Callable[..., None], how: tuple[Any, ...]) -> str:
    """Return a hash of all that determines a kernel's code."""
    settings = sorted(item for item in os.environ.items() if item[0].startswith(("NUMBA_", "CUDA_HOME")))
    settings = [item for item in settings if item[0] != "NUMBA_CACHE_DIR"]
    said = _toolchain(), settings, how, _described(function, {})
    return hashlib.sha256(repr(said).encode()).hexdigest()


@cache
def _toolchain() -> tuple[Any, ...]:
    """Return what compiles: the sources of this folder, versions, and NVIDIA's libraries."""
    text = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        text.update(source.read_bytes())
    pathfinder: Any = importlib.import_module("cuda.pathfinder")
    files = [Path(pathfinder.load_nvidia_dynamic_lib(name).abs_path) for name in LIBRARIES]
    libraries = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return text.hexdigest(), sys.version, [metadata.version(name) for name in PACKAGES], libraries


def _described(value: Any, seen: dict[int, int]) -> Any:
    """Return a description of a function or of a value that it uses: the same in each process.

    Raises
    ------
    TypeError
        If that cannot be told.
    """
    if isinstance(value, SIMPLE):
        return type(value).__qualname__, repr(value)
    if isinstance(value, tuple | list):
        return type(value).__qualname__, [_described(v, seen) for v in value]
    if isinstance(value, frozenset):
        return "frozenset", sorted(repr(_described(v, seen)) for v in value)
    if isinstance(value, ModuleType) and value.__name__.startswith((*INSTALLED, f"{__package__}.")):
        return "module", value.__name__
    if isinstance(value, type | BuiltinFunctionType):
        return value.__module__, value.__qualname__
    if isinstance(value, CodeType):
        constants = _described(value.co_consts, seen)
        names = value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars
        return value.co_code, value.co_exceptiontable, value.co_flags, value.co_argcount, names, constants
    if getattr(value, "__module__", "").partition(".")[0] in INSTALLED and hasattr(value, "__qualname__"):
        return value.__module__, value.__qualname__
    if id(value) in seen:
        return "again", seen[id(value)]  # its number, as it was met
    seen[id(value)] = len(seen)
    if isinstance(value, FunctionType):
        cells = [_described(cell.cell_contents, seen) for cell in value.__closure__ or ()]
        inside = _names(value.__code__)
        used = [(n, _described(value.__globals__[n], seen)) for n in inside if n in value.__globals__]
        name = value.__module__, value.__qualname__
        defaults = value.__defaults__, tuple(sorted((value.__kwdefaults__ or {}).items()))
        return name, _described((value.__code__, defaults), seen), cells, used
    if hasattr(value, "py_func"):  # a function for kernels
        return sorted(map(repr, value.targetoptions.items())), _described(value.py_func, seen)
    if hasattr(value, "_defn"):  # an instruction of `intrinsics`
        return "intrinsic", _described(value._defn, seen)
    raise TypeError(f"the kernel uses {value!r}, of which no key can be made")


def _names(code: CodeType) -> list[str]:
    """Return the names that a function looks up, and those of the functions in it."""
    inner = [name for c in code.co_consts if isinstance(c, CodeType) for name in _names(c)]
    return sorted({*code.co_names, *inner})
