"""The CUDA kernels, by one body of tests: on a GPU where there is one, in Numba's simulator where that is on.

tests/test_cuda_simulator.py starts them in the simulator, in a process of its own.
"""

import os
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from tests.helpers.gpu_needed import skip_without_gpu
from tinycnn import backend
from tinycnn.kernels import table

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"


@pytest.fixture(scope="session")
def gpu():
    """What moves arrays there and back, and the rungs to test: with tiles for a simulator, or their own."""
    if reason := table.why_no_cuda() or (None if SIMULATED else backend.why_not("cupy")):
        skip_without_gpu(reason)
    from tinycnn.kernels.cuda import RUNGS

    if SIMULATED:
        return SimpleNamespace(to=np.asarray, back=np.asarray, rungs=small_rungs(), simulated=True)
    import cupy

    return SimpleNamespace(to=cupy.asarray, back=cupy.asnumpy, rungs=RUNGS, simulated=False)


def small_rungs():
    """The rungs with tiles so small that the tests' convolutions take several, some of them not full."""
    from tinycnn.kernels.cuda import async_tiles, epilogue, few_results, implicit_gemm, ladder, shared_tiles
    from tinycnn.kernels.cuda.gather import Gather
    from tinycnn.kernels.cuda.tile_product import Tile

    direct, coalesced = ladder.DIRECT, ladder.COALESCED
    rungs = {
        "direct": direct,
        "coalesced": coalesced,
        "shared": ladder.Rung(coalesced, shared_tiles.writer(TILE_H=2, TILE_W=3, FILTERS=2)),
        "gemm": ladder.Rung(coalesced, implicit_gemm.writer(TILE=4)),
    }
    for tile, pieces in (Tile(16, 16, 4, 4, 4), 1), (Tile(32, 16, 2, 8, 4), 3), (few_results.TILE, 2):
        few = tile == few_results.TILE
        rungs["few" if few else f"registers {tile.BM}x{tile.BN}x{tile.BK}"] = ladder.Rung(
            direct,
            partial(write, Gather.output, False, tile, pieces),
            partial(write, Gather.input, True, tile, pieces),
            None if few else partial(write_weight, tile, pieces),
        )
    for tile, pieces in (Tile(16, 16, 4, 4, 4), 1), (Tile(32, 16, 2, 8, 4), 2):
        rungs[f"async {tile.BM}x{tile.BN}x{tile.BK}"] = ladder.Rung(
            direct, weight=partial(write_weight, tile, pieces, make=async_tiles.async_kernel)
        )
    rungs["epilogue"] = ladder.Rung(
        direct,
        partial(write_with_epilogue, Gather.output, False, Tile(16, 16, 4, 4, 4)),
        partial(write_with_epilogue, Gather.input, True, Tile(16, 16, 4, 4, 4)),
        epilogue=True,
    )
    assert set(epilogue.FINISH) == {(bias, relu) for bias in (False, True) for relu in (False, True)}
    return rungs


def write(gather, transposed, tile, pieces, a, b, out, geometry):
    from tinycnn.kernels.cuda.register_tiles import write_sums

    return write_sums(a, b, out, gather(geometry), transposed, tile, pieces=pieces)


def write_with_epilogue(gather, transposed, tile, a, b, out, geometry, bias, relu):
    from tinycnn.kernels.cuda import epilogue
    from tinycnn.kernels.cuda.register_tiles import write_sums

    finish = epilogue.FINISH[bias is not None, relu]
    assert write_sums(a, b, out, gather(geometry), transposed, tile, finish, bias)
    return True


def write_weight(tile, pieces, x, g, w, geometry, **make):
    from tinycnn.kernels.cuda import weight_tiles

    assert weight_tiles.write_weight(x, g, w, geometry, tile, pieces, **make)
    return True
