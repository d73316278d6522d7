"""Which tile serves which convolution: beside what a GPU has measured. No GPU is needed for that."""

import json
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="the CUDA kernels are compiled by Numba")

from tinycnn.kernels.cuda import async_tiles, products, register_tiles, weight_tiles
from tinycnn.kernels.cuda.gather import Gather
from tinycnn.kernels.cuda.ladder import ASYNC
from tinycnn.kernels.cuda.launch import Launch
from tinycnn.kernels.cuda.pace import ADDING_START, Work
from tinycnn.kernels.cuda.tile_product import padded_product
from tinycnn.kernels.geometry import conv2d_geometry

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def measured():
    """Return the us of every recorded tile, by file, shape and direction."""
    found = defaultdict(dict)
    for file in sorted(RESULTS.glob("gpu-*.jsonl")):
        for row in map(json.loads, file.read_text().splitlines()):
            if row["part"] in ("tiles", "products") and re.match(r"\d+x\d+x\d+", row["variant"]):
                found[file.stem, row["shape"], row["direction"]][row["variant"]] = row["gpu_us"]
    return found


MEASURED = measured()
PRODUCTS = [key for key in MEASURED if key[1].startswith("dense")]
ALL_TILES = [key for key in MEASURED if key not in PRODUCTS]


def geometry_of(shape):
    """Return the sizes of "N32 C32 13x13 K64 3x3 s2 p1"."""
    pattern = r"N(\d+) C(\d+) (\d+)x(\d+) K(\d+) (\d+)x(\d+)(?: s(\d+))?(?: p(\d+))?"
    N, C, H, W, K, KH, KW, S, P = (int(x or 0) for x in re.fullmatch(pattern, shape).groups())
    return conv2d_geometry((N, C, H, W), (K, C, KH, KW), (S or 1,) * 2, (P, P), (1, 1), 1)


def named(tile, pieces, stages=1):
    """Return how the record calls it: "128x128x8a3/29" are 29 pieces by rung 7 with three stages."""
    return "x".join(map(str, tile[:3])) + (f"a{stages}" if stages > 1 else "") + f"/{pieces}"


def weight_times(key):
    """Return the us of the gradient by the weights. Of a number of pieces those count that are not empty."""
    geometry, times = geometry_of(key[1]), {}
    for variant, us in MEASURED[key].items():
        sizes, pieces = variant.split("/")
        BK = int(re.fullmatch(r"\d+x\d+x(\d+)(?:a\d)?", sizes)[1])
        steps = -(-geometry.N * geometry.OH * geometry.OW // BK)
        times[f"{sizes}/{-(-steps // -(-steps // int(pieces)))}"] = us
    return times


def product_of(shape, direction):
    """Return the sizes of a dense layer's product: "dense N32 1600->128"."""
    N, into, out = map(int, re.fullmatch(r"dense N(\d+) (\d+)->(\d+)", shape).groups())
    return Work(*{"forward": (N, out, into), "input": (N, into, out), "weight": (out, into, N)}[direction])


def gather_of(shape, direction):
    geometry = geometry_of(shape)
    return Gather.output(geometry) if direction == "forward" else Gather.input(geometry)


def estimates(shape, direction, variants):
    """Return the estimated us of those variants that are chosen from."""
    for variant in variants:
        sizes, stages, pieces = re.fullmatch(r"([\dx]+)(?:a(\d))?(?:/(\d+))?", variant).groups()
        adding = ADDING_START
        if shape.startswith("dense"):
            work, rungs, adding = product_of(shape, direction), (products.TILES,), products.ADDING_START
        elif direction == "weight":
            work, rungs = weight_tiles.work_of(geometry_of(shape)), (weight_tiles.TILES, async_tiles.TILES)
        else:
            work, rungs = gather_of(shape, direction).work, (register_tiles.TILES,)
        table = dict(zip((1, async_tiles.STAGES), rungs, strict=False)).get(int(stages or 1), {})
        for tile, pace in table.items():
            if "x".join(map(str, tile[:3])) == sizes:
                yield variant, work.time(tile, int(pieces or 1), pace, adding)


def test_there_are_measurements():
    assert len({shape for _, shape, _ in MEASURED}) >= 6


@pytest.mark.parametrize("key", ALL_TILES, ids=lambda key: " ".join(key))
def test_the_choice_was_measured_and_is_nearly_the_fastest_of_all(key):
    """Of all tiles, pieces and stages: also of those that are not chosen from."""
    _, shape, direction = key
    times = weight_times(key) if direction == "weight" else MEASURED[key]
    if direction == "weight":
        choice = named(*weight_tiles.choices(geometry_of(shape))[0])
    else:
        choice = named(*register_tiles.choices(gather_of(shape, direction))[0])
    best = min(times, key=times.get)
    assert times[choice] <= 1.1 * times[best], f"{choice} takes {times[choice]} us, {best} {times[best]}"


@pytest.mark.parametrize("key", PRODUCTS, ids=lambda key: " ".join(key))
def test_of_the_products_that_were_measured_nearly_the_fastest_is_preferred(key):
    """Or one that is only 2.5 us slower, if the fastest is in pieces: Python starts the second launch."""
    times = MEASURED[key]
    guesses = dict(estimates(*key[1:], times))
    choice, best = min(guesses, key=guesses.get), min(times, key=times.get)
    assert times[choice] <= max(1.1 * times[best], times[best] + 2.5), f"{choice}, not {best}: {times}"


@pytest.mark.parametrize("key", ALL_TILES, ids=lambda key: " ".join(key))
def test_estimates_are_of_the_right_size(key):
    for variant, estimate in estimates(*key[1:], MEASURED[key]):
        assert 0.5 < estimate / MEASURED[key][variant] < 2, variant


@pytest.mark.parametrize(
    ("capability", "make", "tiles"),
    [
        ((7, 5), weight_tiles.parts_kernel, weight_tiles.TILES),
        ((8, 0), async_tiles.async_kernel, async_tiles.TILES),
    ],
    ids=["7.5", "8.0"],
)
def test_which_rung_serves_the_gradient_by_the_weights(monkeypatch, capability, make, tiles):
    """Rung 7, if it is asked for and the GPU has copies that nobody waits for."""
    launched = []
    monkeypatch.setattr(async_tiles, "capability", lambda: capability)
    monkeypatch.setattr(Launch, "__call__", lambda launch, *_: launched.append(launch.kernel))
    x, g = np.zeros((32, 32, 13, 13), "f"), np.zeros((32, 64, 11, 11), "f")
    ASYNC._write("weight", x, g, np.zeros((64, 32, 3, 3), "f"), geometry_of("N32 C32 13x13 K64 3x3"))
    assert launched[0] in [make(tile, padded_product) for tile in tiles]


def test_small_results_are_cut_into_pieces_and_large_ones_are_not():
    small, large = geometry_of("N64 C64 14x14 K128 4x4 s2 p1"), geometry_of("N64 C256 56x56 K256 3x3 p1")
    assert register_tiles.plan(Gather.output(small), False).sums.add is not None
    assert register_tiles.plan(Gather.output(large), False).sums.add is None
    assert weight_tiles.plan(large).add is not None


def test_a_sum_that_is_too_large_to_count_is_left_to_a_rung_below():
    huge = conv2d_geometry((1, 60000, 8, 8), (60000, 60000, 1, 1), (1, 1), (0, 0), (1, 1), 1)
    assert register_tiles.plan(Gather.output(huge), False) is None  # laid out, the weights are 2**31 and more
    assert weight_tiles.plan(huge) is None
