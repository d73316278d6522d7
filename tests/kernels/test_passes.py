"""Passes over arrays: what is compiled equals what NumPy does, on any layout in memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tests.helpers.geometries import EVERY_LAYOUT, SEEDS
from tinycnn.kernels.cpu import channels as cpu_channels
from tinycnn.kernels.cpu import elementwise as cpu_elementwise
from tinycnn.kernels.cpu import products
from tinycnn.kernels.table import PLAIN

DTYPES = st.sampled_from(["float32", "float64"])
CLOSE = {"float32": {"rtol": 2e-5, "atol": 2e-5}, "float64": {"rtol": 1e-12, "atol": 1e-12}}
SHAPES = st.tuples(*(st.integers(low, high) for low, high in ((0, 3), (1, 4), (1, 6), (1, 20))))
STRANGE = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch, set_threads):
    set_threads(3)
    for module in (cpu_channels, cpu_elementwise):
        monkeypatch.setattr(module, "SERIAL", 1)
    monkeypatch.setattr(products, "USUAL", products.Tile(1, 3, 60))


def draw(rng, shape, dtype, layout):
    array = EVERY_LAYOUT[layout](rng.standard_normal(shape).astype(dtype))
    array.flags.writeable = False
    return array


@given(SHAPES, DTYPES, SEEDS, st.sampled_from(list(EVERY_LAYOUT)))
def test_elementwise(shape, dtype, rng, layout):
    x, g = draw(rng, shape, dtype, layout), draw(rng, shape, dtype, layout)
    for name, args in (
        ("relu", (x,)),
        ("gate", (g, x)),
        ("leaky_relu", (x, 0.2)),
        ("leaky_gate", (g, x, 0.2)),
    ):
        ours, expected = (getattr(module, name)(*args) for module in (cpu_elementwise, PLAIN))
        assert ours.dtype == dtype
        assert_array_equal(ours, expected)


def test_what_is_not_finite_stays():
    x = np.array(STRANGE)
    for module in (cpu_elementwise, PLAIN):
        assert_array_equal(module.relu(x), [np.nan, np.inf, 0, 0, 0, 1, 0])
        assert_array_equal(module.leaky_relu(x, 0.5), [np.nan, np.inf, -np.inf, 0, 0, 1, -0.5])
        assert_array_equal(module.gate(np.full(7, 3.0), x), [0, 3, 0, 0, 0, 3, 0])


@given(st.integers(1, 70), DTYPES, SEEDS, st.integers(1, 5))
def test_adam(size, dtype, rng, t):
    states = []
    for module in (cpu_elementwise, PLAIN):
        twin = np.random.default_rng(0)
        theta, g, m, v = (twin.random(size).astype(dtype) for _ in range(4))
        module.adam(theta, g, m, v, 1e-2, (0.9, 0.999), 1e-8, t)
        states.append((theta, m, v))
    for ours, expected in zip(*states, strict=True):
        assert_allclose(ours, expected, **CLOSE[dtype])


@given(SHAPES.filter(lambda shape: shape[0] > 0), DTYPES, SEEDS, st.sampled_from(list(EVERY_LAYOUT)))
def test_channels(shape, dtype, rng, layout):
    x, g = draw(rng, shape, dtype, layout), draw(rng, shape, dtype, layout)
    weight, bias = (rng.standard_normal(shape[1]).astype(dtype) for _ in range(2))
    y, _, variance = PLAIN.normalise(x, 0.1)
    for name, args in (
        ("channel_sum", (x,)),
        ("channel_dot", (g, x)),
        ("channel_affine", (x, weight)),
        ("channel_affine", (x, weight, bias)),
        ("normalise", (x, 0.1)),
        ("normalise_input", (g, y, variance, 0.1)),
    ):
        ours, expected = (getattr(module, name)(*args) for module in (cpu_channels, PLAIN))
        if not isinstance(ours, tuple):
            ours, expected = (ours,), (expected,)
        for a, b in zip(ours, expected, strict=True):
            assert a.dtype == dtype
            assert_allclose(a, b, **CLOSE[dtype])


def normalised_in_parts(kernels, x, weight, bias, slope):
    y, mean, variance = kernels.normalise(x, 0.1)
    z = kernels.channel_affine(y, weight, bias)
    activated = z if slope == 1 else PLAIN.leaky_relu(z, slope) if slope else PLAIN.relu(z)
    return y, activated, mean, variance


def derivatives_in_parts(kernels, g, y, z, weight, variance, slope):
    g = g if slope == 1 else PLAIN.leaky_gate(g, z, slope) if slope else PLAIN.gate(g, z)
    x = kernels.normalise_input(kernels.channel_affine(g, weight), y, variance, 0.1)
    return x, kernels.channel_dot(g, y), kernels.channel_sum(g)


@given(
    SHAPES.filter(lambda shape: shape[0] > 0),
    DTYPES,
    SEEDS,
    st.sampled_from(list(EVERY_LAYOUT)),
    st.sampled_from([0.0, 0.2, 1.0]),
    st.booleans(),
)
def test_batch_norm_with_its_activation(shape, dtype, rng, layout, slope, strange):
    """The result has the bits of kernel after kernel; NaN and infinity as in the plain kernels."""
    x, g = draw(rng, shape, dtype, layout), draw(rng, shape, dtype, layout)
    weight, bias = (rng.standard_normal(shape[1]).astype(dtype) for _ in range(2))
    if strange:
        x, bias = x.copy(), np.array(rng.choice(STRANGE, shape[1]), dtype)
        x[0, 0, 0, 0] = rng.choice(STRANGE)
    ours = cpu_channels.normalise_epilogue(x, weight, bias, 0.1, slope)
    with np.errstate(invalid="ignore"):
        for exact, module in ((True, cpu_channels), (False, PLAIN)):
            for a, b in zip(ours, normalised_in_parts(module, x, weight, bias, slope), strict=True):
                assert a.dtype == dtype
                assert_allclose(a, b, **({"rtol": 0, "atol": 0} if exact else CLOSE[dtype]))
        y, z, _, variance = ours
        found = cpu_channels.normalise_epilogue_input(g, y, z, weight, variance, 0.1, slope)
        for a, b in zip(found, derivatives_in_parts(PLAIN, g, y, z, weight, variance, slope), strict=True):
            assert a.dtype == dtype
            assert_allclose(a, b, **CLOSE[dtype])


@given(*(st.integers(1, 9) for _ in range(3)), DTYPES, SEEDS, st.booleans())
def test_products(M, K, N, dtype, rng, transposed):
    a = rng.standard_normal((M, K)).astype(dtype)
    b = (rng.standard_normal((N, K)).T if transposed else rng.standard_normal((K, N))).astype(dtype)
    assert_allclose(products.matmul(a, b), a @ b, **CLOSE[dtype])


def test_sums_are_the_same_bits_for_every_number_of_threads(set_threads, rng):
    x = rng.standard_normal((5, 7, 11, 13)).astype("float32")
    results = []
    for threads in (1, 2, 5):
        set_threads(threads)
        sums, normal = cpu_channels.channel_sum(x), cpu_channels.normalise(x, 1e-5)
        fused = cpu_channels.normalise_epilogue(x, sums, sums, 1e-5, 0.2)
        back = cpu_channels.normalise_epilogue_input(x, *fused[:2], sums, fused[3], 1e-5, 0.2)
        results.append((sums, *normal, *fused, *back))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert_array_equal(a, b)
