"""Which tile serves which convolution: beside what a GPU has measured. No GPU is needed for that."""

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the CUDA kernels are compiled by Numba")

from tinycnn.kernels.cuda import register_tiles, weight_tiles
from tinycnn.kernels.cuda.gather import Gather
from tinycnn.kernels.geometry import conv2d_geometry

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def measured():
    """Return the us of every recorded tile, by file, shape and direction."""
    found = defaultdict(dict)
    for file in sorted(RESULTS.glob("gpu-*.jsonl")):
        for row in map(json.loads, file.read_text().splitlines()):
            if row["part"] == "tiles" and re.match(r"\d+x\d+x\d+", row["variant"]):
                found[file.stem, row["shape"], row["direction"]][row["variant"]] = row["gpu_us"]
    return found


MEASURED = measured()


def geometry_of(shape):
    """Return the sizes of "N32 C32 13x13 K64 3x3 s2 p1"."""
    pattern = r"N(\d+) C(\d+) (\d+)x(\d+) K(\d+) (\d+)x(\d+)(?: s(\d+))?(?: p(\d+))?"
    N, C, H, W, K, KH, KW, S, P = (int(x or 0) for x in re.fullmatch(pattern, shape).groups())
    return conv2d_geometry((N, C, H, W), (K, C, KH, KW), (S or 1,) * 2, (P, P), (1, 1), 1)


def estimates(shape, direction, variants):
    """Return the estimated us of those variants that are chosen from."""
    geometry = geometry_of(shape)
    for variant in variants:
        sizes, _, pieces = variant.partition("/")
        module = weight_tiles if direction == "weight" else register_tiles
        named = {"x".join(map(str, tile[:3])): tile for tile in module.TILES}
        if sizes not in named:
            continue
        tile, p = named[sizes], int(pieces or 1)
        if direction == "weight":
            yield variant, weight_tiles.estimate(geometry, tile, p)
        else:
            gather = Gather.output(geometry) if direction == "forward" else Gather.input(geometry)
            yield variant, register_tiles.estimate(gather, tile, p)


def test_there_are_measurements():
    assert len({shape for _, shape, _ in MEASURED}) >= 6


@pytest.mark.parametrize("key", MEASURED, ids=lambda key: " ".join(key))
def test_of_what_was_measured_the_choice_is_nearly_the_fastest(key):
    times = MEASURED[key]
    estimated = dict(estimates(*key[1:], times))
    choice = min(estimated, key=estimated.get)
    best = min(times[variant] for variant in estimated)
    assert times[choice] <= 1.1 * best, f"{choice} takes {times[choice]} us, the fastest {best}"


@pytest.mark.parametrize("key", MEASURED, ids=lambda key: " ".join(key))
def test_estimates_are_of_the_right_size(key):
    for variant, estimate in estimates(*key[1:], MEASURED[key]):
        assert 0.5 < estimate / MEASURED[key][variant] < 2, variant


def test_small_results_are_cut_into_pieces_and_large_ones_are_not():
    small, large = geometry_of("N32 C32 13x13 K64 3x3"), geometry_of("N64 C256 56x56 K256 3x3 p1")
    assert register_tiles.plan(Gather.output(small), False).add is not None
    assert register_tiles.plan(Gather.output(large), False).add is None
    assert weight_tiles.plan(large).add is not None


def test_a_sum_that_is_too_large_to_count_is_left_to_a_rung_below():
    huge = conv2d_geometry((1, 60000, 8, 8), (60000, 60000, 1, 1), (1, 1), (0, 0), (1, 1), 1)
    assert register_tiles.plan(Gather.output(huge), False) is None  # laid out, the weights are 2**31 and more
    assert weight_tiles.plan(huge) is None
