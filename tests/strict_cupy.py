"""A stand-in for CuPy, for machines without a GPU: computes with NumPy, and is as strict as CuPy.

No NumPy array is taken where CuPy takes none, nothing becomes one but through ``asnumpy``, and a reduction
gives an array without dimensions instead of a number. What is not defined here is NumPy's, made strict.
"""

import operator
from types import SimpleNamespace

import numpy as np

__name__ = "cupy"
__version__ = "stand-in"


class ndarray:  # noqa: N801
    """NumPy's array in a box. ``base`` is the array that this one is a view of."""

    __module__ = "cupy"

    def __init__(self, host, base=None):
        self.host, self.base = host, base

    def __getattr__(self, name):
        if name.startswith("__"):  # __array_interface__ would hand the array over
            raise AttributeError(name)
        value = getattr(self.host, name)
        return _strict(value, self) if callable(value) else _boxed(value, self)

    def __getitem__(self, key):
        return _boxed(self.host[_unboxed(key)], self)

    def __setitem__(self, key, value):
        self.host[_unboxed(key)] = _unboxed(value)

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return _strict(getattr(ufunc, method))(*inputs, **options)

    def __array_function__(self, function, _, inputs, options):
        return _strict(function)(*inputs, **options)

    def __len__(self):
        return len(self.host)

    def __bool__(self):
        return bool(self.host)

    def __int__(self):
        return int(self.host)

    def __float__(self):
        return float(self.host)

    def item(self):
        return self.host.item()


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


def _strict(function, owner=None):
    """Return `function` of NumPy as one of boxes; what it returns may be a view of `owner`."""

    def strict(*inputs, **options):
        options = {name: _unboxed(value) for name, value in options.items()}
        source = inputs[0] if owner is None and inputs else owner
        return _boxed(function(*_unboxed(inputs), **options), source)

    strict.at = _strict(function.at) if isinstance(function, np.ufunc) else None
    return strict


def _operators():
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
        function = getattr(operator, f"__{name}__")
        in_place = getattr(operator, f"__i{name}__")

        def of(a, b, function=function):
            return _boxed(function(_unboxed(a), _unboxed(b)))

        def reflected(a, b, function=function):
            return _boxed(function(_unboxed(b), _unboxed(a)))

        def assign(a, b, in_place=in_place):
            a.host = in_place(a.host, _unboxed(b))
            return a

        yield from ((f"__{name}__", of), (f"__r{name}__", reflected), (f"__i{name}__", assign))
    for name in ("lt", "le", "gt", "ge", "eq", "ne", "neg", "abs", "invert"):
        yield f"__{name}__", _strict(getattr(operator, f"__{name}__"))


for _name, _operator in _operators():
    setattr(ndarray, _name, _operator)


def __getattr__(name):
    value = getattr(np, name)
    return _strict(value) if callable(value) and not isinstance(value, type) else value


def asarray(value, dtype=None):
    return value if isinstance(value, ndarray) and dtype is None else ndarray(np.array(_host(value), dtype))


def asnumpy(array):
    return _host(array).copy()


def unravel_index(indices, dims):
    return _strict(np.unravel_index)(indices.astype(int), dims)  # of arrays only: a number has no astype()


def _host(value):
    return value.host if isinstance(value, ndarray) else value


class _Ogrid:
    def __getitem__(self, key):
        return _boxed(np.ogrid[key])


class _Generator:
    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)

    def __getattr__(self, name):
        return _strict(getattr(self.generator, name))


ogrid = _Ogrid()
cuda = SimpleNamespace(is_available=lambda: True)
random = SimpleNamespace(default_rng=_Generator)
