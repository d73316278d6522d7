"""Matrix products and the dense layer, against float64."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal, assert_array_less

from tinycnn.kernels.cuda import products
from tinycnn.kernels.cuda.tile_product import Tile

SMALL = [(Tile(16, 16, 4, 4, 4), 1), (Tile(16, 16, 4, 4, 4), 3), (Tile(32, 32, 4, 8, 4), 2)]
EPS = np.finfo("f").eps


def close(ours, exact, magnitude):
    assert ours.dtype == np.float32
    assert ours.shape == exact.shape
    assert_array_less(np.abs(ours - exact), 16 * EPS * (magnitude + 1))


def three_products(gpu, x, w, g, bias, tile, pieces):
    """Return a dense layer's output and gradients, and each in float64, and the sums of magnitudes."""
    to = gpu.to
    ours = (
        products.linear(to(x), to(w), to(bias), tile, pieces),
        products.linear(to(g), to(w).T, None, tile, pieces),
        products.linear(to(g).T, to(x).T, None, tile, pieces),
    )
    wide = [a.astype("d") for a in (x, w, g, bias)]
    for result, exact, size in zip(ours, of_numpy(*wide), of_numpy(*map(np.abs, wide)), strict=True):
        yield gpu.back(result), exact, size


def of_numpy(x, w, g, bias):
    return x @ w.T + bias, g @ w, g.T @ x


@pytest.mark.parametrize(("tile", "pieces"), SMALL, ids=str)
@pytest.mark.parametrize("sizes", [(5, 7, 3), (17, 16, 18), (1, 19, 1), (3, 1, 20)], ids=str)
def test_a_dense_layer_and_its_gradients(gpu, rng, tile, pieces, sizes):
    N, i, o = sizes
    x, w, g, bias = (rng.standard_normal(s).astype("f") for s in ((N, i), (o, i), (N, o), (o,)))
    for ours, exact, magnitude in three_products(gpu, x, w, g, bias, tile, pieces):
        close(ours, exact, magnitude)


def test_tiles_of_their_own_size(gpu, rng):
    """The tiles that a GPU gets, a block of each."""
    x, w = rng.standard_normal((9, 18)).astype("f"), rng.standard_normal((33, 18)).astype("f")
    x64, w64 = x.astype("d"), w.astype("d")
    for tile in products.TILES:
        ours = gpu.back(products.linear(gpu.to(x), gpu.to(w), None, tile, 1))
        close(ours, x64 @ w64.T, np.abs(x64) @ np.abs(w64).T)


@pytest.mark.parametrize("a_turned", [False, True])
@pytest.mark.parametrize("b_turned", [False, True])
def test_matmul_of_views(gpu, rng, a_turned, b_turned):
    a, b = rng.standard_normal((4, 6)).astype("f"), rng.standard_normal((6, 5)).astype("f")
    left = gpu.to(np.ascontiguousarray(a.T)).T if a_turned else gpu.to(a)
    right = gpu.to(np.ascontiguousarray(b.T)).T if b_turned else gpu.to(b)
    exact = a.astype("d") @ b.astype("d")
    close(gpu.back(products.matmul(left, right)), exact, np.abs(exact))
    every_other = gpu.to(np.repeat(a, 2, axis=1))[:, ::2]  # neither direction is one run
    close(gpu.back(products.matmul(every_other, right)), exact, np.abs(exact))


@pytest.mark.parametrize("sizes", [(0, 3, 2), (2, 3, 0), (2, 0, 3)], ids=str)
def test_sizes_of_zero(gpu, sizes):
    N, i, o = sizes
    x, w, bias = np.ones((N, i), "f"), np.ones((o, i), "f"), np.arange(o, dtype="f")
    y = gpu.back(products.linear(gpu.to(x), gpu.to(w), gpu.to(bias)))
    assert_array_equal(y, x @ w.T + bias)


def test_what_is_not_finite_stays_in_its_row(gpu):
    x, w = np.ones((3, 5), "f"), np.ones((4, 5), "f")
    x[1, 2] = np.nan
    y = gpu.back(products.linear(gpu.to(x), gpu.to(w)))
    assert np.isnan(y[1]).all()
    assert_array_equal(y[[0, 2]], 5)


def test_matmul_leaves_stacks_and_float64_to_the_library(gpu, rng):
    a, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((4, 5))
    for dtype in "fd":
        y = gpu.back(products.matmul(gpu.to(a.astype(dtype)), gpu.to(b.astype(dtype))))
        assert y.dtype == dtype
        assert y.shape == (2, 3, 5)
    assert gpu.back(products.matmul(gpu.to(b), gpu.to(b.T))).dtype == np.float64


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("with_bias", [False, True])
def test_dense_serves_every_dtype(gpu, rng, dtype, with_bias):
    x, w, bias = (rng.standard_normal(s).astype(dtype) for s in ((4, 6), (3, 6), (3,)))
    y = gpu.back(products.dense(gpu.to(x), gpu.to(w), *([gpu.to(bias)] if with_bias else [])))
    assert y.dtype == dtype
    np.testing.assert_allclose(y, x @ w.T + (bias if with_bias else 0), rtol=1e-5, atol=1e-6)


def test_sizes_that_do_not_fit_are_refused(gpu):
    x, w = gpu.to(np.ones((2, 3), "f")), gpu.to(np.ones((4, 5), "f"))
    with pytest.raises(ValueError, match=r"x \(N, in\) and w \(out, in\), got \(2, 3\) and \(4, 5\)"):
        products.linear(x, w)
    with pytest.raises(ValueError, match=r"bias must have the shape \(4,\), got \(5,\)"):
        products.linear(x, w[:, :3], gpu.to(np.ones(5, "f")))
    with pytest.raises(TypeError, match="float64"):
        products.linear(x.astype("d"), w[:, :3].astype("d"))


def test_few_results_with_a_long_sum_are_cut_into_pieces_and_many_are_not():
    assert products.plan((32, 10, 1600), False, True).add is not None
    assert products.plan((4096, 4096, 1600), False, True).add is None
    assert products.plan((2**16, 2**16, 4)) is None  # more results than int32 counts
