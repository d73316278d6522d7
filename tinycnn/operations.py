"""Every differentiable operation with random inputs: what `tinycnn gradcheck` goes through.

The tests go through the same table, so an operation that is missing here is a failed test.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinycnn import functional as F
from tinycnn.kernels.arrays import array_module
from tinycnn.kernels.geometry import output_size
from tinycnn.tensor import Tensor, plain

Rng = np.random.Generator


class Example(NamedTuple):
    """A function of tensors, and float64 arrays to try it on."""

    f: Callable[..., Tensor]
    inputs: Sequence[np.ndarray]


def _beside(x: Tensor, array: np.ndarray) -> Any:
    """Return an array where x lives."""
    return array_module(plain(x)).asarray(array)


def _normal(rng: Rng, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape)


def _positive(rng: Rng, *shape: int) -> np.ndarray:
    return rng.uniform(0.5, 2.0, shape)


def _shape(rng: Rng, low: int = 1, high: int = 3) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(1, 5, int(rng.integers(low, high + 1))))


def _pair(rng: Rng, low: int, high: int) -> tuple[int, int]:
    """Return two integers from `low` to `high`."""
    a, b = rng.integers(low, high + 1, 2)
    return int(a), int(b)


def _unary(
    f: Callable[[Tensor], Tensor], draw: Callable[..., np.ndarray] = _normal
) -> Callable[[Rng], Example]:
    return lambda rng: Example(f, [draw(rng, *_shape(rng))])


def _binary(
    f: Callable[[Tensor, Tensor], Tensor], first: Any = _normal, second: Any = _normal
) -> Callable[[Rng], Example]:
    """Two inputs, of which one is broadcast along some dimensions."""

    def example(rng: Rng) -> Example:
        shape = _shape(rng)
        other = tuple(1 if rng.random() < 0.3 else n for n in shape)[int(rng.integers(0, len(shape))) :]
        shapes = [shape, other] if rng.random() < 0.5 else [other, shape]
        return Example(f, [first(rng, *shapes[0]), second(rng, *shapes[1])])

    return example


def _reduction(f: Callable[..., Tensor], draw: Any = _normal) -> Callable[[Rng], Example]:
    """Over one, several or all dimensions, kept or not."""

    def example(rng: Rng) -> Example:
        shape = tuple(n + 1 for n in _shape(rng))
        count = int(rng.integers(1, len(shape) + 1))
        dims = tuple(int(d) for d in rng.choice(len(shape), count, replace=False))
        keepdim = bool(rng.random() < 0.5)
        return Example(lambda x: f(x, dims, keepdim=keepdim), [draw(rng, *shape)])

    return example


def _along_one(f: Callable[..., Tensor]) -> Callable[[Rng], Example]:
    def example(rng: Rng) -> Example:
        shape = _shape(rng)
        dim = int(rng.integers(-len(shape), len(shape)))
        return Example(lambda x: f(x, dim), [_normal(rng, *shape)])

    return example


def conv2d_case(rng: Rng) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Return an input shape, a weight shape and options that fit each other."""
    while True:
        N, G = (int(n) for n in rng.integers(1, 3, 2))
        C, K = (G * n for n in _pair(rng, 1, 3))
        (H, W), (KH, KW) = _pair(rng, 1, 7), _pair(rng, 1, 4)
        (SH, SW), (PH, PW), (DH, DW) = _pair(rng, 1, 3), _pair(rng, 0, 2), _pair(rng, 1, 2)
        if output_size(H, KH, SH, PH, DH) > 0 and output_size(W, KW, SW, PW, DW) > 0:
            options = {"stride": (SH, SW), "padding": (PH, PW), "dilation": (DH, DW), "groups": G}
            return (N, C, H, W), (K, C // G, KH, KW), options


def conv_transpose2d_case(rng: Rng) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Return an input shape, a weight shape and options that fit each other."""
    while True:
        N, G = (int(n) for n in rng.integers(1, 3, 2))
        (OH, OW), (KH, KW) = _pair(rng, 1, 4), _pair(rng, 1, 4)
        (SH, SW), (PH, PW), (DH, DW) = _pair(rng, 1, 3), _pair(rng, 0, 2), _pair(rng, 1, 2)
        extra = (int(rng.integers(0, max(SH, DH))), int(rng.integers(0, max(SW, DW))))
        H = (OH - 1) * SH - 2 * PH + DH * (KH - 1) + extra[0] + 1
        W = (OW - 1) * SW - 2 * PW + DW * (KW - 1) + extra[1] + 1
        if H > 0 and W > 0:
            K, C = (n * G for n in _pair(rng, 1, 2))
            options: dict[str, Any] = {"stride": (SH, SW), "padding": (PH, PW), "dilation": (DH, DW)}
            options |= {"output_padding": extra, "groups": G}
            return (N, K, OH, OW), (K, C // G, KH, KW), options


def pool2d_case(rng: Rng) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Return an input shape and options that fit each other."""
    while True:
        (N, C), (H, W), (KH, KW) = _pair(rng, 1, 2), _pair(rng, 1, 7), _pair(rng, 1, 3)
        stride = None if rng.random() < 0.3 else _pair(rng, 1, 3)
        PH, PW = int(rng.integers(0, KH // 2 + 1)), int(rng.integers(0, KW // 2 + 1))
        if H + 2 * PH >= KH and W + 2 * PW >= KW:
            return (N, C, H, W), {"kernel_size": (KH, KW), "stride": stride, "padding": (PH, PW)}


def _conv2d(rng: Rng) -> Example:
    x, w, options = conv2d_case(rng)
    arrays = [_normal(rng, *x), _normal(rng, *w), _normal(rng, w[0])]
    return Example(lambda x, w, b: F.conv2d(x, w, b, **options), arrays)


def _conv_transpose2d(rng: Rng) -> Example:
    x, w, options = conv_transpose2d_case(rng)
    arrays = [_normal(rng, *x), _normal(rng, *w), _normal(rng, w[1] * options["groups"])]
    return Example(lambda x, w, b: F.conv_transpose2d(x, w, b, **options), arrays)


def _pool(f: Callable[..., Tensor]) -> Callable[[Rng], Example]:
    def example(rng: Rng) -> Example:
        shape, options = pool2d_case(rng)
        return Example(lambda x: f(x, **options), [_normal(rng, *shape)])

    return example


def _avg_pool2d(rng: Rng) -> Example:
    shape, options = pool2d_case(rng)
    count_include_pad = bool(rng.random() < 0.5)
    return Example(
        lambda x: F.avg_pool2d(x, **options, count_include_pad=count_include_pad), [_normal(rng, *shape)]
    )


def _images(f: Callable[[Tensor], Tensor]) -> Callable[[Rng], Example]:
    return lambda rng: Example(f, [_normal(rng, *_pair(rng, 1, 3), *_pair(rng, 1, 4))])


def _upsample(rng: Rng) -> Example:
    scale = _pair(rng, 1, 3)
    return _images(lambda x: F.upsample_nearest(x, scale))(rng)


def _batch_norm(rng: Rng) -> Example:
    N, C, H, W = int(rng.integers(2, 4)), *_pair(rng, 1, 3), int(rng.integers(1, 4))
    arrays = [_normal(rng, N, C, H, W), _normal(rng, C), _normal(rng, C)]
    if rng.random() < 0.5:
        return Example(lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), arrays)
    mean, variance = _normal(rng, C), _positive(rng, C)
    return Example(lambda x, w, b: F.batch_norm(x, _beside(x, mean), _beside(x, variance), w, b), arrays)


def _instance_norm(rng: Rng) -> Example:
    N, C = _pair(rng, 1, 3)
    return Example(F.instance_norm, [_normal(rng, N, C, 2, 3), _normal(rng, C), _normal(rng, C)])


def _linear(rng: Rng) -> Example:
    (N, i), o = _pair(rng, 1, 5), int(rng.integers(1, 5))
    return Example(F.linear, [_normal(rng, N, i), _normal(rng, o, i), _normal(rng, o)])


def _matmul(rng: Rng) -> Example:
    (a, b), (c, batch) = _pair(rng, 1, 4), _pair(rng, 1, 3)
    left, right = [(a, b), (batch, a, b), (b,)], [(b, c), (batch, b, c), (1, b, c), (b,)]
    shapes = left[int(rng.integers(3))], right[int(rng.integers(4))]
    return Example(F.matmul, [_normal(rng, *shape) for shape in shapes])


def _dropout(rng: Rng) -> Example:
    # The same elements must be dropped at every call: out of training none are.
    return _unary(lambda x: F.dropout(x, 0.5, training=False) * 1)(rng)


def _clip(rng: Rng) -> Example:
    low, high = sorted(rng.standard_normal(2))
    return _unary(lambda x: F.clip(x, low, high))(rng)


def _where(rng: Rng) -> Example:
    shape = _shape(rng)
    condition = rng.random(shape) < 0.5
    return Example(
        lambda a, b: F.where(_beside(a, condition), a, b), [_normal(rng, *shape), _normal(rng, *shape[1:])]
    )


def _reshape(rng: Rng) -> Example:
    shape = _shape(rng)
    return Example(lambda x: F.reshape(x, -1, shape[0]), [_normal(rng, *shape)])


def _permute(rng: Rng) -> Example:
    shape = _shape(rng)
    order = [int(d) for d in rng.permutation(len(shape))]
    return Example(lambda x: F.permute(x, order), [_normal(rng, *shape)])


def _transpose(rng: Rng) -> Example:
    shape = _shape(rng, 2)
    return Example(lambda x: F.transpose(x, 0, -1), [_normal(rng, *shape)])


def _index(rng: Rng) -> Example:
    x = _normal(rng, 4, 3, 5)
    rows, columns = rng.integers(0, 4, 6), rng.integers(-3, 3, 6)
    mask = rng.random((4, 3)) < 0.5
    keys: list[Any] = [
        (slice(None, None, 2), 1),
        (..., slice(3, 0, -1)),
        (None, -1),
        rows,
        (rows, columns),
        (slice(1, 3), slice(None), rng.integers(0, 5, (2, 2))),
        mask,
    ]
    key = keys[int(rng.integers(len(keys)))]

    def f(x: Tensor) -> Tensor:
        def here(k: Any) -> Any:
            return _beside(x, k) if isinstance(k, np.ndarray) else k

        return F.index(x, tuple(map(here, key)) if isinstance(key, tuple) else here(key))

    return Example(f, [x])


def _gather(rng: Rng) -> Example:
    dim = int(rng.integers(2))
    shape = [3, 3]
    shape[dim] = 5
    index = rng.integers(0, 3, shape)
    return Example(lambda x: F.gather(x, dim, _beside(x, index)), [_normal(rng, 3, 3)])


def _concatenate(rng: Rng) -> Example:
    shape = _shape(rng, 2)
    dim = int(rng.integers(-len(shape), len(shape)))
    other = list(shape)
    other[dim] += 1
    return Example(lambda a, b: F.concatenate([a, b], dim), [_normal(rng, *shape), _normal(rng, *other)])


def _stack(rng: Rng) -> Example:
    shape = _shape(rng)
    dim = int(rng.integers(-len(shape) - 1, len(shape) + 1))
    return Example(lambda a, b: F.stack([a, b, a], dim), [_normal(rng, *shape), _normal(rng, *shape)])


def _pad(rng: Rng) -> Example:
    shape = _shape(rng)
    widths = [int(n) for n in rng.integers(0, 3, 2 * int(rng.integers(1, len(shape) + 1)))]
    return Example(lambda x: F.pad(x, widths, 0.5), [_normal(rng, *shape)])


def _broadcast_to(rng: Rng) -> Example:
    shape = _shape(rng)
    return Example(
        lambda x: F.broadcast_to(x, (2, *shape)),
        [_normal(rng, *[1 if rng.random() < 0.5 else n for n in shape])],
    )


def _classification(f: Callable[..., Tensor], **options: Any) -> Callable[[Rng], Example]:
    def example(rng: Rng) -> Example:
        N, K = int(rng.integers(1, 5)), int(rng.integers(2, 5))
        pixels = _pair(rng, 1, 2) if rng.random() < 0.3 else ()
        labels = rng.integers(0, K, (N, *pixels))
        return Example(lambda z: f(z, labels, **options), [_normal(rng, N, K, *pixels)])

    return example


def _cross_entropy(rng: Rng) -> Example:
    options = {"reduction": rng.choice(["mean", "sum", "none"]), "label_smoothing": rng.choice([0.0, 0.1])}
    return _classification(F.cross_entropy, **options)(rng)


def _elementwise_loss(f: Callable[..., Tensor], draw_target: Any = _normal) -> Callable[[Rng], Example]:
    def example(rng: Rng) -> Example:
        shape = _shape(rng)
        return Example(f, [_normal(rng, *shape), draw_target(rng, *shape)])

    return example


def _probabilities(rng: Rng, *shape: int) -> np.ndarray:
    return rng.random(shape)


def _var(rng: Rng) -> Example:
    correction = int(rng.integers(0, 2))
    return _reduction(lambda x, dims, keepdim: F.var(x, dims, correction, keepdim))(rng)


EXAMPLES: dict[str, Callable[[Rng], Example]] = {
    "add": _binary(F.add),
    "sub": _binary(F.sub),
    "mul": _binary(F.mul),
    "div": _binary(F.div, second=_positive),
    "neg": _unary(F.neg),
    "pow": _binary(F.pow, first=_positive),
    "abs": _unary(F.abs),
    "exp": _unary(F.exp),
    "log": _unary(F.log, _positive),
    "sqrt": _unary(F.sqrt, _positive),
    "clip": _clip,
    "where": _where,
    "matmul": _matmul,
    "linear": _linear,
    "reshape": _reshape,
    "flatten": _unary(F.flatten),
    "permute": _permute,
    "transpose": _transpose,
    "index": _index,
    "gather": _gather,
    "concatenate": _concatenate,
    "stack": _stack,
    "pad": _pad,
    "broadcast_to": _broadcast_to,
    "to": _unary(lambda x: F.to(F.to(x, "numpy"), "float64") * 1),
    "sum": _reduction(F.sum),
    "mean": _reduction(F.mean),
    "var": _var,
    "logsumexp": _reduction(F.logsumexp),
    "max": _along_one(F.max),
    "min": _along_one(F.min),
    "relu": _unary(F.relu),
    "leaky_relu": _unary(lambda x: F.leaky_relu(x, 0.2)),
    "sigmoid": _unary(F.sigmoid),
    "tanh": _unary(F.tanh),
    "softplus": _unary(F.softplus),
    "softmax": _along_one(F.softmax),
    "log_softmax": _along_one(F.log_softmax),
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "max_pool2d": _pool(F.max_pool2d),
    "min_pool2d": _pool(F.min_pool2d),
    "avg_pool2d": _avg_pool2d,
    "sum_pool2d": _pool(F.sum_pool2d),
    "global_avg_pool2d": _images(F.global_avg_pool2d),
    "global_max_pool2d": _images(F.global_max_pool2d),
    "upsample_nearest": _upsample,
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "dropout": _dropout,
    "cross_entropy": _cross_entropy,
    "nll_loss": _classification(F.nll_loss),
    "mse_loss": _elementwise_loss(F.mse_loss),
    "l1_loss": _elementwise_loss(F.l1_loss),
    "binary_cross_entropy_with_logits": _elementwise_loss(F.binary_cross_entropy_with_logits, _probabilities),
}
