"""Everything that a kernel is written with, in one place, so that the toolchain can be changed here.

``kernel``
    makes a `Kernel` of a function: compiled for the GPU at its first launch (`launch`)
``device``
    marks a function that kernels call
``cuda``
    the names that mean something in a kernel: threadIdx, blockIdx, syncthreads, local.array, ...
``shared``, ``load4``, ``store4``, ``divide``, ``to_tf32``, ``cut_to_tf32``, ``mma``
    what Numba has no name for, built from its `intrinsic`
``copy4_or_zero``, ``commit_copies``, ``all_but``
    copies that run while the threads compute, built in the same way

A kernel sees every array as a pointer to its first element: a launch then passes one address an array instead
of seven numbers, and ``x[i]`` has none of Python's rules for a negative i. All other arguments are int32,
or a tuple of int32: a geometry.

With ``NUMBA_ENABLE_CUDASIM=1`` set before Numba is imported the kernels run in Numba's simulator, a Python
thread for every thread of the GPU, on NumPy arrays: slow, and as open to a debugger as any Python.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numba import types

from .launch import Kernel as Kernel
from .launch import Kinds as Kinds
from .launch import kernel as kernel
from .toolchain import SIMULATED as SIMULATED
from .toolchain import why_not as why_not

VECTOR = 4  # float32 in one load of 128 bits
SHARED_BYTES = 48 << 10  # what a block gets on every GPU without asking for more
MOST_BLOCKS = 65535  # along y and z of a grid
ZERO = np.float32(0)  # the literal 0.0 is a float64, and so would be every sum that begins with it

int32: Any = int if SIMULATED else types.int32  # a conversion
INT32: Any = np.dtype("int32") if SIMULATED else types.int32  # what an array holds
FLOAT32: Any = np.dtype("float32") if SIMULATED else types.float32

_words: Any = importlib.import_module(".simulated" if SIMULATED else ".intrinsics", __package__)
cuda, device, shared, load4, store4, divide = (
    getattr(_words, name) for name in ("cuda", "device", "shared", "load4", "store4", "divide")
)
copy4_or_zero, commit_copies, all_but = (
    getattr(_words, name) for name in ("copy4_or_zero", "commit_copies", "all_but")
)
to_tf32, cut_to_tf32, mma = (getattr(_words, name) for name in ("to_tf32", "cut_to_tf32", "mma"))
