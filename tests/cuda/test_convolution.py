import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal, assert_array_less

from tests.helpers.geometries import LAYOUTS, SEEDS, conv2d_geometries
from tinycnn.kernels.geometry import conv2d_geometry
from tinycnn.kernels.table import IM2COL, LOOPS

RUNGS = [
    "direct",
    "coalesced",
    "shared",
    "gemm",
    "registers",
    "registers 16x16x4",
    "registers 32x16x2",
    "few",
    "async 16x16x4",
    "async 32x16x2",
    "epilogue",
]
SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
EXAMPLES = settings(
    max_examples=4 if SIMULATED else 100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate] if SIMULATED else list(Phase),  # to shrink a failure there would take minutes
)
pytestmark = pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of NaN, in the simulator


@pytest.fixture(params=RUNGS)
def rung(request, gpu):
    if request.param not in gpu.rungs:
        pytest.skip("in the simulator the tiles are small, on a GPU they are its own")
    return gpu.rungs[request.param]


def all_directions(kernels, to, back, x, w, g, geometry):
    bias, input_bias = (to(np.arange(channels, dtype=x.dtype) - 1) for channels in (w.shape[0], x.shape[1]))
    x, w, g = map(to, (x, w, g))
    return [
        back(result)
        for result in (
            kernels.conv2d(x, w, geometry),
            kernels.conv2d(x, w, geometry, bias),
            kernels.conv2d_input(g, w, geometry),
            kernels.conv2d_input(g, w, geometry, input_bias),
            kernels.conv2d_weight(x, g, geometry),
        )
    ]


def check(rung, gpu, other, geometry, rng, layout):
    shapes = geometry.x_shape, geometry.w_shape, geometry.y_shape
    x, w, g = (LAYOUTS[layout](rng.standard_normal(shape).astype("float32")) for shape in shapes)
    results = all_directions(rung, gpu.to, gpu.back, x, w, g, geometry)
    wide = [a.astype("float64") for a in (x, w, g)]
    exact = all_directions(other, np.asarray, np.asarray, *wide, geometry)
    magnitude = all_directions(other, np.asarray, np.asarray, *map(np.abs, wide), geometry)
    for ours, expected, largest in zip(results, exact, magnitude, strict=True):
        assert ours.dtype == np.float32
        # Every product and every sum is rounded: in the worst case to n * eps of the sum of magnitudes.
        assert_array_less(np.abs(ours - expected), 16 * np.finfo("f").eps * (np.abs(largest) + 1))


@EXAMPLES
@given(conv2d_geometries(), SEEDS, st.sampled_from(list(LAYOUTS)))
def test_every_rung_equals_loops(rung, gpu, geometry, rng, layout):
    check(rung, gpu, LOOPS, geometry, rng, layout)


@pytest.mark.parametrize("seed", range(2))
def test_where_tiles_are_full_and_where_they_are_not(rung, gpu, seed):
    rng = np.random.default_rng(seed)
    # 17 filters: a full tile and a part of one; some 20 pixels: more than a tile.
    options = [
        {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)},
        {"stride": (2, 2), "padding": (1, 0), "dilation": (1, 2)},
    ][seed]
    geometry = conv2d_geometry((1, 2, 3, 6), (17, 2, 2, 2), **options)
    check(rung, gpu, IM2COL, geometry, rng, "contiguous")


def test_relu_on_the_way_out(rung, gpu, rng):
    x, w, bias = (rng.standard_normal(s).astype("f") for s in ((1, 2, 4, 5), (5, 2, 3, 3), (5,)))
    x[0, 0, 0, 0] = np.nan
    geometry = conv2d_geometry(x.shape, w.shape)
    plain, only = (
        gpu.back(rung.conv2d(*map(gpu.to, (x, w)), geometry, bias=b, relu=True)) for b in (gpu.to(bias), None)
    )
    sums = IM2COL.conv2d(x, w, geometry)
    assert_allclose(plain, np.maximum(sums + bias[:, None, None], 0), atol=1e-5)
    assert_allclose(only, np.maximum(sums, 0), atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_where_it_belongs(rung, gpu, rng, value):
    geometry = conv2d_geometry((1, 2, 5, 2), (3, 2, 3, 2), stride=(2, 1), padding=1)
    shapes = geometry.x_shape, geometry.w_shape, geometry.y_shape
    for i in range(3):
        x, w, g = arrays = [rng.standard_normal(shape).astype("f") for shape in shapes]
        arrays[i].flat[rng.integers(arrays[i].size)] = value
        ours = all_directions(rung, gpu.to, gpu.back, x, w, g, geometry)
        # Padding is left out of a sum, as loops do, or counts as 0, as im2col does: and 0 * NaN is NaN.
        least, most = (all_directions(m, np.asarray, np.asarray, x, w, g, geometry) for m in (LOOPS, IM2COL))
        for a, few, many in zip(ours, least, most, strict=True):
            assert not np.isfinite(a[~np.isfinite(few)]).any()
            assert_allclose(a[np.isfinite(many)], many[np.isfinite(many)], atol=1e-5)


def test_the_sum_over_pixels_is_the_same_bits_every_time(gpu, rng):
    from tinycnn.kernels.cuda import RUNGS

    x, g = (gpu.to(rng.standard_normal((2, 4, 9, 9)).astype("f")) for _ in range(2))
    geometry = conv2d_geometry((2, 4, 9, 9), (4, 4, 3, 3), padding=1)
    first, second = (gpu.back(RUNGS["registers"].conv2d_weight(x, g, geometry)) for _ in "12")
    assert_array_equal(first, second)


def test_tiles_of_their_own_size(gpu, rng):
    """The tiles that a GPU gets, a block or two of each."""
    from tinycnn.kernels.cuda import async_tiles, register_tiles, weight_tiles
    from tinycnn.kernels.cuda.gather import Gather

    x, w = (rng.standard_normal(s).astype("f") for s in ((1, 3, 6, 24), (33, 3, 2, 1)))
    geometry = conv2d_geometry(x.shape, w.shape)
    y = IM2COL.conv2d(x, w, geometry)
    for tile in register_tiles.TILES:
        out = gpu.to(np.full_like(y, np.nan))
        gather = Gather.output(geometry)
        assert register_tiles.write_sums(gpu.to(x), gpu.to(w), out, gather, False, tile)
        assert_allclose(gpu.back(out), y, atol=1e-5)
    for tiles, make in (
        (weight_tiles.TILES, weight_tiles.parts_kernel),
        (async_tiles.TILES, async_tiles.async_kernel),
    ):
        for tile in tiles:
            out = gpu.to(np.full_like(w, np.nan))
            assert weight_tiles.write_weight(gpu.to(x), gpu.to(y), out, geometry, tile, 2, make=make)
            assert_allclose(gpu.back(out), IM2COL.conv2d_weight(x, y, geometry), rtol=1e-4)


def test_a_patch_too_large_for_shared_memory_is_done_a_rung_below(gpu, rng):
    from tinycnn.kernels.cuda import RUNGS

    x, w = (rng.standard_normal(s).astype("f") for s in ((1, 1, 130, 130), (2, 1, 2, 2)))
    geometry = conv2d_geometry(x.shape, w.shape, dilation=128)
    y = RUNGS["shared"].conv2d(gpu.to(x), gpu.to(w), geometry)
    assert_allclose(gpu.back(y), IM2COL.conv2d(x, w, geometry), atol=1e-5)


def test_the_whole_serves_float64_too_and_a_rung_refuses_it(gpu, rng):
    from tinycnn.kernels import cuda

    x, w = rng.standard_normal((1, 2, 4, 4)), rng.standard_normal((3, 2, 3, 3))
    geometry = conv2d_geometry(x.shape, w.shape)
    y = gpu.back(cuda.conv2d(gpu.to(x), gpu.to(w), geometry))
    assert y.dtype == np.float64
    assert_allclose(y, IM2COL.conv2d(x, w, geometry))
    with pytest.raises(TypeError, match=r"of float32 .* got float64, .* shape \(1, 2, 4, 4\)"):
        cuda.RUNGS["direct"].conv2d(gpu.to(x), gpu.to(w), geometry)


def test_a_batch_of_none(rung, gpu):
    x, w, g = np.ones((0, 2, 4, 4), "f"), np.ones((3, 2, 3, 3), "f"), np.ones((0, 3, 2, 2), "f")
    geometry = conv2d_geometry(x.shape, w.shape)
    results = all_directions(rung, gpu.to, gpu.back, x, w, g, geometry)
    assert [r.shape for r in results[::2]] == [(0, 3, 2, 2), (0, 2, 4, 4), (3, 2, 3, 3)]
    assert_array_equal(results[4], 0)


def test_a_tile_that_its_threads_cannot_load_is_refused(gpu):
    from tinycnn.kernels.cuda.register_tiles import gather_kernel
    from tinycnn.kernels.cuda.tile_product import Tile

    with pytest.raises(ValueError, match=r"has 16 threads, no multiple of BN=32"):
        gather_kernel(Tile(16, 32, 4, 4, 8))


def test_a_bias_that_is_a_view_a_bias_of_float64_and_one_that_does_not_fit(gpu, rung, rng):
    from tinycnn.kernels import cuda

    x, w = (rng.standard_normal(s).astype("f") for s in ((1, 2, 3, 3), (3, 2, 2, 2)))
    bias = gpu.to(np.arange(6, dtype="f"))[::2]
    geometry = conv2d_geometry(x.shape, w.shape)
    expected = IM2COL.conv2d(x, w, geometry, bias=np.arange(0, 6, 2, dtype="f"))
    assert_allclose(gpu.back(rung.conv2d(gpu.to(x), gpu.to(w), geometry, bias=bias)), expected, atol=1e-5)
    wide = bias.astype("float64")
    y = cuda.conv2d(gpu.to(x), gpu.to(w), geometry, wide)
    assert_allclose(gpu.back(y), expected, atol=1e-5)
    with pytest.raises(TypeError, match="float64"):
        rung.conv2d(gpu.to(x), gpu.to(w), geometry, bias=wide)
    with pytest.raises(ValueError, match=r"the bias must have the shape \(3,\), got \(2,\)"):
        rung.conv2d(gpu.to(x), gpu.to(w), geometry, bias=bias[:2])
