"""Tensor cores: which thread holds which number, and how exact their sums are."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinycnn.kernels import table
from tinycnn.kernels.cuda import OPT_IN, RUNGS, epilogue, pace, products, tensor_cores, weight_tiles
from tinycnn.kernels.cuda.gather import Gather
from tinycnn.kernels.cuda.launch import Launch
from tinycnn.kernels.cuda.register_tiles import write_sums
from tinycnn.kernels.cuda.target import cuda, divide, int32, kernel, mma, to_tf32
from tinycnn.kernels.cuda.tile_product import Tile
from tinycnn.kernels.geometry import conv2d_geometry
from tinycnn.kernels.table import IM2COL

SMALL = Tile(16, 16, 8, 2, 4)  # one warp
WARPS = [Tile(32, 16, 8, 2, 4), Tile(16, 32, 8, 2, 4)]  # two, one below the other, or side by side
DENSE = [(SMALL, 1), (SMALL, 2), *((tile, 1) for tile in WARPS)]
EPS = np.finfo("f").eps
GEOMETRIES = {
    "padding": ((1, 9, 3, 4), (5, 9, 2, 2), {"padding": (1, 1)}),
    "stride": ((1, 3, 4, 3), (17, 3, 2, 2), {"stride": (2, 2), "padding": (1, 0)}),
    "groups": ((1, 4, 3, 3), (4, 2, 2, 1), {"groups": 2, "dilation": (2, 1)}),
}


@kernel(32)
def one_instruction(a, b, c):
    lane = int32(cuda.threadIdx.x)
    g, q = divide(lane, 4), int32(lane % 4)
    c0, c1, c2, c3 = mma(
        c[g * 8 + 2 * q],
        c[g * 8 + 2 * q + 1],
        c[(g + 8) * 8 + 2 * q],
        c[(g + 8) * 8 + 2 * q + 1],
        a[g * 8 + q],
        a[(g + 8) * 8 + q],
        a[g * 8 + q + 4],
        a[(g + 8) * 8 + q + 4],
        b[q * 8 + g],
        b[(q + 4) * 8 + g],
    )
    c[g * 8 + 2 * q], c[g * 8 + 2 * q + 1] = c0, c1
    c[(g + 8) * 8 + 2 * q], c[(g + 8) * 8 + 2 * q + 1] = c2, c3


@kernel(32)
def rounded(numbers):
    i = int32(cuda.threadIdx.x)
    numbers[i] = to_tf32(numbers[i])


def test_which_thread_holds_which_number(gpu, rng):
    a, b, c = (rng.integers(-9, 10, shape).astype("f") for shape in ((16, 8), (8, 8), (16, 8)))
    there = gpu.to(c.copy())
    one_instruction.launch((1,), (32,), gpu.to(a), gpu.to(b), there)
    assert_array_equal(gpu.back(there), c + a @ b)


def test_tf32_has_ten_bits_and_rounds_to_the_nearest(gpu, rng):
    x = rng.standard_normal(32).astype("f")
    x[:6] = [1 + 2**-11, 1 + 2**-12, -1 - 2**-11, np.inf, np.nan, 0]
    there = gpu.to(x.copy())
    rounded.launch((1,), (32,), there)
    result = gpu.back(there)
    assert_array_equal(result[:6], [1 + 2**-10, 1, -1 - 2**-10, np.inf, np.nan, 0])
    assert not (result[6:].view("u4") & 0x1FFF).any()
    assert_allclose(result[6:], x[6:], rtol=2**-11)


def both_directions(gpu, rng, product_of, name, tile=SMALL, pieces=1):
    """Yield a result, the same in float64, and the sum of magnitudes."""
    x_shape, w_shape, options = GEOMETRIES[name]
    window = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1, **options}
    geometry = conv2d_geometry(x_shape, w_shape, **window)
    x, w, g = (rng.standard_normal(s).astype("f") for s in (x_shape, w_shape, geometry.y_shape))
    for source, gather, transposed, exact in (
        (x, Gather.output(geometry), False, IM2COL.conv2d),
        (g, Gather.input(geometry), True, IM2COL.conv2d_input),
    ):
        wide = source.astype("d"), w.astype("d")
        expected, magnitude = exact(*wide, geometry), exact(*map(np.abs, wide), geometry)
        out = gpu.to(np.full(expected.shape, np.nan, "f"))
        assert write_sums(
            gpu.to(source), gpu.to(w), out, gather, transposed, tile, pieces=pieces, product_of=product_of
        )
        yield gpu.back(out), expected, magnitude


def weights_gradient(gpu, rng, product_of, name, tile=SMALL, pieces=1):
    """Yield the gradient by the weights, the same in float64, and the sum of magnitudes."""
    x_shape, w_shape, options = GEOMETRIES[name]
    window = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1, **options}
    geometry = conv2d_geometry(x_shape, w_shape, **window)
    x, g = (rng.standard_normal(s).astype("f") for s in (x_shape, geometry.y_shape))
    wide = x.astype("d"), g.astype("d")
    out = gpu.to(np.full(w_shape, np.nan, "f"))
    assert weight_tiles.write_weight(gpu.to(x), gpu.to(g), out, geometry, tile, pieces, product_of=product_of)
    exact = IM2COL.conv2d_weight
    yield gpu.back(out), exact(*wide, geometry), exact(*map(np.abs, wide), geometry)


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("pieces", [1, 2])
def test_the_gradient_by_the_weights_is_as_exact_as_float32(gpu, rng, name, pieces):
    within_the_bound_of_float32(weights_gradient(gpu, rng, tensor_cores.tf32x3, name, pieces=pieces))


@pytest.mark.parametrize(("tile", "pieces"), DENSE, ids=str)
@pytest.mark.parametrize("turned", [(False, True), (False, False), (True, False)], ids=["y", "dx", "dW"])
def test_dense_products_are_as_exact_as_float32(gpu, rng, tile, pieces, turned):
    a, b = rng.standard_normal((17, 19)).astype("f"), rng.standard_normal((19, 21)).astype("f")
    left, right = (
        gpu.to(np.ascontiguousarray(m.T)).T if t else gpu.to(m) for m, t in zip((a, b), turned, strict=True)
    )
    ours = products.linear(left, right.T, None, tile, pieces, tensor_cores.tf32x3)
    exact, magnitude = a.astype("d") @ b, np.abs(a.astype("d")) @ np.abs(b)
    within_the_bound_of_float32([(gpu.back(ours), exact, magnitude)])


NEARLY_INFINITE = 3.4022e38  # TF32 rounds it up to infinity


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numbers_that_are_not_finite_are_as_in_float32(gpu):
    """Each of these by each, and a finite product added: infinite with the right sign, NaN, or exact."""
    numbers = np.array([np.inf, -np.inf, np.nan, NEARLY_INFINITE, 0.25, -1e-30, 0.0, 3.3], "f")
    a, b = (np.stack([numbers, np.full(8, 2, "f")], axis) for axis in (1, 0))  # (8, 2), (2, 8)
    with np.errstate(all="ignore"):
        expected = numbers[:, None] * numbers + np.float32(4)
    assert np.isnan(expected).any()
    ours = products.linear(gpu.to(a), gpu.to(b).T, None, SMALL, 1, tensor_cores.tf32x3)
    assert_allclose(gpu.back(ours), expected, rtol=1e-6)


def test_a_long_sum_is_as_exact_as_one_of_float32(gpu, rng):
    """All terms are positive. A tensor core cuts its sums, so here all of its errors make the sum smaller."""
    a, b = rng.uniform(1, 2, (1, 512)).astype("f"), rng.uniform(1, 2, (512, 1)).astype("f")
    ours = products.linear(gpu.to(a), gpu.to(b).T, None, SMALL, 1, tensor_cores.tf32x3)
    assert_allclose(gpu.back(ours), a.astype("d") @ b, rtol=1e-6)


@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, -1)], ids=str)
def test_a_product_that_float32_can_hold_is_finite(gpu, rng, signs):
    """Of factors of all sizes whose product is nearly the largest number, however TF32 rounds each."""
    most = float(np.finfo("f").max)
    a = np.concatenate(
        [rng.uniform(1, 2, 28) * 2.0 ** rng.integers(1, 127, 28), [2**63.99, 2**64, 2**127, most]]
    )
    a = a.astype("f").astype("d")
    share = 1 - 2.0 ** -rng.integers(10, 20, a.size)  # of the largest number
    b = (share * most / a).astype("f").astype("d")
    products_of_float32 = np.float32(a * b)
    assert np.isfinite(products_of_float32).all()
    left, right = np.diag(signs[0] * a).astype("f"), np.diag(signs[1] * b).astype("f")
    for first, second in ((left, right), (right, left)):
        ours = products.linear(gpu.to(first), gpu.to(second).T, None, SMALL, 1, tensor_cores.tf32x3)
        assert_allclose(np.diag(gpu.back(ours)), signs[0] * signs[1] * products_of_float32, rtol=16 * EPS)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_three_products_are_as_exact_as_float32(gpu, rng, name):
    within_the_bound_of_float32(both_directions(gpu, rng, tensor_cores.tf32x3, name))


@pytest.mark.parametrize(("tile", "pieces"), [(SMALL, 2), *((tile, 1) for tile in WARPS)], ids=str)
def test_several_warps_and_pieces(gpu, rng, tile, pieces):
    within_the_bound_of_float32(both_directions(gpu, rng, tensor_cores.tf32x3, "padding", tile, pieces))


def within_the_bound_of_float32(results):
    for ours, exact, magnitude in results:
        # 16 * eps is what the rungs of float32 are held to.
        assert (np.abs(ours - exact) <= 16 * EPS * (magnitude + 1)).all()


def test_plain_tf32_is_not(gpu, rng):
    for ours, exact, magnitude in both_directions(gpu, rng, tensor_cores.tf32, "padding"):
        errors = np.abs(ours - exact) / magnitude
        assert (errors <= 2**-10 + 16 * EPS).all()  # both factors are rounded to 1 part in 2048
        assert errors.max() > 16 * EPS
        assert np.median(errors) > 16 * EPS


def test_a_bias_and_relu_on_the_way_out(gpu, rng):
    geometry = conv2d_geometry((1, 3, 4, 4), (5, 3, 2, 2))
    x, w, bias = (rng.standard_normal(s).astype("f") for s in ((1, 3, 4, 4), (5, 3, 2, 2), (5,)))
    out = gpu.to(np.empty(geometry.y_shape, "f"))
    write_sums(
        *map(gpu.to, (x, w)),
        out,
        Gather.output(geometry),
        False,
        SMALL,
        epilogue.add_bias_and_rectify,
        gpu.to(bias),
        product_of=tensor_cores.tf32x3,
    )
    expected = np.maximum(IM2COL.conv2d(x, w, geometry) + bias[:, None, None], 0)
    assert_allclose(gpu.back(out), expected, atol=1e-5)


@pytest.mark.parametrize("name", OPT_IN)
def test_only_who_asks_gets_it(name, monkeypatch):
    kernels = table.rung(name)
    assert kernels.name == name
    assert kernels.conv2d == OPT_IN[name].conv2d
    assert name not in RUNGS
    assert table.cuda().conv2d != kernels.conv2d

    chosen = []
    monkeypatch.setattr(Launch, "__call__", lambda *_: None)
    for module, writer in ((tensor_cores, "write_sums"), (weight_tiles, "write_weight")):
        monkeypatch.setattr(
            module, writer, lambda *_, product_of=None, **__: chosen.append(product_of) or True
        )
    linear = products.linear
    monkeypatch.setattr(
        products,
        "linear",
        lambda *given, product_of: chosen.append(product_of) or linear(*given, product_of=product_of),
    )
    geometry = conv2d_geometry((2, 3, 8, 8), (4, 3, 3, 3))
    x, w, g = np.ones((2, 3, 8, 8), "f"), np.ones((4, 3, 3, 3), "f"), np.ones((2, 4, 6, 6), "f")

    def asked():
        chosen.clear()
        kernels.conv2d(x, w, geometry)
        kernels.conv2d_input(g, w, geometry)
        kernels.conv2d_weight(x, g, geometry)
        kernels.matmul(x[0, 0], x[0, 0])
        kernels.linear(x[0, 0], x[0, 0])
        return chosen

    if pace.SIMULATED:
        assert asked() == [getattr(tensor_cores, name)] * 5
        for module in (tensor_cores, products):  # no TF32: the rung below
            monkeypatch.setattr(module, "capability", lambda: (7, 5))
        assert asked() == [products.padded_product] * 2


def test_a_tile_that_warps_do_not_fill_is_refused():
    with pytest.raises(ValueError, match=r"not made of warps of 32x16 results, 8 products at a time"):
        tensor_cores.tf32(Tile(32, 24, 8, 4, 4))
