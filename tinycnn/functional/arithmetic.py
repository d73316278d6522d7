"""Elementwise arithmetic: equation, forward, derivative. g stands for dL/dy.

Inputs of different shapes are broadcast, so every gradient is summed back to its input's shape
(`Arithmetic.fit`, `unbroadcast`).
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from tinycnn import gpu
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Function, Tensor, as_tensor, refuse_mixed_backends

from .broadcasting import SumTo, unbroadcast


class Arithmetic(Function):
    """An operation on two tensors or numbers, with a derivative that is written in operators alone.

    Operators work on tensors and on arrays, so `backward` takes either, `saved_like` gives the same. It
    returns gradients in the shape of y; `fit` brings them into that of an input that was broadcast.
    """

    def __call__(self, a: Any, b: Any) -> Tensor:  # type: ignore[override]
        """Do as `Function` does, written out for two inputs: loops take longer than adding small arrays."""
        try:
            u, v = a._data, b._data
        except AttributeError:
            a, b = _both(a, b)
            u, v = a._data, b._data
        if type(u) is not ndarray or type(v) is not ndarray:
            refuse_mixed_backends(self.name, (a, b))
        if u is v and a is not b:
            v = v.view()  # see `tinycnn.tensor._distinct`
        if self.parents:
            raise self._called_before()
        need_a, need_b = self.needs_input_grad = a._requires_grad, b._requires_grad
        parents = (a.creator or a) if need_a else None, (b.creator or b) if need_b else None
        try:
            y = self.forward(u, v)
        except MemoryError as error:
            gpu.explain(error, self.name, (u, v))
            raise
        return self._finish(y, (a, b), (u, v), parents)

    def backward(self, g: Any) -> tuple[Any, Any]:
        raise NotImplementedError(f"{self.name} has no backward(): its derivative is not written yet")

    def backward_arrays(self, g: Array) -> tuple[Array | None, Array | None]:
        return self.backward(g)

    def fit(self, gradient: Any, i: int, shape: tuple[int, ...]) -> Any:
        """Sum over the copies that broadcasting made."""
        if gradient.shape != self.shape:
            return super().fit(gradient, i, shape)
        if isinstance(gradient, Tensor):
            return unbroadcast(gradient, shape)
        return SumTo(shape).forward(gradient)


class Add(Arithmetic):
    """y = a + b. dL/da = g, dL/db = g."""

    def forward(self, a: Array, b: Array) -> Array:
        return a + b

    def backward(self, g: Any) -> tuple[Any, Any]:
        return g, g


class Sub(Arithmetic):
    """y = a - b. dL/da = g, dL/db = -g."""

    def forward(self, a: Array, b: Array) -> Array:
        return a - b

    def backward(self, g: Any) -> tuple[Any, Any]:
        return g, -g if self.needs_input_grad[1] else None


class Mul(Arithmetic):
    """y = a * b. dL/da = g * b, dL/db = g * a."""

    def forward(self, a: Array, b: Array) -> Array:
        self.save_for_backward(a, b)
        return a * b

    def backward(self, g: Any) -> tuple[Any, Any]:
        a, b = self.saved_like(g)
        need_a, need_b = self.needs_input_grad
        return g * b if need_a else None, g * a if need_b else None


class Div(Arithmetic):
    """y = a / b. dL/da = g / b, dL/db = -g * a / b^2."""

    def forward(self, a: Array, b: Array) -> Array:
        self.save_for_backward(a, b)
        return a / b

    def backward(self, g: Any) -> tuple[Any, Any]:
        a, b = self.saved_like(g)
        need_a, need_b = self.needs_input_grad
        return g / b if need_a else None, -g * a / (b * b) if need_b else None


class Neg(Function):
    """y = -x. dL/dx = -g."""

    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, g: Tensor) -> Tensor:
        return -g


class Pow(Function):
    """y = a^b. dL/da = g * b * a^(b-1), dL/db = g * y * log(a)."""

    def forward(self, a: Array, b: Array) -> Array:
        y = a**b
        self.save_for_backward(a, b, y)
        return y

    def backward(self, g: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b, y = self.saved_tensors
        need_a, need_b = self.needs_input_grad
        grad_a = grad_b = None
        if need_a:
            # Where b = 0 the factor b makes the gradient 0; 0^(-1) would make it NaN.
            exponent = where(equal(b, 0), 1.0, b - 1)
            grad_a = unbroadcast(g * b * a**exponent, a.shape)
        if need_b:
            # The limit of a^b * log(a) for a -> 0 is 0 where b > 0.
            grad_b = unbroadcast(g * y * log(where(equal(a, 0), 1.0, a)), b.shape)
        return grad_a, grad_b


class Abs(Function):
    """``y = |x|``. dL/dx = g * sign(x), 0 at x = 0."""

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        self.save_for_backward(xp.sign(x))
        return xp.abs(x)

    def backward(self, g: Tensor) -> Tensor:
        (sign,) = self.saved_tensors
        return g * sign


class Exp(Function):
    """y = e^x. dL/dx = g * y."""

    def forward(self, x: Array) -> Array:
        y = array_module(x).exp(x)
        self.save_for_backward(y)
        return y

    def backward(self, g: Tensor) -> Tensor:
        (y,) = self.saved_tensors
        return g * y


class Log(Function):
    """y = ln(x). dL/dx = g / x."""

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return array_module(x).log(x)

    def backward(self, g: Tensor) -> Tensor:
        (x,) = self.saved_tensors
        return g / x


class Sqrt(Function):
    """y = sqrt(x). dL/dx = g / (2 * y)."""

    def forward(self, x: Array) -> Array:
        y = array_module(x).sqrt(x)
        self.save_for_backward(y)
        return y

    def backward(self, g: Tensor) -> Tensor:
        (y,) = self.saved_tensors
        return g / (y * 2)


class Clip(Function):
    """y = min(max(x, lower), upper). dL/dx = g where lower <= x <= upper, else 0."""

    def __init__(self, lower: float | None, upper: float | None) -> None:
        self.lower, self.upper = lower, upper

    def forward(self, x: Array) -> Array:
        y = array_module(x).clip(x, self.lower, self.upper)
        self.save_for_backward(y == x)
        return y

    def backward(self, g: Tensor) -> Tensor:
        (inside,) = self.saved_tensors
        return g * inside


class Where(Function):
    """y = a where the condition holds, else b. dL/da = g where it holds, dL/db = g where it does not."""

    def __init__(self, condition: Array) -> None:
        self.condition = condition

    def forward(self, a: Array, b: Array) -> Array:
        self.shapes = a.shape, b.shape
        return array_module(a).where(self.condition, a, b)

    def backward(self, g: Tensor) -> tuple[Tensor, Tensor]:
        return (
            unbroadcast(where(self.condition, g, 0.0), self.shapes[0]),
            unbroadcast(where(self.condition, 0.0, g), self.shapes[1]),
        )


def _both(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Return both as tensors; a number becomes one like the other operand."""
    if isinstance(a, Tensor):
        return a, as_tensor(b, like=a)
    return as_tensor(a, like=b if isinstance(b, Tensor) else None), as_tensor(b)


def add(a: Any, b: Any) -> Tensor:
    """Return a + b, elementwise with broadcasting."""
    return Add()(a, b)


def sub(a: Any, b: Any) -> Tensor:
    """Return a - b, elementwise with broadcasting."""
    return Sub()(a, b)


def mul(a: Any, b: Any) -> Tensor:
    """Return a * b, elementwise with broadcasting."""
    return Mul()(a, b)


def div(a: Any, b: Any) -> Tensor:
    """Return a / b, elementwise with broadcasting."""
    return Div()(a, b)


def neg(x: Tensor) -> Tensor:
    """Return -x."""
    return Neg()(as_tensor(x))


def pow(a: Any, b: Any) -> Tensor:
    """Return a^b, elementwise with broadcasting; either may be a number."""
    return Pow()(*_both(a, b))


def abs(x: Tensor) -> Tensor:
    """Return ``|x|``; its derivative at 0 is taken as 0."""
    return Abs()(as_tensor(x))


def exp(x: Tensor) -> Tensor:
    """Return e^x."""
    return Exp()(as_tensor(x))


def log(x: Tensor) -> Tensor:
    """Return the natural logarithm of x."""
    return Log()(as_tensor(x))


def sqrt(x: Tensor) -> Tensor:
    """Return the square root of x."""
    return Sqrt()(as_tensor(x))


def clip(x: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    """Return x, limited to [min, max]; no gradient flows where it was limited.

    Raises
    ------
    ValueError
        Where both limits are missing, or min is above max.
    """
    if min is None and max is None:
        raise ValueError("clip needs min, max or both")
    if min is not None and max is not None and min > max:
        raise ValueError(f"clip: min={min} is above max={max}")
    # A NumPy number would impose its dtype on the result, a Python number does not.
    lower, upper = (limit.item() if isinstance(limit, np.generic) else limit for limit in (min, max))
    return Clip(lower, upper)(as_tensor(x))


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """Return a where `condition` holds, else b; all three are broadcast.

    Raises
    ------
    TypeError
        Where the condition is not boolean.
    """
    dtype = getattr(condition, "dtype", None)
    if dtype is None or dtype.kind != "b":
        raise TypeError(f"where needs a boolean condition, got {condition if dtype is None else dtype!r}")
    a, b = _both(a, b)
    condition = as_tensor(condition)
    refuse_mixed_backends("where", (condition, a, b))
    return Where(condition.data.copy())(a, b)  # a copy: whoever gave it may change it before backward


def equal(a: Tensor, b: Any) -> Tensor:
    """Return where a == b, as booleans."""
    return _compare(operator.eq, a, b)


def not_equal(a: Tensor, b: Any) -> Tensor:
    """Return where a != b, as booleans."""
    return _compare(operator.ne, a, b)


def less(a: Tensor, b: Any) -> Tensor:
    """Return where a < b, as booleans."""
    return _compare(operator.lt, a, b)


def less_equal(a: Tensor, b: Any) -> Tensor:
    """Return where a <= b, as booleans."""
    return _compare(operator.le, a, b)


def greater(a: Tensor, b: Any) -> Tensor:
    """Return where a > b, as booleans."""
    return _compare(operator.gt, a, b)


def greater_equal(a: Tensor, b: Any) -> Tensor:
    """Return where a >= b, as booleans."""
    return _compare(operator.ge, a, b)


def _compare(operation: Callable[[Array, Array], Array], a: Tensor, b: Any) -> Tensor:
    b = as_tensor(b, like=a)
    refuse_mixed_backends(operation.__name__, (a, b))
    return Tensor(operation(a.data, b.data), backend=a.backend)
