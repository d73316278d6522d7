"""The passes of `tinycnn.kernels.plain` for CuPy arrays, each formula in one launch.

CuPy starts a kernel for every operation of a formula; Adam's formula has fourteen. A launch takes Python and
the driver several microseconds, which for small arrays is more than the arithmetic. And each launch reads
and writes all elements again. Here CuPy compiles the whole formula as one kernel;
``TINYCNN_KERNELS=im2col`` goes back to many.

The C++ is what CuPy's `ElementwiseKernel` takes: it runs once for every element, with that element under
each parameter's name. T is the arrays' type. A ``raw`` array is handed over whole; ``i`` is the number of
the current element.
"""

import math
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from .arrays import Array, array_module

# CuPy gives a sum as many blocks of threads as it has results. C results would leave most of a GPU idle: so
# each plane is summed first, N*C of them, and then the N sums of every channel.
PLANE = (2, 3)

# One thread does a whole row, which is only as long as there are classes.
SOFTMAX = """
const ptrdiff_t row = i * K;
T largest = z[row];
for (ptrdiff_t k = 1; k < K; ++k) largest = z[row + k] > largest ? z[row + k] : largest;
T total = 0;
for (ptrdiff_t k = 0; k < K; ++k) total += exp(z[row + k] - largest);
const bool known = label >= 0 && label < K;
const T unknown = sqrt(T(-1));
"""

# by name: parameters in, parameters out (which may be read too), formula
ELEMENTWISE = {
    "gate": ("T g, T y", "T x", "x = y > T(0) ? g : T(0);"),
    "leaky_gate": ("T g, T x, T slope", "T y", "y = x > T(0) ? g : slope * g;"),
    "adam": (
        "T g, T beta1, T rest1, T beta2, T rest2, T lr, T scale, T eps",
        "T theta, T m, T v",
        """
m = beta1 * m + rest1 * g;
v = beta2 * v + rest2 * g * g;
theta -= lr * m / (sqrt(v) * scale + eps);
""",
    ),
    "affine": ("T x, T weight, T bias", "T y", "y = weight * x + bias;"),
    "normalise": ("T x, T mean, T variance, T eps", "T y", "y = (x - mean) / sqrt(variance + eps);"),
    "normalise_input": (
        "T g, T y, T mean_g, T mean_gy, T variance, T eps",
        "T x",
        "x = (g - mean_g - y * mean_gy) / sqrt(variance + eps);",
    ),
    "update_running": (
        "T mean, T variance, T momentum, T rest, T correction",
        "T running_mean, T running_var",
        """
running_mean = rest * running_mean + momentum * mean;
running_var = rest * running_var + momentum * (variance * correction);
""",
    ),
    "binary_cross_entropy": (
        "T z, T t",
        "T loss",
        """
const T rest = log1p(exp(z > T(0) ? -z : z));
loss = t * ((z < T(0) ? -z : T(0)) + rest) + (T(1) - t) * ((z > T(0) ? z : T(0)) + rest);
""",
    ),
    "binary_cross_entropy_input": (
        "T g, T z, T t",
        "T dz",
        """
const T e = exp(z >= T(0) ? -z : z);
const T small = e / (T(1) + e), large = T(1) / (T(1) + e);
dz = g * ((T(1) - t) * (z >= T(0) ? large : small) - t * (z >= T(0) ? small : large));
""",
    ),
    "cross_entropy": (
        "raw T z, int64 label, int64 K, T smoothing",
        "T loss",
        SOFTMAX
        + """
T sum = 0;
for (ptrdiff_t k = 0; k < K; ++k) sum += z[row + k] - largest;
const T picked = known ? z[row + label] - largest : unknown;
loss = log(total) - (T(1) - smoothing) * picked - smoothing * sum / T(K);
""",
    ),
    "cross_entropy_input": (
        "T g, raw T z, int64 label, int64 K, T smoothing",
        "raw T dz",
        SOFTMAX
        + """
const T factor = known ? g : unknown;
for (ptrdiff_t k = 0; k < K; ++k) {
    const T truth = smoothing / T(K) + (k == label ? T(1) - smoothing : T(0));
    dz[row + k] = factor * (exp(z[row + k] - largest) / total - truth);
}
""",
    ),
}
# by name: parameters, and what is added up
SUMS = {
    "dot": ("T x, T y", "x * y"),
    "squares": ("T x, T mean", "(x - mean) * (x - mean)"),
}


@cache
def _kernels(cupy: ModuleType) -> dict[str, Any]:
    """Return all kernels by name; CuPy compiles each when it is first called, and keeps it on disk."""
    kernels = {
        name: cupy.ElementwiseKernel(into, out, formula, f"tinycnn_{name}")
        for name, (into, out, formula) in ELEMENTWISE.items()
    }
    return kernels | {
        name: cupy.ReductionKernel(into, "T out", term, "a + b", "out = a", "0", f"tinycnn_{name}")
        for name, (into, term) in SUMS.items()
    }


def _kernel(name: str, array: Array) -> Any:
    return _kernels(array_module(array))[name]


def gate(g: Array, y: Array) -> Array:
    """Return g where y > 0, else 0: the derivative of `relu`, whose result is y."""
    return _kernel("gate", g)(g, _like(g, y))


def leaky_relu(x: Array, slope: float) -> Array:
    """Return x where x > 0, else slope * x."""
    return leaky_gate(x, x, slope)


def leaky_gate(g: Array, x: Array, slope: float) -> Array:
    """Return g where x > 0, else slope * g: the derivative of `leaky_relu` at x."""
    return _kernel("leaky_gate", g)(g, _like(g, x), float(slope))


def adam(
    theta: Array, g: Array, m: Array, v: Array, lr: float, betas: tuple[float, float], eps: float, t: int
) -> None:
    """Make step `t`, from 1, of Adam in place; see `tinycnn.optim.Adam`."""
    beta1, beta2 = betas
    step, scale = lr / (1 - beta1**t), 1 / math.sqrt(1 - beta2**t)
    numbers = (beta1, 1 - beta1, beta2, 1 - beta2, step, scale, eps)
    _kernel("adam", theta)(_like(theta, g), *map(float, numbers), theta, m, v)


def channel_sum(x: Array) -> Array:
    """Return sum_{n,h,w} x[n,c,h,w], (C,)."""
    return x.sum(axis=PLANE).sum(axis=0)


def channel_dot(a: Array, b: Array) -> Array:
    """Return sum_{n,h,w} a[n,c,h,w] * b[n,c,h,w], (C,)."""
    return _kernel("dot", a)(a, _like(a, b), axis=PLANE).sum(axis=0)


def channel_affine(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Return weight[c] * x[n,c,h,w] + bias[c]."""
    b = 0.0 if bias is None else _like(x, bias)[:, None, None]
    return _kernel("affine", x)(x, _like(x, weight)[:, None, None], b)


def normalise(x: Array, eps: float) -> tuple[Array, Array, Array]:
    """Return y = (x - mean) / sqrt(variance + eps), and mean and variance of every channel, (C,)."""
    mean = channel_sum(x)
    mean /= _count(x)
    variance = _kernel("squares", x)(x, mean[:, None, None], axis=PLANE).sum(axis=0)
    variance /= _count(x)
    return normalised(x, mean, variance, eps), mean, variance


def normalised(x: Array, mean: Array, variance: Array, eps: float) -> Array:
    """Return (x - mean) / sqrt(variance + eps), with the mean and the variance of each channel."""
    return _kernel("normalise", x)(x, mean[:, None, None], variance[:, None, None], float(eps))


def normalise_input(g: Array, y: Array, variance: Array, eps: float) -> Array:
    """Return (g - mean(g) - y * mean(g * y)) / sqrt(variance + eps), the means those of the channel."""
    mean_gy = channel_dot(g, y)
    mean_gy /= _count(g)
    mean_g = channel_sum(g)
    mean_g /= _count(g)
    return normalised_input(g, y, mean_g, mean_gy, variance, eps)


def normalised_input(g: Array, y: Array, mean_g: Array, mean_gy: Array, variance: Array, eps: float) -> Array:
    """Return (g - mean_g - y * mean_gy) / sqrt(variance + eps), with the numbers of each channel."""
    each = (a[:, None, None] for a in (mean_g, mean_gy, _like(g, variance)))
    return _kernel("normalise_input", g)(g, _like(g, y), *each, float(eps))


def update_running(
    running_mean: Array, running_var: Array, mean: Array, variance: Array, momentum: float, correction: float
) -> None:
    """Move running statistics, (C,), towards those of a batch, in place."""
    batch = _like(running_mean, mean), _like(running_mean, variance)
    numbers = float(momentum), 1.0 - momentum, float(correction)
    _kernel("update_running", running_mean)(*batch, *numbers, running_mean, running_var)


def binary_cross_entropy(z: Array, t: Array) -> Array:
    """Return t * log(1 + e^-z) + (1 - t) * log(1 + e^z)."""
    return _kernel("binary_cross_entropy", z)(z, _like(z, t))


def binary_cross_entropy_input(g: Array, z: Array, t: Array) -> Array:
    """Return g * (sigmoid(z) - t), the derivative of <g, binary_cross_entropy(z, t)>."""
    return _kernel("binary_cross_entropy_input", z)(_like(z, g), z, _like(z, t))


def cross_entropy(z: Array, labels: Array, smoothing: float) -> Array:
    """Return -sum_k t_nk * log softmax(z_n)_k, (N,); NaN for a label that is out of range."""
    return _kernel("cross_entropy", z)(z, labels.astype(np.int64, copy=False), z.shape[1], float(smoothing))


def cross_entropy_input(g: Array, z: Array, labels: Array, smoothing: float) -> Array:
    """Return g_n * (softmax(z_n)_k - t_nk), (N, K): the derivative of <g, cross_entropy(z)>."""
    dz = array_module(z).empty(z.shape, z.dtype)
    labels = labels.astype(np.int64, copy=False)
    _kernel("cross_entropy_input", z)(_like(z, g), z, labels, z.shape[1], float(smoothing), dz)
    return dz


def _like(a: Array, b: Array) -> Array:
    """Return `b` in the dtype of `a`: all arrays of a kernel are of one."""
    return b.astype(a.dtype, copy=False)


def _count(x: Array) -> int:
    """Return how many cells a channel of (N, C, H, W) has."""
    return x.shape[0] * x.shape[2] * x.shape[3]
