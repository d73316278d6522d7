"""CuPy's `ElementwiseKernel` and `ReductionKernel` on NumPy arrays: the same C++, compiled for the CPU.

So a formula that a GPU would run is run, not another one that says the same. Needs a C++ compiler.
"""

import ctypes
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
TYPES = {np.dtype("float32"): "float", np.dtype("float64"): "double", np.dtype("int64"): "int64_t"}
SOURCE = """
#include <cmath>
#include <cstddef>
#include <cstdint>
using namespace std;
extern "C" void run(ptrdiff_t n, void** arguments) {{
    typedef {T} T;
{whole}
    for (ptrdiff_t i = 0; i < n; ++i) {{
{element}
{body}
    }}
}}
"""


class Parameter:
    """One of "raw T z" or "int64 label"."""

    def __init__(self, text):
        self.raw, self.type, self.name = re.fullmatch(r"(raw )?(\w+) (\w+)", text.strip()).groups()

    def dtype(self, T):
        return T if self.type == "T" else np.dtype(self.type)


def parameters(text):
    return [Parameter(part) for part in text.split(",")]


@cache
def _folder():
    return tempfile.TemporaryDirectory(prefix="tinycnn-kernels-")


@cache
def _compiled(source):
    path = Path(_folder().name) / f"{len(list(Path(_folder().name).iterdir()))}.cpp"
    path.write_text(source)
    library = path.with_suffix(".so")
    subprocess.run([COMPILER, "-std=c++17", "-O1", "-shared", "-fPIC", path, "-o", library], check=True)
    return ctypes.CDLL(str(library)).run


class ElementwiseKernel:
    """On NumPy arrays; all arrays of type T must be of one dtype, as CuPy demands."""

    def __init__(self, in_params, out_params, operation, name):
        self.inputs, self.outputs = parameters(in_params), parameters(out_params)
        self.operation, self.name = operation, name

    def __call__(self, *arguments):
        given = self.inputs + self.outputs
        if len(arguments) == len(self.inputs):
            arguments = (*arguments, *(None for _ in self.outputs))
        assert len(arguments) == len(given), f"{self.name}: wrong number of arguments"
        pairs = list(zip(given, arguments, strict=True))
        arrays = [(p, a) for p, a in pairs if isinstance(a, np.ndarray)]
        (T,) = {a.dtype for p, a in arrays if p.type == "T"}
        assert all(a.dtype == p.dtype(T) for p, a in arrays), f"{self.name}: type is mismatched"
        shape = np.broadcast_shapes(*(a.shape for p, a in arrays if not p.raw))
        buffers, results = [], []
        for p, a in pairs:
            if a is None:
                assert not p.raw, f"{self.name}: a raw result must be given"
                a = np.empty(shape, T)
            is_output = p in self.outputs
            if isinstance(a, np.ndarray) and not p.raw:
                assert a.shape == shape or not is_output, f"{self.name}: a result has another shape"
                buffers.append(np.array(np.broadcast_to(a, shape), order="C"))
            else:
                buffers.append(np.array(a, p.dtype(T), order="C"))
            if is_output:
                results.append((a, buffers[-1]))
        self._run(T, pairs, buffers, int(np.prod(shape)))
        for a, buffer in results:
            a[...] = buffer
        return results[0][0] if len(results) == 1 else tuple(a for a, _ in results)

    def _run(self, T, pairs, buffers, n):
        whole, element = [], []
        for number, (p, a) in enumerate(pairs):
            kind = TYPES[p.dtype(T)]
            pointer = f"(({kind}*)arguments[{number}])"
            constant = "" if p in self.outputs else "const "
            if p.raw:
                whole.append(f"{constant}{kind}* {p.name} = {pointer};")
            elif isinstance(a, np.ndarray) or a is None:
                element.append(f"{constant}{kind}& {p.name} = {pointer}[i];")
            else:
                whole.append(f"const {kind} {p.name} = *{pointer};")
        lines = {"whole": "\n".join(whole), "element": "\n".join(element), "body": self.operation}
        run = _compiled(SOURCE.format(T=TYPES[T], **lines))
        run(ctypes.c_ssize_t(n), (ctypes.c_void_p * len(buffers))(*(b.ctypes.data for b in buffers)))


RAW = """
#include <cmath>
#include <cstddef>
#include <cstdint>
using namespace std;
struct Index {{ unsigned x, y, z; }};
static Index blockIdx, threadIdx, blockDim, gridDim;
#define __global__
{code}
extern "C" void run(const unsigned* sizes, void** arguments) {{
    gridDim = {{sizes[0], sizes[1], 1}}, blockDim = {{sizes[2], 1, 1}};
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
        for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x)
            for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x)
                {name}({arguments});
}}
"""


class RawKernel:
    """All threads one after the other: for kernels whose threads need nothing of each other.

    Arguments are addresses of arrays, or NumPy arrays without dimensions that are passed by value.
    """

    def __init__(self, code, name):
        (declared,) = re.findall(rf"{name}\(([^)]*)\)", code)
        types = [part.rpartition(" ")[0].strip() for part in declared.split(",")]
        values = ", ".join(f"*({kind}*)arguments[{i}]" for i, kind in enumerate(types))
        self.source = RAW.format(code=code, name=name, arguments=values)

    def __call__(self, grid, block, arguments):
        values = [np.array(a.ctypes.data, np.uintp) if a.ndim else a for a in arguments]
        sizes = (ctypes.c_uint * 3)(grid[0], grid[1] if len(grid) > 1 else 1, block[0])
        _compiled(self.source)(sizes, (ctypes.c_void_p * len(values))(*(v.ctypes.data for v in values)))


class ReductionKernel:
    """Sums only, which is all that is asked for."""

    def __init__(self, in_params, out_params, map_expr, reduce_expr, post_map_expr, identity, name):
        assert (out_params, reduce_expr, post_map_expr, identity) == ("T out", "a + b", "out = a", "0")
        names = {p.name for p in parameters(in_params)}
        assert not names & {"a", "b"}, "the sum's own names"
        self.terms = ElementwiseKernel(in_params, out_params, f"out = {map_expr};", name)

    def __call__(self, *arguments, axis):
        return self.terms(*arguments).sum(axis=axis)
