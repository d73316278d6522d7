"""A stand-in for CuPy, for machines without a GPU: computes with NumPy, and is as strict as CuPy.

No NumPy array is taken where CuPy takes none, nothing becomes one but through ``asnumpy``, and a reduction
gives an array without dimensions instead of a number. What is not defined here is NumPy's, made strict.

There is no memory for an array of more bytes than ``memory["largest"]``.
``waits`` grows by one entry for everything that would make Python wait for a GPU, because something comes
back from it: arrays, numbers, truth values, and sizes that depend on the data. ``uploads`` grows by one for
every array that goes there, ``launches`` for everything that a GPU would compute (no views). ``names`` are
the functions and methods that were NumPy's, ``calls`` how many arguments each was given, and which by name.
"""

import operator
from types import SimpleNamespace

import numpy as np

from tests.helpers import cxx_kernels, strict_graphs

__name__ = "cupy"
__version__ = "stand-in"

memory = {"largest": np.inf, "used": 3 << 30, "free": 1 << 30, "total": 8 << 30}
waits: list[str] = []
uploads: list[tuple[int, ...]] = []
launches: list[str] = []
names: set[str] = set()
calls: set[tuple[str, int, tuple[str, ...]]] = set()


def _wait(what):
    strict_graphs.refuse(what)
    waits.append(what)


class OutOfMemoryError(MemoryError):
    __module__ = "cupy.cuda.memory"

    def __init__(self, size, total, limit):
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes).")
        self._size = size


class ndarray:  # noqa: N801
    """NumPy's array in a box. ``base`` is the array that this one is a view of."""

    __module__ = "cupy"

    def __init__(self, host, base=None):
        self.host, self.base = host, base
        if base is None:
            strict_graphs.allocated()
        if base is None and host.nbytes > memory["largest"]:
            raise OutOfMemoryError(host.nbytes, memory["used"], 0)

    def __getattr__(self, name):
        if name.startswith("__"):  # __array_interface__ would hand the array over
            raise AttributeError(name)
        names.add(f"ndarray.{name}")
        value = getattr(self.host, name)
        if name in SIZED_BY_DATA:
            _wait(name)
        return _strict(value, self, f"ndarray.{name}") if callable(value) else _boxed(value, self)

    def __getitem__(self, key):
        keys = key if isinstance(key, tuple) else (key,)
        if any(isinstance(k, ndarray) and k.dtype == bool for k in keys):
            _wait("indexing by booleans")
        return _boxed(strict_graphs.compute(operator.getitem, (self.host, _unboxed(key)), {}), self)

    def __setitem__(self, key, value):
        if isinstance(value, tuple | list):
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")  # noqa: TRY004 (CuPy raises this)
        launches.append("setitem")
        strict_graphs.compute(operator.setitem, (self.host, _unboxed(key), _unboxed(value)), {})

    @property
    def data(self):
        return SimpleNamespace(ptr=self.host.ctypes.data, device_id=0)

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return _strict(getattr(ufunc, method))(*inputs, **options)

    def __array_function__(self, function, _, inputs, options):
        return _strict(function)(*inputs, **options)

    def __len__(self):
        return len(self.host)

    def get(self):
        _wait("get")
        return self.host.copy()

    def __repr__(self):
        _wait("repr")
        return repr(self.host)


def _number(name):
    def number(self):
        _wait(name)
        return getattr(self.host, name)()

    return number


for _name in ("__bool__", "__int__", "__float__", "__index__", "item", "tolist"):
    setattr(ndarray, _name, _number(_name))
SIZED_BY_DATA = {"nonzero", "argwhere", "flatnonzero", "unique", "bincount"}


def _unboxed(value):
    """Return `value` with NumPy's arrays for boxes; a NumPy array is refused, as CuPy does."""
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, tuple | list):
        return type(value)(map(_unboxed, value))
    return value


def _boxed(value, owner=None):
    if isinstance(value, tuple | list):
        return type(value)(_boxed(v, owner) for v in value)
    if isinstance(value, np.generic):
        return ndarray(np.asarray(value))
    if not isinstance(value, np.ndarray):
        return value
    view = isinstance(owner, ndarray) and np.may_share_memory(value, owner.host)
    return ndarray(value, (owner if owner.base is None else owner.base) if view else None)


def _strict(function, owner=None, name=None, launch=None):
    """Return `function` of NumPy as one of boxes; what it returns may be a view of `owner`.

    `launch` is what its launch is called; without, it is called as the function.
    """

    def strict(*inputs, **options):
        if name:
            calls.add((name, len(inputs), tuple(options)))
        options = {name: _unboxed(value) for name, value in options.items()}
        source = inputs[0] if owner is None and inputs else owner
        given = _unboxed(inputs)
        value = strict_graphs.compute(function, given, options, None if owner is None else owner.host)
        if launch or "out" in options or _starts(value, (*given, *([] if owner is None else [owner.host]))):
            launches.append(launch or name or getattr(function, "__name__", "?"))
        return _boxed(value, source)

    strict.at = _strict(function.at) if isinstance(function, np.ufunc) else None
    return strict


def ElementwiseKernel(*definition):
    return _strict(cxx_kernels.ElementwiseKernel(*definition), launch=definition[-1])


class RawKernel:
    """One that takes boxes, and NumPy arrays without dimensions: these are passed by value."""

    def __init__(self, code, name):
        self.kernel, self.name = cxx_kernels.RawKernel(code, name), name

    def __call__(self, grid, block, arguments):
        for a in arguments:
            assert isinstance(a, ndarray) or (isinstance(a, np.ndarray) and a.ndim == 0), type(a)
        launches.append(self.name)
        strict_graphs.start(
            self.kernel, grid, block, [a.host if isinstance(a, ndarray) else a for a in arguments]
        )


def ReductionKernel(*definition):
    return _strict(cxx_kernels.ReductionKernel(*definition), launch=definition[-1])


NO_LAUNCH = {"empty", "empty_like", "result_type", "asnumpy"}


def _starts(value, given):
    """Return whether a GPU would have to compute for this result: it is no view of what was given."""
    if value is None or isinstance(value, np.generic):
        return True
    if isinstance(value, tuple | list):
        return any(_starts(v, given) for v in value)
    if not isinstance(value, np.ndarray):
        return False
    arrays = [a for a in given if isinstance(a, np.ndarray)]
    return not any(np.may_share_memory(value, a) for a in arrays)


def _operators():
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
        function = getattr(operator, f"__{name}__")
        in_place = getattr(operator, f"__i{name}__")

        def of(a, b, function=function):
            launches.append(function.__name__)
            return _boxed(strict_graphs.compute(function, (_unboxed(a), _unboxed(b)), {}))

        def reflected(a, b, function=function):
            launches.append(function.__name__)
            return _boxed(strict_graphs.compute(function, (_unboxed(b), _unboxed(a)), {}))

        def assign(a, b, in_place=in_place):
            launches.append(in_place.__name__)
            a.host = strict_graphs.compute(in_place, (a.host, _unboxed(b)), {})
            return a

        yield from ((f"__{name}__", of), (f"__r{name}__", reflected))
        if name != "matmul":  # a @= b makes a new array, as CuPy has no such operator
            yield f"__i{name}__", assign
    for name in ("lt", "le", "gt", "ge", "eq", "ne", "neg", "abs", "invert"):
        yield f"__{name}__", _strict(getattr(operator, f"__{name}__"))


for _name, _operator in _operators():
    setattr(ndarray, _name, _operator)


def __getattr__(name):
    value = getattr(np, name)
    names.add(name)
    if name in SIZED_BY_DATA:
        _wait(name)
    if name in NO_LAUNCH and callable(value):
        return lambda *inputs, **options: _new_box(value(*_unboxed(inputs), **options))
    return _strict(value, name=name) if callable(value) and not isinstance(value, type) else value


def _new_box(value):
    """Return the result of a function without a launch as a box; an array, of ``empty``, is new memory."""
    if isinstance(value, np.ndarray):
        strict_graphs.allocated_for([value])
    return _boxed(value)


def asarray(value, dtype=None):
    if isinstance(value, ndarray):
        return value if dtype is None else value.astype(dtype, copy=False)
    strict_graphs.refuse("a copy to the GPU")
    uploads.append(np.shape(value))
    return ndarray(np.array(value, dtype))


def asnumpy(array):
    return array.get() if isinstance(array, ndarray) else np.asarray(array)


def unravel_index(indices, dims):
    return _strict(np.unravel_index)(indices.astype(int), dims)  # of arrays only: a number has no astype()


class _Ogrid:
    def __getitem__(self, key):
        return _boxed(np.ogrid[key])


class Philox4x3210:  # the name is CuPy's
    def __init__(self, seed):
        self.seed = seed


class _Generator:
    def __init__(self, bits):
        self.generator = np.random.default_rng(bits.seed)

    def __getattr__(self, name):
        return _strict(getattr(self.generator, name))


ogrid = _Ogrid()
_windows = _strict(np.lib.stride_tricks.sliding_window_view)
lib = SimpleNamespace(stride_tricks=SimpleNamespace(sliding_window_view=_windows))
cuda = SimpleNamespace(
    is_available=lambda: True,
    runtime=SimpleNamespace(
        getDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 12090,
        memGetInfo=lambda: (memory["free"], memory["total"]),
        getDeviceProperties=lambda device: {"name": b"Stand-in"},
    ),
    get_local_runtime_version=lambda: 12090,
    nvrtc=SimpleNamespace(getVersion=lambda: (12, 9)),
    cublas=SimpleNamespace(),
    Stream=strict_graphs.Stream,
    MemoryPool=strict_graphs.MemoryPool,
    get_current_stream=lambda: strict_graphs.streams[-1],
    using_allocator=strict_graphs.using_allocator,
    Device=lambda gpu=0: SimpleNamespace(
        id=0, compute_capability="90", attributes={"MultiProcessorCount": 132}
    ),
)
pool = SimpleNamespace(free_all_blocks=lambda: memory.update(free=2 << 30), used_bytes=lambda: memory["used"])
get_default_memory_pool = lambda: pool  # noqa: E731
random = SimpleNamespace(Generator=_Generator, Philox4x3210=Philox4x3210)
