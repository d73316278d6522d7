"""Matrix product and dense layer (Eq. 3). g stands for dL/dy."""

from tinycnn.autograd import Function
from tinycnn.dispatch import kernels_for
from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor

from . import wrong
from .cards import operation
from .examples import dense, products
from .reduction import Sum
from .shape import Permute, reshape, shape_of, transpose


class MatMul(Function):
    """y = A B, for the last two dimensions. dL/dA = g B^T, dL/dB = A^T g."""

    keeps = "a, b"

    def forward(self, a: Array, b: Array) -> Array:
        return kernels_for(a, b).matmul(a, b)

    def backward(self, g: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor | None, Tensor | None]:
        need_a, need_b = self.needs_input_grad
        return (
            matmul(g, transpose(b, -1, -2)) if need_a else None,
            matmul(transpose(a, -1, -2), g) if need_b else None,
        )


@operation(MatMul, example=products)
def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Return the matrix product over the last two dimensions, the others broadcast; vectors as in NumPy.

    Raises
    ------
    ValueError
        If the inner sizes differ, or the others are not broadcast to each other.
    """
    shape_of("matmul", a, b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul needs at least one dimension each, got {a.shape} and {b.shape}: use *")
    left = reshape(a, 1, *a.shape) if a.ndim == 1 else a
    right = reshape(b, *b.shape, 1) if b.ndim == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise wrong.inner_sizes(a.shape, b.shape)
    if any(m != n and 1 not in (m, n) for m, n in zip(left.shape[-3::-1], right.shape[-3::-1], strict=False)):
        raise wrong.outer_sizes(a.shape, b.shape)
    y = MatMul()(left, right)
    if a.ndim == 1:
        y = reshape(y, *y.shape[:-2], y.shape[-1])
    return reshape(y, *y.shape[:-1]) if b.ndim == 1 else y


class Linear(Function):
    """Y = X W^T + b, (N, in) (out, in) -> (N, out). dL/dX = g W, dL/dW = g^T X, dL/db = sum_n g_n.

    The bias is optional.
    """

    keeps = "x, w"

    def forward(self, x: Array, w: Array, *bias: Array) -> Array:
        kernels = kernels_for(x, w)
        if kernels.linear is not None:  # all of it in one launch on a GPU
            return kernels.linear(x, w, *bias)
        y = kernels.matmul(x, w.T)
        return y + bias[0] if bias else y

    def backward(self, g: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor | None, ...]:
        need_x, need_w, *need_bias = self.needs_input_grad
        return (
            MatMul()(g, w) if need_x else None,
            MatMul()(Permute((1, 0))(g), x) if need_w else None,
            *(Sum((0,), keepdim=False)(g) if need else None for need in need_bias),
        )


@operation(Linear, example=dense, equation=3)
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Dense layer, y = W x + b (Eq. 3): (..., in) -> (..., out), weight (out, in), bias (out,) or None.

    Raises
    ------
    ValueError
        If the sizes do not fit each other.
    """
    shape_of("linear", x, weight, bias)
    if weight.ndim != 2:
        raise ValueError(f"linear: the weight must be (out, in), got shape {weight.shape}")
    if x.ndim < 1 or x.shape[-1] != weight.shape[1]:
        raise wrong.dense(x.shape, weight.shape)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: the bias must be (out,)={weight.shape[:1]}, got shape {bias.shape}")
    rows = x if x.ndim == 2 else reshape(x, -1, x.shape[-1])
    y = Linear()(rows, weight, *(() if bias is None else (bias,)))
    return y if x.ndim == 2 else reshape(y, *x.shape[:-1], weight.shape[0])
