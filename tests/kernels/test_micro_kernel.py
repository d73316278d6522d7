import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tests.helpers.geometries import SEEDS
from tinycnn.kernels.cpu.compiled import compiled
from tinycnn.kernels.cpu.micro_kernel import (
    NARROW_ROWS,
    ROWS,
    depthwise_tile,
    filters_of,
    narrow_tile,
    twin,
    wide_tile,
)
from tinycnn.kernels.cpu.panels import transpose


@compiled
def wide(a, a0, rows, i0, steps, v, v0, pitch, sums, s0, places, start, fresh):
    wide_tile(a, a0, rows, i0, steps, v, v0, pitch, sums, s0, places, start, fresh)


@compiled
def narrow(a, a0, rows, i0, steps, v, v0, pitch, sums, s0, places, start, fresh):
    narrow_tile(a, a0, rows, i0, steps, v, v0, pitch, sums, s0, places, start, fresh)


@compiled
def depthwise(a, a0, rows, i0, steps, v, v0, pitch, sums, s0, places, start, fresh):
    depthwise_tile(a, a0, rows, i0, steps, v, v0, pitch, sums, s0, places, start, fresh)


TILES = {"wide": (wide, ROWS, 1), "narrow": (narrow, NARROW_ROWS, 2), "depthwise": (depthwise, ROWS, 1)}
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.mark.parametrize("tile", TILES)
@DTYPES
@given(rng=SEEDS, steps=st.integers(1, 20), fresh=st.booleans(), repeated=st.booleans())
def test_the_micro_kernel_equals_its_twin(tile, dtype, rng, steps, fresh, repeated):
    compiled_tile, MR, share = TILES[tile]
    NR = filters_of(np.dtype(dtype).itemsize) // share
    pitch, a0, v0, s0, i0 = NR + rng.integers(5), *rng.integers(0, 7, 4)
    places = NR * rng.permutation(MR + 9)
    rows = rng.integers(0, 50, MR + 9)
    if repeated:  # what a tile has too many at the end of a table
        places[i0 + MR // 2 :], rows[i0 + MR // 2 :] = places[i0 + MR // 2], rows[i0 + MR // 2]
    a = rng.standard_normal(a0 + 100 + NR).astype(dtype)
    v = rng.standard_normal(v0 + (steps - 1) * pitch + NR).astype(dtype)
    sums = rng.standard_normal(s0 + NR * (MR + 9)).astype(dtype)
    table = rng.integers(0, 50, steps)
    start = rng.standard_normal(NR).astype(dtype)
    expected = sums.copy()
    twin(MR, NR, each=tile == "depthwise")(
        a, a0, rows, i0, table, v, v0, pitch, expected, s0, places, start, fresh
    )
    compiled_tile(a, a0, rows, i0, table, v, v0, pitch, sums, s0, places, start, fresh)
    # The compiled one rounds once for a multiplication and an addition together, where a processor can.
    tolerance = 50 * np.finfo(dtype).eps
    assert_allclose(sums, expected, rtol=tolerance, atol=tolerance)
    touched = np.concatenate([s0 + place + np.arange(NR) for place in places[i0 : i0 + MR]])
    untouched = np.delete(np.arange(sums.size), touched)
    assert_array_equal(sums[untouched], expected[untouched])


@DTYPES
@given(rng=SEEDS, rows=st.integers(0, 40), columns=st.integers(0, 40))
def test_a_transpose_writes_what_it_should_and_nothing_else(dtype, rng, rows, columns):
    to_pitch, s_pitch = columns + rng.integers(4), rows + rng.integers(4)
    source = rng.standard_normal(5 + columns * s_pitch).astype(dtype)
    to = rng.standard_normal(3 + rows * to_pitch).astype(dtype)
    expected = to.copy()
    for i in range(rows):
        for j in range(columns):
            expected[3 + i * to_pitch + j] = source[5 + j * s_pitch + i]
    transpose(to, 3, to_pitch, source, 5, s_pitch, rows, columns)
    assert_array_equal(to, expected)
