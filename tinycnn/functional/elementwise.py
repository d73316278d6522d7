"""Powers, exponentials, limits and choices, number by number. g stands for dL/dy."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn.autograd import Function
from tinycnn.backend import as_array, is_array
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor, as_tensor, plain, wrap
from tinycnn.wrong import refuse_mixed_backends

from .arithmetic import Arithmetic, refuse_unequal
from .cards import Example, Rng, operation
from .examples import beside, binary, normal, positive, sizes, unary, with_options


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


@operation(Pow, example=binary(first=positive), method=True)
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


@operation(Abs, example=unary(), method=True)
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


@operation(Exp, example=unary(), method=True)
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


@operation(Log, example=unary(positive), method=True)
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


@operation(Sqrt, example=unary(positive), method=True)
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


def _limited(f: Callable[..., Tensor], rng: Rng) -> Example:
    return with_options(f, normal(rng, *sizes(rng)), *sorted(rng.standard_normal(2)))


@operation(Clip, example=_limited, method=True)
def clip(x: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    """Return x, limited to [min, max]; no gradient flows where it was limited.

    Raises
    ------
    TypeError
        If a limit is a tensor or an array.
    ValueError
        If both limits are missing, or min is above max.
    """
    for name, limit in (("min", min), ("max", max)):
        if isinstance(limit, Tensor) or is_array(limit):
            sign = "<" if name == "min" else ">"
            raise TypeError(
                f"clip: {name} is one number, not {type(limit).__name__} {np.shape(plain(limit))}: "
                f"use where(x {sign} limit, limit, x)"
            )
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


def _either(f: Callable[..., Tensor], rng: Rng) -> Example:
    shape = sizes(rng)
    condition = rng.random(shape) < 0.5
    return Example(
        lambda a, b: f(beside(a, condition), a, b),
        [normal(rng, *shape), normal(rng, *shape[1:])],
    )


@operation(Where, example=_either)
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
    return compare(operator.eq, a, b)


def not_equal(a: Tensor, b: Any) -> Tensor:
    """Return where a != b, as booleans."""
    return compare(operator.ne, a, b)


def less(a: Tensor, b: Any) -> Tensor:
    """Return where a < b, as booleans."""
    return compare(operator.lt, a, b)


def less_equal(a: Tensor, b: Any) -> Tensor:
    """Return where a <= b, as booleans."""
    return compare(operator.le, a, b)


def greater(a: Tensor, b: Any) -> Tensor:
    """Return where a > b, as booleans."""
    return compare(operator.gt, a, b)


def greater_equal(a: Tensor, b: Any) -> Tensor:
    """Return where a >= b, as booleans."""
    return compare(operator.ge, a, b)


def bitwise_and(a: Tensor, b: Any) -> Tensor:
    """Return a & b: of booleans, whether both are true."""
    return compare(operator.and_, a, b)


def bitwise_or(a: Tensor, b: Any) -> Tensor:
    """Return a | b: of booleans, whether one is true."""
    return compare(operator.or_, a, b)


def bitwise_xor(a: Tensor, b: Any) -> Tensor:
    """Return a ^ b: of booleans, whether they differ."""
    return compare(operator.xor, a, b)


def bitwise_not(x: Tensor) -> Tensor:
    """Return ~x: of booleans, the opposite."""
    return constant(operator.invert, x)


def compare(operation: Callable[[Array, Array], Array], a: Tensor, b: Any) -> Tensor:
    """Return the result of an operation on two inputs that no gradient flows through."""
    if isinstance(a, Tensor):
        b = as_tensor(b, like=a)
        refuse_mixed_backends(operation.__name__.strip("_"), (a, b))
    try:
        return constant(operation, a, b)
    except ValueError:
        refuse_unequal(operation.__name__.strip("_"), a, b)
        raise


def constant(operation: Callable[..., Array], *inputs: Any) -> Tensor:
    """Return the result of an operation that no gradient flows through, a tensor for tensors."""
    y = as_array(operation(*map(plain, inputs)))
    return wrap(y) if any(isinstance(x, Tensor) for x in inputs) else y
