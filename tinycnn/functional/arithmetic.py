"""Elementwise arithmetic: equation, forward, derivative. g stands for dL/dy.

Inputs of different shapes are broadcast. Their derivatives are written in the shape of y; backward adds them
up over the copies that broadcasting made of an input (`tinycnn.autograd.backward.fitted`).
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinycnn.arrays import as_array
from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor, as_tensor, plain, refuse_mixed_backends, wrap


class Arithmetic(Function):
    """An operation on two inputs that are broadcast; one of them may be a number or a list."""

    def tensor(self, value: Any, like: Tensor | None) -> Tensor:
        return as_tensor(value, like)

    def compute(self, inputs: Sequence[Any]) -> Array:
        try:
            return super().compute(inputs)
        except ValueError:
            refuse_unequal(self.name, *inputs)
            raise


class Add(Arithmetic):
    """y = a + b. dL/da = g, dL/db = g."""

    def forward(self, a: Array, b: Array) -> Array:
        return a + b

    def backward(self, g: Tensor) -> tuple[Tensor, Tensor]:
        return g, g


def add(a: Any, b: Any) -> Tensor:
    """Return a + b, elementwise with broadcasting."""
    return Add()(a, b)


class Sub(Arithmetic):
    """y = a - b. dL/da = g, dL/db = -g."""

    def forward(self, a: Array, b: Array) -> Array:
        return a - b

    def backward(self, g: Tensor) -> tuple[Tensor, Tensor | None]:
        return g, -g if self.needs_input_grad[1] else None


def sub(a: Any, b: Any) -> Tensor:
    """Return a - b, elementwise with broadcasting."""
    return Sub()(a, b)


class Mul(Arithmetic):
    """y = a * b. dL/da = g * b, dL/db = g * a."""

    keeps = "a, b"

    def forward(self, a: Array, b: Array) -> Array:
        return a * b

    def backward(self, g: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor | None, Tensor | None]:
        need_a, need_b = self.needs_input_grad
        return g * b if need_a else None, g * a if need_b else None


def mul(a: Any, b: Any) -> Tensor:
    """Return a * b, elementwise with broadcasting."""
    return Mul()(a, b)


class Div(Arithmetic):
    """y = a / b. dL/da = g / b, dL/db = -g * a / b^2."""

    keeps = "a, b"
    floats = True

    def forward(self, a: Array, b: Array) -> Array:
        return a / b

    def backward(self, g: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor | None, Tensor | None]:
        need_a, need_b = self.needs_input_grad
        return g / b if need_a else None, -g * a / (b * b) if need_b else None


def div(a: Any, b: Any) -> Tensor:
    """Return a / b, elementwise with broadcasting."""
    return Div()(a, b)


class Neg(Function):
    """y = -x. dL/dx = -g."""

    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, g: Tensor) -> Tensor:
        return -g


def neg(x: Tensor) -> Tensor:
    """Return -x."""
    return Neg()(x)


class Pow(Arithmetic):
    """y = a^b. dL/da = g * b * a^(b-1), dL/db = g * y * log(a)."""

    keeps = "a, b, y"

    def forward(self, a: Array, b: Array) -> Array:
        return a**b

    def backward(self, g: Tensor, a: Tensor, b: Tensor, y: Tensor) -> tuple[Tensor | None, Tensor | None]:
        need_a, need_b = self.needs_input_grad
        grad_a = grad_b = None
        if need_a:
            # If b = 0, the factor b makes the gradient 0; 0^(-1) would make it NaN.
            grad_a = g * b * a ** where(equal(b, 0), 1.0, b - 1)
        if need_b:
            # The limit of a^b * log(a) for a -> 0 is 0 if b > 0.
            grad_b = g * y * log(where(equal(a, 0), 1.0, a))
        return grad_a, grad_b


def pow(a: Any, b: Any) -> Tensor:
    """Return a^b, elementwise with broadcasting; either may be a number."""
    return Pow()(a, b)


class Abs(Function):
    """``y = |x|``. dL/dx = g * sign(x), 0 at x = 0."""

    keeps = "x"

    def forward(self, x: Array) -> Array:
        return array_module(x).abs(x)

    def backward(self, g: Tensor, x: Tensor) -> Tensor:
        return g * constant(array_module(plain(x)).sign, x)


def abs(x: Tensor) -> Tensor:
    """Return ``|x|``; its derivative at 0 is taken as 0."""
    return Abs()(x)


class Exp(Function):
    """y = e^x. dL/dx = g * y."""

    keeps = "y"
    floats = True

    def forward(self, x: Array) -> Array:
        return array_module(x).exp(x)

    def backward(self, g: Tensor, y: Tensor) -> Tensor:
        return g * y


def exp(x: Tensor) -> Tensor:
    """Return e^x."""
    return Exp()(x)


class Log(Function):
    """y = ln(x). dL/dx = g / x."""

    keeps = "x"
    floats = True

    def forward(self, x: Array) -> Array:
        return array_module(x).log(x)

    def backward(self, g: Tensor, x: Tensor) -> Tensor:
        return g / x


def log(x: Tensor) -> Tensor:
    """Return the natural logarithm of x."""
    return Log()(x)


class Sqrt(Function):
    """y = sqrt(x). dL/dx = g / (2 * y)."""

    keeps = "y"
    floats = True

    def forward(self, x: Array) -> Array:
        return array_module(x).sqrt(x)

    def backward(self, g: Tensor, y: Tensor) -> Tensor:
        return g / (y * 2)


def sqrt(x: Tensor) -> Tensor:
    """Return the square root of x."""
    return Sqrt()(x)


class Clip(Function):
    """y = min(max(x, lower), upper). dL/dx = g where lower <= x <= upper, else 0."""

    keeps = "x, y"

    def __init__(self, lower: float | None, upper: float | None) -> None:
        self.lower, self.upper = lower, upper

    def forward(self, x: Array) -> Array:
        return array_module(x).clip(x, self.lower, self.upper)

    def backward(self, g: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return g * equal(x, y)


def clip(x: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    """Return x, limited to [min, max]; no gradient flows where it was limited.

    Raises
    ------
    ValueError
        If both limits are missing, or min is above max.
    """
    if min is None and max is None:
        raise ValueError("clip needs min, max or both")
    if min is not None and max is not None and min > max:
        raise ValueError(f"clip: min={min} is above max={max}")
    # A NumPy number would impose its dtype on the result, a Python number does not.
    lower, upper = (limit.item() if isinstance(limit, np.generic) else limit for limit in (min, max))
    return Clip(lower, upper)(x)


class Where(Arithmetic):
    """y = a where the condition holds, else b. dL/da = g where it holds, dL/db = g where it does not."""

    keeps = "condition"

    def __init__(self, condition: Array) -> None:
        self.condition = condition

    def forward(self, a: Array, b: Array) -> Array:
        return array_module(self.condition).where(self.condition, a, b)

    def backward(self, g: Tensor, condition: Array) -> tuple[Tensor, Tensor]:
        return Where(condition)(g, 0.0), Where(condition)(0.0, g)


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """Return a where `condition` holds, else b; all three are broadcast.

    Raises
    ------
    TypeError
        If the condition is not boolean.
    """
    dtype = getattr(condition, "dtype", None)
    if dtype is None or dtype.kind != "b":
        raise TypeError(f"where needs a boolean condition, got {condition if dtype is None else dtype!r}")
    if tensors := [x for x in (condition, a, b) if isinstance(x, Tensor)]:
        refuse_mixed_backends("where", tensors)
        a = a if isinstance(b, Tensor) else as_tensor(a, like=None)
    # A copy of the condition: whoever gave it may change it before backward.
    return Where(as_array(plain(condition)).copy())(a, b)


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
    if isinstance(a, Tensor):
        b = as_tensor(b, like=a)
        refuse_mixed_backends(operation.__name__, (a, b))
    try:
        return constant(operation, a, b)
    except ValueError:
        refuse_unequal(operation.__name__, a, b)
        raise


def constant(operation: Callable[..., Array], *inputs: Any) -> Tensor:
    """Return the result of an operation that no gradient flows through, a tensor for tensors."""
    y = as_array(operation(*map(plain, inputs)))
    return wrap(y) if any(isinstance(x, Tensor) for x in inputs) else y


def refuse_unequal(name: str, a: Any, b: Any) -> None:
    """Raise ValueError if two shapes cannot be broadcast to each other, naming the dimension."""
    one, other = np.shape(plain(a)), np.shape(plain(b))
    for d in range(1, 1 + min(len(one), len(other))):
        if one[-d] != other[-d] and 1 not in (one[-d], other[-d]):
            raise ValueError(
                f"{name} of {one} and {other}: dimension -{d} is {one[-d]} in the first and {other[-d]} in "
                "the second. Counted from the last dimension, sizes must be equal or 1"
            )
