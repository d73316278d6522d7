"""Random inputs for the gradient check of an operation: see `tinycnn.functional.cards`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinycnn.kernels.arrays import Array, array_module
from tinycnn.kernels.geometry import output_size
from tinycnn.tensor import Tensor, plain

from .cards import Example, Rng

Make = Callable[[Callable[..., Tensor], Rng], Example]
Draw = Callable[..., np.ndarray]


def normal(rng: Rng, *shape: int) -> np.ndarray:
    """Return numbers of both signs."""
    return rng.standard_normal(shape)


def positive(rng: Rng, *shape: int) -> np.ndarray:
    """Return numbers from 0.5 to 2."""
    return rng.uniform(0.5, 2.0, shape)


def probabilities(rng: Rng, *shape: int) -> np.ndarray:
    """Return numbers from 0 to 1."""
    return rng.random(shape)


def sizes(rng: Rng, low: int = 1, high: int = 3) -> tuple[int, ...]:
    """Return a shape with `low` to `high` dimensions."""
    return tuple(int(n) for n in rng.integers(1, 5, int(rng.integers(low, high + 1))))


def pair(rng: Rng, low: int, high: int) -> tuple[int, int]:
    """Return two integers from `low` to `high`."""
    a, b = rng.integers(low, high + 1, 2)
    return int(a), int(b)


def beside(x: Tensor, array: np.ndarray) -> Array:
    """Return the array in the backend of x."""
    return array_module(plain(x)).asarray(array)


def with_options(f: Callable[..., Tensor], x: np.ndarray, *options: Any) -> Example:
    """Return an example of one input, with options that are the same for every call."""
    return Example(lambda t: f(t, *options), [x])


def chosen(rng: Rng, options: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return for each option one of its values."""
    return {name: values[int(rng.integers(len(values)))] for name, values in options.items()}


def unary(draw: Draw = normal, **options: Sequence[Any]) -> Make:
    """Make examples of one input, with a random choice of each option's values."""

    def example(f: Callable[..., Tensor], rng: Rng) -> Example:
        taken = chosen(rng, options)
        return Example(lambda x: f(x, **taken), [draw(rng, *sizes(rng))])

    return example


def binary(first: Draw = normal, second: Draw = normal) -> Make:
    """Make examples of two inputs, of which one is broadcast along some dimensions."""

    def example(f: Callable[..., Tensor], rng: Rng) -> Example:
        shape = sizes(rng)
        other = tuple(1 if rng.random() < 0.3 else n for n in shape)[int(rng.integers(0, len(shape))) :]
        shapes = [shape, other] if rng.random() < 0.5 else [other, shape]
        return Example(f, [first(rng, *shapes[0]), second(rng, *shapes[1])])

    return example


def alike(second: Draw = normal) -> Make:
    """Two inputs of one shape."""

    def example(f: Callable[..., Tensor], rng: Rng) -> Example:
        shape = sizes(rng)
        return Example(f, [normal(rng, *shape), second(rng, *shape)])

    return example


def over_dims(f: Callable[..., Tensor], rng: Rng) -> Example:
    """Reduce one, several or all dimensions, kept or not."""
    shape = tuple(n + 1 for n in sizes(rng))
    count = int(rng.integers(1, len(shape) + 1))
    dims = tuple(int(d) for d in rng.choice(len(shape), count, replace=False))
    keepdim = bool(rng.random() < 0.5)
    return Example(lambda x: f(x, dims, keepdim=keepdim), [normal(rng, *shape)])


def along_dim(f: Callable[..., Tensor], rng: Rng) -> Example:
    """One dimension, counted from either end."""
    shape = sizes(rng)
    dim = int(rng.integers(-len(shape), len(shape)))
    return Example(lambda x: f(x, dim), [normal(rng, *shape)])


def pictures(f: Callable[..., Tensor], rng: Rng) -> Example:
    """(N, C, H, W)."""
    return Example(f, [normal(rng, *pair(rng, 1, 3), *pair(rng, 1, 4))])


def upsampling(f: Callable[..., Tensor], rng: Rng) -> Example:
    """(N, C, H, W), and a scale of each direction."""
    scale = pair(rng, 1, 3)
    return pictures(lambda x: f(x, scale), rng)


def to_two_dims(f: Callable[..., Tensor], rng: Rng) -> Example:
    """Return an array, to be reshaped to (-1, its first size)."""
    x = normal(rng, *sizes(rng))
    return with_options(f, x, -1, x.shape[0])


def in_any_order(f: Callable[..., Tensor], rng: Rng) -> Example:
    """Return an array, and its dimensions in a random order."""
    x = normal(rng, *sizes(rng))
    return with_options(f, x, rng.permutation(x.ndim).tolist())


def products(f: Callable[..., Tensor], rng: Rng) -> Example:
    """Return two vectors, matrices or stacks of matrices that can be multiplied."""
    (a, b), (c, batch) = pair(rng, 1, 4), pair(rng, 1, 3)
    left, right = [(a, b), (batch, a, b), (b,)], [(b, c), (batch, b, c), (1, b, c), (b,)]
    shapes = left[int(rng.integers(3))], right[int(rng.integers(4))]
    return Example(f, [normal(rng, *shape) for shape in shapes])


def dense(f: Callable[..., Tensor], rng: Rng) -> Example:
    """Return rows, weight and bias of a dense layer."""
    (N, i), o = pair(rng, 1, 5), int(rng.integers(1, 5))
    return Example(f, [normal(rng, N, i), normal(rng, o, i), normal(rng, o)])


def classes(weighted: bool = False, **options: Sequence[Any]) -> Make:
    """Logits (N, K) or (N, K, H, W), with labels; for each option one of these values.

    If `weighted`, some have weights of the classes, and leave out the labels of one number.
    """

    def example(f: Callable[..., Tensor], rng: Rng) -> Example:
        N, K = int(rng.integers(1, 5)), int(rng.integers(2, 5))
        pixels = pair(rng, 1, 2) if rng.random() < 0.3 else ()
        labels = rng.integers(0, K, (N, *pixels))
        taken = chosen(rng, options)
        if weighted and rng.random() < 0.5:
            taken["weight"] = positive(rng, K)
        if weighted and rng.random() < 0.3:
            taken["ignore_index"] = (int(labels.flat[0]) + 1) % K  # at least one label counts
        return Example(lambda z: f(z, labels, **taken), [normal(rng, N, K, *pixels)])

    return example


Shape = tuple[int, ...]


def conv2d_case(rng: Rng) -> tuple[Shape, Shape, dict[str, Any]]:
    """Return an input shape, a weight shape and options of `conv2d` that fit each other."""
    while True:
        N, G = (int(n) for n in rng.integers(1, 3, 2))
        C, K = (G * n for n in pair(rng, 1, 3))
        (H, W), (KH, KW) = pair(rng, 1, 7), pair(rng, 1, 4)
        (SH, SW), (PH, PW), (DH, DW) = pair(rng, 1, 3), pair(rng, 0, 2), pair(rng, 1, 2)
        if output_size(H, KH, SH, PH, DH) > 0 and output_size(W, KW, SW, PW, DW) > 0:
            options = {"stride": (SH, SW), "padding": (PH, PW), "dilation": (DH, DW), "groups": G}
            return (N, C, H, W), (K, C // G, KH, KW), options


def conv_transpose2d_case(rng: Rng) -> tuple[Shape, Shape, dict[str, Any]]:
    """Return an input shape, a weight shape and options of `conv_transpose2d` that fit each other."""
    while True:
        N, G = (int(n) for n in rng.integers(1, 3, 2))
        (OH, OW), (KH, KW) = pair(rng, 1, 4), pair(rng, 1, 4)
        (SH, SW), (PH, PW), (DH, DW) = pair(rng, 1, 3), pair(rng, 0, 2), pair(rng, 1, 2)
        extra = (int(rng.integers(0, max(SH, DH))), int(rng.integers(0, max(SW, DW))))
        H = (OH - 1) * SH - 2 * PH + DH * (KH - 1) + extra[0] + 1
        W = (OW - 1) * SW - 2 * PW + DW * (KW - 1) + extra[1] + 1
        if H > 0 and W > 0:
            K, C = (n * G for n in pair(rng, 1, 2))
            options: dict[str, Any] = {"stride": (SH, SW), "padding": (PH, PW), "dilation": (DH, DW)}
            options |= {"output_padding": extra, "groups": G}
            return (N, K, OH, OW), (K, C // G, KH, KW), options


def convolution(case: Callable[[Rng], tuple[Shape, Shape, dict[str, Any]]], out: int) -> Make:
    """Input, weight and bias; the output's channels are the weight's dimension `out`."""

    def example(f: Callable[..., Tensor], rng: Rng) -> Example:
        x, w, options = case(rng)
        channels = w[out] * (options["groups"] if out else 1)
        arrays = [normal(rng, *x), normal(rng, *w), normal(rng, channels)]
        return Example(lambda x, w, b: f(x, w, b, **options), arrays)

    return example


def pool2d_case(rng: Rng) -> tuple[Shape, dict[str, Any]]:
    """Return an input shape and options of a pooling that fit each other."""
    while True:
        (N, C), (H, W), (KH, KW) = pair(rng, 1, 2), pair(rng, 1, 7), pair(rng, 1, 3)
        stride = None if rng.random() < 0.3 else pair(rng, 1, 3)
        PH, PW = int(rng.integers(0, KH // 2 + 1)), int(rng.integers(0, KW // 2 + 1))
        if H + 2 * PH >= KH and W + 2 * PW >= KW:
            return (N, C, H, W), {"kernel_size": (KH, KW), "stride": stride, "padding": (PH, PW)}


def pooling(**options: Sequence[Any]) -> Make:
    """(N, C, H, W) and a window; for each option one of these values."""

    def example(f: Callable[..., Tensor], rng: Rng) -> Example:
        shape, window = pool2d_case(rng)
        taken = chosen(rng, options)
        return Example(lambda x: f(x, **window, **taken), [normal(rng, *shape)])

    return example
