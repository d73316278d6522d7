"""Update rules for many parameters in one launch, for CuPy arrays.

A network has a few large parameters and many small ones. A launch for each would take Python and the driver
longer than the arithmetic. Here one launch gets a table: the addresses of the arrays of up to `MOST`
parameters, their sizes and the numbers of the rule. The table is an argument of the kernel, passed by value:
nothing is copied to the GPU beforehand. Row ``blockIdx.y`` of the blocks works on one parameter.

In a CUDA graph (`tinycnn.graphed`) such arguments never change, but Adam's numbers depend on the count of
steps. There the kernel reads them from an array on the GPU, which `write_numbers` fills before every replay.
"""

from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from .arrays import Array, array_module

MOST = 24  # parameters in one launch: arguments of a kernel take 4 KiB at most
COUNT = 10  # numbers of one parameter
THREADS, MOST_BLOCKS = 256, 1024
EACH = 4  # elements for one thread, if there are not more than the largest grid does so
TYPES = {"f": "float", "d": "double"}

TABLE = """
typedef {T} T;
struct Table {{
    unsigned long long theta[{MOST}], g[{MOST}], first[{MOST}], second[{MOST}];
    long long size[{MOST}];
    T numbers[{MOST}][{COUNT}];
}};
#define NUMBER(k) (given ? given[p * {COUNT} + k] : table.numbers[p][k])
"""

# What all rules begin with: the gradient with the penalties of Eq. 8.
ALL = """
extern "C" __global__ void NAME(const Table table, const T* given) {
    const int p = blockIdx.y;
    const T l2 = NUMBER(0), l1 = NUMBER(1);
NUMBERS
    T* theta = (T*)table.theta[p];
    const T* gradient = (const T*)table.g[p];
    T* first = (T*)table.first[p];
    T* second = (T*)table.second[p];
    const long long all = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < table.size[p]; i += all) {
        T x = theta[i], g = gradient[i];
        if (l2 != T(0)) g += l2 * x;
        if (l1 != T(0)) g += l1 * (x > T(0) ? T(1) : x < T(0) ? T(-1) : x);
FORMULA
        theta[i] = x;
    }
}
"""

# By name: the rule's numbers behind l2 and l1, and what it does to x, one element of theta.
RULES = {
    "adam": (
        ("decay", "beta1", "rest1", "beta2", "rest2", "step", "scale", "eps"),
        """
x *= decay;
const T m = beta1 * first[i] + rest1 * g;
const T v = beta2 * second[i] + rest2 * g * g;
first[i] = m;
second[i] = v;
x -= step * m / (sqrt(v) * scale + eps);
""",
    ),
    "sgd": (
        ("lr", "momentum", "nesterov"),
        """
if (first) {
    const T v = momentum * first[i] + g;
    first[i] = v;
    g = nesterov != T(0) ? g + momentum * v : v;
}
x -= lr * g;
""",
    ),
}

WRITE = """
extern "C" __global__ void NAME(const Table table, T* given) {
    const int k = threadIdx.x;
    given[blockIdx.x * COUNT + k] = table.numbers[blockIdx.x][k];
}
""".replace("COUNT", str(COUNT))


def source(name: str, T: str) -> str:
    """Return the CUDA C++ of a rule, or of ``write``, for arrays of the C type `T`."""
    table = TABLE.format(T=T, MOST=MOST, COUNT=COUNT)
    if name == "write":
        return table + WRITE.replace("NAME", f"tinycnn_{name}")
    names, formula = RULES[name]
    numbers = "\n".join(f"    const T {n} = NUMBER({k});" for k, n in enumerate(names, start=2))
    body = ALL.replace("NUMBERS", numbers).replace("FORMULA", formula)
    return table + body.replace("NAME", f"tinycnn_{name}")


def table_of(dtype: np.dtype) -> np.dtype:
    """Return the layout of the table: the struct of `TABLE`."""
    addresses = [(name, np.uint64, (MOST,)) for name in ("theta", "g", "first", "second")]
    return np.dtype([*addresses, ("size", np.int64, (MOST,)), ("numbers", dtype, (MOST, COUNT))])


@cache
def _kernel(cupy: ModuleType, name: str, character: str) -> Any:
    return cupy.RawKernel(source(name, TYPES[character]), f"tinycnn_{name}")


def adam(parameters: Sequence[Sequence[Array]], numbers: Sequence[Sequence[float]] | Array) -> bool:
    """Make one step of Adam or AdamW of all parameters in place; see `tinycnn.optim.Adam`.

    Parameters
    ----------
    parameters
        theta, g, m and v of each.
    numbers
        l2, l1 and those of ``RULES["adam"]`` for each parameter, or an array of `write_numbers`.

    Returns
    -------
    bool
        Whether it was done: False if arrays are not contiguous, or not all of one type.
    """
    return _update("adam", parameters, numbers)


def sgd(parameters: Sequence[Sequence[Array]], numbers: Sequence[Sequence[float]] | Array) -> bool:
    """Make one step of SGD of all parameters in place; see `tinycnn.optim.SGD` and `adam`.

    A parameter is theta and g, and with momentum the velocity.
    """
    return _update("sgd", parameters, numbers)


def write_numbers(numbers: Sequence[Sequence[float]], to: Array) -> None:
    """Write one row of numbers for each parameter into an array (parameters, `COUNT`) on the GPU.

    They travel as arguments of a kernel: no copy is made that Python or the GPU would wait for.
    """
    for start in range(0, len(numbers), MOST):
        rows = numbers[start : start + MOST]
        table = np.zeros((), table_of(to.dtype))
        _put(table, rows)
        _kernel(array_module(to), "write", to.dtype.char)((len(rows),), (COUNT,), (table, to[start:]))


def _update(
    name: str, parameters: Sequence[Sequence[Array]], numbers: Sequence[Sequence[float]] | Array
) -> bool:
    like = parameters[0][0]
    if not all(_is_like(array, like) for arrays in parameters for array in arrays):
        return False
    cupy, given = array_module(like), hasattr(numbers, "dtype")
    kernel = _kernel(cupy, name, like.dtype.char)
    for start in range(0, len(parameters), MOST):
        part = parameters[start : start + MOST]
        table = np.zeros((), table_of(like.dtype))
        columns = "theta", "g", "first", "second"
        for column, arrays in zip(columns, zip(*part, strict=True), strict=False):
            table[column][: len(part)] = [array.data.ptr for array in arrays]
        sizes = [arrays[0].size for arrays in part]
        table["size"][: len(part)] = sizes
        if not given:
            _put(table, numbers[start : start + MOST])
        rows = numbers[start:] if given else np.array(0, np.uintp)  # no array: the table's own numbers
        blocks = min(MOST_BLOCKS, max(1, -(-max(sizes) // (THREADS * EACH))))
        kernel((blocks, len(part)), (THREADS,), (table, rows))
    return True


def _put(table: Any, rows: Sequence[Sequence[float]]) -> None:
    """Write the numbers of parameters into a table."""
    for i, row in enumerate(rows):
        table["numbers"][i, : len(row)] = row


def _is_like(array: Array, like: Array) -> bool:
    """Return whether a kernel that runs through `like` can run through `array` too."""
    return type(array) is type(like) and array.dtype == like.dtype and bool(array.flags.c_contiguous)
